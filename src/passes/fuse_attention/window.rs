//! Masks of windows: the product is seen as `[batch, windows, heads, queries, keys]` while they are added.

use super::fold::{Fold, reshaped};
use crate::ir::{Dim, NodeId, ValueId};
use crate::passes::linear::same_dims;
use crate::require;
use crate::rewrite::{Context, Miss, Patch, Ref};
use crate::tensor::Tensor;

/// Reads what the `Reshape` back to rank 4 ends: the windows among batches, the mask that all batches share,
/// `[1, windows, 1 or heads, queries, keys]`, and the product before it.
pub(super) fn read(cx: &Context<'_>, reshape: NodeId) -> Result<(Fold, ValueId, ValueId), Miss> {
    let back = cx.node(reshape).outputs()[0];
    let no = || Miss::because("a Reshape stands between the product and its Softmax", back);
    let sum = cx.node(reshape).input(0).filter(|&v| cx.graph.value(v).uses().len() == 1).ok_or_else(no)?;
    let add = cx.node(cx.graph.producer_is(sum, "Add").ok_or_else(no)?);
    let (Some(a), Some(b)) = (add.input(0), add.input(1)) else { return Err(Miss::Silent) };
    let product = |v: ValueId| {
        let node = cx.graph.producer_is(v, "Reshape").filter(|_| cx.graph.value(v).uses().len() == 1)?;
        let from = cx.node(node).input(0)?;
        let count = windows(cx.graph.shape(from)?, cx.graph.shape(v)?, cx.graph.shape(back)?)?;
        Some((from, count))
    };
    let ((from, (count, heads)), mask) = match (product(a), product(b)) {
        (Some(found), _) => (found, b),
        (None, Some(found)) => (found, a),
        _ => return Err(no()),
    };
    let fits = match cx.graph.shape(mask) {
        Some([batch, windows, ..]) => {
            batch.as_fixed() == Some(1) && windows.as_fixed() == u64::try_from(count).ok()
        }
        _ => false,
    };
    require!(fits && cx.graph.rank(mask) == Some(5), mask, "the mask is not one for each window");
    let all_heads = count.checked_mul(heads).ok_or(Miss::Silent)?;
    Ok((Fold { heads, all_heads }, mask, from))
}

/// `[1, windows, heads, …]` as `[1, windows * heads, …]`; a mask without heads is repeated for them. `all` are heads,
/// queries and keys.
pub(super) fn join_mask(
    fold: Fold,
    patch: &mut Patch,
    mask: Ref,
    has_heads: bool,
    all: [&Dim; 3],
) -> Option<Ref> {
    let size = |dim: &Dim| i64::try_from(dim.as_fixed()?).ok();
    let shape = [1, fold.all_heads, size(all[1])?, size(all[2])?];
    if has_heads {
        return Some(reshaped(patch, mask, &shape));
    }
    let heads = patch.constant(Tensor::vector(&[fold.heads, 1, 1]));
    let repeated = patch.node("Expand", [mask, heads]);
    Some(reshaped(patch, repeated, &shape))
}

/// Windows and heads, where `[batch * windows, heads, …]` becomes `[batch, windows, heads, …]` and that again.
fn windows(from: &[Dim], split: &[Dim], back: &[Dim]) -> Option<(i64, i64)> {
    let [_, count, heads, ..] = split else { return None };
    let size = |dim: &Dim| i64::try_from(dim.as_fixed()?).ok().filter(|&n| n > 0);
    let fits =
        from.len() == 4 && split.len() == 5 && same_dims(&from[1..], &split[2..]) && same_dims(from, back);
    if fits { Some((size(count)?, size(heads)?)) } else { None }
}
