//! Fused attention of ONNX Runtime, whose operands are packed.

use super::{Rule, dims};
use crate::analysis::site::Site;
use crate::ir::Dim;

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    ("com.microsoft", "Attention", packed),
    ("com.microsoft", "DecoderMaskedMultiHeadAttention", multi_head),
    ("com.microsoft", "DecoderMaskedSelfAttention", packed),
    ("com.microsoft", "MultiHeadAttention", multi_head),
    ("com.microsoft", "PackedAttention", packed_tokens),
    ("com.microsoft", "QAttention", quantized),
    ("com.microsoft", "SparseAttention", group_query),
    ("com.microsoft", "GroupQueryAttention", group_query),
];

/// `[batch, time, width]`; queries, keys and values are parts of the bias.
fn packed(site: &mut Site<'_>) -> Option<()> {
    let [batch, time, _] = site.shape(0)? else {
        return None;
    };
    let width = match site.ints_or_none("qkv_hidden_sizes")? {
        Some([_, _, values]) => dims::size(*values),
        Some(_) => None,
        None => site.dim(1, 1).or(site.dim(2, 0)).and_then(|all| all.floor_div(&Dim::Fixed(3))),
    };
    let width = site.dim_or_fresh(width, 0, 2);
    site.set_shape(0, [batch.clone(), time.clone(), width]);
    Some(())
}

/// As `packed`, without the dim of the batch.
fn packed_tokens(site: &mut Site<'_>) -> Option<()> {
    let [tokens, _] = site.shape(0)? else {
        return None;
    };
    let width = match site.ints_or_none("qkv_hidden_sizes")? {
        Some([_, _, values]) => dims::size(*values),
        Some(_) => None,
        None => site.dim(1, 1).and_then(|all| all.floor_div(&Dim::Fixed(3))),
    };
    let width = site.dim_or_fresh(width, 0, 1);
    site.set_shape(0, [tokens.clone(), width]);
    Some(())
}

/// As `packed`; the type is that of the scales.
fn quantized(site: &mut Site<'_>) -> Option<()> {
    if let Some(dtype) = site.dtype(3) {
        site.set_dtype(0, dtype);
    }
    packed(site)
}

/// Unpacked queries `[batch, time, width]`, values `[batch, time, width]` or `[batch, heads, time, size]`.
fn multi_head(site: &mut Site<'_>) -> Option<()> {
    let [batch, time, _] = site.shape(0)? else {
        return None;
    };
    let width = match site.shape(2) {
        Some([_, _, width]) => Some(width.clone()),
        Some([_, heads, _, size]) => heads.mul(size),
        _ => None,
    };
    let width = site.dim_or_fresh(width, 0, 2);
    site.set_shape(0, [batch.clone(), time.clone(), width]);
    Some(())
}

/// Separate operands only; packed ones have no keys.
fn group_query(site: &mut Site<'_>) -> Option<()> {
    if site.has(1) { site.like(0, 0) } else { None }
}
