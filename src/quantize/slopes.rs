//! How much of an error in a value its only reader passes on.

use super::probe::Probe;
use super::responses::readers;
use crate::ir::{Model, NodeId, ValueId};
use crate::tensor::DType;
use rustc_hash::FxHashMap;

/// Slopes are taken over such a share of the largest magnitude, to both sides.
const STEP: f32 = 1.0 / 256.0;

/// The square of the slope, up to a factor, of the function that alone reads a value in a model, at each of its elements;
/// `None` where there is no such function.
pub(super) fn passed(probe: &mut Probe, model: &Model, value: ValueId) -> Option<ValueId> {
    let readers = readers(&model.graph, value);
    if readers.is_empty() {
        return None;
    }
    let sizes = probe.add("Abs", &[value], DType::F32);
    let largest = probe.reduce("ReduceMax", sizes, &[]);
    let (share, least) = (probe.constant(&[STEP]), probe.constant(&[f32::MIN_POSITIVE]));
    let step = probe.add("Mul", &[largest, share], DType::F32);
    let step = probe.add("Max", &[step, least], DType::F32);
    let ends = ["Add", "Sub"].map(|op| {
        let end = probe.add(op, &[value, step], DType::F32);
        through(probe, &readers, value, end)
    });
    let rise = probe.add("Sub", &ends, DType::F32);
    let slope = probe.add("Div", &[rise, step], DType::F32);
    Some(probe.add("Mul", &[slope, slope], DType::F32))
}

/// What nodes that follow each other from a value on would make of another.
pub(super) fn through(probe: &mut Probe, readers: &[NodeId], value: ValueId, other: ValueId) -> ValueId {
    let mut instead = FxHashMap::from_iter([(value, other)]);
    let mut made = other;
    for &reader in readers {
        let copy = probe.copy(reader, &instead);
        let graph = probe.graph();
        made = graph.node(copy).outputs()[0];
        instead.insert(graph.node(reader).outputs()[0], made);
    }
    made
}
