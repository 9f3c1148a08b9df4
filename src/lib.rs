//! onnxpress

pub mod schema;
