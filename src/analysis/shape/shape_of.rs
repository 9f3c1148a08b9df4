//! Constants, and the ops that turn sizes into elements.

use super::{Rule, dims};
use crate::analysis::site::Site;
use crate::ir::{Attr, Dim, DimExpr, Type};

pub(super) const RULES: &[(&str, &str, Rule)] =
    &[("", "Constant", constant), ("", "Shape", shape), ("", "Size", size)];

fn constant(site: &mut Site<'_>) -> Option<()> {
    if let Some(Attr::SparseTensor(sparse)) = site.node().attr("sparse_value") {
        let dims: Vec<Dim> = sparse.dims.iter().map(|&d| Dim::Fixed(d as u64)).collect();
        site.set_type(0, Type::tensor(sparse.values.dtype(), dims));
        return Some(());
    }
    let tensor = site.own_constant()?;
    let dims: Vec<Dim> = tensor.shape().iter().map(|&d| Dim::Fixed(d as u64)).collect();
    site.set_dtype(0, tensor.dtype());
    site.set_shape(0, dims);
    Some(())
}

fn shape(site: &mut Site<'_>) -> Option<()> {
    let unknown = site.fresh(0, 0);
    site.set_shape(0, [unknown]);
    let shape = site.shape(0)?;
    let rank = shape.len() as i64;
    // Both ends are clamped, unlike an axis.
    let clamp = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
    let start = clamp(site.int_or("start", 0)?);
    let end = clamp(site.int_or("end", rank)?);
    let part = shape.get(start..end.max(start))?;
    site.set_shape(0, [Dim::Fixed(part.len() as u64)]);
    site.set_elements(vec![part.len()], part.iter().map(Dim::expr).collect());
    Some(())
}

fn size(site: &mut Site<'_>) -> Option<()> {
    site.set_shape(0, []);
    let count: DimExpr = dims::product(site.shape(0)?)?;
    site.set_elements(Vec::new(), vec![Some(count)]);
    Some(())
}
