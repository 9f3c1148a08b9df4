//! Copies of a model that show or fix what the original hides.
//!
//! Copies that observe return all that the model returns, unchanged; a copy that is disturbed only measures noise.

use super::numbers::moved;
use crate::analysis::Facts;
use crate::data::made::rng::Rng;
use crate::diag::Diags;
use crate::ir::{Def, Graph, Model, Name, NewNode, NewOutput, NodeId, OpId, RegionId, Type, Use, ValueId};
use crate::tensor::{DType, Data, Tensor};

/// The condition of one `If`, made an output of the main graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    /// The `If`, as people know it.
    pub(super) label: String,
    /// Outputs whose elements are 1 (taken), 0 (not taken) or -1 (the `If` itself was not reached).
    pub(super) output: Name,
}

/// A copy that also returns the condition of each `If` in the main graph and in the bodies of If and Loop, in order.
/// `None` where there is none.
pub(super) fn with_conditions(model: &Model) -> Option<(Model, Vec<Condition>)> {
    // Before opset 6, Cast names its target otherwise.
    if model.opset() < 6 || !model.graph.nodes().any(|(_, n)| n.op().is("If")) {
        return None;
    }
    let mut copy = model.clone();
    let shown = show_conditions(&mut copy.graph, RegionId::ROOT);
    let mut conditions = Vec::new();
    for (label, value) in shown {
        copy.graph.add_output(RegionId::ROOT, value);
        conditions.push(Condition { label, output: copy.graph.value(value).name().clone() });
    }
    (!conditions.is_empty()).then_some((copy, conditions))
}

/// The conditions in and under a region as `int32` values of that region.
fn show_conditions(graph: &mut Graph, region: RegionId) -> Vec<(String, ValueId)> {
    let mut nodes: Vec<NodeId> = graph.nodes_in(region).map(|(id, _)| id).collect();
    nodes.sort_unstable_by_key(|&n| (graph.node(n).order(), n));
    let mut shown = Vec::new();
    for node in nodes {
        let op = graph.node(node).op();
        let bodies: Vec<RegionId> = graph.node(node).regions().collect();
        if op.is("If") {
            if let Some(condition) = graph.node(node).input(0) {
                let label = graph.label(node);
                let cast = NewNode::new(OpId::onnx("Cast"), vec![Some(condition)], vec![]);
                let value = add(graph, region, cast.attr("to", i64::from(DType::I32.code())));
                shown.push((label, value));
            }
            for &body in &bodies {
                for (label, inner) in show_conditions(graph, body) {
                    for &other in &bodies {
                        let returned = if other == body { inner } else { not_reached(graph, other) };
                        graph.add_output(other, returned);
                    }
                    shown.push((label, node_output(graph, node)));
                }
            }
        } else if op.is("Loop") {
            for body in bodies {
                for (label, inner) in show_conditions(graph, body) {
                    graph.add_output(body, inner);
                    shown.push((label, node_output(graph, node)));
                }
            }
        }
    }
    shown
}

fn node_output(graph: &mut Graph, node: NodeId) -> ValueId {
    let name = graph.fresh_name("condition");
    graph.add_node_output(node, NewOutput { name, ty: Some(Type::unranked(DType::I32)) })
}

fn not_reached(graph: &mut Graph, region: RegionId) -> ValueId {
    add(
        graph,
        region,
        NewNode::new(OpId::onnx("Constant"), vec![], vec![]).attr("value", Tensor::scalar(-1i32)),
    )
}

fn add(graph: &mut Graph, region: RegionId, mut node: NewNode) -> ValueId {
    let name = graph.fresh_name("condition");
    node.outputs = vec![NewOutput { name, ty: Some(Type::unranked(DType::I32)) }];
    let id = graph.add_node(region, node);
    graph.node(id).outputs()[0]
}

/// A copy that also returns these values of the main graph.
pub(crate) fn with_outputs(model: &Model, values: &[ValueId]) -> Model {
    let mut copy = model.clone();
    for &value in values {
        if !copy.graph.is_graph_output(value) {
            copy.graph.add_output(RegionId::ROOT, value);
        }
    }
    copy
}

/// Weights up to this many bytes in all are moved.
const MOVED_BYTES: usize = 64 << 20;
/// Smaller tensors are left alone, since a scale of a Resize or a limit of a Range decides shapes;
/// those of operators that only compute are not.
const FEWEST_MOVED: usize = 64;

/// A copy whose float weights are moved by one unit in the last place, those first that the graph reads first.
/// `None` where no weight is suited.
pub(super) fn with_moved_weights(model: &Model, seed: u64) -> Option<Model> {
    let mut copy = model.clone();
    let mut rng = Rng::new(seed, "weights");
    let mut bytes = 0;
    let mut weights: Vec<(u64, ValueId)> = Vec::new();
    for value in copy.graph.value_ids() {
        if let Def::Initializer { tensor, .. } = copy.graph.value(value).def()
            && tensor.dtype().is_float()
            && (tensor.len() >= FEWEST_MOVED || only_computes(&copy.graph, value))
        {
            weights.push((first_reader(&copy.graph, value), value));
        }
    }
    weights.sort_unstable();
    let mut any = false;
    for (_, value) in weights {
        let graph = &mut copy.graph;
        let (Some(tensor), Some(region)) = (graph.const_value(value), graph.region_of(value)) else {
            continue;
        };
        if bytes + tensor.byte_len() > MOVED_BYTES {
            continue;
        }
        let Some(new) = moved(&tensor, || rng.coin()) else { continue };
        bytes += tensor.byte_len();
        let name = graph.fresh_name("moved");
        let new = graph.add_initializer(region, name, new);
        take_place(graph, value, new);
        any = true;
    }
    any.then_some(copy)
}

