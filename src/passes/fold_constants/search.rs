//! Which nodes depend on constants alone, and what they compute as far as we have kernels.

use crate::analysis::Facts;
use crate::error::Result;
use crate::ir::{Attr, Dim, Graph, NodeId, Opsets, RegionId, ValueId, topological};
use crate::passes::fold::{Call, evaluate as run_kernel};
use crate::rewrite::Context;
use crate::schema;
use crate::tensor::{DType, Data, Tensor};
use rustc_hash::{FxHashMap, FxHashSet};

/// Bytes that one intermediate result may take.
const SINGLE_LIMIT: usize = 256 << 20;

/// Results up to this size are computed whatever the budget says.
const ALWAYS: usize = 1 << 16;

/// Bytes that all intermediate results together may take.
const TOTAL_LIMIT: usize = 1 << 30;

/// What is known without running the model.
#[derive(Default)]
pub(super) struct Known {
    /// Values of outputs; initializers and `Constant` nodes are not repeated here.
    pub(super) values: FxHashMap<ValueId, Tensor>,
    /// Nodes all of whose outputs that are read are known.
    pub(super) nodes: FxHashSet<NodeId>,
    /// The same, in order of dependency.
    pub(super) order: Vec<NodeId>,
    /// Nodes on constants alone for which there is no kernel, in order of dependency.
    pub(super) open: Vec<NodeId>,
    bytes: usize,
    /// Bytes by which a result may exceed its operands: more would be refused in any case.
    slack: usize,
}

impl Known {
    /// Bytes that a result may take beside operands of so many.
    pub(super) fn limit(&self, operands: usize) -> usize {
        operands.saturating_add(self.slack).min(SINGLE_LIMIT)
    }

    /// The constant behind a value.
    pub(super) fn constant(&self, graph: &Graph, value: ValueId) -> Option<Tensor> {
        self.values.get(&value).cloned().or_else(|| graph.const_value(value))
    }

    /// Remembers what a node computes, unless that takes too much memory or is not what the graph says of it.
    pub(super) fn insert(&mut self, graph: &Graph, node: NodeId, results: Vec<(ValueId, Tensor)>) -> bool {
        let held = |t: &Tensor| if matches!(t.data(), Data::Bytes(_)) { t.byte_len() } else { 0 };
        let bytes = results.iter().map(|(_, t)| held(t)).fold(self.bytes, usize::saturating_add);
        let complete = graph
            .node(node)
            .outputs()
            .iter()
            .all(|o| graph.value(*o).uses().is_empty() || results.iter().any(|(v, _)| v == o));
        if !complete || bytes > TOTAL_LIMIT || !results.iter().all(|(v, t)| is_of_type(graph, *v, t)) {
            return false;
        }
        self.bytes = bytes;
        self.values.extend(results);
        self.nodes.insert(node);
        self.order.push(node);
        true
    }
}

/// Whether a tensor has the type and the dims that are known of a value (S2).
fn is_of_type(graph: &Graph, value: ValueId, tensor: &Tensor) -> bool {
    graph.tensor_type(value).is_none_or(|ty| {
        let dims = |shape: &[Dim]| {
            let sizes = shape.iter().map(Dim::as_fixed).zip(tensor.shape());
            shape.len() == tensor.rank() && sizes.into_iter().all(|(d, &n)| d.is_none_or(|d| d == n as u64))
        };
        ty.dtype == tensor.dtype() && ty.shape.as_deref().is_none_or(dims)
    })
}

/// Runs the kernels over all regions, outer ones first.
pub(super) fn evaluate(graph: &Graph, opsets: &Opsets, facts: &Facts, budget: u64) -> Result<Known> {
    let cx = Context { graph, opsets, facts, in_function: false };
    let slack = usize::try_from(budget).unwrap_or(usize::MAX).max(ALWAYS);
    let mut known = Known { slack, ..Known::default() };
    let mut open: FxHashSet<NodeId> = FxHashSet::default();
    visit(&cx, RegionId::ROOT, &mut known, &mut open)?;
    Ok(known)
}

