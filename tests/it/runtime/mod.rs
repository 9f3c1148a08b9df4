//! Running models: ONNX Runtime, tract, and what they answer to what they cannot run.

pub(crate) mod cases;
mod models;
mod ort;
#[cfg(feature = "tract")]
mod tract;
