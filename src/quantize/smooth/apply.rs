//! Where a model divides: in constants of what makes the value, or in a `Mul`.

use super::Smoothing;
use super::absorb::{divided, slots};
use super::sites::{Reader, sites};
use crate::ir::{Graph, Model, NewNode, NewOutput, NodeId, OpId, RegionId, ValueId};
use crate::tensor::{DType, Tensor};

/// Divides values and multiplies weights: what the model computes stays the same, but for rounding.
pub fn smooth(model: &mut Model, smoothings: &[Smoothing]) {
    for smoothing in smoothings {
        apply(&mut model.graph, smoothing);
    }
}

/// Whether a value has as many channels there as it is to be divided by, and all the products read it.
pub fn divisible(model: &Model, smoothing: &Smoothing) -> bool {
    let fits = |reader: &Reader| reader.lie.inputs == smoothing.by.len();
    sites(&model.graph, &smoothing.readers).iter().any(|site| {
        let same = site.value == smoothing.value && site.axis == smoothing.axis;
        same && site.readers.len() == smoothing.readers.len() && site.readers.iter().all(fits)
    })
}

fn apply(graph: &mut Graph, smoothing: &Smoothing) -> Option<()> {
    let found = sites(graph, &smoothing.readers);
    let site = found.iter().find(|site| site.value == smoothing.value)?;
    let scaled: Vec<(NodeId, usize, Tensor)> = site
        .readers
        .iter()
        .map(|r| Some((r.node, r.weight, multiplied(graph, r, &smoothing.by)?)))
        .collect::<Option<_>>()?;
    if !in_constants(graph, smoothing) {
        let divided = multiply(graph, smoothing, site.rank)?;
        for reader in &site.readers {
            graph.set_operand(reader.node, 0, Some(divided));
        }
    }
    for (node, at, tensor) in scaled {
        replace(graph, node, at, tensor)?;
    }
    Some(())
}

/// A weight, each channel of the data multiplied.
fn multiplied(graph: &Graph, reader: &Reader, by: &[f32]) -> Option<Tensor> {
    let old = reader.tensor(graph)?;
    let mut values = old.to_vec::<f32>()?;
    for (at, value) in values.iter_mut().enumerate() {
        *value *= by.get(reader.lie.channels(at).0)?;
    }
    Tensor::from_slice(old.shape(), &values).ok()
}

/// Divides the constants of what makes the value, where nothing else reads it.
fn in_constants(graph: &mut Graph, smoothing: &Smoothing) -> bool {
    let Some(slots) = slots(graph, smoothing.value, (smoothing.axis, smoothing.by.len()), &smoothing.readers)
    else {
        return false;
    };
    let tensors: Option<Vec<Tensor>> = slots.iter().map(|slot| divided(graph, slot, smoothing)).collect();
    let Some(tensors) = tensors else { return false };
    slots.iter().zip(tensors).for_each(|(slot, tensor)| _ = replace(graph, slot.node, slot.at, tensor));
    true
}

/// `Mul` of the value with the inverses, along the axis of the channels.
fn multiply(graph: &mut Graph, smoothing: &Smoothing, rank: usize) -> Option<ValueId> {
    let mut shape = vec![1; rank - smoothing.axis];
    shape[0] = smoothing.by.len();
    let inverses: Vec<f32> = smoothing.by.iter().map(|s| 1.0 / s).collect();
    let tensor = Tensor::from_slice(&shape, &inverses).ok()?;
    let base = graph.value(smoothing.value).name().to_string();
    let (name, divided) =
        (graph.fresh_name(&format!("{base}/inverse")), graph.fresh_name(&format!("{base}/smooth")));
    let inverse = graph.add_initializer(RegionId::ROOT, name, tensor);
    let first = smoothing.readers.iter().map(|&r| graph.node(r).order()).min();
    let output = NewOutput { name: divided, ty: graph.value(smoothing.value).ty().cloned() };
    let inputs = vec![Some(smoothing.value), Some(inverse)];
    let node = NewNode { order: first, ..NewNode::new(OpId::onnx("Mul"), inputs, vec![output]) };
    let node = graph.add_node(RegionId::ROOT, node);
    Some(graph.node(node).outputs()[0])
}

fn replace(graph: &mut Graph, node: NodeId, at: usize, tensor: Tensor) -> Option<()> {
    debug_assert_eq!(tensor.dtype(), DType::F32);
    let old = graph.node(node).input(at)?;
    let name = graph.fresh_name(&format!("{}/smooth", graph.value(old).name()));
    let new = graph.add_initializer(RegionId::ROOT, name, tensor);
    graph.set_operand(node, at, Some(new));
    Some(())
}
