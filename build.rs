//! Generates the ONNX messages from `proto/*.proto`.

use std::error::Error;

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
    for path in PROTOS.iter().chain(&["build.rs"]) {
        println!("cargo:rerun-if-changed={path}");
    }
    prost_build::Config::new()
        .bytes(SLICED)
        .disable_comments(["."])
        .compile_fds(protox::compile(PROTOS, ["proto"])?)?;
    Ok(())
}
