//! Resampling of images.

use super::Rule;
use crate::analysis::site::{Site, axis};
use crate::ir::{Attr, Dim, Shape};

pub(super) const RULES: &[(&str, &str, Rule)] = &[("", "Resize", resize), ("", "Upsample", upsample)];

fn upsample(site: &mut Site<'_>) -> Option<()> {
    let shape = site.shape(0)?;
    let scales = if site.has(1) {
        site.floats(1)
    } else if let Some(Attr::Floats(list)) = site.node().attr("scales") {
        Some(list.iter().map(|&s| f64::from(s)).collect())
    } else {
        let named = |name: &str| site.node().float(name).map(f64::from);
        Some(vec![1.0, 1.0, named("height_scale")?, named("width_scale")?])
    };
    scale(site, shape, (0..shape.len()).collect(), scales)
}

fn resize(site: &mut Site<'_>) -> Option<()> {
    let shape = site.shape(0)?;
    if site.opset < 11 {
        return scale(site, shape, (0..shape.len()).collect(), site.floats(1));
    }
    let over: Vec<usize> = match site.ints_or_none("axes")? {
        Some(list) => list.iter().map(|&a| axis(a, shape.len())).collect::<Option<_>>()?,
        None => (0..shape.len()).collect(),
    };
    if !site.has(3) {
        return scale(site, shape, over, site.floats(2));
    }
    let stretch = site.string_or("keep_aspect_ratio_policy", "stretch")? == "stretch";
    let wanted = site.vector(3).filter(|w| stretch && w.len() == over.len());
    let wanted = wanted.unwrap_or_else(|| vec![None; over.len()]);
    let mut resized = shape.to_vec();
    for (&at, size) in over.iter().zip(&wanted) {
        resized[at] = site.size(size.as_ref(), 0, at);
    }
    site.set_shape(0, resized);
    Some(())
}

fn scale(site: &mut Site<'_>, shape: &[Dim], over: Vec<usize>, scales: Option<Vec<f64>>) -> Option<()> {
    let scales = scales.filter(|s| s.len() == over.len());
    let mut resized: Shape = shape.to_vec();
    for (i, &at) in over.iter().enumerate() {
        let size = scales.as_ref().and_then(|s| scaled(&shape[at], s[i]));
        resized[at] = site.dim_or_fresh(size, 0, at);
    }
    site.set_shape(0, resized);
    Some(())
}

/// `floor(size * scale)`; `None` where single and double precision do not agree on it.
fn scaled(size: &Dim, scale: f64) -> Option<Dim> {
    if !scale.is_finite() || scale <= 0.0 {
        return None;
    }
    if scale.fract() == 0.0 && (1.0..1e9).contains(&scale) {
        return size.mul(&Dim::Fixed(scale as u64));
    }
    if scale.recip().fract() == 0.0 && (1.0..1e9).contains(&scale.recip()) {
        return size.floor_div(&Dim::Fixed(scale.recip() as u64));
    }
    let size = size.as_fixed().filter(|&n| n < 1 << 24)?;
    let (double, single) = ((size as f64 * scale).floor(), (size as f32 * scale as f32).floor());
    (double == f64::from(single) && (0.0..1e9).contains(&double)).then_some(Dim::Fixed(double as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_round_down() {
        assert_eq!(scaled(&Dim::Fixed(7), 0.5), Some(Dim::Fixed(3)));
        assert_eq!(scaled(&Dim::Fixed(5), 1.5), Some(Dim::Fixed(7)));
        assert_eq!(scaled(&Dim::symbol("h"), 2.0).map(|d| d.to_string()).as_deref(), Some("2*h"));
        assert_eq!(scaled(&Dim::symbol("h"), 1.5), None);
        assert_eq!(scaled(&Dim::Fixed(5), f64::NAN), None);
        assert_eq!(scaled(&Dim::Fixed(5), 0.0), None);
    }
}
