//! The mask as attention takes it: added up, as large as the product in its last two dims, and told from nothing.

use super::operand::with_head;
use super::rows::{self, Emptied};
use super::scores::{Formula, Mask};
use super::window;
use crate::ir::{Dim, ValueId};
use crate::passes::range::{Range, largest};
use crate::require;
use crate::rewrite::{Context, Miss, Patch, Ref};
use crate::tensor::Tensor;

/// Why a formula that gives 0 where the `Softmax` is no number is refused.
const UNGUARDED: &str = "rows without a number give 0, and the node is not known to give that for this mask";

/// Nodes above a mask that are looked at.
const MOST_NODES: usize = 8;
/// Elements of a constant mask that are looked at.
const MOST_ELEMENTS: usize = 1 << 18;

/// What is added to the product: nodes, and what is known of their shape.
struct Sum {
    value: Ref,
    rank: usize,
    /// Whether some summand has all heads, all queries and all keys.
    covers: [bool; 3],
}

/// What a node makes of its mask.
#[derive(Clone, Copy)]
pub(super) struct Taker {
    /// The lowest rank of a mask.
    pub(super) least_rank: usize,
    /// Whether a row that is masked as a whole, by minus infinity or by the lowest number, gives 0.
    pub(super) zeroes: bool,
}

/// A mask.
pub(super) struct Emitted {
    /// Omitted where there is none.
    pub(super) mask: Ref,
    /// The rows that are to be made 0 behind the node, where it does not do that itself.
    pub(super) emptied: Option<Emptied>,
}

/// The mask of a formula.
pub(super) fn emit(cx: &Context<'_>, f: &Formula, patch: &mut Patch, taker: Taker) -> Result<Emitted, Miss> {
    let unknown = || Miss::because("the shape of an operand is not known", f.product);
    let (q, k) = (f.query.shape(cx).ok_or_else(unknown)?, f.key.shape(cx).ok_or_else(unknown)?);
    let heads = match f.way.fold {
        Some(fold) if f.way.window_mask.is_none() => Dim::Fixed(fold.all_heads.unsigned_abs()),
        _ => q[1].clone(),
    };
    let all = [&heads, &q[2], &k[2]];
    let mut sum: Option<Sum> = None;
    for mask in &f.way.masks {
        let (value, of) = term(cx, f, patch, mask, taker)?;
        let shape = shape(cx, of)?;
        if f.way.window_mask.is_some() {
            let shared = matches!(shape, [batch, _, _, _] if batch.as_fixed() == Some(1));
            require!(shared, of, "beside the windows' mask there is one for each batch");
        }
        sum = Some(joined(patch, sum, value, shape, all));
    }
    for mask in &f.way.batch_masks {
        let (value, of) = term(cx, f, patch, mask, taker)?;
        let (value, shape) = apart(f, patch, value, shape(cx, of)?, &q[0])
            .ok_or_else(|| Miss::because("the mask is not proven to be one for each batch or for all", of))?;
        sum = Some(joined(patch, sum, value, &shape, all));
    }
    let whole = |mask| Emitted { mask, emptied: None };
    if let (Some(fold), Some(of)) = (f.way.fold, f.way.window_mask) {
        require!(!f.guarded || taker.zeroes, of, "{UNGUARDED}");
        let value = term(cx, f, patch, &Mask::Added(of), taker)?.0;
        let sum = joined(patch, sum, value, shape(cx, of)?, all);
        require!(sum.covers[1..] == [true; 2], of, "the mask is not one for each window");
        let mask = window::join_mask(fold, patch, sum.value, sum.covers[0], all);
        let mask = mask.ok_or_else(|| Miss::because("the size of the windows is not known", of))?;
        return Ok(whole(mask));
    }
    let Some(sum) = sum else { return Ok(whole(Ref::Omitted)) };
    let empties = f.guarded && !taker.zeroes && f.way.masks.iter().any(|mask| hides(cx, mask));
    let emptied = if empties { Some(rows::emptied(cx, f, patch, sum.value)?) } else { None };
    Ok(Emitted { mask: expanded(f, patch, sum, [all[1], all[2]], taker.least_rank), emptied })
}

fn shape<'c>(cx: &'c Context<'_>, mask: ValueId) -> Result<&'c [Dim], Miss> {
    cx.graph.shape(mask).ok_or_else(|| Miss::because("the mask's shape is not known", mask))
}

/// A mask of rank 3, or of less, as one with heads, and its shape. Those of a fold are among as many batches.
fn apart(
    f: &Formula,
    patch: &mut Patch,
    value: Ref,
    shape: &[Dim],
    batches: &Dim,
) -> Option<(Ref, Vec<Dim>)> {
    let (Some(fold), [batch, queries, keys]) = (f.way.fold, shape) else {
        return Some(with_one_head(patch, value, shape));
    };
    if batch.as_fixed() == Some(1) {
        return Some((value, shape.to_vec()));
    }
    let value = with_head(patch, value);
    let heads = Dim::Fixed(fold.all_heads.unsigned_abs());
    let shape = vec![batch.clone(), heads, queries.clone(), keys.clone()];
    batch.same(batches).is_proven().then(|| (fold.join(patch, value), shape))
}

fn with_one_head(patch: &mut Patch, value: Ref, shape: &[Dim]) -> (Ref, Vec<Dim>) {
    match shape {
        [batch, queries, keys] => {
            let shape = vec![batch.clone(), Dim::Fixed(1), queries.clone(), keys.clone()];
            (with_head(patch, value), shape)
        }
        _ => (value, shape.to_vec()),
    }
}

