//! Ops that repeat, fill or count.

use super::Rule;
use crate::analysis::grid::{MAX_ELEMENTS, fixed, indices};
use crate::analysis::site::Site;
use crate::ir::{Attr, Dim, DimExpr, Shape};
use crate::tensor::{DType, element_count};

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    ("", "Expand", expand),
    ("", "Tile", tile),
    ("", "ConstantOfShape", fill),
    ("", "Range", range),
    ("", "EyeLike", eye_like),
    ("com.microsoft", "Range", range),
];

fn expand(site: &mut Site<'_>) -> Option<()> {
    let wanted = site.vector(1)?;
    let shape = site.shape(0)?;
    let rank = shape.len().max(wanted.len());
    let mut found = Vec::with_capacity(rank);
    for at in 0..rank {
        let have = (at + shape.len()).checked_sub(rank).and_then(|i| shape.get(i));
        let want = (at + wanted.len()).checked_sub(rank).and_then(|i| wanted.get(i));
        let dim = match (have, want) {
            (Some(have), Some(Some(want))) => {
                Dim::from_expr(want.clone()).and_then(|want| have.broadcast(&want))
            }
            (Some(have), Some(None)) => have.at_least(2).is_proven().then(|| have.clone()),
            (Some(have), None) => Some(have.clone()),
            (None, want) => want.cloned().flatten().and_then(Dim::from_expr),
        };
        found.push(site.dim_or_fresh(dim, 0, at));
    }
    site.set_shape(0, found);
    let (grid, dims) = (site.grid(0)?, fixed(site.found_shape(0)?)?);
    let data = indices(&dims).iter().map(|index| grid.at(index).cloned()).collect();
    site.set_elements(dims, data);
    Some(())
}

fn tile(site: &mut Site<'_>) -> Option<()> {
    let shape = site.shape(0)?;
    if site.schema?.inputs.len() != 2 {
        let fresh = site.fresh_shape(0, shape.len());
        site.set_shape(0, fresh);
        return None;
    }
    let repeats = site.vector(1).filter(|r| r.len() == shape.len());
    let repeats = repeats.unwrap_or_else(|| vec![None; shape.len()]);
    let tiled: Shape = shape
        .iter()
        .zip(repeats)
        .enumerate()
        .map(|(at, (dim, times))| {
            let dim = times.and_then(|t| Dim::from_expr(dim.expr()?.mul(&t)?));
            site.dim_or_fresh(dim, 0, at)
        })
        .collect();
    site.set_shape(0, tiled);
    let (grid, dims) = (site.grid(0)?, fixed(site.found_shape(0)?)?);
    let data = indices(&dims).into_iter().map(|index| {
        let source: Vec<usize> = index.iter().zip(&grid.dims).map(|(i, d)| i % d.max(&1)).collect();
        grid.at(&source).cloned()
    });
    let data = data.collect();
    site.set_elements(dims, data);
    Some(())
}

fn fill(site: &mut Site<'_>) -> Option<()> {
    let value = match site.node().attr("value") {
        None => None,
        Some(Attr::Tensor(t)) => Some(t),
        Some(_) => return None,
    };
    site.set_dtype(0, value.map_or(DType::F32, |t| t.dtype()));
    let wanted = site.vector(0)?;
    let shape: Shape = wanted.iter().enumerate().map(|(at, e)| site.size(e.as_ref(), 0, at)).collect();
    site.set_shape(0, shape);
    let dims = fixed(site.found_shape(0)?)?;
    let count = element_count(&dims).filter(|&n| n <= MAX_ELEMENTS)?;
    let number = match value {
        None => 0,
        Some(t) if t.dtype().is_float() => {
            t.as_scalar().filter(|v| v.fract() == 0.0 && v.abs() < 1e9)? as i64
        }
        Some(t) => t.as_int()?,
    };
    site.set_elements(dims, vec![Some(DimExpr::constant(number)); count]);
    Some(())
}

/// `max(0, ceil((limit - start) / delta))` numbers.
fn range(site: &mut Site<'_>) -> Option<()> {
    let fresh = site.fresh(0, 0);
    site.set_shape(0, [fresh]);
    if site.found_dtype(0).is_none_or(DType::is_float) {
        let [start, limit, delta] = [0, 1, 2].map(|i| site.floats(i).filter(|v| v.len() == 1).map(|v| v[0]));
        let (start, limit, delta) = (start?, limit?, delta?);
        let double = ((limit - start) / delta).ceil().max(0.0);
        let single = ((limit as f32 - start as f32) / delta as f32).ceil().max(0.0);
        // In which precision the numbers are counted is the runtime's choice.
        if double == f64::from(single) && double < 1e9 {
            site.set_shape(0, [Dim::Fixed(double as u64)]);
        }
        return Some(());
    }
    let (start, limit) = (site.element(0)?, site.element(1)?);
    let one = DimExpr::constant(1);
    let delta = if site.has(2) { site.element(2)? } else { &one };
    let step = delta.as_constant().filter(|s| *s != 0)?;
    let span = limit.sub(start)?;
    let (span, positive) = if step > 0 { (span, step) } else { (span.neg()?, step.checked_neg()?) };
    let count = span.ceil_div(&DimExpr::constant(positive))?.maximum(&DimExpr::constant(0))?;
    site.set_shape(0, [Dim::from_expr(count.clone())?]);
    let count = usize::try_from(count.as_constant()?).ok().filter(|&n| n <= MAX_ELEMENTS)?;
    let data = (0..count as i64).map(|i| start.offset(i.checked_mul(step)?)).collect();
    site.set_elements(vec![count], data);
    Some(())
}

fn eye_like(site: &mut Site<'_>) -> Option<()> {
    if let Some(dtype) = site.dtype_attr("dtype") {
        site.set_dtype(0, dtype);
    } else if let Some(dtype) = site.dtype(0) {
        site.set_dtype(0, dtype);
    }
    site.like(0, 0)
}
