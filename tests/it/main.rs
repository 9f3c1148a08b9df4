//! The integration tests: one binary, a module per topic.
#![allow(clippy::unwrap_used)]

mod text;
