//! `unfold-embedding`: ONNX Runtime's `EmbedLayerNormalization` becomes standard operators where the target has not got it.
//!
//! ```text
//! s = Gather(words, ids) + Gather(positions, 0, 1, …) + Gather(segments, segment_ids)
//! com.microsoft.EmbedLayerNormalization(ids, segment_ids, words, positions, segments, gamma, beta, mask)
//!   ->  LayerNormalization(s, gamma, beta);   Σ (mask = 1);   s
//! ```
//!
//! Reassociates. Positions count from 0 in each row unless they are given. Segments and mask may be left out. Where the
//! opset or the target has no `LayerNormalization`, its formula is written.
//!
//! Refused: lengths of masks where there is no mask, operands whose ranks are not known.

use crate::ir::{OpId, ValueId};
use crate::passes::unfold::{Formula, Norm, Unfold, Write};
use crate::require;
use crate::rewrite::{Exactness, Meta, Miss, Ref, Work};
use crate::tensor::DType;

const META: Meta = Meta {
    id: "unfold-embedding",
    summary: "ONNX Runtime's EmbedLayerNormalization becomes Gather, Add and LayerNormalization",
    exactness: Exactness::Reassociates,
    since_opset: 11,
    emits: &[],
};

/// The operators, and what writes each.
const OPS: &[(OpId, Write)] = &[(OpId::microsoft("EmbedLayerNormalization"), embedding)];

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(Unfold { meta: META, ops: OPS })
}

fn embedding(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (ids, words, positions) = (f.operand(0)?, f.operand(2)?, f.operand(3)?);
    let (segment_ids, segments) = (f.optional(1), f.optional(4));
    let (gamma, beta) = (f.operand(5)?, f.operand(6)?);
    require!(f.shape(ids)?.len() == 2, ids, "the indices are not of rank 2");
    let places: Ref = match f.optional(8) {
        Some(places) => places.into(),
        None => counted(f, ids),
    };
    let words = f.gather(words, ids, 0);
    let positions = f.gather(positions, places, 0);
    let mut sum = f.add(words, positions);
    if let (Some(segment_ids), Some(segments)) = (segment_ids, segments) {
        let segments = f.gather(segments, segment_ids, 0);
        sum = f.add(sum, segments);
    }
    lengths(f)?;
    if let Some(read) = f.result(2) {
        f.give(read, sum);
    }
    let epsilon = f.float("epsilon").unwrap_or(1e-12);
    Ok(Norm::last(sum, 3, gamma.into(), epsilon).layer(f, Some(beta.into())))
}

/// 0, 1, … for each index of a row.
fn counted(f: &mut Formula<'_>, ids: ValueId) -> Ref {
    let (first, end) = (f.index(0), f.size(ids, 1));
    f.range(first, end)
}

/// How many elements of each row of the mask are 1.
fn lengths(f: &mut Formula<'_>) -> Result<(), Miss> {
    let mask = f.optional(7);
    f.int("mask_index_type");
    let Some(read) = f.result(1) else { return Ok(()) };
    let mask = mask.ok_or_else(|| Miss::because("lengths of a mask are read, and there is none", read))?;
    let one = f.number_of(DType::I32, 1.0);
    let ones = f.op("Equal", [mask.into(), one]);
    let ones = f.cast(ones, DType::I32);
    let lengths = f.sum(ones, 1);
    f.give(read, lengths);
    Ok(())
}
