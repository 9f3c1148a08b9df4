//! Rows that no key is left of, for a node that does not make them 0 by itself.

use super::mask::number;
use super::scores::{Formula, Mask};
use crate::passes::range::largest;
use crate::passes::reduction::over_axes;
use crate::require;
use crate::rewrite::{Context, Miss, Patch, Ref};
use crate::tensor::Tensor;

/// Whether each query has a key, `[batch or 1, queries or 1, 1]` or of less rank.
#[derive(Clone, Copy)]
pub(super) struct Emptied {
    filled: Ref,
}

/// Reads it off a mask that is minus infinity where it hides a key.
pub(super) fn emptied(cx: &Context<'_>, f: &Formula, patch: &mut Patch, mask: Ref) -> Result<Emptied, Miss> {
    let mut rank = 0;
    for mask in &f.way.masks {
        let (Mask::Added(of) | Mask::Kept { condition: of, .. }) = *mask;
        let shape = cx.graph.shape(of).ok_or_else(|| Miss::because("the mask's shape is not known", of))?;
        let shared = shape.iter().rev().nth(2).is_none_or(|heads| heads.as_fixed() == Some(1));
        require!(shared, of, "rows without a number give 0, and the mask is not the same for all heads");
        rank = rank.max(shape.len());
    }
    let best = match rank {
        0 => mask,
        _ => over_axes(cx, patch, "ReduceMax", mask, &[-1]),
    };
    let lowest = number(f, patch, -largest(f.dtype))?;
    let mut filled = patch.node("Greater", [best, lowest]);
    if rank == 4 {
        let heads = patch.constant(Tensor::vector(&[1i64]));
        filled = patch.node("Squeeze", [filled, heads]);
    }
    Ok(Emptied { filled })
}

impl Emptied {
    /// What attention answered, `[batch, queries, width]`, with 0 in the rows that have no key.
    pub(super) fn emit(self, f: &Formula, patch: &mut Patch, answer: Ref) -> Result<Ref, Miss> {
        let zero = number(f, patch, 0.0)?;
        Ok(patch.node("Where", [self.filled, answer, zero]))
    }
}
