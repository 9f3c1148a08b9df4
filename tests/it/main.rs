//! The integration tests: one binary, a module per topic.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod calibrate;
mod cli;
mod data;
mod engine;
mod fixtures;
mod io;
mod models;
mod node_cases;
mod opset;
mod passes;
mod property;
mod quantize;
mod runtime;
mod shapes;
mod targets;
mod text;
mod unfolded;
mod validate;
