//! Queries, keys and values: what they are of, seen through factors and transpositions.

use super::scores::scaled;
use crate::ir::{Dim, ValueId};
use crate::rewrite::{Context, Patch, Ref};
use crate::tensor::Tensor;

/// No transposition.
const STRAIGHT: [usize; 4] = [0, 1, 2, 3];
/// `[batch, heads, sequence, size]` of `[batch, sequence, heads, size]`, and back.
pub(super) const HEADS_FIRST: [usize; 4] = [0, 2, 1, 3];
/// The last two axes change places.
const LAST_TWO: [usize; 4] = [0, 1, 3, 2];
/// The one head of a value of rank 3, which has no such axis: it counts as the last.
const ONE_HEAD: [usize; 4] = [0, 3, 1, 2];

/// A value of rank 4, its axes in another order, or one of rank 3, whose heads are among its batches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Operand {
    pub(super) base: ValueId,
    pub(super) perm: [usize; 4],
    /// The order in which it is needed.
    straight: [usize; 4],
}

impl Operand {
    /// The queries of a product, and the number that they are multiplied with.
    pub(super) fn queries(cx: &Context<'_>, value: ValueId) -> (Self, f64) {
        Self::of(cx, value).unscaled(cx)
    }

    /// The keys of a product, where they are transposed, and the number that they are multiplied with.
    pub(super) fn keys(cx: &Context<'_>, value: ValueId) -> (Self, f64) {
        let all = Self::of(cx, value);
        Self { perm: LAST_TWO.map(|axis| all.perm[axis]), ..all }.unscaled(cx)
    }

    fn of(cx: &Context<'_>, value: ValueId) -> Self {
        let straight = if cx.graph.rank(value) == Some(3) { ONE_HEAD } else { STRAIGHT };
        Self { base: value, perm: straight, straight }
    }

    /// Whether its heads are among its batches.
    pub(super) fn is_one_head(&self) -> bool {
        self.straight == ONE_HEAD
    }

    /// The values of a product.
    pub(super) fn values(cx: &Context<'_>, value: ValueId) -> Self {
        Self::of(cx, value)
    }

    /// Without the factors in front of it.
    fn unscaled(mut self, cx: &Context<'_>) -> (Self, f64) {
        let (mut at, mut factor) = (self, 1.0);
        while let Some(node) = cx.graph.producer(at.base) {
            if let Some(before) = at.before(cx) {
                at = before;
            } else if let Some((rest, number)) =
                scaled(cx, node).filter(|_| cx.node(node).op().domain.is_empty())
            {
                (at.base, factor) = (rest, factor * number);
                self = at;
            } else {
                break;
            }
            // The nearest value in the right order needs no node; else the farthest may need none at all.
            if !self.is_straight() {
                self = at;
            }
        }
        (self, factor)
    }

    /// In front of the `Transpose` that makes it.
    fn before(&self, cx: &Context<'_>) -> Option<Self> {
        let node = cx.graph.producer_is(self.base, "Transpose")?;
        let perm = cx.permutation(node)?;
        let mut through = self.perm;
        for to in &mut through {
            let is_head = self.is_one_head() && *to == perm.len();
            *to = if is_head { *to } else { *perm.get(*to)? };
        }
        Some(Self { base: cx.node(node).input(0)?, perm: through, ..*self })
    }

    /// In front of all transpositions.
    pub(super) fn deepest(mut self, cx: &Context<'_>) -> Self {
        while let Some(before) = self.before(cx) {
            self = before;
        }
        self
    }

    /// Its shape.
    pub(super) fn shape(&self, cx: &Context<'_>) -> Option<[Dim; 4]> {
        let shape = cx.graph.shape(self.base)?;
        let head = self.is_one_head().then_some(Dim::Fixed(1));
        let shape: Vec<Dim> = shape.iter().cloned().chain(head).collect();
        (shape.len() == 4).then(|| self.perm.map(|axis| shape[axis].clone()))
    }

