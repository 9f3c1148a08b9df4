//! The mask as attention takes it: added up, never the lowest number, as large as the product in its last two dims.

use super::scores::{Formula, Mask, lowest};
use crate::ir::{Dim, ValueId};
use crate::passes::range::Range;
use crate::require;
use crate::rewrite::{Context, Miss, Patch, Ref};
use crate::tensor::Tensor;

/// What is added to the product: nodes and the ranks and dims that are known of them.
struct Sum {
    value: Ref,
    rank: usize,
    /// Whether some summand has as many rows as there are queries, and as many columns as there are keys.
    covers: [bool; 2],
}

/// The mask of a formula, of rank `ranks` or between the two; omitted where there is none.
pub(super) fn emit(cx: &Context<'_>, f: &Formula, patch: &mut Patch, least_rank: usize) -> Result<Ref, Miss> {
    let unknown = || Miss::because("the shape of an operand is not known", f.product);
    let (q, k) = (f.query.shape(cx).ok_or_else(unknown)?, f.key.shape(cx).ok_or_else(unknown)?);
    let (queries, keys) = (&q[2], &k[2]);
    let mut sum: Option<Sum> = None;
    for mask in &f.masks {
        let (value, of) = term(cx, f, patch, mask)?;
        let shape = cx.graph.shape(of).ok_or_else(|| Miss::because("the mask's shape is not known", of))?;
        if f.windows.is_some() {
            let shared = matches!(shape, [batch, _, _, _] if batch.as_fixed() == Some(1));
            require!(shared, of, "beside the windows' mask there is one for each batch");
        }
        sum = Some(joined(patch, sum, value, shape, [queries, keys]));
    }
    if let Some(windows) = &f.windows {
        let value = term(cx, f, patch, &Mask::Added(windows.mask))?.0;
        let shape = cx.graph.shape(windows.mask).ok_or_else(unknown)?;
        let sum = joined(patch, sum, value, shape, [queries, keys]);
        require!(sum.covers == [true; 2], windows.mask, "the mask is not one for each window");
        let all = heads_of(cx, f, patch, sum.value)?;
        let joined = windows.join_mask(patch, all, [queries, keys]);
        return joined.ok_or_else(|| Miss::because("the size of the windows is not known", windows.mask));
    }
    match sum {
        None => Ok(Ref::Omitted),
        Some(sum) => Ok(expanded(f, patch, sum, [queries, keys], least_rank)),
    }
}

/// One summand, and the value whose shape it has.
fn term(cx: &Context<'_>, f: &Formula, patch: &mut Patch, mask: &Mask) -> Result<(Ref, ValueId), Miss> {
    let quarter = lowest(f.dtype) / 4.0;
    let number = |patch: &mut Patch, x: f64| {
        let tensor = Tensor::from_f64s(f.dtype, &[], &[x]);
        tensor.map(|t| patch.constant(t)).map_err(|_| Miss::Silent)
    };
    match *mask {
        Mask::Kept { condition, not, otherwise } => {
            let kept = number(patch, 0.0)?;
            let nothing = f.guarded && otherwise == f64::NEG_INFINITY;
            let masked = number(patch, if nothing { otherwise } else { otherwise.max(quarter) })?;
            let [yes, no] = if not { [masked, kept] } else { [kept, masked] };
            Ok((patch.node("Where", [condition.into(), yes, no]), condition))
        }
        Mask::Added(value) => {
            let low = Range::of(cx, value).low;
            if low >= quarter || (f.guarded && masks_by_infinity(cx, value, quarter)) {
                return Ok((value.into(), value));
            }
            require!(!f.guarded || low.is_finite(), value, "what the mask holds is not known");
            let least = number(patch, quarter)?;
            Ok((patch.node("Max", [value.into(), least]), value))
        }
    }
}

/// Whether a mask is minus infinity or a number that is far from the lowest.
fn masks_by_infinity(cx: &Context<'_>, value: ValueId, quarter: f64) -> bool {
    let choice = cx.graph.producer_is(value, "Where").map(|n| cx.node(n));
    let Some([Some(a), Some(b)]) = choice.map(|n| [n.input(1), n.input(2)]) else { return false };
    let infinite = |v: ValueId| {
        cx.graph.const_value(v).and_then(|t| t.as_scalar()).is_some_and(|x| x == f64::NEG_INFINITY)
    };
    let high = |v: ValueId| Range::of(cx, v).low >= quarter;
    (infinite(a) && high(b)) || (infinite(b) && high(a))
}

fn joined(patch: &mut Patch, sum: Option<Sum>, value: Ref, shape: &[Dim], all: [&Dim; 2]) -> Sum {
    let at = |back: usize| shape.len().checked_sub(back).map(|at| &shape[at]);
    let covers =
        [(2, all[0]), (1, all[1])].map(|(back, dim)| at(back).is_some_and(|d| d.same(dim).is_proven()));
    match sum {
        None => Sum { value, rank: shape.len(), covers },
        Some(before) => Sum {
            value: patch.node("Add", [before.value, value]),
            rank: before.rank.max(shape.len()),
            covers: [before.covers[0] || covers[0], before.covers[1] || covers[1]],
        },
    }
}

/// A windows' mask for all heads, where no summand has them.
fn heads_of(cx: &Context<'_>, f: &Formula, patch: &mut Patch, sum: Ref) -> Result<Ref, Miss> {
    let heads = f.query.shape(cx).and_then(|q| i64::try_from(q[1].as_fixed()?).ok()).ok_or(Miss::Silent)?;
    let shape = Tensor::from_slice(&[3], &[heads, 1, 1]).map_err(|_| Miss::Silent)?;
    let shape = patch.constant(shape);
    Ok(patch.node("Expand", [sum, shape]))
}

/// The sum for all queries and keys, which ONNX Runtime does not broadcast along.
fn expanded(f: &Formula, patch: &mut Patch, sum: Sum, all: [&Dim; 2], least_rank: usize) -> Ref {
    if sum.covers == [true; 2] && sum.rank >= least_rank {
        return sum.value;
    }
    let rank = sum.rank.max(least_rank);
    let mut known = vec![1; rank];
    let mut computed = Vec::new();
    for (back, (dim, operand)) in all.into_iter().zip([&f.query, &f.key]).enumerate() {
        let at = rank - 2 + back;
        match dim.as_fixed().and_then(|n| i64::try_from(n).ok()) {
            _ if sum.covers[back] => {}
            Some(size) => known[at] = size,
            None => computed.push((at, operand)),
        }
    }
    let mut parts = Vec::new();
    let mut from = 0;
    for (at, operand) in computed {
        if from < at {
            parts.push(ints(patch, &known[from..at]));
        }
        let shape = patch.node("Shape", [operand.base]);
        let axis = ints(patch, &[operand.perm[2] as i64]);
        parts.push(patch.node("Gather", [shape, axis]));
        from = at + 1;
    }
    if from < rank {
        parts.push(ints(patch, &known[from..]));
    }
    let shape = match parts[..] {
        [one] => one,
        _ => {
            let shape = patch.node("Concat", parts);
            patch.set_attr("axis", 0);
            shape
        }
    };
    patch.node("Expand", [sum.value, shape])
}

fn ints(patch: &mut Patch, numbers: &[i64]) -> Ref {
    let tensor = Tensor::from_slice(&[numbers.len()], numbers).expect("as many numbers as the shape says");
    patch.constant(tensor)
}
