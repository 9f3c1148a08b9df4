//! The proof: verdicts on a runtime of the test's own making, and the real models on ONNX Runtime.

mod graphs;
mod models;
mod verdicts;
