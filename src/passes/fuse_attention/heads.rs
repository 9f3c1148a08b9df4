//! Operands as `[batch, sequence, heads * size]`, where they were that before.

use super::operand::{HEADS_FIRST, Operand};
use super::width;
use crate::ir::{Dim, Use, ValueId};
use crate::rewrite::{Context, Patch, Ref};
use crate::tensor::Tensor;

/// An operand before it was split into heads.
pub(super) enum Flat {
    /// All of a value.
    Whole(ValueId),
    /// One of the parts along the last axis.
    Part { of: ValueId, sizes: Vec<i64>, index: usize },
    /// One head.
    One(Operand),
}

impl Flat {
    /// Whether ONNX Runtime knows its width too.
    pub(super) fn is_plain(&self, cx: &Context<'_>) -> bool {
        match self {
            Self::Whole(value) => width::is_plain(cx, *value),
            Self::Part { .. } => true,
            Self::One(operand) => operand.is_straight() && width::is_plain(cx, operand.base),
        }
    }

    /// What an operand was.
    pub(super) fn read(cx: &Context<'_>, operand: &Operand) -> Option<Self> {
        if operand.is_one_head() {
            return Some(Self::One(*operand));
        }
        let deepest = operand.deepest(cx);
        if deepest.perm == HEADS_FIRST {
            return whole(cx, deepest.base).map(Self::Whole);
        }
        if !deepest.is_straight() {
            return None;
        }
        let node = cx.graph.producer_is(deepest.base, "Split")?;
        let split = cx.node(node);
        if !matches!(cx.int(node, "axis"), Some(1 | -3)) {
            return None;
        }
        let all = Operand::values(cx, split.input(0)?).deepest(cx);
        let of = if all.perm == HEADS_FIRST { whole(cx, all.base)? } else { return None };
        let size = |v: &ValueId| match cx.graph.shape(*v)? {
            [_, heads, _, size] => i64::try_from(heads.as_fixed()?.checked_mul(size.as_fixed()?)?).ok(),
            _ => None,
        };
        let sizes = split.outputs().iter().map(size).collect::<Option<_>>()?;
        let index = split.outputs().iter().position(|v| *v == deepest.base)?;
        Some(Self::Part { of, sizes, index })
    }
}

/// The nodes that give operands as they were, each packed value split once.
#[derive(Default)]
pub(super) struct Flats {
    splits: Vec<(ValueId, Vec<i64>, Vec<Ref>)>,
}

impl Flats {
    /// The operand.
    pub(super) fn emit(&mut self, patch: &mut Patch, flat: &Flat) -> Ref {
        let (of, sizes, index) = match flat {
            Flat::Whole(value) => return (*value).into(),
            Flat::One(operand) => return operand.emit_flat(patch),
            Flat::Part { of, sizes, index } => (*of, sizes, *index),
        };
        let known = self.splits.iter().find(|(value, cut, _)| *value == of && cut == sizes);
        if let Some((.., parts)) = known {
            return parts[index];
        }
        let cut = patch.constant(Tensor::vector(sizes));
        let parts = patch.node_with_outputs("Split", [Ref::Old(of), cut], sizes.len() as u32);
        patch.set_attr("axis", 2);
        let part = parts[index];
        self.splits.push((of, sizes.clone(), parts));
        part
    }
}

/// `[batch, sequence, heads * size]` of which this is `[batch, sequence, heads, size]`.
fn whole(cx: &Context<'_>, value: ValueId) -> Option<ValueId> {
    let flat = cx.node(cx.graph.producer_is(value, "Reshape")?).input(0)?;
    is_merged(cx.graph.shape(flat)?, cx.graph.shape(value)?).then_some(flat)
}

/// What the attention's output becomes where its heads are put side by side at once.
pub(super) fn merged(cx: &Context<'_>, output: ValueId) -> Option<ValueId> {
    let reader = |value: ValueId, op: &str| match cx.graph.value(value).uses() {
        [Use::Operand { node, index: 0 }] if cx.node(*node).op().is(op) => Some(*node),
        _ => None,
    };
    let transpose = reader(output, "Transpose")?;
    if cx.permutation(transpose)? != HEADS_FIRST {
        return None;
    }
    let split = cx.node(transpose).outputs()[0];
    let merge = cx.node(reader(split, "Reshape")?);
    let flat = merge.outputs()[0];
    let here = cx.graph.producer(output).is_some_and(|p| cx.node(p).region() == merge.region());
    (here && is_merged(cx.graph.shape(flat)?, cx.graph.shape(split)?)).then_some(flat)
}

/// Whether the first shape is the second with its last two dims multiplied.
fn is_merged(flat: &[Dim], split: &[Dim]) -> bool {
    match (flat, split) {
        ([b, t, width], [sb, st, heads, size]) => {
            let product = heads.mul(size);
            b.same(sb).is_proven()
                && t.same(st).is_proven()
                && product.is_some_and(|p| p.same(width).is_proven())
        }
        _ => false,
    }
}
