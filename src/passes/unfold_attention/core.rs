//! Products of queries and keys, their `Softmax`, and its product with values.

use crate::ir::ValueId;
use crate::passes::unfold::Formula;
use crate::require;
use crate::rewrite::{Miss, Ref};

/// Axes of heads and of the sequence, one in the place of the other.
const SWAPPED: [i64; 4] = [0, 2, 1, 3];

/// Operands as `[batch, heads, sequence, size]`.
pub(super) struct Attended {
    pub(super) query: Ref,
    pub(super) key: Ref,
    pub(super) value: Ref,
    /// Of a head of queries and keys.
    pub(super) size: i64,
    /// Of all heads of values.
    pub(super) width: i64,
    /// The `c` of `c · tanh(scores / c)`.
    pub(super) softcap: Option<f64>,
}

impl Attended {
    /// `[batch, sequence, width]`
    pub(super) fn emit(
        self,
        f: &mut Formula<'_>,
        bias: Option<ValueId>,
        mask: Option<Ref>,
    ) -> Result<Ref, Miss> {
        let scale =
            f.float("scale").filter(|&s| s != 0.0).unwrap_or_else(|| (self.size as f64).sqrt().recip());
        require!(scale.is_finite(), None, "the scale is not finite");
        let key = f.transpose(self.key, &[0, 1, 3, 2]);
        let scores = f.op("MatMul", [self.query, key]);
        let mut scores = f.scaled(scores, scale);
        if let Some(bound) = self.softcap {
            scores = f.scaled(scores, bound.recip());
            scores = f.op("Tanh", [scores]);
            scores = f.scaled(scores, bound);
        }
        let mut scores = f.plus(scores, bias);
        if let Some(mask) = mask {
            scores = f.add(scores, mask);
        }
        let weights = f.softmax(scores, 3);
        let output = f.op("MatMul", [weights, self.value]);
        let output = f.transpose(output, &SWAPPED);
        Ok(f.reshape(output, &[0, 0, self.width]))
    }
}

/// The number of heads.
pub(super) fn heads(f: &mut Formula<'_>) -> Result<i64, Miss> {
    f.int("num_heads").filter(|&n| n > 0).ok_or_else(|| f.miss("the number of heads is not positive"))
}

/// `[batch, sequence, heads · size]` as `[batch, heads, sequence, size]`.
pub(super) fn split_heads(f: &mut Formula<'_>, x: Ref, heads: i64, size: i64) -> Ref {
    let split = f.reshape(x, &[0, 0, heads, size]);
    f.transpose(split, &SWAPPED)
}

/// Earlier keys or values, and new ones.
pub(super) fn join(f: &mut Formula<'_>, past: Option<Ref>, new: Ref) -> Ref {
    match past {
        Some(past) => f.concat(&[past, new], 2),
        None => new,
    }
}
