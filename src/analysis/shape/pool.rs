//! Pools over windows, over whole images and over regions.

use super::window::Window;
use super::{Rule, dims};
use crate::analysis::site::Site;
use crate::ir::{Dim, Shape};

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    ("", "AveragePool", pool),
    ("", "LpPool", pool),
    ("", "MaxPool", max_pool),
    ("", "GlobalAveragePool", global),
    ("", "GlobalLpPool", global),
    ("", "GlobalMaxPool", global),
    ("", "MaxRoiPool", max_roi_pool),
    ("", "RoiAlign", roi_align),
    ("com.microsoft", "QLinearAveragePool", quantized),
    ("com.microsoft", "QLinearGlobalAveragePool", quantized_global),
    ("com.microsoft", "CropAndResize", crop_and_resize),
];

fn pool(site: &mut Site<'_>) -> Option<()> {
    let shape = pooled(site)?;
    site.set_shape(0, shape);
    Some(())
}

fn max_pool(site: &mut Site<'_>) -> Option<()> {
    pool(site)?;
    let shape = site.found_shape(0)?.clone();
    site.set_shape(1, shape);
    Some(())
}

fn quantized(site: &mut Site<'_>) -> Option<()> {
    if site.int_or("channels_last", 0)? != 0 { None } else { pool(site) }
}

fn pooled(site: &mut Site<'_>) -> Option<Shape> {
    let data = site.shape(0)?;
    let mut shape = data.get(..2)?.to_vec();
    let kernel = dims::sizes(site.ints_or_none("kernel_shape")??)?;
    if kernel.len() + 2 != data.len() {
        return None;
    }
    let window = Window::read(site, kernel)?;
    for (axis, size) in data[2..].iter().enumerate() {
        let count = window.count(axis, size);
        shape.push(site.dim_or_fresh(count, 0, axis + 2));
    }
    Some(shape)
}

fn global(site: &mut Site<'_>) -> Option<()> {
    let data = site.shape(0)?;
    let mut shape = data.get(..2)?.to_vec();
    shape.resize(data.len(), Dim::Fixed(1));
    site.set_shape(0, shape);
    Some(())
}

fn quantized_global(site: &mut Site<'_>) -> Option<()> {
    if site.int_or("channels_last", 0)? != 0 { None } else { global(site) }
}

/// One image a region, with the operand's channels.
fn regions(site: &mut Site<'_>, count: Option<Dim>, size: [Option<Dim>; 2]) -> Option<()> {
    let channels = site.dim(0, 1).cloned();
    let [height, width] = size;
    let dims = [count, channels, height, width];
    let shape: Shape = dims.into_iter().enumerate().map(|(at, d)| site.dim_or_fresh(d, 0, at)).collect();
    site.set_shape(0, shape);
    Some(())
}

fn max_roi_pool(site: &mut Site<'_>) -> Option<()> {
    let [height, width] = site.ints_or_none("pooled_shape")?? else {
        return None;
    };
    regions(site, site.dim(1, 0).cloned(), [dims::size(*height), dims::size(*width)])
}

fn roi_align(site: &mut Site<'_>) -> Option<()> {
    let size = ["output_height", "output_width"].map(|name| site.int_or(name, 1).and_then(dims::size));
    let count = site.dim(1, 0).or(site.dim(2, 0)).cloned();
    regions(site, count, size)
}

fn crop_and_resize(site: &mut Site<'_>) -> Option<()> {
    let size = site.numbers(3).filter(|s| s.len() == 2);
    let size = [0, 1].map(|i| size.as_ref().and_then(|s| dims::size(s[i])));
    regions(site, site.dim(1, 0).cloned(), size)
}