    /// What each head of a group of queries reads: without what repeats it for the group.
    pub(super) fn ungrouped(&self, cx: &Context<'_>) -> Option<Self> {
        let few = expanded(cx, self.base).or_else(|| gathered(cx, self.base))?;
        let ([batch, heads, time, size], all) = (cx.graph.shape(few)?, self.shape(cx)?) else { return None };
        let same = |a: &Dim, b: &Dim| a.same(b).is_proven();
        let same_rest = same(&all[0], batch) && same(&all[2], time) && same(&all[3], size);
        let groups = all[1].as_fixed()?.checked_rem(heads.as_fixed()?) == Some(0);
        (groups && same_rest && self.perm == STRAIGHT).then_some(Self { base: few, ..*self })
    }

    /// The value in the order of its axes.
    pub(super) fn emit(&self, patch: &mut Patch) -> Ref {
        if self.is_one_head() {
            let value = self.emit_flat(patch);
            return with_head(patch, value);
        }
        if self.is_straight() {
            return self.base.into();
        }
        transposed(patch, self.base, self.perm)
    }

    /// One of rank 3 in the order of its axes.
    pub(super) fn emit_flat(&self, patch: &mut Patch) -> Ref {
        if self.is_straight() {
            return self.base.into();
        }
        let output = patch.node("Transpose", [self.base]);
        let perm = [0, 2, 3].map(|axis: usize| self.perm[axis] as i64);
        patch.set_attr("perm", perm.to_vec());
        output
    }

    /// Whether it is exactly this value.
    pub(super) fn is_straight(&self) -> bool {
        self.perm == self.straight
    }
}

/// `[batch, …]` as `[batch, 1, …]`.
pub(super) fn with_head(patch: &mut Patch, value: impl Into<Ref>) -> Ref {
    let axis = patch.constant(Tensor::vector(&[1i64]));
    patch.node("Unsqueeze", [value.into(), axis])
}

/// A value of rank 4 with its axes in another order.
pub(super) fn transposed(patch: &mut Patch, value: impl Into<Ref>, perm: [usize; 4]) -> Ref {
    let output = patch.node("Transpose", [value.into()]);
    patch.set_attr("perm", perm.map(|axis| axis as i64).to_vec());
    output
}

/// `[batch, heads, …]` of which this is `[batch, heads, 1, …]` expanded and reshaped.
fn expanded(cx: &Context<'_>, value: ValueId) -> Option<ValueId> {
    let graph = cx.graph;
    let input = |value, op| cx.node(graph.producer_is(value, op)?).input(0);
    let grouped = input(value, "Reshape")?;
    let single = input(grouped, "Expand")?;
    let few = input(single, "Unsqueeze").or_else(|| input(single, "Reshape"))?;
    let [batch, heads, time, size] = graph.shape(few)? else { return None };
    let [b, h, one, t, s] = graph.shape(single)? else { return None };
    let [gb, gh, _, gt, gs] = graph.shape(grouped)? else { return None };
    let same = |a: &Dim, b: &Dim| a.same(b).is_proven();
    let kept = [(batch, b), (heads, h), (time, t), (size, s), (b, gb), (h, gh), (t, gt), (s, gs)];
    (one.as_fixed() == Some(1) && kept.iter().all(|(a, b)| same(a, b))).then_some(few)
}

/// Of which this picks each head several times.
fn gathered(cx: &Context<'_>, value: ValueId) -> Option<ValueId> {
    let node = cx.graph.producer_is(value, "Gather")?;
    let (few, picked) = (cx.node(node).input(0)?, cx.constant_ints(cx.node(node).input(1)?)?);
    let [_, heads, _, _] = cx.graph.shape(few)? else { return None };
    let group = picked.len().checked_div(usize::try_from(heads.as_fixed()?).ok()?).filter(|&g| g > 0)?;
    let in_turn = picked.iter().enumerate().all(|(at, &head)| head == (at / group) as i64);
    (matches!(cx.int(node, "axis"), Some(1 | -3)) && in_turn).then_some(few)
}
