//! Nodes that pick, overwrite, resize or pool all of a value and so return one as it is.

use crate::analysis::Element;
use crate::ir::{DimExpr, NodeId, OpId, ValueId};
use crate::passes::linear::same_shape;
use crate::rewrite::Context;

/// Elements of constant indices at most.
const MOST_INDICES: usize = 1 << 20;

type Test = fn(&Context<'_>, NodeId) -> Option<ValueId>;

pub(super) const TESTS: &[(OpId, Test)] = &[
    (OpId::onnx("Gather"), gather),
    (OpId::onnx("ScatterND"), scatter_nd),
    (OpId::onnx("ScatterElements"), scatter_elements),
    (OpId::onnx("Resize"), resize),
    (OpId::onnx("Upsample"), resize),
    (OpId::onnx("MaxPool"), window_of_one),
    (OpId::onnx("AveragePool"), window_of_one),
    (OpId::onnx("GlobalMaxPool"), pool_of_one),
    (OpId::onnx("GlobalAveragePool"), pool_of_one),
    (OpId::onnx("LeakyRelu"), slope_of_one),
    (OpId::onnx("CumSum"), sum_of_one),
];

/// The value that a node returns.
pub(super) fn returned(cx: &Context<'_>, node: NodeId) -> Option<ValueId> {
    let n = cx.node(node);
    let (_, test) = TESTS.iter().find(|(op, _)| *op == n.op())?;
    test(cx, node).filter(|&v| same_shape(cx, v, n.outputs()[0]))
}

fn fixed(cx: &Context<'_>, value: ValueId) -> Option<Vec<i64>> {
    cx.graph.shape(value)?.iter().map(|d| i64::try_from(d.as_fixed()?).ok()).collect()
}

fn axis(cx: &Context<'_>, node: NodeId, rank: usize) -> Option<usize> {
    let (axis, rank) = (cx.int(node, "axis")?, i64::try_from(rank).ok()?);
    usize::try_from(if axis < 0 { axis + rank } else { axis }).ok().filter(|&a| (a as i64) < rank)
}

fn indices(cx: &Context<'_>, value: ValueId) -> Option<Vec<i64>> {
    cx.graph
        .is_const(value)
        .then(|| cx.graph.const_value(value))??
        .to_i64s()
        .filter(|i| i.len() <= MOST_INDICES)
}

/// Every index of an axis, in order.
fn gather(cx: &Context<'_>, node: NodeId) -> Option<ValueId> {
    let x = cx.node(node).input(0)?;
    let picked = cx.node(node).input(1).filter(|&i| cx.graph.rank(i) == Some(1))?;
    let dims = cx.graph.shape(x)?;
    let size = i64::try_from(dims[axis(cx, node, dims.len())?].as_fixed()?).ok()?;
    let picked = indices(cx, picked)?;
    let all = picked.iter().zip(0..).all(|(&i, at)| i == at || i + size == at);
    (all && picked.len() as i64 == size).then_some(x)
}

fn plain(cx: &Context<'_>, node: NodeId) -> bool {
    cx.node(node).string("reduction").is_none_or(|r| r == "none")
}

/// Updates of all that is there, in order.
fn scatter_nd(cx: &Context<'_>, node: NodeId) -> Option<ValueId> {
    let n = cx.node(node);
    let (x, at, updates) = (n.input(0)?, n.input(1)?, n.input(2)?);
    if !plain(cx, node) {
        return None;
    }
    if !cx.graph.is_const(at) {
        return rows(cx, x, at).then_some(updates);
    }
    let (dims, grid) = (cx.graph.shape(x)?, fixed(cx, at)?);
    let (&depth, outer) = grid.split_last()?;
    let depth = usize::try_from(depth).ok().filter(|&d| d > 0 && d == outer.len())?;
    let leading = dims.get(..depth)?.iter().map(|d| d.as_fixed().and_then(|d| i64::try_from(d).ok()));
    if !leading.eq(outer.iter().map(|&d| Some(d))) {
        return None;
    }
    let listed = indices(cx, at)?;
    in_order(&listed, outer, depth).then_some(updates)
}

/// Whether the tuples are all positions of a grid, in order.
fn in_order(tuples: &[i64], grid: &[i64], depth: usize) -> bool {
    tuples.chunks_exact(depth).enumerate().all(|(position, tuple)| {
        let mut left = position as i64;
        tuple.iter().zip(grid).rev().all(|(&index, &size)| {
            let want = left % size;
            left /= size;
            index == want || index + size == want
        })
    })
}

/// Whether indices are `Range(0, n)` as a column, `n` the first dim of a value.
fn rows(cx: &Context<'_>, x: ValueId, at: ValueId) -> bool {
    let column = || {
        let shaped =
            cx.graph.producer(at).filter(|&p| matches!(cx.node(p).op().name, "Unsqueeze" | "Reshape"))?;
        let [rows, one] = cx.graph.shape(at)? else { return None };
        let range = cx.graph.producer_is(cx.node(shaped).input(0)?, "Range")?;
        let r = cx.node(range);
        let number = |i: usize| cx.graph.const_value(r.input(i)?)?.as_int();
        let [Element::Some(limit)] = cx.facts.elements(r.input(1)?)? else { return None };
        let size: DimExpr = cx.graph.shape(x)?.first()?.expr()?;
        let all = number(0)? == 0 && number(2)? == 1 && limit.same(&size).is_proven();
        (all && one.as_fixed() == Some(1) && rows.expr()?.same(&size).is_proven()).then_some(())
    };
    column().is_some()
}

/// Updates of every element along an axis by its own index.
fn scatter_elements(cx: &Context<'_>, node: NodeId) -> Option<ValueId> {
    let n = cx.node(node);
    let (x, at, updates) = (n.input(0)?, n.input(1)?, n.input(2)?);
    let (dims, grid) = (fixed(cx, x)?, fixed(cx, at)?);
    if dims != grid || !plain(cx, node) {
        return None;
    }
    let axis = axis(cx, node, dims.len())?;
    let (size, inner): (i64, i64) = (dims[axis], dims[axis + 1..].iter().product());
    let listed = indices(cx, at)?;
    let own = |(position, &index): (usize, &i64)| {
        let want = position as i64 / inner % size;
        index == want || index + size == want
    };
    listed.iter().enumerate().all(own).then_some(updates)
}

/// Scales of 1 for every axis, or sizes that are there already.
fn resize(cx: &Context<'_>, node: NodeId) -> Option<ValueId> {
    let n = cx.node(node);
    let mode = n.string("coordinate_transformation_mode").unwrap_or("half_pixel");
    let policy = n.string("keep_aspect_ratio_policy").unwrap_or("stretch");
    if mode == "tf_crop_and_resize" || policy != "stretch" {
        return None;
    }
    let given = |i: usize| n.input(i).filter(|&v| fixed(cx, v).is_none_or(|s| s != [0]));
    let scales = match (n.op().name, cx.opset()) {
        ("Upsample", ..9) => match n.attr("scales")? {
            crate::ir::Attr::Floats(scales) => {
                return scales.iter().all(|&s| s == 1.0).then(|| n.input(0))?;
            }
            _ => return None,
        },
        ("Upsample", _) | (_, ..11) => given(1),
        _ => given(2),
    };
    match scales {
        Some(scales) => (cx.graph.const_value(scales)?.uniform()? == 1.0).then(|| n.input(0))?,
        None => given(3).and(n.input(0)),
    }
}

/// A window of one element that moves by one.
fn window_of_one(cx: &Context<'_>, node: NodeId) -> Option<ValueId> {
    let n = cx.node(node);
    let all = |name: &str, number: i64| n.ints(name).is_none_or(|v| v.iter().all(|&v| v == number));
    let one = n.ints("kernel_shape")?.iter().all(|&k| k == 1) && all("strides", 1) && all("pads", 0);
    (one && n.outputs().len() == 1).then(|| n.input(0))?
}

fn pool_of_one(cx: &Context<'_>, node: NodeId) -> Option<ValueId> {
    let x = cx.node(node).input(0)?;
    let spatial = cx.graph.shape(x)?.get(2..)?;
    spatial.iter().all(|d| d.as_fixed() == Some(1)).then_some(x)
}

fn slope_of_one(cx: &Context<'_>, node: NodeId) -> Option<ValueId> {
    (cx.float(node, "alpha")? == 1.0).then(|| cx.node(node).input(0))?
}

/// A sum along a dim of 1 that takes in what it is at.
fn sum_of_one(cx: &Context<'_>, node: NodeId) -> Option<ValueId> {
    let n = cx.node(node);
    let dims = cx.graph.shape(n.input(0)?)?;
    let axis = cx.graph.const_value(n.input(1)?)?.as_int()?;
    let axis = usize::try_from(if axis < 0 { axis + dims.len() as i64 } else { axis }).ok()?;
    (dims.get(axis)?.as_fixed() == Some(1) && cx.int(node, "exclusive") == Some(0)).then(|| n.input(0))?
}
