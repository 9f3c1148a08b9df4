//! The numbers for which the expected error is least.
//!
//! With the scale `Δ` of the divided value and `δ[j]` of the weight's channels, both rounded to the nearest number, the
//! expected square of the error in the result is, summed over its channels,
//!
//! ```text
//! Δ² / 12 · Σ_c s[c]² Σ_j W[c,j]²   +   Σ_j δ[j]² / 12 · Σ_c E[x[c]²] / s[c]²
//! ```
//!
//! Tried are the powers that SmoothQuant is made of, `s[c] = max|x[c]|^α / max|W[c]|^(1-α)`, and such that only bring the
//! largest channels down, `s[c] = max(1, max|x[c]| / τ)`; of what convolutions read, these alone.

use super::Smoothing;
use super::channels::Channels;
use super::sites::{Reader, Site};
use crate::ir::{Graph, Model};
use crate::quantize::grid::Grid;

/// Steps of α from 0 to 1.
const ALPHAS: usize = 20;
/// Thresholds τ, as shares of the largest magnitude.
const SHARES: [f32; 8] = [0.7, 0.5, 0.35, 0.25, 0.18, 0.125, 0.09, 0.0625];
/// Less is not worth an operator.
const LEAST_GAIN_DB: f64 = 2.0;
/// Less is not worth other weights.
const LEAST_FREE_GAIN_DB: f64 = 0.5;
/// The largest of fewer numbers says little of the next: what is divided by it would be cut off.
const LEAST_SEEN: f64 = 512.0;
/// What a channel is divided by lies within this and its inverse, after the largest is brought to 1.
const LEAST: f32 = 1e-4;

/// What a weight is for the search.
pub(super) struct Matrix {
    /// By pair of channels, the data's first: the largest magnitude.
    largest: Vec<f32>,
    /// By channel of the data: the sum of the squares.
    power: Vec<f64>,
    outputs: usize,
}

/// The best division of a site, where it is worth it.
pub(super) fn search(model: &Model, site: &Site, seen: &Channels, grid: Grid) -> Option<Smoothing> {
    let inputs = site.readers.first()?.lie.inputs;
    if seen.max.len() != inputs || seen.seen() < LEAST_SEEN || !seen.are_finite() {
        return None;
    }
    let matrices: Vec<Matrix> =
        site.readers.iter().map(|r| Matrix::of(&model.graph, r)).collect::<Option<_>>()?;
    let error = |by: &[f32]| expected(seen, &matrices, by, grid);
    let before = error(&vec![1.0; inputs]);
    let candidates: Vec<Vec<f32>> = match is_convolved(&model.graph, site) {
        true => caps(seen).collect(),
        false => powers(seen, &matrices).chain(caps(seen)).collect(),
    };
    let (after, by) = candidates.into_iter().map(|by| (error(&by), by)).min_by(|a, b| a.0.total_cmp(&b.0))?;
    let gain_db = 10.0 * (before / after).log10();
    let least = if site.is_free { LEAST_FREE_GAIN_DB } else { LEAST_GAIN_DB };
    (gain_db >= least && gain_db.is_finite()).then(|| Smoothing {
        value: site.value,
        axis: site.axis,
        readers: site.readers.iter().map(|r| r.node).collect(),
        by,
        gain_db,
    })
}

/// Channels of images differ from sample to sample: one that was small in all so far must not be made large.
pub(super) fn is_convolved(graph: &Graph, site: &Site) -> bool {
    site.readers.iter().any(|r| graph.node(r.node).op().is("Conv"))
}

fn powers(seen: &Channels, matrices: &[Matrix]) -> impl Iterator<Item = Vec<f32>> {
    let limits = seen.limits();
    let most = limits.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let largest = |c| matrices.iter().map(|m| m.largest_of(c)).fold(f32::MIN_POSITIVE, f32::max);
    let weights: Vec<f32> = (0..limits.len()).map(largest).collect();
    (0..=ALPHAS).map(move |step| {
        let alpha = step as f32 / ALPHAS as f32;
        let by =
            limits.iter().zip(&weights).map(|(x, w)| x.max(most * LEAST).powf(alpha) / w.powf(1.0 - alpha));
        normalized(by.collect())
    })
}

fn caps(seen: &Channels) -> impl Iterator<Item = Vec<f32>> {
    let limits = seen.limits();
    let most = limits.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    SHARES
        .into_iter()
        .map(move |share| normalized(limits.iter().map(|x| (x / (most * share)).max(1.0)).collect()))
}

/// The largest is 1: the value only ever grows, and weights only ever shrink.
fn normalized(mut by: Vec<f32>) -> Vec<f32> {
    let most = by.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    by.iter_mut().for_each(|s| *s = (*s / most).max(LEAST));
    by
}

/// The expected square of the error, summed over the channels of the results.
pub(super) fn expected(seen: &Channels, matrices: &[Matrix], by: &[f32], grid: Grid) -> f64 {
    let ends = seen
        .min
        .iter()
        .zip(&seen.max)
        .zip(by)
        .fold((0f32, 0f32), |(min, max), ((low, high), s)| (min.min(low / s), max.max(high / s)));
    let Some(affine) = grid.fit(ends.0, ends.1) else { return f64::INFINITY };
    let step = f64::from(affine.scale).powi(2) / 12.0;
    let spread: f64 = seen.power.iter().zip(by).map(|(p, s)| p / f64::from(*s).powi(2)).sum();
    let of = |matrix: &Matrix| {
        let data: f64 = matrix.power.iter().zip(by).map(|(p, s)| p * f64::from(*s).powi(2)).sum();
        let steps: f64 = matrix.steps(by).map(|delta| delta.powi(2) / 12.0).sum();
        step * data + steps * spread
    };
    matrices.iter().map(of).sum()
}

impl Matrix {
    pub(super) fn of(graph: &Graph, reader: &Reader) -> Option<Self> {
        let values = reader.tensor(graph)?.to_vec::<f32>()?;
        let lie = reader.lie;
        let (mut largest, mut power) = (vec![0f32; lie.inputs * lie.outputs], vec![0f64; lie.inputs]);
        for (at, value) in values.iter().enumerate() {
            let (input, output) = lie.channels(at);
            let cell = largest.get_mut(input * lie.outputs + output)?;
            *cell = cell.max(value.abs());
            power[input] += f64::from(*value).powi(2);
        }
        Some(Self { largest, power, outputs: lie.outputs })
    }

    fn largest_of(&self, input: usize) -> f32 {
        self.largest[input * self.outputs..][..self.outputs].iter().copied().fold(0.0, f32::max)
    }

    /// The scales of the channels of the result.
    fn steps(&self, by: &[f32]) -> impl Iterator<Item = f64> {
        let mut largest = vec![0f32; self.outputs];
        for (row, s) in self.largest.chunks(self.outputs).zip(by) {
            largest.iter_mut().zip(row).for_each(|(most, w)| *most = most.max(w * s));
        }
        largest.into_iter().map(|most| f64::from(most) / 127.0)
    }
}
