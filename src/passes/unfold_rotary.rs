//! `unfold-rotary`: ONNX Runtime's `RotaryEmbedding` becomes standard operators where the target has not got it.
//!
//! ```text
//! com.microsoft.RotaryEmbedding(x, positions, cos, sin)
//!   ->  c, s = Gather(cos, positions), Gather(sin, positions);   a, b = halves of each head of x
//!       Concat(a · c - b · s, a · s + b · c)
//! ```
//!
//! Reassociates. For `x` of `[batch, sequence, width]` or `[batch, heads, sequence, size]`, halves of a head or neighbors in
//! it, all of a head or its first part. One position is that of the first element of each sequence.
//!
//! Refused: packed batches, ranks and sizes that are not known.

use crate::ir::{OpId, ValueId};
use crate::passes::unfold::{Formula, Turn, Unfold, Write};
use crate::require;
use crate::rewrite::{Exactness, Meta, Miss, Ref, Work};

const META: Meta = Meta {
    id: "unfold-rotary",
    summary: "ONNX Runtime's RotaryEmbedding becomes products with gathered sines and cosines",
    exactness: Exactness::Reassociates,
    since_opset: 11,
    emits: &[],
};

/// The operators, and what writes each.
const OPS: &[(OpId, Write)] = &[(OpId::microsoft("RotaryEmbedding"), rotary)];

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(Unfold { meta: META, ops: OPS })
}

/// What is turned: `[batch, sequence, heads, size]` or `[batch, heads, sequence, size]`.
struct Heads {
    value: Ref,
    sequence: usize,
    count: i64,
    size: i64,
}

fn rotary(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let x = f.operand(0)?;
    let [cos, sin] = angles(f, x)?;
    let cache = f.operand(2)?;
    let half = f.fixed(cache, 1).ok_or_else(|| Miss::because("the size of the cache is not known", cache))?;
    let turned = 2 * half;
    f.float("scale");
    let (part, given) = (f.int("rotary_embedding_dim").unwrap_or(0), f.int("num_heads").unwrap_or(0));
    let heads = heads(f, x, turned, if part > 0 { given } else { 0 })?;
    require!(part == 0 || part == turned, cache, "the cache is of another size than the part that is turned");
    require!(heads.size >= turned, x, "a head is smaller than the cache");
    // The middle dims; one of the outer two is the batch.
    let angle_axis = if heads.sequence == 1 { 2 } else { 1 };
    let angles = [cos, sin].map(|angle| f.unsqueeze(angle, &[angle_axis]));
    let interleaved = f.flag("interleaved");
    let y = Turn { heads: heads.value, angles, half, size: heads.size, interleaved }.emit(f);
    Ok(if f.shape(x)?.len() == 3 { f.reshape(y, &[0, 0, heads.count * heads.size]) } else { y })
}

/// Cosines and sines of `[batch or 1, sequence, half]`.
fn angles(f: &mut Formula<'_>, x: ValueId) -> Result<[Ref; 2], Miss> {
    let (positions, caches) = (f.operand(1)?, [f.operand(2)?, f.operand(3)?]);
    let of_each = match f.shape(positions)?.len() {
        2 => positions.into(),
        1 => {
            let sequence = if f.shape(x)?.len() == 3 { 1 } else { 2 };
            let (first, length) = (f.index(0), f.size(x, sequence));
            let steps = f.range(first, length);
            let steps = f.unsqueeze(steps, &[0]);
            f.add(steps, positions)
        }
        _ => return Err(Miss::because("the positions are not of rank 1 or 2", positions)),
    };
    Ok(caches.map(|cache| f.gather(cache, of_each, 0)))
}

/// Heads of the input, as many as are given or as fill it.
fn heads(f: &mut Formula<'_>, x: ValueId, turned: i64, given: i64) -> Result<Heads, Miss> {
    let unknown = |axis: usize| Miss::because(format!("the size of axis {axis} is not known"), x);
    match f.shape(x)?.len() {
        4 => {
            let size = f.fixed(x, 3).ok_or_else(|| unknown(3))?;
            Ok(Heads { value: x.into(), sequence: 2, count: 0, size })
        }
        3 => {
            let width = f.fixed(x, 2).ok_or_else(|| unknown(2))?;
            let count = if given > 0 { Some(given) } else { width.checked_div(turned) };
            let count = count.filter(|&n| n > 0 && width % n == 0);
            let count = count.ok_or_else(|| Miss::because("the heads do not share the width", x))?;
            let size = width / count;
            Ok(Heads { value: f.reshape(x, &[0, 0, count, size]), sequence: 1, count, size })
        }
        _ => Err(Miss::because("the input is not of rank 3 or 4", x)),
    }
}
