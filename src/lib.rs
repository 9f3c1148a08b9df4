//! onnxpress reads an ONNX model, changes only what a named pass changes, proves that it did no
//! harm, and writes it for the chosen target.

pub mod analysis;
pub mod calibrate;
pub mod check;
pub mod cli;
pub mod data;
pub mod diag;
pub mod error;
mod foreign;
pub mod io;
pub mod ir;
pub mod passes;
pub mod pipeline;
pub mod proto;
pub mod quantize;
pub mod recipe;
pub mod report;
pub mod rewrite;
pub mod runtime;
pub mod schema;
pub mod target;
pub mod tensor;
pub mod text;
pub mod validate;
