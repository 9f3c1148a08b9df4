//! ONNX textual syntax, read and written.
