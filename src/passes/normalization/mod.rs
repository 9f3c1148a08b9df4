//! What passes that look for normalizations share: their formula, weights of ones and zeros, and what follows them.

mod absorb;
mod half;

pub(super) use absorb::Absorb;
pub(super) use half::Half;

use crate::ir::{Dim, NodeId, Use, ValueId};
use crate::passes::linear::finite;
use crate::passes::reduction::axes_of;
use crate::require;
use crate::rewrite::{Context, Miss, Pat, Patterns};
use crate::tensor::{DType, Tensor};

/// Elements of the largest weight of ones or zeros that is made for a formula without one.
const MOST_ELEMENTS: usize = 1 << 13;

/// `(of + ε)^-½` in its spellings: the root to divide by, and its inverse.
pub(super) fn root<'p>(p: &'p Patterns, of: Pat<'p>, eps: Pat<'p>) -> (Pat<'p>, Pat<'p>) {
    let sum = of + eps;
    let root = p.either([p.op("Sqrt", [sum]), p.op("Pow", [sum, p.scalar(0.5)])]);
    (root, p.either([p.op("Reciprocal", [root]), 1.0 / root, p.op("Pow", [sum, p.scalar(-0.5)])]))
}

/// The axes of a mean that keeps them.
pub(super) fn kept_axes(cx: &Context<'_>, mean: NodeId, rank: usize) -> Result<Vec<usize>, Miss> {
    let at = cx.node(mean).outputs()[0];
    require!(cx.int(mean, "keepdims") == Some(1), at, "a mean does not keep its axes");
    axes_of(cx, mean, rank)
}

/// The type and the dims of what is normalized: not double precision, since the operators compute in single.
pub(super) fn operand<'g>(cx: &Context<'g>, x: ValueId) -> Result<(DType, &'g [Dim]), Miss> {
    let kind = cx.graph.tensor_type(x).ok_or_else(|| Miss::because("the input's type is not known", x))?;
    require!(kind.dtype != DType::F64, x, "double precision would be computed in single");
    require!(matches!(kind.dtype, DType::F32 | DType::F16), x, "the type is not float16 or float32");
    let shape = kind.shape.as_deref().ok_or_else(|| Miss::because("the input's rank is not known", x))?;
    Ok((kind.dtype, shape))
}

/// Refuses a result that is quantized by its own range, where rounding in another order moves elements by a whole step.
pub(super) fn stays_float(cx: &Context<'_>, root: NodeId) -> Result<(), Miss> {
    const BETWEEN: [&str; 5] = ["Mul", "Add", "Cast", "Reshape", "Transpose"];
    let mut pending = vec![(root, BETWEEN.len())];
    while let Some((node, left)) = pending.pop() {
        let Some(&output) = cx.node(node).outputs().first() else { continue };
        for reader in cx.graph.value(output).uses() {
            let Use::Operand { node: reader, .. } = reader else { continue };
            let op = cx.node(*reader).op();
            require!(
                !op.is("DynamicQuantizeLinear"),
                output,
                "the result is quantized, whose steps rounding moves"
            );
            if left > 0 && BETWEEN.iter().any(|name| op.is(name)) {
                pending.push((*reader, left - 1));
            }
        }
    }
    Ok(())
}

/// Refuses a constant scale or bias with an element that is not finite: what the operators compute first may be ∞ − ∞.
pub(super) fn finite_weight(cx: &Context<'_>, weight: ValueId) -> Result<(), Miss> {
    let tensor = cx.graph.const_value(weight).filter(|_| cx.graph.is_const(weight));
    let finite = tensor.is_none_or(|t| finite(t, weight).is_ok());
    require!(finite, weight, "an element of scale or bias is not finite");
    Ok(())
}

/// A weight of one number in each element, of dims that are known.
pub(super) fn uniform(dtype: DType, dims: &[Dim], number: f64, at: ValueId) -> Result<Tensor, Miss> {
    let shape = fixed(dims).ok_or_else(|| Miss::because("the normalized dims are not known", at))?;
    let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n <= MOST_ELEMENTS);
    let count = count.ok_or_else(|| Miss::because("the weights to add would be large", at))?;
    require!(count > 0, at, "there is nothing to normalize");
    Tensor::from_f64s(dtype, &shape, &vec![number; count]).map_err(|_| Miss::Silent)
}

fn fixed(dims: &[Dim]) -> Option<Vec<usize>> {
    dims.iter().map(|d| usize::try_from(d.as_fixed()?).ok()).collect()
}
