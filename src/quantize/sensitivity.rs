//! How much each node loses by itself, all in one run.
//!
//! Beside every product that is to be quantized stands a copy of it in whole numbers, which reads the same floats. What
//! leaves the graph are two numbers a node, the power of its result and that of the difference:
//!
//! ```text
//! Σ Conv(x, w)²     Σ (Conv(x, w) - Conv(DQ(Q(x)), DQ(w')))²
//! ```
//!
//! So each node is judged on what it would have been given without all the others, and values of any size cost nothing.

use super::place::{Place, place};
use crate::data::Source;
use crate::error::{Error, Result};
use crate::io::{self, ExternalData, Scratch, WriteOptions};
use crate::ir::{Graph, Model, NewNode, NewOutput, NodeId, OpId, RegionId, Type, ValueId};
use crate::runtime::{Optimization, RunError, RunValue, Runtime, SessionOptions};
use crate::tensor::DType;
use std::path::Path;

/// What one node loses.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensitivity {
    /// The node.
    pub node: NodeId,
    /// Power of its result by that of the error, in decibels.
    pub sqnr_db: f64,
}

/// Ranks the products among the places, the most sensitive first.
///
/// # Errors
/// A sample cannot be read, or the model does not run on it.
pub fn sensitivities(
    model: &Model,
    places: &[Place],
    source: &Source,
    samples: usize,
    runtime: &dyn Runtime,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Sensitivity>> {
    let mut copy = model.clone();
    let twins = twins(&mut copy.graph, places);
    if twins.is_empty() {
        return Ok(Vec::new());
    }
    let folder = Scratch::beside(Path::new("-"))?;
    let file = folder.path().join("model.onnx");
    let separate = WriteOptions { external_data: ExternalData::Separate, source: None };
    io::save(&copy, &file, &separate)?;
    // What is measured is the rounding, not the kernels of this machine.
    let options = SessionOptions { threads: 1, optimize: Optimization::Basic, ..SessionOptions::default() };
    let source_file = crate::runtime::Source::file(file);
    let mut session = runtime.session(&source_file, &options).map_err(RunError::into_error)?;
    let names: Vec<String> = twins.iter().flat_map(|t| [t.signal.clone(), t.error.clone()]).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut powers = vec![0f64; names.len()];
    for at in 0..samples.min(source.len()) {
        progress(at);
        let feeds = source.sample(at)?;
        let failed = |e: RunError| e.into_error().about(&format!("sample '{}'", feeds.label));
        let values = session.run(&feeds.as_feeds(), &names).map_err(failed)?;
        for (power, value) in powers.iter_mut().zip(&values) {
            *power += number(value)?;
        }
    }
    let mut all: Vec<Sensitivity> = twins
        .iter()
        .zip(powers.chunks(2))
        .map(|(twin, power)| Sensitivity { node: twin.node, sqnr_db: decibels(power[0], power[1]) })
        .collect();
    all.sort_by(|a, b| a.sqnr_db.total_cmp(&b.sqnr_db));
    Ok(all)
}

fn decibels(signal: f64, error: f64) -> f64 {
    if error == 0.0 { f64::INFINITY } else { 10.0 * (signal / error).log10() }
}

fn number(value: &RunValue) -> Result<f64> {
    let first = match value {
        RunValue::Tensor(tensor) => tensor.to_vec::<f32>().and_then(|v| v.first().copied()),
        _ => None,
    };
    first.map(f64::from).ok_or_else(|| Error::new("a sum of squares is no number"))
}

/// A node, and the outputs that tell the powers.
struct Twin {
    node: NodeId,
    signal: String,
    error: String,
}

/// Puts the copies into a graph.
fn twins(graph: &mut Graph, places: &[Place]) -> Vec<Twin> {
    let mut all = Vec::new();
    let mut copies = Vec::new();
    for original in places.iter().filter(|p| !p.weights.is_empty()) {
        let node = graph.node(original.node);
        let value = node.outputs()[0];
        let (op, inputs, attrs) = (node.op(), node.inputs().collect(), node.attrs().to_vec());
        let output = NewOutput { name: graph.fresh_name("twin"), ty: graph.value(value).ty().cloned() };
        let copy =
            graph.add_node(RegionId::ROOT, NewNode { attrs, ..NewNode::new(op, inputs, vec![output]) });
        let twin = graph.node(copy).outputs()[0];
        let difference = add(graph, "Sub", vec![value, twin]);
        let (signal, error) = (power(graph, value), power(graph, difference));
        all.push(Twin { node: original.node, signal, error });
        copies.push(Place { node: copy, ..original.clone() });
    }
    place(graph, &copies);
    all
}

/// The name of the output that tells the sum of a value's squares.
fn power(graph: &mut Graph, value: ValueId) -> String {
    let sum = add(graph, "ReduceSumSquare", vec![value]);
    graph.add_output(RegionId::ROOT, sum);
    graph.value(sum).name().to_string()
}

fn add(graph: &mut Graph, op: &'static str, inputs: Vec<ValueId>) -> ValueId {
    let name = graph.fresh_name("power");
    let inputs = inputs.into_iter().map(Some).collect();
    let output = NewOutput { name, ty: Some(Type::unranked(DType::F32)) };
    let mut new = NewNode::new(OpId::onnx(op), inputs, vec![output]);
    if op == "ReduceSumSquare" {
        new = new.attr("keepdims", 0i64);
    }
    let node = graph.add_node(RegionId::ROOT, new);
    graph.node(node).outputs()[0]
}
