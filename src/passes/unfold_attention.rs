//! `unfold-attention`: attention of ONNX Runtime becomes its formula where the target has not got it.
//!
//! ```text
//! com.microsoft.MultiHeadAttention<num_heads, scale>(q, k, v, …)
//!   ->  MatMul(Softmax(MatMul(q, kᵀ) · scale + attention_bias + mask), v)      for each head
//! com.microsoft.Attention<num_heads>(x, weights, bias, …)
//!   ->  the same of q, k, v = Split(MatMul(x, weights) + bias)
//! com.microsoft.QAttention<num_heads>(x, weights, bias, s, t, mask, y, z, past)
//!   ->  the same of q, k, v = Split(MatMul(x - y, weights - z) · (s · t) + bias)
//! com.microsoft.GroupQueryAttention<num_heads, kv_num_heads, softcap, do_rotary>(q, k, v, …)
//!   ->  the same, each key and value for a group of queries that see no later key, turned by their places
//! ```
//!
//! Reassociates. Masks may hold a number for each key, for each query and key, or the length of each row; what they leave
//! out gets `mask_filter_value`, and where attention runs in one direction, what comes later gets the lowest number. Earlier
//! keys and values are put before the new ones, and both are given back where anything reads them. Those of groups have
//! lengths for each row: new ones go to the end of what is filled, and the rest is 0, as in ONNX Runtime, which leaves open
//! what it answers for queries behind the length. Dims may be symbols, but for widths. `fuse-attention` makes of the formula what the target has.
//! Where the target computes no whole numbers, floats hold those of `QAttention`, as `unfold-integer` writes them.
//!
//! Refused: packed queries, keys and values of `MultiHeadAttention`, groups that see later keys or a window, whose cache is
//! quantized, with places that are given, a sink or a norm inside, masks of rank 4 or with starts of rows, a scale for each row, caches that
//! are shared with the caller, rotary embeddings inside the other two, products that are read, `Attention` without a
//! bias, on which ONNX Runtime ends with a fault, and other ranks and widths that are not known.

mod cache;
mod core;
mod grouped;
mod mask;
mod multi_head;
mod quantized;

use crate::ir::{Attr, OpId, ValueId};
use crate::passes::unfold::{Formula, Unfold, Write};
use crate::require;
use crate::rewrite::{Exactness, Meta, Miss, Ref, Work};
use core::{Attended, join, split_heads};
use mask::{Mask, Times};

const META: Meta = Meta {
    id: "unfold-attention",
    summary: "ONNX Runtime's attention becomes products around a Softmax",
    exactness: Exactness::Reassociates,
    since_opset: 11,
    emits: &[],
};

/// The operators, and what writes each.
const OPS: &[(OpId, Write)] = &[
    (OpId::microsoft("Attention"), attention),
    (OpId::microsoft("QAttention"), quantized::attention),
    (OpId::microsoft("MultiHeadAttention"), multi_head::multi_head),
    (OpId::microsoft("GroupQueryAttention"), grouped::grouped),
];

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(Unfold { meta: META, ops: OPS })
}

fn attention(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (x, weights, bias) = (f.operand(0)?, f.operand(1)?, f.operand(2)?);
    let (mask, past, attention_bias) = (f.optional(3), f.optional(4), f.optional(5));
    let sizes = widths(f, weights)?;
    let product = f.op("MatMul", [x, weights]);
    let product = f.add(product, bias);
    Packed { x, product, sizes, mask, past, attention_bias }.emit(f)
}

/// Queries, keys and values side by side, and what else the operator reads.
struct Packed {
    /// The input, `[batch, sequence, …]`.
    x: ValueId,
    product: Ref,
    /// How wide queries, keys and values are.
    sizes: [i64; 3],
    mask: Option<ValueId>,
    past: Option<ValueId>,
    attention_bias: Option<ValueId>,
}

impl Packed {
    fn emit(self, f: &mut Formula<'_>) -> Result<Ref, Miss> {
        let Self { x, product, sizes, mask, past, attention_bias } = self;
        require!(f.shape(x)?.len() == 3, x, "the input is not of rank 3");
        let heads = core::heads(f)?;
        require!(sizes.iter().all(|size| size % heads == 0), x, "the heads do not share the width");
        let parts = f.split(product, 2, &sizes);
        let query = split_heads(f, parts[0], heads, sizes[0] / heads);
        let mut key = split_heads(f, parts[1], heads, sizes[1] / heads);
        let mut value = split_heads(f, parts[2], heads, sizes[2] / heads);
        if let Some(past) = past {
            let [first, second] = [0, 1].map(|at| {
                let at = f.index(at);
                f.gather(past, at, 0)
            });
            key = join(f, Some(first), key);
            value = join(f, Some(second), value);
        }
        if let Some(read) = f.result(1) {
            let both = [key, value].map(|part| f.unsqueeze(part, &[0]));
            let present = f.concat(&both, 0);
            f.give(read, present);
        }
        let times = Times { queries: (x, 1), keys: (x, 1), past: past.map(|past| (past, 3)) };
        let mask = Mask::read(f, mask, x)?.emit(f, times);
        let attended = Attended { query, key, value, size: sizes[0] / heads, width: sizes[2], softcap: None };
        attended.emit(f, attention_bias, mask)
    }
}

/// How wide queries, keys and values are together.
fn widths(f: &mut Formula<'_>, weights: ValueId) -> Result<[i64; 3], Miss> {
    let all = f.fixed(weights, 1).ok_or_else(|| f.miss("the width of the weights is not known"))?;
    let sizes = match f.given("qkv_hidden_sizes") {
        None => [all / 3; 3],
        Some(Attr::Ints(sizes)) => <[i64; 3]>::try_from(&sizes[..])
            .map_err(|_| f.miss("the attribute 'qkv_hidden_sizes' is no triple"))?,
        Some(_) => return Err(f.miss("the attribute 'qkv_hidden_sizes' is no triple")),
    };
    let fits = sizes.iter().all(|&size| size > 0)
        && sizes.iter().try_fold(0i64, |sum, &size| sum.checked_add(size)) == Some(all);
    require!(fits, weights, "queries, keys and values are not as wide as the weights");
    Ok(sizes)
}
