//! Products that a compiler joins: of one input, nothing added to them, and read by other products only.
//!
//! Where all of them have one scale, it computes them at once and writes each result where it is read; scales of channels
//! are multiplied with in a step of their own for each. One scale for all is coarser, and taken where that costs no more
//! than [`MOST_LOSS`].

use super::choose::{Choice, Role};
use super::grid::Grid;
use super::layers::Layer;
use super::weights::Weights;
use crate::ir::{Graph, Node, NodeId, RegionId, Use, ValueId};
use rustc_hash::FxHashMap;

/// How much larger the power of the rounding errors of a weight may become: 6 dB, the worth of a bit.
const MOST_LOSS: f64 = 4.0;
/// How many readers are looked at, all in all.
const MOST_READERS: usize = 64;

/// What moves elements and changes none.
const MOVES: [&str; 9] =
    ["Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Split", "Slice", "Gather", "Expand"];

/// The one scale of each product that is joined with others, or with none but read like them.
pub(super) fn joined(graph: &Graph, choices: &[Choice], weights: Grid) -> FxHashMap<NodeId, f32> {
    let mut groups: FxHashMap<(ValueId, RegionId), Vec<(NodeId, Layer)>> = FxHashMap::default();
    for choice in choices {
        let Role::Product { layer, result: None } = choice.role else { continue };
        let node = graph.node(choice.node);
        let plain = layer.bias.is_none() && node.op().is("MatMul") && is_placed(graph, node.outputs()[0]);
        if let Some(data) = node.input(layer.data).filter(|_| plain) {
            groups.entry((data, node.region())).or_default().push((choice.node, layer));
        }
    }
    let mut scales = FxHashMap::default();
    for group in groups.into_values() {
        if let Some(scale) = common(graph, &group, weights) {
            scales.extend(group.into_iter().map(|(node, _)| (node, scale)));
        }
    }
    scales
}

/// One scale for all weights of a group; `None` where it is too coarse for one.
fn common(graph: &Graph, group: &[(NodeId, Layer)], grid: Grid) -> Option<f32> {
    let of_channels = |&(node, layer): &(NodeId, Layer)| {
        let weight = graph.const_value(graph.node(node).input(layer.weight)?)?;
        Some(Weights::round(&weight, Some(layer.axis), grid)?.scales)
    };
    let scales: Vec<Vec<f32>> = group.iter().map(of_channels).collect::<Option<_>>()?;
    let common = scales.iter().flatten().fold(0f32, |most, s| most.max(*s));
    let fits = |scales: &Vec<f32>| {
        let fine: f64 = scales.iter().map(|s| f64::from(*s).powi(2)).sum();
        f64::from(common).powi(2) * scales.len() as f64 <= MOST_LOSS * fine
    };
    scales.iter().all(fits).then_some(common)
}

/// Whether nothing but other products reads its elements, behind movements and scaling.
fn is_placed(graph: &Graph, product: ValueId) -> bool {
    let (mut pending, mut left) = (vec![product], MOST_READERS);
    while let Some(value) = pending.pop() {
        let uses = graph.value(value).uses();
        if uses.is_empty() || uses.len() > left {
            return false;
        }
        left -= uses.len();
        for reader in uses {
            let Use::Operand { node, .. } = *reader else { return false };
            let node = graph.node(node);
            if ["MatMul", "Shape", "Size"].iter().any(|op| node.op().is(op)) {
                continue;
            }
            if !passes_on(graph, node, value) {
                return false;
            }
            pending.extend(node.outputs());
        }
    }
    true
}

/// Whether the node moves the value's elements, or scales them by one number.
fn passes_on(graph: &Graph, node: &Node, value: ValueId) -> bool {
    if node.input(0) == Some(value) && MOVES.iter().any(|op| node.op().is(op)) {
        return true;
    }
    let one = |v: ValueId| {
        graph.is_const(v) && graph.const_value(v).is_some_and(|t| t.shape().iter().product::<usize>() == 1)
    };
    let scales = node.op().is("Mul") || node.op().is("Div") && node.input(0) == Some(value);
    scales && node.inputs().flatten().any(|v| v != value && one(v))
}
