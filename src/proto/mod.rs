//! The ONNX messages, generated from `proto/*.proto` (onnx 1.23.2), and a reader of their wire format.
//!
//! `prost` drops fields that it does not know and copies those that it does. What must not lose or copy anything reads
//! the wire format itself, with [`wire`]; small closed messages and all encoding are `prost`'s.

pub mod wire;

pub use messages::*;

#[allow(missing_docs, unreachable_pub, clippy::all)]
mod messages {
    include!(concat!(env!("OUT_DIR"), "/onnx.rs"));
}
