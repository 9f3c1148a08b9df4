//! Random numbers.

use super::{Rule, dims};
use crate::analysis::site::Site;
use crate::tensor::DType;

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    ("", "RandomNormal", generate),
    ("", "RandomUniform", generate),
    ("", "RandomNormalLike", like),
    ("", "RandomUniformLike", like),
    ("", "Bernoulli", like),
    ("", "Multinomial", multinomial),
];

fn generate(site: &mut Site<'_>) -> Option<()> {
    let dtype = if site.node().attr("dtype").is_some() { site.dtype_attr("dtype")? } else { DType::F32 };
    site.set_dtype(0, dtype);
    site.set_shape(0, dims::sizes(site.ints_or_none("shape")??)?);
    Some(())
}

fn like(site: &mut Site<'_>) -> Option<()> {
    let dtype = if site.node().attr("dtype").is_some() { site.dtype_attr("dtype") } else { site.dtype(0) };
    if let Some(dtype) = dtype {
        site.set_dtype(0, dtype);
    }
    site.like(0, 0)
}

fn multinomial(site: &mut Site<'_>) -> Option<()> {
    let dtype = if site.node().attr("dtype").is_some() { site.dtype_attr("dtype")? } else { DType::I32 };
    site.set_dtype(0, dtype);
    let rows = site.dim(0, 0).cloned();
    let rows = site.dim_or_fresh(rows, 0, 0);
    site.set_shape(0, [rows, dims::size(site.int_or("sample_size", 1)?)?]);
    Some(())
}
