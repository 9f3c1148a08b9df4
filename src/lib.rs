//! onnxpress
