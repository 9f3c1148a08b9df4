//! Means.

use super::affine::{Affine, Steps};
use crate::passes::unfold::Formula;
use crate::require;
use crate::rewrite::{Miss, Ref};

pub(super) fn average(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (x, steps) = (Affine::read(f, 0)?, Steps::read(f, 3)?);
    require!(!f.flag("channels_last"), x.number, "the channels come last");
    let x = x.whole(f)?;
    let y = f.op("AveragePool", [x]);
    let attrs = ["auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides"];
    attrs.into_iter().for_each(|name| f.keep(name));
    Ok(steps.of(f, y))
}

pub(super) fn global(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (x, steps) = (Affine::read(f, 0)?, Steps::read(f, 3)?);
    require!(!f.flag("channels_last"), x.number, "the channels come last");
    let x = x.whole(f)?;
    let y = f.op("GlobalAveragePool", [x]);
    Ok(steps.of(f, y))
}