/// Whether a mask may be minus infinity.
fn hides(cx: &Context<'_>, mask: &Mask) -> bool {
    match *mask {
        Mask::Kept { otherwise, .. } => otherwise == f64::NEG_INFINITY,
        Mask::Added(value) => Range::of(cx, value).low == f64::NEG_INFINITY,
    }
}

pub(super) fn number(f: &Formula, patch: &mut Patch, x: f64) -> Result<Ref, Miss> {
    let tensor = Tensor::from_f64s(f.dtype, &[], &[x]);
    tensor.map(|t| patch.constant(t)).map_err(|_| Miss::Silent)
}

/// One summand, and the value whose shape it has.
fn term(
    cx: &Context<'_>,
    f: &Formula,
    patch: &mut Patch,
    mask: &Mask,
    taker: Taker,
) -> Result<(Ref, ValueId), Miss> {
    let quarter = -largest(f.dtype) / 4.0;
    match *mask {
        Mask::Kept { condition, not, otherwise } => {
            let nothing = otherwise == f64::NEG_INFINITY;
            let kept = number(f, patch, 0.0)?;
            let masked = number(f, patch, if nothing { otherwise } else { otherwise.max(quarter) })?;
            let [yes, no] = if not { [masked, kept] } else { [kept, masked] };
            Ok((patch.node("Where", [condition.into(), yes, no]), condition))
        }
        Mask::Added(value) => {
            let low = Range::of(cx, value).low;
            let known = low >= quarter || lowest_number(cx, value, MOST_NODES) >= quarter;
            if known || !taker.zeroes && !f.guarded {
                return Ok((value.into(), value));
            }
            require!(!f.guarded || low.is_finite(), value, "{UNGUARDED}");
            let raised = raised(f, patch, value, quarter)?;
            let raised = match low.is_finite() {
                true => raised,
                false => with_infinities(patch, value, raised),
            };
            Ok((raised, value))
        }
    }
}

/// A mask that is nowhere below a number.
fn raised(f: &Formula, patch: &mut Patch, mask: ValueId, least: f64) -> Result<Ref, Miss> {
    let least = number(f, patch, least)?;
    Ok(patch.node("Max", [mask.into(), least]))
}

/// A mask's infinities, and what `raised` has elsewhere: among the lowest numbers minus infinity still hides its key.
fn with_infinities(patch: &mut Patch, mask: ValueId, raised: Ref) -> Ref {
    let infinite = patch.node("IsInf", [mask]);
    patch.node("Where", [infinite, mask.into(), raised])
}

/// The lowest element besides minus infinity, or something below it.
fn lowest_number(cx: &Context<'_>, value: ValueId, left: usize) -> f64 {
    let constant = cx.graph.const_value(value).filter(|t| t.len() <= MOST_ELEMENTS);
    if let Some(numbers) = constant.and_then(|t| t.to_f64s()) {
        return numbers.into_iter().filter(|&x| x != f64::NEG_INFINITY).fold(f64::INFINITY, f64::min);
    }
    let node = cx.graph.producer(value).map(|n| cx.node(n)).filter(|n| left > 0 && n.op().domain.is_empty());
    let of = |at: usize| node.and_then(|n| n.input(at)).map(|v| lowest_number(cx, v, left - 1));
    let found = match node.map_or("", |n| n.op().name) {
        "Where" => of(1).zip(of(2)).map(|(a, b)| a.min(b)),
        "Add" => of(0).zip(of(1)).map(|(a, b)| a + b),
        "Reshape" | "Unsqueeze" | "Squeeze" | "Expand" | "Transpose" => of(0),
        _ => None,
    };
    found.unwrap_or_else(|| Range::of(cx, value).low)
}

/// One more summand, `all` being heads, queries and keys.
fn joined(patch: &mut Patch, sum: Option<Sum>, value: Ref, shape: &[Dim], all: [&Dim; 3]) -> Sum {
    let last = |back: usize| shape.len().checked_sub(back).map(|at| &shape[at]);
    let covers = [0, 1, 2].map(|at| last(3 - at).is_some_and(|d| d.same(all[at]).is_proven()));
    match sum {
        None => Sum { value, rank: shape.len(), covers },
        Some(before) => Sum {
            value: patch.node("Add", [before.value, value]),
            rank: before.rank.max(shape.len()),
            covers: [0, 1, 2].map(|at| before.covers[at] || covers[at]),
        },
    }
}

/// The sum for all queries and keys, which ONNX Runtime does not broadcast along.
fn expanded(f: &Formula, patch: &mut Patch, sum: Sum, all: [&Dim; 2], least_rank: usize) -> Ref {
    if sum.covers[1..] == [true; 2] && sum.rank >= least_rank {
        return sum.value;
    }
    let mut sizes = vec![1; least_rank - 2];
    let mut parts = Vec::new();
    for (at, (dim, operand)) in all.into_iter().zip([&f.query, &f.key]).enumerate() {
        match dim.as_fixed().and_then(|n| i64::try_from(n).ok()) {
            _ if sum.covers[1 + at] => sizes.push(1),
            Some(size) => sizes.push(size),
            None => {
                parts.extend((!sizes.is_empty()).then(|| patch.constant(Tensor::vector(&sizes))));
                sizes.clear();
                let shape = patch.node("Shape", [operand.base]);
                let axis = patch.constant(Tensor::vector(&[operand.perm[2] as i64]));
                parts.push(patch.node("Gather", [shape, axis]));
            }
        }
    }
    parts.extend((!sizes.is_empty()).then(|| patch.constant(Tensor::vector(&sizes))));
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
