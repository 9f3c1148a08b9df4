//! Optional operands that say what would hold without them.

use crate::ir::{Attr, Graph, NodeId, ValueId};
use crate::rewrite::Context;
use crate::schema::ParamOption;
use crate::tensor::{DType, Tensor};

/// Nodes through which a zero is followed.
const MOST_DEPTH: usize = 8;

/// The operands of a node that may be left out.
pub(super) fn defaults(cx: &Context<'_>, id: NodeId) -> Vec<usize> {
    let (node, Some(schema)) = (cx.node(id), cx.schema(id)) else { return Vec::new() };
    if !node.op().domain.is_empty() {
        return Vec::new();
    }
    let test: fn(&Context<'_>, NodeId, usize, ValueId) -> bool = match node.op().name {
        "Clip" => bound,
        "Slice" => slice,
        "Pad" => pad,
        "Resize" => resize,
        "LSTM" | "GRU" | "RNN" => recurrent,
        "Trilu" => |cx, _, _, v| cx.graph.const_value(v).and_then(|t| t.uniform()) == Some(0.0),
        _ => return Vec::new(),
    };
    let optional = |i: usize| schema.input(i).is_some_and(|p| p.option == ParamOption::Optional);
    (0..node.inputs().len())
        .filter(|&i| optional(i) && node.input(i).is_some_and(|v| test(cx, id, i, v)))
        .collect()
}

fn bound(cx: &Context<'_>, _: NodeId, index: usize, value: ValueId) -> bool {
    let Some(tensor) = cx.graph.const_value(value).filter(|t| t.len() == 1) else { return false };
    if tensor.dtype().is_int() {
        let limits = integers(tensor.dtype());
        let number = tensor.to_i64s().and_then(|n| n.first().copied());
        return number.zip(limits).is_some_and(|(n, (low, high))| n == if index == 1 { low } else { high });
    }
    let highest = match tensor.dtype() {
        DType::F32 => f64::from(f32::MAX),
        DType::F64 => f64::MAX,
        DType::F16 => 65504.0,
        _ => return false,
    };
    tensor.as_scalar() == Some(if index == 1 { -highest } else { highest })
}

fn integers(dtype: DType) -> Option<(i64, i64)> {
    Some(match dtype {
        DType::I8 => (i8::MIN.into(), i8::MAX.into()),
        DType::I16 => (i16::MIN.into(), i16::MAX.into()),
        DType::I32 => (i32::MIN.into(), i32::MAX.into()),
        DType::I64 => (i64::MIN, i64::MAX),
        DType::U8 => (0, u8::MAX.into()),
        DType::U16 => (0, u16::MAX.into()),
        DType::U32 => (0, u32::MAX.into()),
        _ => return None,
    })
}

fn slice(cx: &Context<'_>, id: NodeId, index: usize, value: ValueId) -> bool {
    match index {
        4 => cx.constant_ints(value).is_some_and(|steps| steps.iter().all(|&s| s == 1)),
        _ => all_axes(cx, id, value),
    }
}

fn pad(cx: &Context<'_>, id: NodeId, index: usize, value: ValueId) -> bool {
    if index == 3 {
        return all_axes(cx, id, value);
    }
    let constant = cx.attr(id, "mode").is_some_and(|m| matches!(m, Attr::String(s) if &*s == b"constant"));
    let zero = |t: Tensor| t.bytes().is_some_and(|b| b.iter().all(|&b| b == 0));
    !constant || cx.graph.const_value(value).is_some_and(zero)
}

/// Whether these are the axes 0, 1, … of the first operand, each of them.
fn all_axes(cx: &Context<'_>, id: NodeId, axes: ValueId) -> bool {
    let rank = cx.node(id).input(0).and_then(|x| cx.graph.rank(x));
    let axes = cx.constant_ints(axes);
    axes.zip(rank).is_some_and(|(axes, rank)| {
        let rank = rank as i64;
        axes.len() as i64 == rank && (0..rank).zip(axes).all(|(i, a)| a == i || a == i - rank)
    })
}

fn resize(cx: &Context<'_>, id: NodeId, index: usize, value: ValueId) -> bool {
    let mode = cx.attr(id, "coordinate_transformation_mode");
    let crops = !matches!(mode, Some(Attr::String(s)) if &*s != b"tf_crop_and_resize");
    match index {
        1 => !crops,
        _ => cx.graph.const_value(value).is_some_and(|t| t.is_empty()),
    }
}

fn recurrent(cx: &Context<'_>, id: NodeId, index: usize, value: ValueId) -> bool {
    match index {
        4 => full_length(cx, id, value),
        5 | 6 => is_zero(cx, value, 0),
        _ => false,
    }
}

/// Whether every sequence is as long as the first operand.
fn full_length(cx: &Context<'_>, id: NodeId, lengths: ValueId) -> bool {
    let axis = cx.int(id, "layout").map_or(0, |layout| usize::from(layout != 0));
    let dim = cx.node(id).input(0).and_then(|x| cx.graph.shape(x)?.get(axis)?.expr());
    let uniform = cx.graph.const_value(lengths).and_then(|t| t.uniform());
    let elements = || cx.facts.elements(lengths);
    match (dim.as_ref().and_then(|d| d.as_constant()), uniform) {
        (Some(length), Some(all)) => all == length as f64,
        _ => elements().is_some_and(|e| !e.is_empty() && e.iter().all(|e| e.is_some() && *e == dim)),
    }
}

/// Whether every element is zero, whatever the shape.
fn is_zero(cx: &Context<'_>, value: ValueId, depth: usize) -> bool {
    let graph: &Graph = cx.graph;
    if graph.is_const(value) {
        return graph.const_value(value).and_then(|t| t.uniform()) == Some(0.0);
    }
    let Some(producer) = graph.producer(value).filter(|_| depth < MOST_DEPTH) else { return false };
    let node = graph.node(producer);
    if !node.op().domain.is_empty() {
        return false;
    }
    match node.op().name {
        "ConstantOfShape" => match node.attr("value") {
            None => node.attrs().is_empty(),
            Some(Attr::Tensor(t)) => t.uniform() == Some(0.0),
            Some(_) => false,
        },
        "Expand" | "Reshape" | "Unsqueeze" | "Squeeze" | "Tile" | "Transpose" | "Identity" | "Slice"
        | "Gather" => node.input(0).is_some_and(|x| is_zero(cx, x, depth + 1)),
        "Concat" => node.inputs().flatten().all(|x| is_zero(cx, x, depth + 1)),
        _ => false,
    }
}
