//! Ops that combine operands element by element, with broadcasting.

use super::{Rule, dims, elements};
use crate::analysis::grid::fixed;
use crate::analysis::site::Site;
use crate::ir::{Dim, DimExpr};
use crate::tensor::DType;

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    ("", "Add", combine),
    ("", "And", combine),
    ("", "BitShift", combine),
    ("", "BitwiseAnd", combine),
    ("", "BitwiseOr", combine),
    ("", "BitwiseXor", combine),
    ("", "Div", combine),
    ("", "Equal", combine),
    ("", "Greater", combine),
    ("", "GreaterOrEqual", combine),
    ("", "Less", combine),
    ("", "LessOrEqual", combine),
    ("", "Max", combine),
    ("", "Mean", combine),
    ("", "Min", combine),
    ("", "Mod", combine),
    ("", "Mul", combine),
    ("", "Or", combine),
    ("", "Pow", combine),
    ("", "StringConcat", combine),
    ("", "Sub", combine),
    ("", "Sum", combine),
    ("", "SwiGLU", combine),
    ("", "Where", combine),
    ("", "Xor", combine),
    ("", "Cast", cast),
    ("", "CastLike", cast_like),
    ("", "BitCast", bit_cast),
    ("", "Abs", map),
    ("", "Ceil", map),
    ("", "Floor", map),
    ("", "Neg", map),
    ("", "Not", map),
    ("", "Relu", map),
    ("", "Round", map),
    ("", "Sign", map),
    ("", "Identity", identity),
    ("com.microsoft", "BiasGelu", combine),
    ("com.microsoft", "BiasSplitGelu", halve),
];

fn combine(site: &mut Site<'_>) -> Option<()> {
    // Before opset 7 the second operand is stretched to the first.
    let one_sided = site.schema.is_some_and(|s| s.attr("broadcast").is_some());
    if one_sided {
        return site.like(0, 0);
    }
    let shapes = (0..site.arity()).map(|i| site.shape(i)).collect::<Option<Vec<_>>>()?;
    site.set_shape(0, dims::broadcast(&shapes)?);
    elements::infer(site)
}

fn map(site: &mut Site<'_>) -> Option<()> {
    site.like(0, 0)?;
    elements::infer(site)
}

fn identity(site: &mut Site<'_>) -> Option<()> {
    if let Some(ty) = site.ty(0) {
        site.set_type(0, ty.clone());
    }
    let grid = site.grid(0)?;
    site.set_grid(0, Some(grid.clone()));
    Some(())
}

fn cast(site: &mut Site<'_>) -> Option<()> {
    if let Some(to) = site.dtype_attr("to") {
        site.set_dtype(0, to);
    }
    site.like(0, 0)?;
    keep_elements(site)
}

fn cast_like(site: &mut Site<'_>) -> Option<()> {
    site.like(0, 0)?;
    keep_elements(site)
}

/// A number that the new type cannot hold is dropped. To `bool`, everything but 0 is 1.
fn keep_elements(site: &mut Site<'_>) -> Option<()> {
    let grid = site.grid(0)?;
    let to_bool = site.found_dtype(0) == Some(DType::Bool);
    let data = grid.data.iter().map(|e| match e {
        Some(e) if to_bool && e.is_positive() => Some(DimExpr::constant(1)),
        Some(e) if to_bool => e.as_constant().map(|n| DimExpr::constant(i64::from(n != 0))),
        e => e.clone(),
    });
    site.set_elements(fixed(site.shape(0)?)?, data.collect());
    Some(())
}

fn bit_cast(site: &mut Site<'_>) -> Option<()> {
    if let Some(to) = site.dtype_attr("to") {
        site.set_dtype(0, to);
    }
    site.like(0, 0)
}

fn halve(site: &mut Site<'_>) -> Option<()> {
    let mut shape = site.shape(0)?.to_vec();
    let last = shape.last_mut()?;
    *last = last.floor_div(&Dim::Fixed(2))?;
    site.set_shape(0, shape);
    Some(())
}
