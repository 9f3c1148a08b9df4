//! Fourier transforms and windows.

use super::Rule;
use crate::analysis::site::{Site, axis};
use crate::ir::{Dim, DimExpr};
use crate::tensor::DType;

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    ("", "BlackmanWindow", window),
    ("", "HammingWindow", window),
    ("", "HannWindow", window),
    ("", "MelWeightMatrix", mel),
    ("", "DFT", dft),
    ("", "STFT", stft),
];

fn output_type(site: &mut Site<'_>) -> Option<()> {
    let stated = site.node().attr("output_datatype").is_some();
    let dtype = if stated { site.dtype_attr("output_datatype")? } else { DType::F32 };
    site.set_dtype(0, dtype);
    Some(())
}

fn window(site: &mut Site<'_>) -> Option<()> {
    output_type(site)?;
    let size = site.size(site.element(0), 0, 0);
    site.set_shape(0, [size]);
    Some(())
}

fn mel(site: &mut Site<'_>) -> Option<()> {
    output_type(site)?;
    let bins = site.element(1).and_then(half_plus_one);
    let shape = [site.dim_or_fresh(bins, 0, 0), site.size(site.element(0), 0, 1)];
    site.set_shape(0, shape);
    Some(())
}

/// The coefficients that a real signal's transform is determined by.
fn half_plus_one(length: &DimExpr) -> Option<Dim> {
    Dim::from_expr(length.floor_div(&DimExpr::constant(2))?.offset(1)?)
}

fn dft(site: &mut Site<'_>) -> Option<()> {
    let mut shape = site.shape(0)?.to_vec();
    let rank = shape.len();
    let at = match site.schema?.inputs.len() {
        3 if site.has(2) && site.number(2).is_none() => {
            let fresh = site.fresh_shape(0, rank);
            site.set_shape(0, fresh);
            return None;
        }
        3 if site.has(2) => axis(site.number(2)?, rank)?,
        3 => axis(-2, rank)?,
        _ => axis(site.int_or("axis", 1)?, rank)?,
    };
    let (one_sided, inverse) = (site.int_or("onesided", 0)? != 0, site.int_or("inverse", 0)? != 0);
    let length = match (site.has(1), one_sided && inverse) {
        (true, _) => site.element(1).cloned(),
        (false, false) => shape[at].expr(),
        (false, true) => shape[at].expr().and_then(|n| n.offset(-1)?.mul(&DimExpr::constant(2))),
    };
    let size = match one_sided && !inverse {
        true => length.as_ref().and_then(half_plus_one),
        false => length.and_then(Dim::from_expr),
    };
    shape[at] = site.dim_or_fresh(size, 0, at);
    *shape.last_mut()? = Dim::Fixed(if one_sided && inverse { 1 } else { 2 });
    site.set_shape(0, shape);
    Some(())
}

fn stft(site: &mut Site<'_>) -> Option<()> {
    let [batch, signal, _] = site.shape(0)? else {
        return None;
    };
    let length = if site.has(3) {
        site.element(3).cloned()
    } else if site.has(2) {
        site.dim(2, 0).and_then(Dim::expr)
    } else {
        signal.expr()
    };
    let frames = length
        .as_ref()
        .zip(site.element(1))
        .and_then(|(length, step)| Dim::from_expr(signal.expr()?.sub(length)?.floor_div(step)?.offset(1)?));
    let bins = match site.int_or("onesided", 1)? {
        0 => length.and_then(Dim::from_expr),
        _ => length.as_ref().and_then(half_plus_one),
    };
    let shape =
        [batch.clone(), site.dim_or_fresh(frames, 0, 1), site.dim_or_fresh(bins, 0, 2), Dim::Fixed(2)];
    site.set_shape(0, shape);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_side_of_an_odd_length() {
        assert_eq!(half_plus_one(&DimExpr::constant(7)), Some(Dim::Fixed(4)));
    }
}
