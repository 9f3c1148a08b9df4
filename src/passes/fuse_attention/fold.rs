//! Windows or heads among batches, seen apart for a moment.

use super::scores::Mask;
use crate::ir::{Dim, ValueId};
use crate::passes::linear::same_dims;
use crate::rewrite::{Context, Patch, Ref};
use crate::tensor::Tensor;

/// `[batch * n, heads, …]`, which is also `[batch, n * heads, …]`: of windows, or of heads where `heads` is 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fold {
    pub(super) heads: i64,
    /// `n` times heads.
    pub(super) all_heads: i64,
}

impl Fold {
    /// Heads that are among batches in the first of two values, `[batch * heads, queries, keys]`, and apart in the second.
    pub(super) fn of_heads(cx: &Context<'_>, among: ValueId, apart: ValueId) -> Option<Self> {
        match (cx.graph.shape(among)?, cx.graph.shape(apart)?) {
            ([_, rest @ ..], [_, heads, same @ ..]) if rest.len() == 2 && same_dims(rest, same) => {
                let all_heads = i64::try_from(heads.as_fixed()?).ok().filter(|&n| n > 0)?;
                Some(Self { heads: 1, all_heads })
            }
            _ => None,
        }
    }

    /// `[batch * n, heads, …]` as `[batch, n * heads, …]`.
    pub(super) fn join(self, patch: &mut Patch, value: Ref) -> Ref {
        reshaped(patch, value, &[-1, self.all_heads, 0, 0])
    }

    /// And back.
    pub(super) fn part(self, patch: &mut Patch, value: Ref) -> Ref {
        reshaped(patch, value, &[-1, self.heads, 0, 0])
    }
}

/// Masks of heads among batches, some of which are read where they have no heads yet.
pub(super) struct Unfolded {
    pub(super) fold: Fold,
    /// Those, `[batch, 1 or heads, queries, keys]`.
    pub(super) masks: Vec<Mask>,
    /// And the others.
    pub(super) batch_masks: Vec<Mask>,
}

/// Masks that are repeated for each head, read before that; none where none is. All are for as many heads, and where only
/// they tell of heads, the others can be seen apart like them.
pub(super) fn unfolded(
    cx: &Context<'_>,
    product: ValueId,
    known: Option<Fold>,
    masks: &[Mask],
) -> Option<Unfolded> {
    let batches = cx.graph.shape(product)?.first()?;
    let (mut fold, mut found, mut rest) = (known, Vec::new(), Vec::new());
    for mask in masks.iter().flat_map(|&mask| summands(cx, mask)) {
        match single(cx, mask.value(), batches).filter(|(_, of)| fold.is_none_or(|fold| fold == *of)) {
            Some((value, of)) => {
                fold = Some(of);
                found.push(mask.with_value(value));
            }
            None => rest.push(mask),
        }
    }
    let unfolded = Unfolded { fold: fold?, masks: found, batch_masks: rest };
    let fits = known.is_some() || unfolded.batch_masks.iter().all(|m| is_apart(cx, m.value(), batches));
    (fits && !unfolded.masks.is_empty()).then_some(unfolded)
}

/// Whether a mask is one for all batches or one for each of them.
fn is_apart(cx: &Context<'_>, mask: ValueId, batches: &Dim) -> bool {
    match cx.graph.shape(mask) {
        Some([batch, _, _]) => batch.as_fixed() == Some(1) || batch.same(batches).is_proven(),
        shape => shape.is_some(),
    }
}

/// What a mask is the sum of.
fn summands(cx: &Context<'_>, mask: Mask) -> Vec<Mask> {
    let sum = match mask {
        Mask::Added(value) => cx.graph.producer_is(value, "Add"),
        Mask::Kept { .. } => None,
    };
    match sum.map(|node| [0, 1].map(|at| cx.node(node).input(at))) {
        Some([Some(a), Some(b)]) => [a, b].into_iter().flat_map(|v| summands(cx, Mask::Added(v))).collect(),
        _ => vec![mask],
    }
}

/// What a value was before its heads were put among these batches, and before it was repeated for each.
fn single(cx: &Context<'_>, value: ValueId, batches: &Dim) -> Option<(ValueId, Fold)> {
    let apart = cx.node(cx.graph.producer_is(value, "Reshape")?).input(0)?;
    let fold = Fold::of_heads(cx, value, apart).filter(|_| cx.graph.rank(apart) == Some(4))?;
    if !cx.graph.shape(value)?[0].same(batches).is_proven() {
        return None;
    }
    let repeated = cx.graph.producer_is(apart, "Expand").and_then(|node| cx.node(node).input(0));
    Some((repeated.filter(|v| cx.graph.rank(*v).is_some_and(|rank| rank <= 4)).unwrap_or(apart), fold))
}

/// A value of another shape.
pub(super) fn reshaped(patch: &mut Patch, value: Ref, to: &[i64]) -> Ref {
    let shape = patch.constant(Tensor::vector(to));
    patch.node("Reshape", [value, shape])
}
