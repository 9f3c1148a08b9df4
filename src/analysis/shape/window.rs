//! Sliding windows: convolutions, and the arithmetic that pools share with them.

use super::{Rule, dims};
use crate::analysis::site::Site;
use crate::ir::{Dim, DimExpr, Shape};

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    ("", "Conv", conv),
    ("", "ConvInteger", conv),
    ("", "DeformConv", conv),
    ("", "QLinearConv", quantized_conv),
    ("", "ConvTranspose", conv_transpose),
    ("", "CausalConvWithState", causal_conv),
    ("", "MaxUnpool", max_unpool),
    ("", "Col2Im", col2im),
    ("com.microsoft", "FusedConv", conv),
    ("com.microsoft", "CausalConvWithState", causal_conv),
];

/// How an axis is padded.
#[derive(Clone, Copy, PartialEq)]
enum Padding {
    Explicit,
    Same,
    Valid,
}

/// Kernel, strides and padding of the spatial axes.
pub(super) struct Window {
    kernel: Vec<Dim>,
    strides: Vec<i64>,
    dilations: Vec<i64>,
    /// Begins, then ends.
    pads: Vec<i64>,
    padding: Padding,
    ceil: bool,
}

impl Window {
    /// Reads the attributes. `None` where one is malformed.
    pub(super) fn read(site: &Site<'_>, kernel: Vec<Dim>) -> Option<Self> {
        let spatial = kernel.len();
        let list = |name: &str, len: usize, default: i64, least: i64| {
            let list = site.ints_or_none(name)?.map_or_else(|| vec![default; len], <[i64]>::to_vec);
            (list.len() == len && list.iter().all(|&n| n >= least)).then_some(list)
        };
        let padding = match site.string_or("auto_pad", "NOTSET")? {
            "NOTSET" | "" => Padding::Explicit,
            "SAME_UPPER" | "SAME_LOWER" => Padding::Same,
            "VALID" => Padding::Valid,
            _ => return None,
        };
        let pads = match padding {
            Padding::Explicit => list("pads", 2 * spatial, 0, i64::MIN)?,
            _ => vec![0; 2 * spatial],
        };
        Some(Self {
            kernel,
            strides: list("strides", spatial, 1, 1)?,
            dilations: list("dilations", spatial, 1, 1)?,
            pads,
            padding,
            ceil: site.int_or("ceil_mode", 0)? != 0,
        })
    }

    /// `(kernel - 1) * dilation + 1`.
    fn extent(&self, axis: usize) -> Option<DimExpr> {
        self.kernel[axis].expr()?.offset(-1)?.mul(&DimExpr::constant(self.dilations[axis]))?.offset(1)
    }

    fn pad_sum(&self, axis: usize) -> Option<i64> {
        self.pads[axis].checked_add(self.pads[axis + self.kernel.len()])
    }

    /// How many windows fit an axis.
    pub(super) fn count(&self, axis: usize, size: &Dim) -> Option<Dim> {
        let stride = DimExpr::constant(self.strides[axis]);
        let size = size.expr()?;
        if self.padding == Padding::Same {
            return Dim::from_expr(size.ceil_div(&stride)?);
        }
        let room = size.offset(self.pad_sum(axis)?)?.sub(&self.extent(axis)?)?;
        if !self.ceil {
            return Dim::from_expr(room.floor_div(&stride)?.offset(1)?);
        }
        let count = room.ceil_div(&stride)?.offset(1)?;
        // The last window must begin inside the operand or its first padding.
        let begin = count.offset(-1)?.mul(&stride)?;
        let limit = size.offset(self.pads[axis])?;
        let inside = limit.sub(&begin)?;
        if inside.is_positive() || self.never_overhangs(axis) {
            return Dim::from_expr(count);
        }
        if inside.neg()?.is_nonneg() { Dim::from_expr(count.offset(-1)?) } else { None }
    }

    /// Rounding up adds less than a stride, so that the last window begins before the end whatever the size.
    fn never_overhangs(&self, axis: usize) -> bool {
        let slack = self.pads[axis + self.kernel.len()].checked_add(self.strides[axis] - 1);
        match (self.extent(axis).and_then(|e| e.as_constant()), slack) {
            (Some(extent), Some(slack)) => slack < extent,
            _ => false,
        }
    }

    /// The size from which `count` windows come, for a transposed convolution.
    fn origin(&self, axis: usize, count: &Dim, extra: i64) -> Option<Dim> {
        let stride = DimExpr::constant(self.strides[axis]);
        let count = count.expr()?;
        if self.padding == Padding::Same {
            return Dim::from_expr(count.mul(&stride)?);
        }
        let covered = count.offset(-1)?.mul(&stride)?.add(&self.extent(axis)?)?;
        Dim::from_expr(covered.offset(extra)?.offset(self.pad_sum(axis)?.checked_neg()?)?)
    }
}

fn conv(site: &mut Site<'_>) -> Option<()> {
    convolve(site, 1)
}

