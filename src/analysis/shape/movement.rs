//! Ops that move elements without looking at them: transposition, concatenation, splitting, blocks.

use super::{Rule, dims};
use crate::analysis::grid::{Grid, fixed, indices};
use crate::analysis::site::{Site, axis};
use crate::ir::{Dim, Shape};

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    ("", "Transpose", transpose),
    ("", "Concat", concat),
    ("", "Split", split),
    ("", "DepthToSpace", depth_to_space),
    ("", "SpaceToDepth", space_to_depth),
    ("", "CenterCropPad", center_crop_pad),
];

fn transpose(site: &mut Site<'_>) -> Option<()> {
    let shape = site.shape(0)?;
    let order: Vec<usize> = match site.ints_or_none("perm")? {
        Some(perm) => perm.iter().map(|&p| axis(p, shape.len())).collect::<Option<_>>()?,
        None => (0..shape.len()).rev().collect(),
    };
    if order.len() != shape.len() {
        return None;
    }
    site.set_shape(0, order.iter().map(|&a| shape[a].clone()).collect::<Shape>());
    let (grid, dims) = (site.grid(0)?, fixed(site.found_shape(0)?)?);
    let data = indices(&dims).into_iter().map(|index| {
        let mut source = vec![0; order.len()];
        order.iter().zip(index).for_each(|(&to, i)| source[to] = i);
        grid.at(&source).cloned()
    });
    let data = data.collect();
    site.set_elements(dims, data);
    Some(())
}

fn concat(site: &mut Site<'_>) -> Option<()> {
    let known: Vec<Option<&[Dim]>> = (0..site.arity()).map(|i| site.shape(i)).collect();
    let rank = known.iter().flatten().next()?.len();
    let at = axis(site.int_or("axis", 1)?, rank)?;
    if known.iter().flatten().any(|s| s.len() != rank) {
        return None;
    }
    let mut shape = Vec::with_capacity(rank);
    for i in 0..rank {
        let dim = if i == at {
            known.iter().try_fold(Dim::Fixed(0), |sum, s| sum.add(&(*s)?[i]))
        } else {
            // All agree; a number says more than a name.
            let agreed = known.iter().flatten().map(|s| &s[i]);
            agreed.clone().find(|d| d.as_fixed().is_some()).or(agreed.clone().next()).cloned()
        };
        shape.push(site.dim_or_fresh(dim, 0, i));
    }
    site.set_shape(0, shape);
    concat_elements(site, rank)
}

/// Vectors of which some elements are known suffice; of the others the length is.
fn concat_elements(site: &mut Site<'_>, rank: usize) -> Option<()> {
    if rank != 1 {
        return None;
    }
    let parts: Vec<_> = (0..site.arity()).map(|i| site.vector(i)).collect::<Option<_>>()?;
    let data = parts.concat();
    site.set_elements(vec![data.len()], data);
    Some(())
}

fn split(site: &mut Site<'_>) -> Option<()> {
    let shape = site.shape(0)?;
    let at = axis(site.int_or("axis", 0)?, shape.len())?;
    let count = site.findings.len();
    let whole = &shape[at];
    let sizes: Vec<Option<Dim>> = if site.has(1) {
        let wanted = site.vector(1).unwrap_or_default();
        (0..count).map(|i| wanted.get(i).cloned().flatten().and_then(Dim::from_expr)).collect()
    } else if let Some(list) = site.ints_or_none("split")? {
        (0..count).map(|i| list.get(i).and_then(|&n| dims::size(n))).collect()
    } else {
        even_parts(whole, count)
    };
    for (output, size) in sizes.iter().enumerate() {
        let mut part = shape.to_vec();
        part[at] = site.dim_or_fresh(size.clone(), output, at);
        site.set_shape(output, part);
    }
    let grid = site.grid(0).filter(|g| g.dims.len() == 1)?;
    let mut from = 0usize;
    for (output, size) in sizes.into_iter().enumerate() {
        let size = usize::try_from(size?.as_fixed()?).ok()?;
        let to = from.checked_add(size)?;
        let data = grid.data.get(from..to)?.to_vec();
        site.set_grid(output, Grid::new(grid.dtype, vec![size], data));
        from = to;
    }
    Some(())
}

/// Equal parts; where they do not come out even the last one is smaller.
fn even_parts(whole: &Dim, count: usize) -> Vec<Option<Dim>> {
    let parts = Dim::Fixed(count as u64);
    let Some(part) = whole.ceil_div(&parts) else {
        return vec![None; count];
    };
    let last = dims::times(&part, count as i64 - 1).and_then(|before| match whole.sub(&before)? {
        last if last.at_least(0).is_proven() => Some(last),
        _ => None,
    });
    let exact = whole.floor_div(&parts).filter(|floor| *floor == part);
    (0..count)
        .map(|i| exact.clone().or_else(|| if i + 1 < count { Some(part.clone()) } else { last.clone() }))
        .collect()
}

fn depth_to_space(site: &mut Site<'_>) -> Option<()> {
    let [n, c, h, w] = site.shape(0)? else {
        return None;
    };
    let block = site.node().int("blocksize").filter(|b| *b > 0)?;
    let depth = c.floor_div(&dims::size(block.checked_mul(block)?)?)?;
    site.set_shape(0, [n.clone(), depth, dims::times(h, block)?, dims::times(w, block)?]);
    Some(())
}

fn space_to_depth(site: &mut Site<'_>) -> Option<()> {
    let [n, c, h, w] = site.shape(0)? else {
        return None;
    };
    let block = site.node().int("blocksize").filter(|b| *b > 0)?;
    let size = dims::size(block)?;
    let depth = dims::times(c, block.checked_mul(block)?)?;
    site.set_shape(0, [n.clone(), depth, h.floor_div(&size)?, w.floor_div(&size)?]);
    Some(())
}

fn center_crop_pad(site: &mut Site<'_>) -> Option<()> {
    let shape = site.shape(0)?;
    let wanted = site.vector(1)?;
    let at: Vec<usize> = match site.ints_or_none("axes")? {
        Some(list) => list.iter().map(|&a| axis(a, shape.len())).collect::<Option<_>>()?,
        None => (0..shape.len()).collect(),
    };
    if at.len() != wanted.len() {
        return None;
    }
    let mut shape = shape.to_vec();
    for (&axis, size) in at.iter().zip(&wanted) {
        shape[axis] = site.size(size.as_ref(), 0, axis);
    }
    site.set_shape(0, shape);
    Some(())
}
