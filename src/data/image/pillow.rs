//! Pillow's `Image.resize` of 8-bit pixels, bit by bit: the width first, then the height, each rounded to 8 bits.
//!
//! Where an image shrinks, the filter widens with the step, so that every pixel counts. Source: Pillow,
//! `src/libImaging/Resample.c` of
//! version 11; version 13 takes the height first where that is less work, which differs by at most 1.

use ::image::RgbImage;
use std::f64::consts::PI;

/// Bits behind the point of a weight: 32, less 8 of a pixel and 2 for filters that overshoot.
const BITS: u32 = 22;
const CHANNELS: usize = 3;

/// A filter: how far it reaches, and its weight at a distance.
#[derive(Clone, Copy)]
pub(super) struct Kernel {
    reach: f64,
    weight: fn(f64) -> f64,
}

impl Kernel {
    pub(super) const BOX: Self =
        Self { reach: 0.5, weight: |x| if x > -0.5 && x <= 0.5 { 1.0 } else { 0.0 } };
    pub(super) const BILINEAR: Self = Self { reach: 1.0, weight: |x| (1.0 - x.abs()).max(0.0) };
    /// Keys' cubic with a = −0.5.
    pub(super) const BICUBIC: Self = Self { reach: 2.0, weight: cubic };
    pub(super) const LANCZOS: Self = Self { reach: 3.0, weight: lanczos };
}

fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) };
    if (-3.0..3.0).contains(&x) { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}

/// The image with sides of `[height, width]`; neither image is empty.
pub(super) fn resize(image: RgbImage, [height, width]: [u32; 2], kernel: Kernel) -> RgbImage {
    let image = if image.width() == width { image } else { widened(&image, width, kernel) };
    if image.height() == height { image } else { heightened(&image, height, kernel) }
}

/// Which pixels make one of the result, and their weights.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

fn taps(from: u32, to: u32, kernel: Kernel) -> Vec<Taps> {
    let scale = f64::from(from) / f64::from(to);
    let step = scale.max(1.0);
    let reach = kernel.reach * step;
    let one = |at: u32| {
        let center = (f64::from(at) + 0.5) * scale;
        let first = (center - reach + 0.5).max(0.0) as u32;
        let end = ((center + reach + 0.5) as u32).min(from);
        let weight = |x: u32| (kernel.weight)((f64::from(x) - center + 0.5) * step.recip());
        let weights: Vec<f64> = (first..end).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        let fixed = |w: f64| {
            let share = if sum == 0.0 { w } else { w / sum } * f64::from(1 << BITS);
            (if share < 0.0 { share - 0.5 } else { share + 0.5 }) as i32
        };
        Taps { first: first as usize, weights: weights.into_iter().map(fixed).collect() }
    };
    (0..to).map(one).collect()
}

fn widened(image: &RgbImage, width: u32, kernel: Kernel) -> RgbImage {
    let taps = taps(image.width(), width, kernel);
    let mut out = RgbImage::new(width, image.height());
    let rows = image.as_raw().chunks_exact(image.width() as usize * CHANNELS);
    for (made, row) in out.chunks_exact_mut(width as usize * CHANNELS).zip(rows) {
        for (pixel, taps) in made.chunks_exact_mut(CHANNELS).zip(&taps) {
            let mut sums = [1 << (BITS - 1); CHANNELS];
            for (from, &weight) in row[taps.first * CHANNELS..].chunks_exact(CHANNELS).zip(&taps.weights) {
                sums.iter_mut().zip(from).for_each(|(sum, &x)| *sum += i32::from(x) * weight);
            }
            pixel.iter_mut().zip(sums).for_each(|(to, sum)| *to = rounded(sum));
        }
    }
    out
}

fn heightened(image: &RgbImage, height: u32, kernel: Kernel) -> RgbImage {
    let taps = taps(image.height(), height, kernel);
    let stride = image.width() as usize * CHANNELS;
    let mut out = RgbImage::new(image.width(), height);
    let mut sums = vec![0i32; stride];
    for (made, taps) in out.chunks_exact_mut(stride).zip(&taps) {
        sums.fill(1 << (BITS - 1));
        let rows = image.as_raw()[taps.first * stride..].chunks_exact(stride);
        for (row, &weight) in rows.zip(&taps.weights) {
            sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += i32::from(x) * weight);
        }
        made.iter_mut().zip(&sums).for_each(|(to, &sum)| *to = rounded(sum));
    }
    out
}

fn rounded(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}
