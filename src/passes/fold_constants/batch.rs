//! Nodes without a kernel, run by a runtime: a few hundred to a session, since a session costs more than a node.
//!
//! A session that fails is split in two until the node at fault is alone; that one stays in the graph.

use super::search::{Known, fixed_shape};
use crate::io;
use crate::ir::{Graph, Model, NewNode, NewOutput, NodeId, Opsets, RegionId, ValueId};
use crate::runtime::{RunValue, Runtime, SessionOptions, Source};
use crate::tensor::Tensor;
use rustc_hash::{FxHashMap, FxHashSet};

/// Nodes to a session.
const NODES: usize = 300;

/// Runs the open nodes and adds what they compute to what is known.
pub(super) fn evaluate(model: &Model, known: &mut Known, runtime: &dyn Runtime) {
    let open = std::mem::take(&mut known.open);
    let batch = Batch { model, runtime };
    let small: Vec<NodeId> = open.into_iter().filter(|&n| batch.is_small(n, known)).collect();
    small.chunks(NODES).for_each(|nodes| batch.run(nodes, known));
}

struct Batch<'a> {
    model: &'a Model,
    runtime: &'a dyn Runtime,
}

impl Batch<'_> {
    fn graph(&self) -> &Graph {
        &self.model.graph
    }

    /// Whether all results that are read are tensors of a known and bearable size.
    fn is_small(&self, node: NodeId, known: &Known) -> bool {
        let graph = self.graph();
        let read = graph.node(node).inputs().flatten().filter_map(|v| known.constant(graph, v));
        let operands = read.map(|t| t.byte_len()).fold(0, usize::saturating_add);
        graph.node(node).outputs().iter().filter(|&&o| !graph.value(o).uses().is_empty()).all(|&o| {
            let bytes = fixed_shape(graph, o).and_then(|shape| {
                let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
                graph.dtype(o)?.byte_len(count)
            });
            bytes.is_some_and(|n| n <= known.limit(operands))
        })
    }

    fn run(&self, nodes: &[NodeId], known: &mut Known) {
        match self.session(nodes, known) {
            Some(results) => {
                for &node in nodes {
                    let outputs = self.graph().node(node).outputs().iter();
                    let own = outputs.filter_map(|o| Some((*o, results.get(o)?.clone()))).collect();
                    known.insert(self.graph(), node, own);
                }
            }
            None if nodes.len() > 1 => {
                let (front, back) = nodes.split_at(nodes.len() / 2);
                self.run(front, known);
                self.run(back, known);
            }
            None => {}
        }
    }

    /// One session over the nodes; `None` where an operand is not known or the runtime refuses.
    fn session(&self, nodes: &[NodeId], known: &Known) -> Option<FxHashMap<ValueId, Tensor>> {
        let mut small = Model::new(self.model.opset());
        small.ir_version = self.model.ir_version;
        small.opsets = self.imports(nodes);
        let fetched = self.copy(nodes, known, &mut small.graph)?;
        let source = Source::bytes(io::to_bytes(&small).ok()?);
        let mut session = self.runtime.session(&source, &SessionOptions::default()).ok()?;
        let names: Vec<String> = fetched.iter().map(|v| name(*v)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let outputs = session.run(&[], &names).ok()?;
        let mut results = FxHashMap::default();
        for (value, output) in fetched.into_iter().zip(outputs) {
            let RunValue::Tensor(tensor) = output else { return None };
            if self.graph().dtype(value) != Some(tensor.dtype()) {
                return None;
            }
            results.insert(value, tensor);
        }
        Some(results)
    }

    fn imports(&self, nodes: &[NodeId]) -> Opsets {
        let used: FxHashSet<&str> = nodes.iter().map(|&n| self.graph().node(n).op().domain).collect();
        let mut opsets = Opsets::new();
        opsets.set("", self.model.opset());
        for (domain, version) in self.model.opsets.iter().filter(|(d, _)| used.contains(d)) {
            opsets.set(domain, version);
        }
        opsets
    }

    /// Copies the nodes with their constants into a graph that returns what they compute.
    fn copy(&self, nodes: &[NodeId], known: &Known, into: &mut Graph) -> Option<Vec<ValueId>> {
        let mut copies: FxHashMap<ValueId, ValueId> = FxHashMap::default();
        for &id in nodes {
            let node = self.graph().node(id);
            let mut inputs = Vec::with_capacity(node.inputs().len());
            for operand in node.inputs() {
                let Some(value) = operand else {
                    inputs.push(None);
                    continue;
                };
                let copy = match copies.get(&value) {
                    Some(&copy) => copy,
                    None => {
                        let constant = known.constant(self.graph(), value)?;
                        into.add_initializer(RegionId::ROOT, name(value), constant)
                    }
                };
                copies.insert(value, copy);
                inputs.push(Some(copy));
            }
            let outputs = node.outputs().iter().map(|&o| self.output(o)).collect();
            let mut new = NewNode::new(node.op(), inputs, outputs);
            new.attrs = node.attrs().to_vec();
            let copied = into.add_node(RegionId::ROOT, new);
            copies.extend(node.outputs().iter().copied().zip(into.node(copied).outputs().to_vec()));
        }
        let outputs = nodes.iter().flat_map(|&id| self.graph().node(id).outputs().iter().copied());
        let fetched: Vec<ValueId> = outputs.filter(|&o| !self.graph().value(o).uses().is_empty()).collect();
        for value in &fetched {
            let copy = copies[value];
            let ty = self.graph().value(*value).ty().cloned();
            into.set_declared(copy, ty.clone());
            into.set_type(copy, ty);
            into.add_output(RegionId::ROOT, copy);
        }
        Some(fetched)
    }

    fn output(&self, value: ValueId) -> NewOutput {
        if self.graph().value(value).name().is_empty() {
            return NewOutput::default();
        }
        NewOutput { name: name(value).into(), ty: self.graph().value(value).ty().cloned() }
    }
}

/// Names in the session's model: those of the graph may repeat between bodies.
fn name(value: ValueId) -> String {
    format!("v{}", value.index())
}
