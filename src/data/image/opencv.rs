//! OpenCV's `resize` of 8-bit pixels with `INTER_LINEAR` and `INTER_CUBIC`: 2 or 4 pixels a side make one, however much
//! the image shrinks.
//!
//! In the fixed-point numbers of OpenCV's portable code (`modules/imgproc/src/resize.cpp`); its vector code differs by at
//! most 1.

use ::image::RgbImage;

/// Bits behind the point of a weight.
const BITS: u32 = 11;
const CHANNELS: usize = 3;

/// `INTER_LINEAR`.
pub(super) fn linear(image: &RgbImage, to: [u32; 2]) -> RgbImage {
    let weights = |x: f32| [1.0 - x, x];
    // Drops the same bits as OpenCV does, in the same places.
    let join = |rows: [&[i32]; 2], [above, below]: [i32; 2], at: usize| {
        let part = |row: &[i32], weight: i32| (weight * (row[at] >> 4)) >> 16;
        (part(rows[0], above) + part(rows[1], below) + 2) >> 2
    };
    resize(image, to, true, weights, join)
}

/// `INTER_CUBIC`: Keys' cubic with a = −0.75.
pub(super) fn cubic(image: &RgbImage, to: [u32; 2]) -> RgbImage {
    const A: f32 = -0.75;
    let weights = |x: f32| {
        let before = ((A * (x + 1.0) - 5.0 * A) * (x + 1.0) + 8.0 * A) * (x + 1.0) - 4.0 * A;
        let here = ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
        let next = ((A + 2.0) * (1.0 - x) - (A + 3.0)) * (1.0 - x) * (1.0 - x) + 1.0;
        [before, here, next, 1.0 - before - here - next]
    };
    let join = |rows: [&[i32]; 4], weights: [i32; 4], at: usize| {
        let sum: i32 = rows.iter().zip(weights).map(|(row, weight)| row[at] * weight).sum();
        (sum + (1 << (2 * BITS - 1))) >> (2 * BITS)
    };
    resize(image, to, false, weights, join)
}

/// The pixels, clamped to the image, and the weights of one pixel of the result.
struct Taps<const N: usize> {
    places: [usize; N],
    weights: [i32; N],
}

/// `snap`: beyond the middle of the outermost pixel only that one counts.
fn taps<const N: usize>(from: u32, to: u32, snap: bool, weights: impl Fn(f32) -> [f32; N]) -> Vec<Taps<N>> {
    let scale = f64::from(from) / f64::from(to);
    let last = i64::from(from) - 1;
    let one = |at: u32| {
        let place = ((f64::from(at) + 0.5) * scale - 0.5) as f32;
        let mut first = place.floor() as i64;
        let mut rest = place - place.floor();
        if snap && (first < 0 || first >= last) {
            (first, rest) = (first.clamp(0, last), 0.0);
        }
        let tap = |i: usize| (first + i as i64 + 1 - N as i64 / 2).clamp(0, last) as usize;
        let fixed = |w: f32| (w * (1 << BITS) as f32).round_ties_even() as i32;
        Taps { places: std::array::from_fn(tap), weights: weights(rest).map(fixed) }
    };
    (0..to).map(one).collect()
}

fn resize<const N: usize>(
    image: &RgbImage,
    [height, width]: [u32; 2],
    snap: bool,
    weights: impl Fn(f32) -> [f32; N],
    join: impl Fn([&[i32]; N], [i32; N], usize) -> i32,
) -> RgbImage {
    let columns = taps(image.width(), width, snap, &weights);
    let rows = taps(image.height(), height, snap, &weights);
    let stride = width as usize * CHANNELS;
    let mut out = RgbImage::new(width, height);
    // The rows that the last one was made of, which the next may need again.
    let mut held: Vec<(usize, Vec<i32>)> = Vec::new();
    for (made, taps) in out.chunks_exact_mut(stride).zip(&rows) {
        held.retain(|(place, _)| taps.places.contains(place));
        for &place in &taps.places {
            if held.iter().all(|(other, _)| *other != place) {
                held.push((place, widened(image, place, &columns)));
            }
        }
        let row = |i: usize| {
            let found = held.iter().find(|(place, _)| *place == taps.places[i]);
            found.map(|(_, row)| row.as_slice()).unwrap_or_default()
        };
        let rows: [&[i32]; N] = std::array::from_fn(row);
        for (at, to) in made.iter_mut().enumerate() {
            *to = join(rows, taps.weights, at).clamp(0, 255) as u8;
        }
    }
    out
}

/// A row of the new width, in numbers `1 << BITS` times as large.
fn widened<const N: usize>(image: &RgbImage, row: usize, columns: &[Taps<N>]) -> Vec<i32> {
    let stride = image.width() as usize * CHANNELS;
    let from = &image.as_raw()[row * stride..][..stride];
    let mut out = Vec::with_capacity(columns.len() * CHANNELS);
    for taps in columns {
        for channel in 0..CHANNELS {
            let part =
                |(&place, &weight): (&usize, &i32)| i32::from(from[place * CHANNELS + channel]) * weight;
            out.push(taps.places.iter().zip(&taps.weights).map(part).sum());
        }
    }
    out
}
