//! How long it takes to read and to write a model.

use std::path::{Path, PathBuf};

use divan::Bencher;
use divan::counter::BytesCount;
use onnxpress::io::{self, WriteOptions};

const MODELS: [&str; 4] = ["silero-vad", "minilm-l6-int8w", "minilm-l6", "piper-vits"];

fn main() {
    divan::main();
}

fn path(model: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("fixtures/cache/models").join(model).with_extension("onnx")
}

#[divan::bench(args = MODELS)]
fn load(bencher: Bencher<'_, '_>, model: &str) {
    let path = path(model);
    let bytes = io::load(&path).expect("fetch the fixtures first").bytes;
    bencher.counter(BytesCount::new(bytes)).bench(|| io::load(&path));
}

#[divan::bench(args = MODELS)]
fn write(bencher: Bencher<'_, '_>, model: &str) {
    let loaded = io::load(path(model)).expect("fetch the fixtures first");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = folder.path().join("out.onnx");
    let write = || io::save(&loaded.model, &target, &WriteOptions::default());
    bencher.counter(BytesCount::new(loaded.bytes)).bench(write);
}