/// A copy in which floats of the main graph are moved by about one unit in the last place before they are rounded.
/// `None` where none are.
pub(super) fn with_moved_roundings(model: &Model, seed: u64) -> Option<Model> {
    // Before opset 7 operands broadcast by attributes.
    if model.opset() < 7 {
        return None;
    }
    let mut copy = model.clone();
    Facts::new().infer_model(&mut copy, &mut Diags::new());
    let mut rng = Rng::new(seed, "roundings");
    let graph = &mut copy.graph;
    let nodes = graph.nodes_in(RegionId::ROOT).map(|(id, _)| id);
    let rounding: Vec<NodeId> = nodes.filter(|&n| rounds(graph, n)).collect();
    let mut any = false;
    for node in rounding {
        let Some(value) = graph.node(node).input(0).filter(|&v| graph.dtype(v) == Some(DType::F32)) else {
            continue;
        };
        // One factor for all would be lost again where the scale is taken from the same values.
        let last =
            graph.shape(value).and_then(|s| s.last()?.as_fixed()).and_then(|n| usize::try_from(n).ok());
        let shape: Vec<usize> = last.filter(|&n| n <= MOVED_BYTES).into_iter().collect();
        let factors: Vec<f32> = (0..shape.iter().product())
            .map(|_| if rng.coin() { 1.0 + f32::EPSILON } else { 1.0 - f32::EPSILON / 2.0 })
            .collect();
        let Ok(factors) = Tensor::from_slice(&shape, &factors) else { continue };
        let [name, output] = ["factors", "moved"].map(|base| graph.fresh_name(base));
        let factors = graph.add_initializer(RegionId::ROOT, name, factors);
        let inputs = vec![Some(value), Some(factors)];
        let product = NewNode::new(OpId::onnx("Mul"), inputs, vec![NewOutput::named(output)]);
        let product = graph.add_node(RegionId::ROOT, product);
        let moved = graph.node(product).outputs()[0];
        graph.set_operand(node, 0, Some(moved));
        any = true;
    }
    any.then_some(copy)
}

/// Whether a node makes whole numbers, or floats of fewer digits, of floats.
fn rounds(graph: &Graph, node: NodeId) -> bool {
    let n = graph.node(node);
    let coarser = || n.int("to") != Some(i64::from(DType::F64.code()));
    match n.op().name {
        "DynamicQuantizeLinear" | "QuantizeLinear" | "Round" | "Floor" | "Ceil" => true,
        "Cast" => coarser(),
        _ => false,
    }
}

fn only_computes(graph: &Graph, value: ValueId) -> bool {
    let computes = |node: NodeId| {
        let name = graph.node(node).op().name;
        name.contains("Quantize") || name.contains("Normalization") || name.contains("Conv") || name == "Gemm"
    };
    graph.value(value).uses().iter().all(|u| matches!(u, Use::Operand { node, .. } if computes(*node)))
}

fn first_reader(graph: &Graph, value: ValueId) -> u64 {
    let orders = graph.value(value).uses().iter().map(|u| match u {
        Use::Operand { node, .. } => graph.node(*node).order(),
        Use::RegionOutput { .. } => u64::MAX,
    });
    orders.min().unwrap_or(u64::MAX)
}

/// Gives all uses of `old`, and its name, to `new`.
pub(super) fn take_place(graph: &mut Graph, old: ValueId, new: ValueId) {
    let name = graph.value(old).name().clone();
    let declared = graph.value(old).declared().cloned();
    graph.replace_uses(old, new);
    let aside = graph.fresh_name("replaced");
    graph.rename(old, aside);
    graph.rename(new, name);
    graph.set_declared(new, declared);
    if matches!(graph.value(old).def(), Def::Initializer { .. }) {
        graph.remove_initializer(old);
    }
}

/// Whether serializing a copy puts more than about this many bytes in memory.
pub(super) fn is_heavy(model: &Model, bytes: usize) -> bool {
    let held = |v: ValueId| match model.graph.value(v).def() {
        Def::Initializer { tensor, .. } if !matches!(tensor.data(), Data::External(_)) => tensor.byte_len(),
        _ => 0,
    };
    model.graph.value_ids().map(held).fold(0usize, usize::saturating_add) > bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::text::parse_model;

    #[test]
    fn what_is_rounded_is_moved_before() {
        let text = "<ir_version: 8, opset_import: [\"\" : 17]> g (float[2,3] x, double[2] d) => (float[2,3] y, int64[2] n)
            { a = Neg (x) q, s, z = DynamicQuantizeLinear (a) b = DequantizeLinear (q, s, z) y = Floor (b)
              n = Cast <to = 7> (d) }";
        let moved = with_moved_roundings(&parse_model(text).unwrap(), 1).unwrap();
        let products = moved.graph.nodes().filter(|(_, n)| n.op().is("Mul")).count();
        assert_eq!(
            products, 2,
            "before DynamicQuantizeLinear and Floor; the other Cast reads no single precision"
        );
        let plain =
            "<ir_version: 8, opset_import: [\"\" : 17]> g (float[2] x) => (float[2] y) { y = Neg (x) }";
        assert!(with_moved_roundings(&parse_model(plain).unwrap(), 1).is_none());
    }
}
