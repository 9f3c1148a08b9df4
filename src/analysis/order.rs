//! The order of nodes, under the name by which rules and passes ask for it.

pub use crate::ir::{captures, topological};
