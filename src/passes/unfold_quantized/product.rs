//! Products and convolutions.

use super::affine::{Affine, Steps};
use crate::ir::ValueId;
use crate::passes::unfold::Formula;
use crate::require;
use crate::rewrite::{Miss, Ref};

pub(super) fn conv(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (x, w, steps) = (Affine::read(f, 0)?, Affine::read(f, 3)?, Steps::read(f, 6)?);
    let bias = f.optional(8);
    require!(!f.flag("channels_last"), x.number, "the channels come last");
    let inputs = [x.whole(f)?, w.along(f, 0)?];
    let bias = match bias {
        Some(bias) => Some(summand(f, bias, [x.scale, w.scale], 1.0)?),
        None => None,
    };
    let y = f.op("Conv", inputs.into_iter().chain(bias));
    let attrs = ["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"];
    attrs.into_iter().for_each(|name| f.keep(name));
    Ok(steps.of(f, y))
}

pub(super) fn matmul(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (a, b, steps) = (Affine::read(f, 0)?, Affine::read(f, 3)?, Steps::read(f, 6)?);
    let inputs = [a.whole(f)?, columns(f, b, 1)?];
    let y = f.op("MatMul", inputs);
    Ok(steps.of(f, y))
}

pub(super) fn gemm(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (a, b, c) = (Affine::read(f, 0)?, Affine::read(f, 3)?, f.optional(6));
    let steps = match f.optional(7) {
        Some(_) => Some(Steps::read(f, 7)?),
        None => None,
    };
    let alpha = f.float("alpha").ok_or_else(|| f.miss("the factor is not a number"))?;
    let axis = usize::from(!f.flag("transB"));
    let inputs = [a.whole(f)?, columns(f, b, axis)?];
    let c = match c {
        Some(c) => Some(summand(f, c, [a.scale, b.scale], alpha)?),
        None => None,
    };
    let y = f.op("Gemm", inputs.into_iter().chain(c));
    ["alpha", "transA", "transB"].into_iter().for_each(|name| f.keep(name));
    Ok(steps.map_or(y, |steps| steps.of(f, y)))
}

/// The right factor, which may have a scale for each column.
fn columns(f: &mut Formula<'_>, b: Affine, axis: usize) -> Result<Ref, Miss> {
    if !b.is_whole(f)? {
        require!(
            f.shape(b.number)?.len() == 2,
            b.scale,
            "there is a scale for each column of several matrices"
        );
    }
    b.along(f, axis)
}

/// What is added to the sums of products, in their steps.
fn summand(f: &mut Formula<'_>, bias: ValueId, scales: [ValueId; 2], alpha: f64) -> Result<Ref, Miss> {
    let dtype = f.cx.graph.dtype(scales[0]).ok_or_else(|| f.miss("the type of a scale is not known"))?;
    let bias = f.cast(bias, dtype);
    let scale = f.mul(scales[0], scales[1]);
    let bias = f.mul(bias, scale);
    if alpha == 1.0 {
        return Ok(bias);
    }
    let alpha = f.number_of(dtype, alpha);
    Ok(f.mul(bias, alpha))
}