fn quantized_conv(site: &mut Site<'_>) -> Option<()> {
    convolve(site, 3)
}

/// Batch and as many channels as the weight at operand `weight` has filters.
fn convolve(site: &mut Site<'_>, weight: usize) -> Option<()> {
    let rank = site.rank(0).or(site.rank(weight))?;
    let spatial = rank.checked_sub(2)?;
    let batch = site.dim(0, 0).cloned();
    let filters = site.dim(weight, 0).cloned();
    let mut shape = vec![site.dim_or_fresh(batch, 0, 0), site.dim_or_fresh(filters, 0, 1)];
    let window = kernel(site, weight, spatial).and_then(|k| Window::read(site, k));
    let data = site.shape(0).filter(|s| s.len() == rank);
    for axis in 0..spatial {
        let size = window.as_ref().zip(data).and_then(|(w, s)| w.count(axis, &s[axis + 2]));
        shape.push(site.dim_or_fresh(size, 0, axis + 2));
    }
    site.set_shape(0, shape);
    Some(())
}

fn kernel(site: &Site<'_>, weight: usize, spatial: usize) -> Option<Vec<Dim>> {
    let kernel = match site.ints_or_none("kernel_shape")? {
        Some(list) => dims::sizes(list)?,
        None => site.shape(weight)?.get(2..)?.to_vec(),
    };
    (kernel.len() == spatial).then_some(kernel)
}

fn conv_transpose(site: &mut Site<'_>) -> Option<()> {
    let rank = site.rank(0).or(site.rank(1))?;
    let spatial = rank.checked_sub(2)?;
    let batch = site.dim(0, 0).cloned();
    let group = site.int_or("group", 1)?;
    let filters = site.dim(1, 1).and_then(|m| dims::times(m, group));
    let mut shape = vec![site.dim_or_fresh(batch, 0, 0), site.dim_or_fresh(filters, 0, 1)];
    let window = kernel(site, 1, spatial).and_then(|k| Window::read(site, k));
    let extra = site.ints_or_none("output_padding")?.map_or_else(|| vec![0; spatial], <[i64]>::to_vec);
    let stated = site.ints_or_none("output_shape")?;
    let data = site.shape(0).filter(|s| s.len() == rank);
    for axis in 0..spatial {
        let size = match stated {
            // Some files list batch and channels too.
            Some(list) => list.get(axis + list.len().saturating_sub(spatial)).and_then(|&n| dims::size(n)),
            None => {
                window.as_ref().zip(data).and_then(|(w, s)| w.origin(axis, &s[axis + 2], *extra.get(axis)?))
            }
        };
        shape.push(site.dim_or_fresh(size, 0, axis + 2));
    }
    site.set_shape(0, shape);
    Some(())
}

/// The state holds what the next window needs of this operand.
fn causal_conv(site: &mut Site<'_>) -> Option<()> {
    site.like(0, 0)?;
    let [batch, channels, _] = site.shape(0)? else {
        return None;
    };
    let kept = site.dim(1, -1).and_then(|k| dims::plus(k, -1));
    let kept = site.dim_or_fresh(kept, 1, 2);
    site.set_shape(1, [batch.clone(), channels.clone(), kept]);
    Some(())
}

fn max_unpool(site: &mut Site<'_>) -> Option<()> {
    let data = site.shape(0)?;
    let mut shape: Shape = data.get(..2)?.to_vec();
    if site.has(2) {
        let wanted = site.vector(2).filter(|w| w.len() == data.len());
        let wanted = wanted.unwrap_or_else(|| vec![None; data.len()]);
        let shape: Shape = wanted.iter().enumerate().map(|(at, e)| site.size(e.as_ref(), 0, at)).collect();
        site.set_shape(0, shape);
        return Some(());
    }
    let kernel = dims::sizes(site.ints_or_none("kernel_shape")??)?;
    let window = Window::read(site, kernel).filter(|w| w.kernel.len() + 2 == data.len())?;
    for (axis, count) in data[2..].iter().enumerate() {
        let size = window.origin(axis, count, 0);
        shape.push(site.dim_or_fresh(size, 0, axis + 2));
    }
    site.set_shape(0, shape);
    Some(())
}

fn col2im(site: &mut Site<'_>) -> Option<()> {
    let image = site.vector(1)?;
    let block = site.numbers(2).and_then(|b| b.iter().try_fold(1i64, |all, &n| all.checked_mul(n)));
    let batch = site.dim(0, 0).cloned();
    let channels = match (site.dim(0, 1), block.and_then(dims::size)) {
        (Some(columns), Some(block)) => columns.floor_div(&block),
        _ => None,
    };
    let mut shape = vec![site.dim_or_fresh(batch, 0, 0), site.dim_or_fresh(channels, 0, 1)];
    for (axis, size) in image.iter().enumerate() {
        shape.push(site.size(size.as_ref(), 0, axis + 2));
    }
    site.set_shape(0, shape);
    Some(())
}
