//! The `onnxpress` command.
fn main() {}