fn visit(cx: &Context<'_>, region: RegionId, known: &mut Known, open: &mut FxHashSet<NodeId>) -> Result<()> {
    for id in topological(cx.graph, region)? {
        for body in cx.node(id).regions() {
            visit(cx, body, known, open)?;
        }
        if !may_fold(cx, id) {
            continue;
        }
        if let Some(results) = from_facts(cx, id).or_else(|| from_kernel(cx, id, known)) {
            known.insert(cx.graph, id, results);
        } else if !rounds_halves(cx, id) && depends_on_constants(cx, id, known, open) && open.insert(id) {
            known.open.push(id);
        }
    }
    Ok(())
}

/// Whether the node is a function of its operands that may be computed ahead of time.
fn may_fold(cx: &Context<'_>, id: NodeId) -> bool {
    let node = cx.node(id);
    let kept = matches!(node.op().name, "Constant" | "QuantizeLinear" | "DequantizeLinear");
    let version = cx.opsets.get(node.op().domain).unwrap_or(1);
    let known_op = schema::lookup(node.op().domain, node.op().name, version).is_some();
    let plain = |a: &Attr| a.regions().is_empty() && !matches!(a, Attr::Ref(..));
    let read = |&o: &ValueId| !cx.graph.value(o).uses().is_empty();
    known_op
        && !kept
        && node.outputs().iter().any(read)
        && node.attrs().iter().all(|a| plain(&a.value))
        && !cx.is_random(id)
}

/// ONNX Runtime has few half kernels for the CPU: it computes chains in `f32` and rounds at their ends, so that a part
/// of one gives other bits than the whole.
fn rounds_halves(cx: &Context<'_>, id: NodeId) -> bool {
    let node = cx.node(id);
    node.op().name != "Cast" && node.outputs().iter().any(|&o| cx.graph.dtype(o) == Some(DType::F16))
}

/// Elements that shape inference knows, for outputs of fixed shape.
fn from_facts(cx: &Context<'_>, id: NodeId) -> Option<Vec<(ValueId, Tensor)>> {
    let read = cx.node(id).outputs().iter().filter(|&&o| !cx.graph.value(o).uses().is_empty());
    read.map(|&o| {
        let elements = cx.facts.constant_elements(o)?;
        let shape = fixed_shape(cx.graph, o)?;
        let tensor = match cx.graph.dtype(o)? {
            DType::I64 => Tensor::from_slice(&shape, &elements),
            DType::Bool => Tensor::from_slice(&shape, &elements.iter().map(|&e| e != 0).collect::<Vec<_>>()),
            DType::I32 => {
                let narrow: Vec<i32> =
                    elements.iter().map(|&e| i32::try_from(e).ok()).collect::<Option<_>>()?;
                Tensor::from_slice(&shape, &narrow)
            }
            _ => return None,
        };
        Some((o, tensor.ok()?))
    })
    .collect()
}

/// The dims of a value where each is a number.
pub(super) fn fixed_shape(graph: &Graph, value: ValueId) -> Option<Vec<usize>> {
    graph.shape(value)?.iter().map(|d| usize::try_from(d.as_fixed()?).ok()).collect()
}

fn from_kernel(cx: &Context<'_>, id: NodeId, known: &Known) -> Option<Vec<(ValueId, Tensor)>> {
    let node = cx.node(id);
    if !node.op().domain.is_empty() {
        return None;
    }
    let inputs: Vec<Option<Tensor>> = node
        .inputs()
        .map(|v| v.map_or(Some(None), |v| known.constant(cx.graph, v).map(Some)))
        .collect::<Option<_>>()?;
    let limit = known.limit(inputs.iter().flatten().map(Tensor::byte_len).fold(0, usize::saturating_add));
    let outputs = run_kernel(&Call { node, opset: cx.opset(), inputs: &inputs, limit })?;
    Some(node.outputs().iter().copied().zip(outputs).collect())
}

/// Whether all operands are constant, or will be once the nodes before have been run.
fn depends_on_constants(cx: &Context<'_>, id: NodeId, known: &Known, open: &FxHashSet<NodeId>) -> bool {
    let node = cx.node(id);
    let constant = |v: ValueId| {
        known.values.contains_key(&v)
            || cx.graph.is_const(v)
            || cx.graph.producer(v).is_some_and(|p| open.contains(&p))
    };
    // Without operands there is nothing that says how large the result is.
    node.inputs().flatten().count() > 0 && node.inputs().flatten().all(constant)
}
