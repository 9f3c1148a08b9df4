//! Normalizations with statistics among their outputs.

use super::{Rule, same};
use crate::analysis::site::{Site, axis};
use crate::ir::Dim;
use crate::tensor::DType;

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    ("", "BatchNormalization", batch),
    ("", "GroupNormalization", same::same),
    ("", "InstanceNormalization", same::same),
    ("", "LayerNormalization", layer),
    ("", "RMSNormalization", same::same),
    ("", "SimplifiedLayerNormalization", layer),
    ("com.microsoft", "SkipLayerNormalization", skip),
    ("com.microsoft", "SkipSimplifiedLayerNormalization", skip),
    ("com.microsoft", "EmbedLayerNormalization", embed),
];

fn batch(site: &mut Site<'_>) -> Option<()> {
    let channels = site.dim(1, 0).cloned();
    for output in 1..site.findings.len() {
        let channels = site.dim_or_fresh(channels.clone(), output, 0);
        site.set_shape(output, [channels]);
    }
    site.like(0, 0)
}

/// Also where no schema tells the type: ONNX Runtime has had it, and the one without a mean, before ONNX had.
fn layer(site: &mut Site<'_>) -> Option<()> {
    if let Some(dtype) = site.dtype(0) {
        site.set_dtype(0, dtype);
    }
    // Statistics have the type in which they are computed.
    let stash = site.dtype_attr("stash_type").unwrap_or(DType::F32);
    site.set_dtype(1, stash);
    site.set_dtype(2, stash);
    site.like(0, 0)?;
    let shape = site.shape(0)?;
    let at = axis(site.int_or("axis", -1)?, shape.len())?;
    let mut statistics = shape.to_vec();
    statistics[at..].fill(Dim::Fixed(1));
    site.set_shape(1, statistics.clone());
    site.set_shape(2, statistics);
    Some(())
}

/// The statistics are for training only; the last output is the sum before the normalization.
fn skip(site: &mut Site<'_>) -> Option<()> {
    site.like(0, 0)?;
    site.like(3, 0)
}

fn embed(site: &mut Site<'_>) -> Option<()> {
    let [batch, time] = site.shape(0)? else {
        return None;
    };
    let hidden = site.dim(2, 1)?;
    let shape = [batch.clone(), time.clone(), hidden.clone()];
    site.set_shape(0, shape.clone());
    site.set_shape(1, [batch.clone()]);
    site.set_shape(2, shape);
    Some(())
}
