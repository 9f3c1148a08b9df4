//! The formula against rounding itself.

#![allow(clippy::unwrap_used)]

use super::channels::Channels;
use super::search::{Matrix, expected};
use super::sites::{Site, sites};
use crate::analysis::Facts;
use crate::diag::Diags;
use crate::ir::Model;
use crate::quantize::grid::Grid;
use crate::quantize::weights::Weights;
use crate::tensor::Tensor;
use crate::text::parse_model;

const ROWS: usize = 600;
const INPUTS: usize = 16;
const OUTPUTS: usize = 12;

struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

/// Data whose third channel is large, and a weight.
fn numbers(seed: u64) -> (Vec<f32>, Vec<f32>) {
    let mut numbers = Numbers(seed);
    let wide = |at: usize| if at % INPUTS == 2 { 40.0 } else { 1.0 };
    let x = (0..ROWS * INPUTS).map(|at| numbers.next() * wide(at)).collect();
    (x, (0..INPUTS * OUTPUTS).map(|_| numbers.next()).collect())
}

fn product(weight: &[f32]) -> (Model, Site) {
    let listed: Vec<String> = weight.iter().map(|w| format!("{w}")).collect();
    let text = format!(
        "<ir_version: 8, opset_import: [\"\" : 17]> g (float[n,{INPUTS}] x) => (float[n,{OUTPUTS}] y)\n\
         <float[{INPUTS},{OUTPUTS}] w = {{{}}}> {{ y = MatMul (x, w) }}",
        listed.join(", ")
    );
    let mut model = parse_model(&text).unwrap();
    Facts::new().infer_model(&mut model, &mut Diags::new());
    let nodes: Vec<_> = model.graph.nodes().map(|(id, _)| id).collect();
    let site = sites(&model.graph, &nodes).remove(0);
    (model, site)
}

/// What the channels of data are.
fn seen(x: &[f32]) -> Channels {
    let of = |c: usize| x.iter().skip(c).step_by(INPUTS).copied();
    let all = |f: &dyn Fn(usize) -> f32| (0..INPUTS).map(f).collect::<Vec<f32>>();
    let mut channels = Channels {
        min: all(&|c| of(c).fold(f32::INFINITY, f32::min)),
        max: all(&|c| of(c).fold(f32::NEG_INFINITY, f32::max)),
        ..Channels::default()
    };
    channels.power =
        (0..INPUTS).map(|c| of(c).map(|v| f64::from(v).powi(2)).sum::<f64>() / ROWS as f64).collect();
    channels
}

/// The square of the error in a row of the result, by rounding everything: the mean.
fn rounded(x: &[f32], weight: &[f32], by: &[f32], grid: Grid) -> f64 {
    let divided: Vec<f32> = x.iter().enumerate().map(|(at, v)| v / by[at % INPUTS]).collect();
    let scaled: Vec<f32> = weight.iter().enumerate().map(|(at, w)| w * by[at / OUTPUTS]).collect();
    let ends = divided.iter().fold((0f32, 0f32), |(min, max), v| (min.min(*v), max.max(*v)));
    let affine = grid.fit(ends.0, ends.1).unwrap();
    let tensor = Tensor::from_slice(&[INPUTS, OUTPUTS], &scaled).unwrap();
    let whole = Weights::round(&tensor, Some(1), Grid::SIGNED).unwrap();
    let numbers = whole.numbers.to_i64s().unwrap();
    let mut sum = 0f64;
    for row in 0..ROWS {
        for j in 0..OUTPUTS {
            let mut error = 0f64;
            for c in 0..INPUTS {
                let (a, w) = (divided[row * INPUTS + c], scaled[c * OUTPUTS + j]);
                let back = numbers[c * OUTPUTS + j] as f64 * f64::from(whole.scales[j]);
                error += f64::from(affine.through(a)) * back - f64::from(a) * f64::from(w);
            }
            sum += error * error;
        }
    }
    sum / ROWS as f64
}

#[test]
fn the_expected_error_is_that_of_rounding() {
    for (seed, grid) in [(1, Grid::UNSIGNED), (2, Grid::SIGNED), (3, Grid::UNSIGNED)] {
        let (x, weight) = numbers(seed);
        let (model, site) = product(&weight);
        let matrices = [Matrix::of(&model.graph, &site.readers[0]).unwrap()];
        let mut thirds = vec![0.1f32; INPUTS];
        thirds[2] = 1.0;
        for by in [vec![1.0; INPUTS], thirds] {
            let (want, got) = (rounded(&x, &weight, &by, grid), expected(&seen(&x), &matrices, &by, grid));
            assert!((want / got).ln().abs() < 0.25, "{seed}: {want} {got}");
        }
    }
}

#[test]
fn a_large_channel_is_divided_and_that_gains_what_is_said() {
    let (x, weight) = numbers(5);
    let (model, site) = product(&weight);
    let mut channels = seen(&x);
    channels.elements = (ROWS * INPUTS) as f64;
    let found = super::search::search(&model, &site, &channels, Grid::UNSIGNED).unwrap();
    assert!(found.by.iter().all(|s| *s > 0.0 && *s <= 1.0) && found.by[2] == 1.0, "{:?}", found.by);
    assert!(found.by.iter().enumerate().all(|(c, s)| c == 2 || *s < 0.5), "{:?}", found.by);
    let of = |by: &[f32]| rounded(&x, &weight, by, Grid::UNSIGNED);
    let gain = 10.0 * (of(&[1.0; INPUTS]) / of(&found.by)).log10();
    assert!(gain > 6.0 && (gain - found.gain_db).abs() < 1.0, "{gain} {}", found.gain_db);
}

#[test]
fn alike_channels_are_left_as_they_are() {
    let mut numbers = Numbers(9);
    let x: Vec<f32> = (0..ROWS * INPUTS).map(|_| numbers.next()).collect();
    let weight: Vec<f32> = (0..INPUTS * OUTPUTS).map(|_| numbers.next()).collect();
    let (model, site) = product(&weight);
    let mut channels = seen(&x);
    channels.elements = (ROWS * INPUTS) as f64;
    assert!(super::search::search(&model, &site, &channels, Grid::UNSIGNED).is_none());
}
