//! Quantization and back.

use super::{Rule, dims};
use crate::analysis::site::{Site, axis};
use crate::tensor::DType;

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    ("", "QuantizeLinear", quantize),
    ("", "DequantizeLinear", dequantize),
    ("", "DynamicQuantizeLinear", dynamic),
    ("com.microsoft", "QuantizeLinear", quantize),
    ("com.microsoft", "DequantizeLinear", dequantize),
    ("com.microsoft", "QLinearAdd", broadcast),
    ("com.microsoft", "QLinearMul", broadcast),
    ("com.microsoft", "QLinearConcat", quantized_concat),
];

fn quantize(site: &mut Site<'_>) -> Option<()> {
    let dtype = match site.int_or("output_dtype", 0)? {
        0 if site.has(2) => site.dtype(2),
        0 => Some(DType::U8),
        _ => site.dtype_attr("output_dtype"),
    };
    if let Some(dtype) = dtype {
        site.set_dtype(0, dtype);
    }
    site.like(0, 0)
}

fn dequantize(site: &mut Site<'_>) -> Option<()> {
    let dtype = match site.int_or("output_dtype", 0)? {
        0 => site.dtype(1),
        _ => site.dtype_attr("output_dtype"),
    };
    if let Some(dtype) = dtype {
        site.set_dtype(0, dtype);
    }
    site.like(0, 0)
}

fn dynamic(site: &mut Site<'_>) -> Option<()> {
    site.set_shape(1, []);
    site.set_shape(2, []);
    site.like(0, 0)
}

/// Both operands come with scale and zero point.
fn broadcast(site: &mut Site<'_>) -> Option<()> {
    site.set_shape(0, dims::broadcast(&[site.shape(0)?, site.shape(3)?])?);
    Some(())
}

/// Scale and zero point of the result, then data, scale and zero point of each part.
fn quantized_concat(site: &mut Site<'_>) -> Option<()> {
    let parts: Vec<_> = (2..site.arity()).step_by(3).map(|i| site.shape(i)).collect::<Option<_>>()?;
    let (first, rest) = parts.split_first()?;
    let at = axis(site.node().int("axis")?, first.len())?;
    let mut shape = first.to_vec();
    for part in rest {
        shape[at] = shape[at].add(part.get(at)?)?;
    }
    if let Some(dtype) = site.dtype(1) {
        site.set_dtype(0, dtype);
    }
    site.set_shape(0, shape);
    Some(())
}
