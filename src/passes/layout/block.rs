//! What an index along an axis moves.

use crate::ir::{Dim, ValueId};
use crate::rewrite::Context;

/// What each index moves at least, so that a `Gather` is as quick as what it replaces.
pub(in crate::passes) const FEWEST_BYTES: u64 = 64;

/// Whether an index along an axis is known to move that much.
pub(in crate::passes) fn moves_blocks(cx: &Context<'_>, value: ValueId, axis: usize) -> bool {
    let bytes = || {
        let behind = cx.graph.shape(value)?.get(axis + 1..)?;
        let element = cx.graph.dtype(value)?.bits() as u64 / 8;
        Some(behind.iter().filter_map(Dim::as_fixed).fold(element, u64::saturating_mul))
    };
    bytes().is_some_and(|bytes| bytes >= FEWEST_BYTES)
}
