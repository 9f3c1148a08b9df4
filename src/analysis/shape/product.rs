//! Matrix products.

use super::{Rule, dims};
use crate::analysis::site::Site;
use crate::ir::{Dim, Shape};
use crate::schema::{Equation, Index};
use crate::tensor::DType;

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    ("", "MatMul", matmul),
    ("", "MatMulInteger", matmul),
    ("", "QLinearMatMul", quantized),
    ("", "Gemm", gemm),
    ("", "Einsum", einsum),
    ("", "Det", det),
    ("com.microsoft", "FusedMatMul", fused),
    ("com.microsoft", "TransposeMatMul", fused),
    ("com.microsoft", "FusedGemm", gemm),
    ("com.microsoft", "DynamicQuantizeMatMul", matmul),
    ("com.microsoft", "MatMulIntegerToFloat", matmul),
    ("com.microsoft", "MatMulInteger16", matmul),
    ("com.microsoft", "MatMulNBits", packed),
    ("com.microsoft", "MatMulBnb4", packed),
    ("com.microsoft", "QGemm", quantized_gemm),
];

/// As numpy has it: a vector on the left is a row, on the right a column, and leaves no dim.
fn multiply(a: &[Dim], b: &[Dim]) -> Option<Shape> {
    let rows = match a {
        [] => return None,
        [_] => &[],
        [.., m, _] => std::slice::from_ref(m),
    };
    let columns = match b {
        [] => return None,
        [_] => &[],
        [.., n] => std::slice::from_ref(n),
    };
    let batch = dims::broadcast(&[&a[..a.len().saturating_sub(2)], &b[..b.len().saturating_sub(2)]])?;
    Some([batch.as_slice(), rows, columns].concat())
}

fn matmul(site: &mut Site<'_>) -> Option<()> {
    site.set_shape(0, multiply(site.shape(0)?, site.shape(1)?)?);
    Some(())
}

fn quantized(site: &mut Site<'_>) -> Option<()> {
    site.set_shape(0, multiply(site.shape(0)?, site.shape(3)?)?);
    Some(())
}

fn fused(site: &mut Site<'_>) -> Option<()> {
    let side = |input: usize, flag: &str, batch_flag: &str| {
        let mut shape = site.shape(input)?.to_vec();
        let rank = shape.len();
        if site.int_or(batch_flag, 0)? != 0 && rank > 1 {
            // The first dim goes before the last one.
            shape[..rank - 1].rotate_left(1);
        }
        if site.int_or(flag, 0)? != 0 && rank > 1 {
            shape.swap(rank - 2, rank - 1);
        }
        Some(shape)
    };
    let (a, b) = (side(0, "transA", "transBatchA")?, side(1, "transB", "transBatchB")?);
    site.set_shape(0, multiply(&a, &b)?);
    Some(())
}

fn gemm(site: &mut Site<'_>) -> Option<()> {
    general(site, 1)
}

fn quantized_gemm(site: &mut Site<'_>) -> Option<()> {
    let dtype = if site.has(8) { site.dtype(8) } else { Some(DType::F32) };
    if let Some(dtype) = dtype {
        site.set_dtype(0, dtype);
    }
    general(site, 3)
}

fn general(site: &mut Site<'_>, right: usize) -> Option<()> {
    let transposed = |name: &str| site.int_or(name, 0).map(|t| t != 0);
    let (rows, columns) = (i64::from(transposed("transA")?), i64::from(!transposed("transB")?));
    let (rows, columns) = (site.dim(0, rows).cloned(), site.dim(right, columns).cloned());
    let shape = [site.dim_or_fresh(rows, 0, 0), site.dim_or_fresh(columns, 0, 1)];
    site.set_shape(0, shape);
    Some(())
}

/// The weight is packed; attributes tell its dims.
fn packed(site: &mut Site<'_>) -> Option<()> {
    let (_, outer) = site.shape(0)?.split_last()?;
    let columns = site.node().int("N").and_then(dims::size)?;
    site.set_shape(0, [outer, &[columns]].concat());
    Some(())
}

fn det(site: &mut Site<'_>) -> Option<()> {
    let shape = site.shape(0)?;
    site.set_shape(0, shape.get(..shape.len().checked_sub(2)?)?);
    Some(())
}

fn einsum(site: &mut Site<'_>) -> Option<()> {
    let equation = Equation::parse(site.string_or("equation", "")?)?;
    if equation.operands.len() != site.arity() {
        return None;
    }
    let mut sizes: Vec<(Index, Dim)> = Vec::new();
    let mut widest = 0;
    for (input, indices) in equation.operands.iter().enumerate() {
        let shape = site.shape(input)?;
        let wild = shape.len().checked_sub(indices.letters())?;
        if wild > 0 && !indices.is_open() {
            return None;
        }
        widest = widest.max(wild);
        for (index, dim) in indices.spread(wild).into_iter().zip(shape) {
            match sizes.iter_mut().find(|(known, _)| *known == index) {
                Some((_, size)) => *size = size.broadcast(dim)?,
                None => sizes.push((index, dim.clone())),
            }
        }
    }
    let size_of = |index: &Index| sizes.iter().find(|(known, _)| known == index).map(|(_, d)| d.clone());
    let shape: Option<Shape> = equation.result.spread(widest).iter().map(size_of).collect();
    site.set_shape(0, shape?);
    Some(())
}
