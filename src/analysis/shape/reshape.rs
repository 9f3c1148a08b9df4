//! Ops that keep the elements in order and give them other dims.

use super::{Rule, dims};
use crate::analysis::grid::fixed;
use crate::analysis::site::{Site, axes, axis};
use crate::ir::{Dim, DimExpr, Shape, Truth};

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    ("", "Reshape", reshape),
    ("", "Flatten", flatten),
    ("", "Squeeze", squeeze),
    ("", "Unsqueeze", unsqueeze),
    ("com.microsoft", "ExpandDims", expand_dims),
];

/// The elements of the operand under the dims found.
fn keep_elements(site: &mut Site<'_>) -> Option<()> {
    let grid = site.grid(0)?;
    site.set_elements(fixed(site.found_shape(0)?)?, grid.data.clone());
    Some(())
}

/// A symbolic element of the new shape is taken for a size, that is, neither 0 (a copy) nor -1 (the rest).
fn reshape(site: &mut Site<'_>) -> Option<()> {
    let wanted: Vec<Option<DimExpr>> = match site.schema?.inputs.len() {
        1 => site.ints_or_none("shape")??.iter().map(|&n| Some(DimExpr::constant(n))).collect(),
        _ => site.vector(1)?,
    };
    let copies = site.int_or("allowzero", 0)? == 0;
    let input = site.shape(0);
    let mut found: Vec<Option<Dim>> = Vec::with_capacity(wanted.len());
    let mut rest = None;
    for (at, element) in wanted.iter().enumerate() {
        found.push(match element.as_ref().map(|e| (e, e.as_constant())) {
            Some((_, Some(0))) if copies => input.and_then(|s| s.get(at)).cloned(),
            Some((_, Some(-1))) => {
                rest = Some(at);
                None
            }
            Some((e, _)) => Dim::from_expr(e.clone()),
            None => None,
        });
    }
    let missing: Vec<usize> = (0..found.len()).filter(|&at| found[at].is_none()).collect();
    if let ([at], Some(input)) = (missing.as_slice(), input) {
        // One dim that is not told, be it -1 or not, is what the others leave.
        let others: Shape = found.iter().flatten().cloned().collect();
        found[*at] = remaining(input, &others);
    }
    debug_assert!(rest.is_none_or(|at| missing.contains(&at)), "what is left is missing at first");
    let shape: Shape = found.into_iter().enumerate().map(|(at, dim)| site.dim_or_fresh(dim, 0, at)).collect();
    site.set_shape(0, shape);
    keep_elements(site)
}

/// The number of elements of `whole` over that of `part`; `None` where either is empty.
fn remaining(whole: &[Dim], part: &[Dim]) -> Option<Dim> {
    let (mut whole, mut part) = (whole.to_vec(), part.to_vec());
    if whole.iter().chain(&part).any(|d| d.as_fixed() == Some(0)) {
        return None;
    }
    part.retain(|d| match whole.iter().position(|w| w == d) {
        Some(at) => {
            whole.remove(at);
            false
        }
        None => true,
    });
    Dim::from_expr(dims::product(&whole)?.floor_div(&dims::product(&part)?)?)
}

fn flatten(site: &mut Site<'_>) -> Option<()> {
    let fresh = site.fresh_shape(0, 2);
    site.set_shape(0, fresh);
    let shape = site.shape(0)?;
    let rank = shape.len() as i64;
    let at = site.int_or("axis", 1)?;
    let at = usize::try_from(if at < 0 { at.checked_add(rank)? } else { at }).ok()?;
    let (outer, inner) = shape.split_at_checked(at)?;
    let outer = site.dim_or_fresh(dims::product_dim(outer), 0, 0);
    let inner = site.dim_or_fresh(dims::product_dim(inner), 0, 1);
    site.set_shape(0, [outer, inner]);
    keep_elements(site)
}

fn squeeze(site: &mut Site<'_>) -> Option<()> {
    let shape = site.shape(0)?;
    let gone = match site.list(1, "axes") {
        // For an empty list ONNX drops nothing, ONNX Runtime every 1.
        Some(Some(list)) if list.is_empty() => Some(ones(shape)?).filter(Vec::is_empty)?,
        Some(Some(list)) => axes(&list, shape.len())?,
        Some(None) => ones(shape)?,
        None => {
            let count = Some(site.vector(1)?.len()).filter(|&n| n > 0)?;
            let fresh = site.fresh_shape(0, shape.len().checked_sub(count)?);
            site.set_shape(0, fresh);
            return None;
        }
    };
    let kept: Shape =
        shape.iter().enumerate().filter(|(at, _)| !gone.contains(at)).map(|(_, d)| d.clone()).collect();
    site.set_shape(0, kept);
    keep_elements(site)
}

/// The dims that are 1; `None` where one is not known to be or not to be.
fn ones(shape: &[Dim]) -> Option<Vec<usize>> {
    let mut ones = Vec::new();
    for (at, dim) in shape.iter().enumerate() {
        match dim.same(&Dim::Fixed(1)) {
            Truth::Proven => ones.push(at),
            Truth::Refuted => {}
            Truth::Unknown => return None,
        }
    }
    Some(ones)
}

fn unsqueeze(site: &mut Site<'_>) -> Option<()> {
    let shape = site.shape(0)?;
    let Some(Some(list)) = site.list(1, "axes") else {
        let count = site.vector(1)?.len();
        let fresh = site.fresh_shape(0, shape.len() + count);
        site.set_shape(0, fresh);
        return None;
    };
    let rank = shape.len() + list.len();
    let new = axes(&list, rank)?;
    let mut old = shape.iter().cloned();
    let with_ones: Option<Shape> =
        (0..rank).map(|at| if new.contains(&at) { Some(Dim::Fixed(1)) } else { old.next() }).collect();
    site.set_shape(0, with_ones?);
    keep_elements(site)
}

fn expand_dims(site: &mut Site<'_>) -> Option<()> {
    let mut shape = site.shape(0)?.to_vec();
    let at = axis(site.number(1)?, shape.len() + 1)?;
    shape.insert(at, Dim::Fixed(1));
    site.set_shape(0, shape);
    keep_elements(site)
}
