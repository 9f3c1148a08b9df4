//! Sines or cosines as `RotaryEmbedding` takes them.

use crate::ir::{Dim, ValueId};
use crate::require;
use crate::rewrite::{Context, Miss, Patch, Ref};
use crate::tensor::Tensor;

/// Nodes between an angle and where it is doubled that are looked through.
const LONGEST: usize = 6;

/// How the operator is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As ONNX has it: angles of each batch.
    Standard,
    /// As ONNX Runtime has it: angles of each position, the first one being that of the first element.
    Contrib,
}

/// Angles that are held twice side by side: `[batch or 1, sequence, 2 * half]`.
pub(super) struct Angles {
    value: ValueId,
    batch: Dim,
    half: u64,
}

impl Angles {
    /// Reads what `x` is multiplied with, `[batch, heads, sequence, 2 * half]`.
    pub(super) fn read(cx: &Context<'_>, factor: ValueId, x: ValueId, half: u64) -> Result<Self, Miss> {
        let unknown = || Miss::because("the angles are not known to be the same for all heads", factor);
        let node = cx.graph.producer_is(factor, "Unsqueeze").ok_or_else(unknown)?;
        let value = cx.node(node).input(0).ok_or_else(unknown)?;
        let over_heads = cx.ints(node, 1, "axes").flatten().is_some_and(|axes| matches!(axes[..], [1 | -3]));
        let Some([batch, positions, size]) = cx.graph.shape(value).filter(|_| over_heads) else {
            return Err(unknown());
        };
        require!(size.as_fixed() == Some(2 * half), factor, "the angles are not those of whole heads");
        let all = cx.graph.shape(x).is_some_and(|dims| dims[2].same(positions).is_proven());
        require!(all, factor, "the angles are not proven to be those of all positions");
        require!(is_doubled(cx, value, LONGEST), factor, "the angles are not proven to be held twice");
        Ok(Self { value, batch: batch.clone(), half })
    }

    /// The first half, for all batches of `x` or without them.
    pub(super) fn emit(
        &self,
        cx: &Context<'_>,
        patch: &mut Patch,
        x: ValueId,
        form: Form,
    ) -> Result<Ref, Miss> {
        let constant = |patch: &mut Patch, n: i64| patch.constant(Tensor::vector(&[n]));
        let bounds = [0, self.half as i64, -1].map(|n| constant(patch, n));
        let half = patch.node("Slice", [self.value.into(), bounds[0], bounds[1], bounds[2]]);
        let single = self.batch.as_fixed() == Some(1);
        if form == Form::Contrib {
            require!(single, self.value, "the angles differ between batches");
            let first = constant(patch, 0);
            return Ok(patch.node("Squeeze", [half, first]));
        }
        let batch = cx.graph.shape(x).map(|dims| &dims[0]);
        if batch.is_some_and(|batch| batch.same(&self.batch).is_proven()) {
            return Ok(half);
        }
        require!(single, self.value, "the angles are not proven to be those of all batches");
        let shape = patch.node("Shape", [x]);
        let (first, ones) = (constant(patch, 0), patch.constant(Tensor::vector(&[1i64, 1])));
        let batch = patch.node("Gather", [shape, first]);
        let wanted = patch.node("Concat", [batch, ones]);
        patch.set_attr("axis", 0);
        Ok(patch.node("Expand", [half, wanted]))
    }
}

/// Whether both halves of a value along its last axis are the same.
fn is_doubled(cx: &Context<'_>, value: ValueId, left: usize) -> bool {
    if let Some(tensor) = cx.graph.const_value(value) {
        return holds_twice(&tensor);
    }
    let Some(node) = cx.graph.producer(value).filter(|_| left > 0) else { return false };
    let n = cx.node(node);
    let inner = |at: usize| n.input(at).is_some_and(|v| is_doubled(cx, v, left - 1));
    if !n.op().domain.is_empty() {
        return false;
    }
    match n.op().name {
        "Cos" | "Sin" | "Cast" | "Identity" => inner(0),
        "Mul" | "Div" => {
            let number = |at: usize| n.input(at).is_some_and(|v| cx.uniform(v).is_some());
            (number(1) && inner(0)) || (n.op().is("Mul") && number(0) && inner(1))
        }
        "Concat" => {
            let last = cx.graph.rank(value).map(|rank| rank as i64 - 1);
            let axis = cx.int(node, "axis");
            n.inputs().len() == 2 && n.input(0) == n.input(1) && (axis == Some(-1) || axis == last)
        }
        _ => false,
    }
}

fn holds_twice(tensor: &Tensor) -> bool {
    let (Some(numbers), Some(&size)) = (tensor.to_f64s(), tensor.shape().last()) else { return false };
    size > 0 && size % 2 == 0 && numbers.chunks(size).all(|row| row[..size / 2] == row[size / 2..])
}
