//! Ops that pick elements by index or by value.

use super::{Rule, dims};
use crate::analysis::grid::{fixed, indices};
use crate::analysis::site::{Site, axis};
use crate::ir::{Dim, Shape};
use crate::tensor::DType;

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    ("", "Gather", gather),
    ("", "GatherElements", gather_elements),
    ("", "GatherND", gather_nd),
    ("", "OneHot", one_hot),
    ("", "Compress", compress),
    ("", "NonZero", non_zero),
    ("", "Unique", unique),
    ("", "TopK", top_k),
    ("", "NonMaxSuppression", non_max_suppression),
    ("ai.onnx.ml", "ArrayFeatureExtractor", array_feature_extractor),
    ("com.microsoft", "GatherND", gather_nd),
    ("com.microsoft", "TorchEmbedding", torch_embedding),
];

fn gather(site: &mut Site<'_>) -> Option<()> {
    let (data, picks) = (site.shape(0)?, site.shape(1)?);
    let at = axis(site.int_or("axis", 0)?, data.len())?;
    site.set_shape(0, [&data[..at], picks, &data[at + 1..]].concat());
    let grid = site.grid(0)?;
    let chosen = site.numbers(1)?;
    let size = grid.dims.get(at).copied()?;
    let dims = fixed(site.found_shape(0)?)?;
    let picks = fixed(picks)?;
    let data = indices(&dims).into_iter().map(|index| {
        let pick = index[at..at + picks.len()].iter().zip(&picks).fold(0, |flat, (i, d)| flat * d + i);
        let source = axis(*chosen.get(pick)?, size)?;
        let source = [&index[..at], &[source], &index[at + picks.len()..]].concat();
        grid.at(&source).cloned()
    });
    let data = data.collect();
    site.set_elements(dims, data);
    Some(())
}

fn gather_elements(site: &mut Site<'_>) -> Option<()> {
    site.like(0, 1)
}

fn gather_nd(site: &mut Site<'_>) -> Option<()> {
    let (data, picks) = (site.shape(0)?, site.shape(1)?);
    let batch = usize::try_from(site.int_or("batch_dims", 0)?).ok()?;
    let (depth, outer) = picks.split_last()?;
    let depth = usize::try_from(depth.as_fixed()?).ok()?;
    let inner = data.get(batch.checked_add(depth)?..)?;
    site.set_shape(0, [outer, inner].concat());
    Some(())
}

fn one_hot(site: &mut Site<'_>) -> Option<()> {
    let mut shape = site.shape(0)?.to_vec();
    let at = axis(site.int_or("axis", -1)?, shape.len() + 1)?;
    let depth = site.size(site.element(1), 0, at);
    shape.insert(at, depth);
    site.set_shape(0, shape);
    Some(())
}

fn compress(site: &mut Site<'_>) -> Option<()> {
    if site.node().attr("axis").is_none() {
        let fresh = site.fresh(0, 0);
        site.set_shape(0, [fresh]);
        return Some(());
    }
    let mut shape = site.shape(0)?.to_vec();
    let at = axis(site.node().int("axis")?, shape.len())?;
    shape[at] = site.fresh(0, at);
    site.set_shape(0, shape);
    Some(())
}

fn non_zero(site: &mut Site<'_>) -> Option<()> {
    let count = site.filled_with_nonzero(0).then(|| site.shape(0).and_then(dims::product_dim)).flatten();
    let count = site.dim_or_fresh(count, 0, 1);
    let rank = match site.rank(0) {
        // What a scalar gives is not settled between runtimes.
        Some(rank) if rank > 0 => Dim::Fixed(rank as u64),
        _ => site.fresh(0, 0),
    };
    site.set_shape(0, [rank, count]);
    Some(())
}

fn unique(site: &mut Site<'_>) -> Option<()> {
    let count = site.fresh(0, 0);
    for output in [1, 3] {
        site.set_shape(output, [count.clone()]);
    }
    if site.node().attr("axis").is_none() {
        site.set_shape(0, [count]);
        let all = site.shape(0).and_then(dims::product_dim);
        let all = site.dim_or_fresh(all, 2, 0);
        site.set_shape(2, [all]);
        return Some(());
    }
    let mut shape = site.shape(0)?.to_vec();
    let at = axis(site.node().int("axis")?, shape.len())?;
    site.set_shape(2, [shape[at].clone()]);
    shape[at] = count;
    site.set_shape(0, shape);
    Some(())
}

fn top_k(site: &mut Site<'_>) -> Option<()> {
    site.set_dtype(1, DType::I64);
    let mut shape = site.shape(0)?.to_vec();
    let at = axis(site.int_or("axis", -1)?, shape.len())?;
    shape[at] = if site.schema?.inputs.len() == 1 {
        let k = site.node().int("k").and_then(dims::size);
        site.dim_or_fresh(k, 0, at)
    } else {
        site.size(site.element(1), 0, at)
    };
    site.set_shape(0, shape.clone());
    site.set_shape(1, shape);
    Some(())
}

fn non_max_suppression(site: &mut Site<'_>) -> Option<()> {
    let count = site.fresh(0, 0);
    site.set_shape(0, [count, Dim::Fixed(3)]);
    Some(())
}

fn array_feature_extractor(site: &mut Site<'_>) -> Option<()> {
    let count = site.shape(1).and_then(dims::product_dim);
    let count = site.dim_or_fresh(count, 0, 1);
    let (_, outer) = site.shape(0)?.split_last()?;
    // A single row is a batch of one.
    let outer: Shape = if outer.is_empty() { vec![Dim::Fixed(1)] } else { outer.to_vec() };
    site.set_shape(0, [outer, vec![count]].concat());
    Some(())
}

fn torch_embedding(site: &mut Site<'_>) -> Option<()> {
    let width = site.dim(0, 1)?.clone();
    site.set_shape(0, [site.shape(1)?, &[width]].concat());
    Some(())
}
