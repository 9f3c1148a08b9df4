//! What passes that look for reductions share: their two forms, and over which axes they run.

use crate::ir::{NodeId, OpId, ValueId};
use crate::require;
use crate::rewrite::{Context, Miss, Pat, Patch, Patterns, Ref};
use crate::tensor::{DType, Tensor};

/// A reduction with its axes as attribute or as input, or over all.
pub(super) fn reduce<'p>(p: &'p Patterns, op: &'static str, of: Pat<'p>) -> Pat<'p> {
    p.either([p.op(op, [of]), p.op(op, [of, p.any()])])
}

/// The square of a value, as `Pow` or as a product.
pub(super) fn square<'p>(p: &'p Patterns, of: Pat<'p>) -> Pat<'p> {
    p.either([p.op("Pow", [of, p.scalar(2.0)]), of * of])
}

/// A node over axes, which are an operand or, at older opsets, an attribute.
pub(super) fn over_axes(
    cx: &Context<'_>,
    patch: &mut Patch,
    op: impl Into<OpId>,
    x: impl Into<Ref>,
    axes: &[i64],
) -> Ref {
    let op = op.into();
    let since = if matches!(op.name, "ReduceSum" | "Squeeze" | "Unsqueeze") { 13 } else { 18 };
    if cx.opset() >= since {
        let axes = patch.constant(Tensor::vector(axes));
        return patch.node(op, [x.into(), axes]);
    }
    let y = patch.node(op, [x.into()]);
    patch.set_attr("axes", axes.to_vec());
    y
}

/// The axes of a reduction of a value of some rank, from 0, in order.
pub(super) fn axes_of(cx: &Context<'_>, reduce: NodeId, rank: usize) -> Result<Vec<usize>, Miss> {
    let at = cx.node(reduce).outputs()[0];
    let given = cx.ints(reduce, 1, "axes");
    let given = given.ok_or_else(|| Miss::because("the axes of a reduction are no constants", at))?;
    let Some(given) = given.filter(|axes| !axes.is_empty()) else {
        require!(cx.int(reduce, "noop_with_empty_axes").unwrap_or(0) == 0, at, "nothing is reduced");
        return Ok((0..rank).collect());
    };
    let from_start = |axis: i64| usize::try_from(if axis < 0 { axis + rank as i64 } else { axis });
    let mut axes: Vec<usize> = given
        .into_iter()
        .map(|axis| from_start(axis).ok().filter(|&a| a < rank))
        .collect::<Option<_>>()
        .ok_or_else(|| Miss::because("an axis of a reduction is out of range", at))?;
    axes.sort_unstable();
    axes.dedup();
    Ok(axes)
}

/// The one axis over which a reduction runs that keeps it.
pub(super) fn kept_axis(cx: &Context<'_>, reduce: NodeId, rank: usize) -> Result<usize, Miss> {
    let at = cx.node(reduce).outputs()[0];
    require!(cx.int(reduce, "keepdims") == Some(1), at, "a reduction does not keep its axis");
    match axes_of(cx, reduce, rank)?[..] {
        [axis] => Ok(axis),
        _ => Err(Miss::because("a reduction does not run over one axis", at)),
    }
}

/// The rank of a value.
pub(super) fn rank_of(cx: &Context<'_>, value: ValueId) -> Result<usize, Miss> {
    cx.graph.rank(value).ok_or_else(|| Miss::because("the input's rank is not known", value))
}

/// Refuses what is not of a floating-point type that runtimes have kernels for.
pub(super) fn is_float(cx: &Context<'_>, value: ValueId) -> Result<(), Miss> {
    let float = matches!(cx.graph.dtype(value), Some(DType::F16 | DType::F32 | DType::F64));
    require!(float, value, "the type is not float16, float32 or float64");
    Ok(())
}
