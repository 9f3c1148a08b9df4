//! Movements as nodes: a shape is written as constants with `0` for a copied dim and one `-1`, or read from a value.

use super::plan::Step;
use crate::ir::{Dim, Shape, ValueId};
use crate::passes::linear::same_dims;
use crate::passes::reduction::over_axes;
use crate::rewrite::{Context, Patch, Ref};
use crate::tensor::Tensor;

/// Values that are known to hold shapes, and whether a 0 in them is a size.
pub(in crate::passes) type Known = Vec<(Shape, ValueId, bool)>;

/// One node to be.
#[derive(Clone, Debug)]
pub(in crate::passes) enum Op {
    Reshape(Vec<i64>),
    ReshapeBy(ValueId, bool),
    Squeeze(Vec<i64>),
    Unsqueeze(Vec<i64>),
    Transpose(Vec<usize>),
}

/// The nodes that take these steps from a value of shape `from`. `None` where a shape cannot be written.
pub(in crate::passes) fn realize(
    cx: &Context<'_>,
    from: &[Dim],
    steps: &[Step],
    known: &Known,
) -> Option<Vec<Op>> {
    let mut from = from.to_vec();
    let mut ops = Vec::with_capacity(steps.len());
    for step in steps {
        ops.push(match step {
            Step::Transpose(perm) => {
                from = perm.iter().map(|&p| from.get(p).cloned()).collect::<Option<_>>()?;
                Op::Transpose(perm.clone())
            }
            Step::Reshape(to) => {
                let op = reshape(cx, &from, to, known)?;
                from = to.clone();
                op
            }
        });
    }
    Some(ops)
}

fn reshape(cx: &Context<'_>, from: &[Dim], to: &[Dim], known: &Known) -> Option<Op> {
    if cx.opset() < 5 {
        return None;
    }
    if let Some(target) = target(from, to) {
        return Some(Op::Reshape(target));
    }
    if cx.opset() >= 11 {
        if let Some(axes) = extra_ones(from, to) {
            return Some(Op::Unsqueeze(axes));
        }
        if let Some(axes) = extra_ones(to, from) {
            return Some(Op::Squeeze(axes));
        }
    }
    known
        .iter()
        .find(|(shape, ..)| same_dims(shape, to))
        .map(|&(_, value, zeros)| Op::ReshapeBy(value, zeros))
}

/// The shape in numbers.
fn target(from: &[Dim], to: &[Dim]) -> Option<Vec<i64>> {
    let mut target = Vec::with_capacity(to.len());
    let mut rest = false;
    let symbols = to.iter().filter(|d| d.as_fixed().is_none()).count();
    for (at, dim) in to.iter().enumerate() {
        target.push(match dim.as_fixed() {
            Some(n) => i64::try_from(n).ok().filter(|&n| n > 0)?,
            None if symbols > 1 && from.get(at).is_some_and(|d| d.same(dim).is_proven()) => 0,
            None if !rest => {
                rest = true;
                -1
            }
            None => return None,
        });
    }
    Some(target)
}

/// The axes of size 1 that `long` has beyond `short`.
fn extra_ones(short: &[Dim], long: &[Dim]) -> Option<Vec<i64>> {
    let mut rest = short.iter();
    let mut next = rest.next();
    let mut axes = Vec::new();
    for (at, dim) in long.iter().enumerate() {
        if next.is_some_and(|d| d.same(dim).is_proven()) {
            next = rest.next();
        } else if dim.as_fixed() == Some(1) {
            axes.push(i64::try_from(at).ok()?);
        } else {
            return None;
        }
    }
    (next.is_none() && !axes.is_empty()).then_some(axes)
}

impl Op {
    /// Adds the node to a patch.
    pub(in crate::passes) fn write(&self, cx: &Context<'_>, patch: &mut Patch, x: Ref) -> Ref {
        match self {
            Self::Reshape(target) => {
                let target = patch.constant(Tensor::vector(target));
                patch.node("Reshape", [x, target])
            }
            Self::ReshapeBy(target, zeros) => {
                let out = patch.node("Reshape", [x, Ref::Old(*target)]);
                if *zeros {
                    patch.set_attr("allowzero", 1i64);
                }
                out
            }
            Self::Squeeze(axes) => over_axes(cx, patch, "Squeeze", x, axes),
            Self::Unsqueeze(axes) => over_axes(cx, patch, "Unsqueeze", x, axes),
            Self::Transpose(perm) => {
                let out = patch.node("Transpose", [x]);
                patch.set_attr("perm", perm.iter().map(|&p| p as i64).collect::<Vec<i64>>());
                out
            }
        }
    }
}
