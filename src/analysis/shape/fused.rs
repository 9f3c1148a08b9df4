//! Fused and packed ops of ONNX Runtime that have no standard counterpart, as its contrib operators' page defines them.

use super::{Rule, dims, same};
use crate::analysis::site::{Site, axis};
use crate::ir::Dim;
use crate::tensor::DType;

const MS: &str = "com.microsoft";

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    (MS, "BitmaskBiasDropout", same::same),
    (MS, "BitmaskDropout", same::same),
    (MS, "CDist", distances),
    (MS, "ComplexMul", |site| broadcast(site, &[0, 1])),
    (MS, "ComplexMulConj", |site| broadcast(site, &[0, 1])),
    (MS, "DecoderAttention", same::same),
    (MS, "DequantizeWithOrder", same::same),
    (MS, "DynamicTimeWarping", time_warping),
    (MS, "GatedRelativePositionBias", gated_bias),
    (MS, "GatherBlockQuantized", gather_blocks),
    (MS, "Irfft", inverse_fourier),
    (MS, "IsAllFinite", scalar),
    (MS, "LongformerAttention", same::same),
    (MS, "MatMulFpQ4", packed_product),
    (MS, "MoE", same::same),
    (MS, "MulInteger", |site| broadcast(site, &[0, 2])),
    (MS, "MurmurHash3", hash),
    (MS, "NGramRepeatBlock", |site| site.like(0, 1)),
    (MS, "QEmbedLayerNormalization", quantized_embedding),
    (MS, "QLinearWhere", |site| broadcast(site, &[0, 1, 4])),
    (MS, "QMoE", same::same),
    (MS, "QOrderedGelu", same::same),
    (MS, "QOrderedLayerNormalization", same::same),
    (MS, "QuantizeWithOrder", same::same),
    (MS, "RelativePositionBias", position_bias),
    (MS, "RemovePadding", remove_padding),
    (MS, "RestorePadding", restore_padding),
    (MS, "Rfft", fourier),
    (MS, "SampleOp", same::same),
    (MS, "SkipGroupNorm", skip_group_norm),
    (MS, "UnfoldTensor", unfold),
];

fn broadcast(site: &mut Site<'_>, operands: &[usize]) -> Option<()> {
    let shapes: Vec<&[Dim]> = operands.iter().map(|&i| site.shape(i)).collect::<Option<_>>()?;
    site.set_shape(0, dims::broadcast(&shapes)?);
    Some(())
}

fn scalar(site: &mut Site<'_>) -> Option<()> {
    site.set_shape(0, []);
    Some(())
}

/// Of every row of one matrix to every row of the other.
fn distances(site: &mut Site<'_>) -> Option<()> {
    let shape = [site.dim(0, 0)?.clone(), site.dim(1, 0)?.clone()];
    site.set_shape(0, shape);
    Some(())
}

fn hash(site: &mut Site<'_>) -> Option<()> {
    site.set_dtype(0, if site.int_or("positive", 1)? == 0 { DType::I32 } else { DType::U32 });
    site.like(0, 0)
}

/// The path through a matrix of costs.
fn time_warping(site: &mut Site<'_>) -> Option<()> {
    let length = site.fresh(0, 1);
    site.set_shape(0, [Dim::Fixed(2), length]);
    Some(())
}

fn skip_group_norm(site: &mut Site<'_>) -> Option<()> {
    site.like(0, 0)?;
    site.like(1, 0)
}

/// `[batch, heads, time, time]` from queries of `[batch, time, width]` that are not packed.
fn gated_bias(site: &mut Site<'_>) -> Option<()> {
    let [batch, time, _] = site.shape(0).filter(|_| !site.has(6))? else {
        return None;
    };
    let heads = site.node().int("num_heads").and_then(dims::size)?;
    site.set_shape(0, [batch.clone(), heads, time.clone(), time.clone()]);
    Some(())
}

/// `[1, heads, queries, keys]` from a table of `[buckets, heads]` and two lengths.
fn position_bias(site: &mut Site<'_>) -> Option<()> {
    let heads = site.dim(0, 1).cloned();
    let heads = site.dim_or_fresh(heads, 0, 1);
    let (queries, keys) = (site.size(site.element(1), 0, 2), site.size(site.element(2), 0, 3));
    site.set_shape(0, [Dim::Fixed(1), heads, queries, keys]);
    Some(())
}

