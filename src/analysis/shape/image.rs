//! Images and sampling grids.

use super::Rule;
use crate::analysis::site::Site;
use crate::ir::{Dim, Shape};

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    ("", "AffineGrid", affine_grid),
    ("", "GridSample", grid_sample),
    ("", "ImageDecoder", image_decoder),
    ("com.microsoft", "GridSample", grid_sample),
];

/// Of `[n, c, …spatial]` the grid is `[n, …spatial, number of spatial axes]`.
fn affine_grid(site: &mut Site<'_>) -> Option<()> {
    let size = site.vector(1)?;
    let spatial = size.len().checked_sub(2)?;
    let mut shape = vec![site.size(size[0].as_ref(), 0, 0)];
    for axis in 0..spatial {
        shape.push(site.size(size[axis + 2].as_ref(), 0, axis + 1));
    }
    shape.push(Dim::Fixed(spatial as u64));
    site.set_shape(0, shape);
    Some(())
}

fn grid_sample(site: &mut Site<'_>) -> Option<()> {
    let grid = site.shape(1)?;
    let channels = site.dim(0, 1).cloned();
    let (batch, spatial) = (grid.first()?, grid.get(1..grid.len().checked_sub(1)?)?);
    let mut shape: Shape = vec![batch.clone(), site.dim_or_fresh(channels, 0, 1)];
    shape.extend_from_slice(spatial);
    site.set_shape(0, shape);
    Some(())
}

fn image_decoder(site: &mut Site<'_>) -> Option<()> {
    let channels = match site.string_or("pixel_format", "RGB")? {
        "Grayscale" => 1,
        "RGB" | "BGR" => 3,
        _ => return None,
    };
    let shape = [site.fresh(0, 0), site.fresh(0, 1), Dim::Fixed(channels)];
    site.set_shape(0, shape);
    Some(())
}
