//! The verifier: what every model holds before a pass, after it, and when it is written.
//!
//! It runs after each pass in tests and once before each write. What it demands, ONNX Runtime's loader demands too or
//! only a defect of ours can break.
//!
//! | | invariant | broken by |
//! |---|---|---|
//! | V1 | Every operand and region output is recorded once among its value's uses, and nothing else is. | us |
//! | V2 | A value is where its definition says: listed once by its region, or an output of its node. Nothing reads a value whose producer is gone. | us |
//! | V3 | A live node is listed once by its live region. | us |
//! | V4 | A body is held by one attribute of one node, the one it calls its parent; the root by none. | us |
//! | V5 | A value is visible where it is read or returned. | us |
//! | V6 | No node depends on its own outputs, bodies included. | a file or us |
//! | V7 | Inputs and outputs of the root graph and of functions have names, each the name of one value. | a file or us |
//! | V8 | The known type of a constant is its tensor's. | us |
//! | V9 | A domain whose ops are known and used is imported, unless a function of the model defines the op. | a file or us |
//! | V10 | A node of an `ai.onnx` op of a known version has as many operands and outputs as the op's schema allows, and its required attributes, of their kinds. | a file or us |
//! | V11 | No two functions have one domain, name and overload. | a file |
//!
//! Other names may clash or be missing: export gives those that are read names of their own. Unknown ops, domains and
//! attributes are ordinary. Functions see nothing outside: each has a graph of its own.

mod interface;
mod structure;

use crate::error::{Error, Result};
use crate::ir::{Graph, Model, ValueId};

/// Checks all invariants of a model's graph and functions.
///
/// # Errors
/// The first invariant that does not hold, by number, with the node or value at fault.
pub fn verify(model: &Model) -> Result<()> {
    structure::verify(&model.graph, &[])?;
    for function in &model.functions {
        let held: Vec<_> = function.defaults.iter().flat_map(|a| a.value.regions().to_vec()).collect();
        structure::verify(&function.graph, &held)?;
    }
    interface::verify(model)
}

/// An error that no file can cause.
fn defect(rule: &str, message: impl AsRef<str>) -> Error {
    Error::new(format!("{} ({rule})", message.as_ref()))
        .with_help("this is a defect of onnxpress: please report it with the model and the command")
}

/// What to call a value in an error.
fn value_label(graph: &Graph, value: ValueId) -> String {
    match graph.value(value).name() {
        name if name.is_empty() => format!("{value:?}"),
        name => name.to_string(),
    }
}

#[cfg(test)]
mod tests;
