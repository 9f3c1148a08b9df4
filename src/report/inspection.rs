//! What is in a model.

use super::plain;
use super::table::{BOLD, table};
use super::units::{bytes, thousands};
use crate::diag::Diags;
use serde::Serialize;
use std::fmt::Write as _;

/// An input or output of the graph.
#[derive(Clone, Debug, Serialize)]
pub struct ValueReport {
    /// Its name.
    pub name: String,
    /// Its declared type, such as `f32[batch,3,224,224]`.
    #[serde(rename = "type")]
    pub ty: Option<String>,
}

/// An imported opset.
#[derive(Clone, Debug, Serialize)]
pub struct OpsetReport {
    /// `ai.onnx` is spelled out.
    pub domain: String,
    /// Its version.
    pub version: i64,
}

/// How often an op is there.
#[derive(Clone, Debug, Serialize)]
pub struct OpCount {
    /// Domain and name, the default domain left out.
    pub op: String,
    /// Nodes of it.
    pub count: u64,
}

/// A model-local function.
#[derive(Clone, Debug, Serialize)]
pub struct FunctionReport {
    /// Domain and name.
    pub name: String,
    /// Nodes of its body.
    pub nodes: u64,
}

/// Weights of one type.
#[derive(Clone, Debug, Serialize)]
pub struct WeightReport {
    /// The element type.
    pub dtype: String,
    /// Tensors of it.
    pub tensors: u64,
    /// Elements of all of them.
    pub elements: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What is in a model.
#[derive(Clone, Debug, Serialize)]
pub struct InspectReport {
    /// The file; `-` for standard input.
    pub input: String,
    /// Bytes of the file, external data included.
    pub bytes: u64,
    /// `ir_version`.
    pub ir_version: i64,
    /// Name and version of what wrote it.
    pub producer: Option<String>,
    /// Opset imports in file order.
    pub opsets: Vec<OpsetReport>,
    /// Graph inputs.
    pub inputs: Vec<ValueReport>,
    /// Graph outputs.
    pub outputs: Vec<ValueReport>,
    /// All nodes: bodies, functions and `Constant`s included.
    pub nodes: u64,
    /// Nodes by op, most frequent first.
    pub ops: Vec<OpCount>,
    /// Initializers by element type.
    pub weights: Vec<WeightReport>,
    /// Model-local functions.
    pub functions: Vec<FunctionReport>,
    /// Remarks of the import and the verifier.
    pub diags: Diags,
}

impl InspectReport {
    /// As a person reads it.
    pub fn human(&self) -> String {
        let mut text = String::new();
        let opsets: Vec<String> =
            self.opsets.iter().map(|o| format!("{} {}", plain(&o.domain), o.version)).collect();
        let _ = writeln!(
            text,
            "{BOLD}{}{BOLD:#}: {}, IR {}, {}",
            self.input,
            bytes(self.bytes),
            self.ir_version,
            opsets.join(", ")
        );
        if let Some(producer) = &self.producer {
            let _ = writeln!(text, "made by {}", plain(producer));
        }
        for (title, values) in [("input", &self.inputs), ("output", &self.outputs)] {
            let rows = values.iter().map(|v| vec![v.name.clone(), v.ty.clone().unwrap_or("?".into())]);
            let _ = write!(text, "\n{}", table(&[title, "type"], rows.collect()));
        }
        let rows = self
            .weights
            .iter()
            .map(|w| vec![w.dtype.clone(), thousands(w.tensors), thousands(w.elements), bytes(w.bytes)]);
        if !self.weights.is_empty() {
            let _ =
                write!(text, "\n{}", table(&["weights", ">tensors", ">elements", ">size"], rows.collect()));
        }
        let rows = self.functions.iter().map(|f| vec![f.name.clone(), thousands(f.nodes)]);
        if !self.functions.is_empty() {
            let _ = write!(text, "\n{}", table(&["function", ">nodes"], rows.collect()));
        }
        let mut rows: Vec<_> = self.ops.iter().map(|o| vec![o.op.clone(), thousands(o.count)]).collect();
        rows.push(vec!["all".into(), thousands(self.nodes)]);
        let _ = write!(text, "\n{}", table(&["op", ">nodes"], rows));
        text
    }
}
