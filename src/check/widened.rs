//! Constants of bytes that a target holds in a wider type.

use crate::ir::{Graph, OpId, Type, Use, ValueId};
use crate::tensor::{DType, Tensor};

/// Gives constants of bytes that some node of a taken op reads the type that the target's parser gives them, but for those
/// that are quantized numbers.
pub(super) fn widen(graph: &mut Graph, takes: &dyn Fn(OpId) -> bool) {
    let bytes: Vec<(ValueId, Tensor)> =
        graph.value_ids().filter_map(|v| Some((v, bytes(graph, v, takes)?))).collect();
    for (value, tensor) in bytes {
        let Some(region) = graph.region_of(value) else { continue };
        let wide = tensor.to_vec::<u8>().map(|bytes| bytes.into_iter().map(i32::from).collect::<Vec<_>>());
        let wide = wide.and_then(|numbers| Tensor::from_slice(tensor.shape(), &numbers).ok());
        if let Some(wide) = wide {
            let name = graph.fresh_name("wide");
            let wide = graph.add_initializer(region, name, wide);
            graph.replace_uses(value, wide);
        }
    }
}

fn bytes(graph: &Graph, value: ValueId, takes: &dyn Fn(OpId) -> bool) -> Option<Tensor> {
    let reads = |at: &Use| match *at {
        Use::Operand { node, .. } => takes(graph.node(node).op()),
        _ => true,
    };
    let read = graph.value(value).uses().iter().any(reads) && !is_quantized(graph, value);
    graph.const_value(value).filter(|tensor| read && tensor.dtype() == DType::U8)
}

fn is_quantized(graph: &Graph, value: ValueId) -> bool {
    let quantizes =
        |node| ["QuantizeLinear", "DequantizeLinear"].iter().any(|op| graph.node(node).op().is(op));
    graph.value(value).uses().iter().any(|at| matches!(*at, Use::Operand { node, .. } if quantizes(node)))
}

/// The outputs that are declared as bytes and are not any more.
pub(super) fn mistyped(graph: &Graph) -> impl Iterator<Item = ValueId> + '_ {
    let declared = |v: ValueId| match graph.value(v).declared() {
        Some(Type::Tensor(tensor)) => Some(tensor.dtype),
        _ => None,
    };
    let wide = move |v: &ValueId| declared(*v) == Some(DType::U8) && graph.dtype(*v) == Some(DType::I32);
    graph.root().outputs().filter(wide)
}
