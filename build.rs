//! Generates the ONNX messages from `proto/*.proto`, and the registry of passes from the lines of `src/passes/mod.rs`.

use std::error::Error;
use std::path::Path;

/// Its public modules are the passes, in the order in which they run.
const PASSES: &str = "src/passes/mod.rs";

const PROTOS: [&str; 2] = ["proto/onnx.proto", "proto/onnx-data.proto"];

/// Fields that hold payload: generated as `Bytes`, so that decoding slices the file instead of copying it.
const SLICED: [&str; 5] = [
    ".onnx.TensorProto.raw_data",
    ".onnx.TensorProto.string_data",
    ".onnx.AttributeProto.s",
    ".onnx.AttributeProto.strings",
    ".onnx.MapProto.string_keys",
];

fn main() -> Result<(), Box<dyn Error>> {
    for path in PROTOS.iter().chain(&["build.rs", PASSES]) {
        println!("cargo:rerun-if-changed={path}");
    }
    prost_build::Config::new()
        .bytes(SLICED)
        .disable_comments(["."])
        .compile_fds(protox::compile(PROTOS, ["proto"])?)?;
    let registry = registry(&std::fs::read_to_string(PASSES)?);
    std::fs::write(Path::new(&std::env::var("OUT_DIR")?).join("registry.rs"), registry)?;
    Ok(())
}

fn registry(passes: &str) -> String {
    let names = passes.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let entries = names.map(|name| {
        let source = format!("concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/src/passes/{name}.rs\")");
        format!("        Entry {{ work: crate::passes::{name}::pass(), source: include_str!({source}) }},\n")
    });
    format!(
        "/// All passes, in the order in which they run.\npub fn registry() -> Vec<Entry> {{\n    vec![\n{}    ]\n}}\n",
        entries.collect::<String>()
    )
}
