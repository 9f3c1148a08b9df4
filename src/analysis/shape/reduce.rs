//! Reductions over axes.

use super::Rule;
use crate::analysis::site::{Site, axes, axis};
use crate::ir::{Dim, DimExpr, Shape};

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    ("", "ReduceL1", reduce),
    ("", "ReduceL2", reduce),
    ("", "ReduceLogSum", reduce),
    ("", "ReduceLogSumExp", reduce),
    ("", "ReduceMax", reduce),
    ("", "ReduceMean", reduce),
    ("", "ReduceMin", reduce),
    ("", "ReduceProd", reduce),
    ("", "ReduceSum", reduce),
    ("", "ReduceSumSquare", reduce),
    ("", "ArgMax", arg),
    ("", "ArgMin", arg),
    ("com.microsoft", "ReduceSumInteger", reduce),
    ("com.microsoft", "QLinearReduceMean", quantized),
];

fn reduce(site: &mut Site<'_>) -> Option<()> {
    let keep = site.int_or("keepdims", 1)? != 0;
    let shape = site.shape(0)?;
    let rank = shape.len();
    // The newest form of each has the axes as an operand; an op that lists no second input has them as an attribute.
    let listed = site.list(1, "axes");
    let over = match listed {
        Some(list) => match list.filter(|l| !l.is_empty()) {
            Some(list) => axes(&list, rank)?,
            None if site.int_or("noop_with_empty_axes", 0)? != 0 => Vec::new(),
            None => (0..rank).collect(),
        },
        None => {
            // No axes may mean all of them.
            let count = || Some(site.vector(1)?.len()).filter(|&n| n > 0);
            let left = if keep { rank } else { rank.checked_sub(count()?)? };
            let fresh = site.fresh_shape(0, left);
            site.set_shape(0, fresh);
            return None;
        }
    };
    site.set_shape(0, reduced(shape, &over, keep));
    reduce_elements(site, &over)
}

fn quantized(site: &mut Site<'_>) -> Option<()> {
    let shape = site.shape(0)?;
    let keep = site.int_or("keepdims", 1)? != 0;
    let over = match site.ints_or_none("axes")? {
        Some(list) => axes(list, shape.len())?,
        None => (0..shape.len()).collect(),
    };
    site.set_shape(0, reduced(shape, &over, keep));
    Some(())
}

fn reduced(shape: &[Dim], over: &[usize], keep: bool) -> Shape {
    let dims = shape.iter().enumerate();
    dims.filter_map(|(at, dim)| match over.contains(&at) {
        true => keep.then_some(Dim::Fixed(1)),
        false => Some(dim.clone()),
    })
    .collect()
}

/// A vector reduced to one element.
fn reduce_elements(site: &mut Site<'_>, over: &[usize]) -> Option<()> {
    let grid = site.grid(0).filter(|g| g.dims.len() == 1 && over == [0])?;
    let known: Vec<&DimExpr> = grid.data.iter().map(Option::as_ref).collect::<Option<_>>()?;
    let join: fn(&DimExpr, &DimExpr) -> Option<DimExpr> = match site.name() {
        "ReduceProd" => DimExpr::mul,
        "ReduceSum" => DimExpr::add,
        "ReduceMax" => DimExpr::maximum,
        "ReduceMin" => DimExpr::minimum,
        _ => return None,
    };
    let (first, rest) = known.split_first()?;
    let result = rest.iter().try_fold((*first).clone(), |a, b| join(&a, b))?;
    let dims = vec![1; site.found_shape(0)?.len()];
    site.set_elements(dims, vec![Some(result)]);
    Some(())
}

fn arg(site: &mut Site<'_>) -> Option<()> {
    let keep = site.int_or("keepdims", 1)? != 0;
    let shape = site.shape(0)?;
    let at = axis(site.int_or("axis", 0)?, shape.len())?;
    site.set_shape(0, reduced(shape, &[at], keep));
    Some(())
}