/// Data of 4 bits in bytes has two elements a byte in its last dim.
fn gather_blocks(site: &mut Site<'_>) -> Option<()> {
    if let Some(dtype) = site.dtype(2) {
        site.set_dtype(0, dtype);
    }
    let (mut data, picks) = (site.shape(0)?.to_vec(), site.shape(1)?);
    if site.dtype(0)? == DType::U8 {
        let packed = 8i64.checked_div(site.int_or("bits", 4)?)?;
        let last = data.last_mut()?;
        *last = dims::times(last, packed)?;
    }
    let at = axis(site.int_or("gather_axis", 0)?, data.len())?;
    site.set_shape(0, [&data[..at], picks, &data[at + 1..]].concat());
    Some(())
}

/// `A` by a matrix whose shape the third operand states.
fn packed_product(site: &mut Site<'_>) -> Option<()> {
    let mut shape = site.shape(0)?.to_vec();
    let columns = match site.vector(2)?.as_slice() {
        [_, columns] => columns.clone(),
        _ => return None,
    };
    let at = shape.len().checked_sub(1)?;
    shape[at] = site.size(columns.as_ref(), 0, at);
    site.set_shape(0, shape);
    Some(())
}

/// `[batch, time, width]` from indices of `[batch, time]`.
fn quantized_embedding(site: &mut Site<'_>) -> Option<()> {
    let [batch, time] = site.shape(0)? else {
        return None;
    };
    if let Some(dtype) = site.dtype(8) {
        site.set_dtype(0, dtype);
    }
    site.set_shape(1, [batch.clone()]);
    let width = site.dim(2, 1).cloned();
    let width = site.dim_or_fresh(width, 0, 2);
    site.set_shape(0, [batch.clone(), time.clone(), width]);
    Some(())
}

/// `[batch, time, width]` to `[tokens, width]`.
fn remove_padding(site: &mut Site<'_>) -> Option<()> {
    let [batch, time, width] = site.shape(0)? else {
        return None;
    };
    let tokens = site.fresh(0, 0);
    site.set_shape(0, [tokens, width.clone()]);
    site.set_shape(1, [batch.clone(), time.clone()]);
    site.set_shape(2, [dims::plus(batch, 1)?]);
    site.set_shape(3, [Dim::Fixed(1)]);
    Some(())
}

/// And back.
fn restore_padding(site: &mut Site<'_>) -> Option<()> {
    let shape = [site.dim(1, 0)?.clone(), site.dim(1, 1)?.clone(), site.dim(0, 1)?.clone()];
    site.set_shape(0, shape);
    Some(())
}

/// Half of the spectrum of the last axis, real and imaginary parts last.
fn fourier(site: &mut Site<'_>) -> Option<()> {
    let mut shape = site.shape(0)?.to_vec();
    let last = shape.last_mut()?;
    *last = dims::plus(&last.floor_div(&Dim::Fixed(2))?, 1)?;
    shape.push(Dim::Fixed(2));
    site.set_shape(0, shape);
    Some(())
}

/// The signal of half a spectrum.
fn inverse_fourier(site: &mut Site<'_>) -> Option<()> {
    let (_, spectrum) = site.shape(0)?.split_last()?;
    let mut shape = spectrum.to_vec();
    let last = shape.last_mut()?;
    *last = dims::times(&last.sub(&Dim::Fixed(1))?, 2)?;
    site.set_shape(0, shape);
    Some(())
}

/// Windows along an axis; what is in one is the last axis.
fn unfold(site: &mut Site<'_>) -> Option<()> {
    let mut shape = site.shape(0)?.to_vec();
    let at = axis(site.int_or("dim", -1)?, shape.len())?;
    let (size, step) = (dims::size(site.node().int("size")?)?, dims::size(site.int_or("step", 1)?)?);
    let windows = shape[at].sub(&size).and_then(|rest| dims::plus(&rest.floor_div(&step)?, 1));
    shape[at] = site.dim_or_fresh(windows, 0, at);
    shape.push(size);
    site.set_shape(0, shape);
    Some(())
}
