//! Looks at models without changing them.

use super::measure::{data_bytes, node_count};
use crate::analysis::verify;
use crate::error::Result;
use crate::io::load;
use crate::ir::{Def, Function, Graph, Model, OpId, ValueId, shown_domain};
use crate::proto::ModelProto;
use crate::report::{
    DiffReport, FunctionReport, InspectReport, OpCount, OpsetReport, TextReport, ValueReport, WeightReport,
};
use crate::text::{self, PrintOptions, print_model, type_text};
use prost::Message;
use std::collections::BTreeMap;
use std::path::Path;

/// What is in a model; `-` is standard input.
///
/// # Errors
/// The file is no model. One that is read but invalid is remarked as `invalid-model`.
pub fn inspect(path: &Path) -> Result<InspectReport> {
    let loaded = load(path)?;
    let (model, mut diags) = (loaded.model, loaded.diags);
    if let Err(error) = verify(&model) {
        diags.warn("invalid-model", error.node(), error.message());
    }
    let graph = &model.graph;
    Ok(InspectReport {
        input: path.display().to_string(),
        bytes: loaded.bytes + data_bytes(&model),
        ir_version: model.ir_version,
        producer: producer(&model),
        opsets: model
            .opsets
            .iter()
            .map(|(domain, version)| OpsetReport { domain: shown_domain(domain).to_owned(), version })
            .collect(),
        inputs: graph.root().inputs().iter().map(|&v| value(graph, v)).collect(),
        outputs: graph.root().outputs().map(|v| value(graph, v)).collect(),
        nodes: node_count(&model),
        ops: ops(&model),
        weights: weights(&model),
        functions: functions(&model),
        diags,
    })
}

/// A model in ONNX textual syntax, long constants cut short; `-` is standard input.
///
/// # Errors
/// The file is no model.
pub fn model_text(path: &Path) -> Result<TextReport> {
    let model = load(path)?.model;
    Ok(TextReport { input: path.display().to_string(), text: print_model(&model, PrintOptions::SHORT) })
}

/// What is different between two models, as text.
///
/// # Errors
/// One of the files is no model.
pub fn diff(a: &Path, b: &Path) -> Result<DiffReport> {
    let found = text::diff(&load(a)?.model, &load(b)?.model);
    let (a, b) = (a.display().to_string(), b.display().to_string());
    let same = found.is_empty();
    let diff = if same { String::new() } else { format!("--- {a}\n+++ {b}\n{}", found.lines) };
    Ok(DiffReport { a, b, same, removed: found.removed, added: found.added, diff })
}

/// Name and version, which the IR carries without reading them.
fn producer(model: &Model) -> Option<String> {
    let fields = model.residue.fields().concat();
    let carried = ModelProto::decode(fields.as_slice()).ok()?;
    let parts = [carried.producer_name, carried.producer_version];
    let words: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

fn value(graph: &Graph, v: ValueId) -> ValueReport {
    let value = graph.value(v);
    ValueReport { name: value.name().to_string(), ty: value.declared().map(type_text) }
}

fn ops(model: &Model) -> Vec<OpCount> {
    let mut counts: BTreeMap<OpId, u64> = BTreeMap::new();
    for (_, node) in model.graphs().flat_map(Graph::nodes) {
        *counts.entry(node.op()).or_default() += 1;
    }
    let mut ops: Vec<_> =
        counts.into_iter().map(|(op, count)| OpCount { op: op.to_string(), count }).collect();
    ops.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.op.cmp(&b.op)));
    ops
}

fn weights(model: &Model) -> Vec<WeightReport> {
    let mut weights: BTreeMap<&str, WeightReport> = BTreeMap::new();
    for v in model.graph.value_ids() {
        let (Def::Initializer { tensor, .. } | Def::Input { default: Some(tensor), .. }) =
            model.graph.value(v).def()
        else {
            continue;
        };
        let dtype = tensor.dtype().name();
        let empty = || WeightReport { dtype: dtype.to_owned(), tensors: 0, elements: 0, bytes: 0 };
        let weight = weights.entry(dtype).or_insert_with(empty);
        weight.tensors += 1;
        weight.elements += tensor.len() as u64;
        weight.bytes += tensor.byte_len() as u64;
    }
    weights.into_values().collect()
}

fn functions(model: &Model) -> Vec<FunctionReport> {
    let report = |f: &Function| FunctionReport {
        name: format!("{}.{}", shown_domain(&f.domain), f.name),
        nodes: f.graph.len() as u64,
    };
    model.functions.iter().map(report).collect()
}
