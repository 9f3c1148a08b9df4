//! A constant as whole numbers, with one scale or one a channel.

use super::grid::Grid;
use crate::tensor::Tensor;

/// The largest magnitude of a whole number in a bias, with room for the sum of products that it is added to.
const MOST_BIAS: f64 = (1u32 << 30) as f64;

/// A constant that `DequantizeLinear` turns back: symmetric, so that every zero point is zero.
#[derive(Clone, Debug)]
pub struct Weights {
    /// The whole numbers, in the shape of the constant.
    pub numbers: Tensor,
    /// One for the whole constant, or one for each index of the axis.
    pub scales: Vec<f32>,
    /// The axis along which scales differ.
    pub axis: Option<usize>,
}

impl Weights {
    /// Rounds a constant in single precision, each channel to its largest magnitude.
    ///
    /// `None` for other types, axes that it has not, and numbers that are not finite.
    pub fn round(constant: &Tensor, axis: Option<usize>, grid: Grid) -> Option<Self> {
        let fit = |most: f32| Some(grid.fit(-most, most)?.scale);
        let scales: Vec<f32> = largest(constant, axis)?.into_iter().map(fit).collect::<Option<_>>()?;
        Self::at(constant, axis, grid, scales)
    }

    /// Rounds a constant at given scales, one for each index of the axis.
    ///
    /// `None` for another number of scales, and as [`Self::round`].
    pub fn round_at(constant: &Tensor, axis: usize, grid: Grid, scales: &[f32]) -> Option<Self> {
        (constant.shape().get(axis) == Some(&scales.len())).then_some(())?;
        Self::at(constant, Some(axis), grid, scales.to_vec())
    }

    fn at(constant: &Tensor, axis: Option<usize>, grid: Grid, scales: Vec<f32>) -> Option<Self> {
        let values = constant.to_vec::<f32>()?;
        let mut numbers = vec![0i8; values.len()];
        let channels = Channels::of(constant.shape(), axis)?;
        (scales.len() == channels.count).then_some(())?;
        let round = |number: &mut i8, value: &f32, scale: f32| *number = grid.nearest(*value, scale) as i8;
        for (numbers, values) in numbers.chunks_mut(channels.period()).zip(values.chunks(channels.period())) {
            // Channels side by side: rounded for many at once.
            if channels.run == 1 {
                let elements = numbers.iter_mut().zip(values).zip(&scales);
                elements.for_each(|((number, value), &scale)| round(number, value, scale));
                continue;
            }
            let runs = numbers.chunks_mut(channels.run).zip(values.chunks(channels.run));
            for ((numbers, values), &scale) in runs.zip(&scales) {
                numbers.iter_mut().zip(values).for_each(|(number, value)| round(number, value, scale));
            }
        }
        let numbers = Tensor::from_slice(constant.shape(), &numbers).ok()?;
        Some(Self { numbers, scales, axis })
    }

    /// The scales as `DequantizeLinear` takes them: a scalar or a vector.
    pub fn scale_tensor(&self) -> Tensor {
        match self.axis {
            Some(_) => Tensor::vector(&self.scales),
            None => Tensor::scalar(self.scales[0]),
        }
    }
}

/// The largest magnitude of each channel, or of all.
fn largest(constant: &Tensor, axis: Option<usize>) -> Option<Vec<f32>> {
    let values = constant.to_vec::<f32>()?;
    if !values.iter().all(|v| v.is_finite()) {
        return None;
    }
    let channels = Channels::of(constant.shape(), axis)?;
    let mut largest = vec![0f32; channels.count];
    for values in values.chunks(channels.period()) {
        if channels.run == 1 {
            largest.iter_mut().zip(values).for_each(|(most, v)| *most = most.max(v.abs()));
            continue;
        }
        for (most, values) in largest.iter_mut().zip(values.chunks(channels.run)) {
            *most = values.iter().fold(*most, |most, v| most.max(v.abs()));
        }
    }
    Some(largest)
}

/// Where the elements of each channel lie: in runs that take turns.
struct Channels {
    count: usize,
    /// Elements of a channel that lie together, at least one.
    run: usize,
}

impl Channels {
    fn of(shape: &[usize], axis: Option<usize>) -> Option<Self> {
        let run = |dims: &[usize]| dims.iter().product::<usize>().max(1);
        Some(match axis {
            None => Self { count: 1, run: run(shape) },
            Some(axis) => Self { count: *shape.get(axis)?, run: run(&shape[axis + 1..]) },
        })
    }

    /// Elements from the first of a channel to where its turn comes again.
    fn period(&self) -> usize {
        (self.count * self.run).max(1)
    }
}

/// A bias in the whole numbers of the products that it is added to: INT32 at the scale of input times weight.
///
/// Gives back the weight's scales too, larger where a bias would not fit, or where the product of the scales would be none
/// that kernels keep: the weight is to be [rounded at](Weights::round_at) those. `None` where the bias is no vector of one
/// finite number a channel, or no scale is wide enough.
pub fn bias(constant: &Tensor, input_scale: f32, weight_scales: &[f32]) -> Option<(Vec<i32>, Vec<f32>)> {
    let values = constant.to_vec::<f32>()?;
    let fits = constant.rank() == 1 && values.len() == weight_scales.len() && input_scale > 0.0;
    if !fits || !values.iter().all(|v| v.is_finite()) {
        return None;
    }
    let widened = |(value, scale): (&f32, &f32)| {
        let least = (f64::from(value.abs()) / f64::from(input_scale) / MOST_BIAS) as f32;
        scale.max(least).max(f32::MIN_POSITIVE / input_scale)
    };
    let scales: Vec<f32> = values.iter().zip(weight_scales).map(widened).collect();
    if !scales.iter().all(|s| s.is_finite() && (s * input_scale).is_normal()) {
        return None;
    }
    let round = |(value, scale): (&f32, &f32)| {
        let step = f64::from(input_scale * scale);
        (f64::from(*value) / step).round_ties_even().clamp(-2.0 * MOST_BIAS, 2.0 * MOST_BIAS - 1.0) as i32
    };
    Some((values.iter().zip(&scales).map(round).collect(), scales))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn numbers(weights: &Weights) -> Vec<i64> {
        weights.numbers.to_i64s().unwrap()
    }

    #[test]
    fn channels_lie_together_or_side_by_side() {
        let values: Vec<f32> = (1..=12).map(|i| i as f32).collect();
        let w = Tensor::from_slice(&[2, 3, 2], &values).unwrap();
        let largest = |axis| largest(&w, axis).unwrap();
        assert_eq!((largest(Some(0)), largest(Some(1))), (vec![6.0, 12.0], vec![8.0, 10.0, 12.0]));
        assert_eq!((largest(Some(2)), largest(None)), (vec![11.0, 12.0], vec![12.0]));
        let at = Weights::round_at(&w, 2, Grid::SIGNED, &[1.0, 2.0]).unwrap();
        assert_eq!(numbers(&at), [1, 1, 3, 2, 5, 3, 7, 4, 9, 5, 11, 6]);
        for (shape, axis) in [([0, 2], 0), ([0, 2], 1), ([2, 0], 1)] {
            let empty = Tensor::from_slice::<f32>(&shape, &[]).unwrap();
            assert_eq!(Weights::round(&empty, Some(axis), Grid::SIGNED).unwrap().scales.len(), shape[axis]);
        }
    }

    #[test]
    fn each_channel_has_its_largest_magnitude_at_127() {
        let w = Tensor::from_slice(&[2, 2, 2], &[1f32, -2.0, 0.5, 0.0, 10.0, 20.0, 30.0, -254.0]).unwrap();
        let first = Weights::round(&w, Some(0), Grid::SIGNED).unwrap();
        assert_eq!(first.scales, [2.0 / 127.0, 2.0]);
        assert_eq!(numbers(&first), [64, -127, 32, 0, 5, 10, 15, -127]);
        let last = Weights::round(&w, Some(2), Grid::SIGNED).unwrap();
        assert_eq!(last.scales, [30.0 / 127.0, 2.0]);
        let middle = Weights::round(&w, Some(1), Grid::SIGNED).unwrap();
        assert_eq!(middle.scales, [20.0 / 127.0, 2.0]);
        assert_eq!(numbers(&middle), [6, -13, 0, 0, 64, 127, 15, -127]);
        let whole = Weights::round(&w, None, Grid::SIGNED).unwrap();
        assert_eq!((whole.scales.as_slice(), whole.scale_tensor().rank()), (&[2.0f32][..], 0));
        assert_eq!(numbers(&whole), [0, -1, 0, 0, 5, 10, 15, -127]);
    }

    #[test]
    fn channels_of_zero_and_empty_constants_have_a_scale_and_what_is_not_finite_has_none() {
        let zero = Tensor::from_slice(&[2, 1], &[0f32, 1.0]).unwrap();
        assert_eq!(Weights::round(&zero, Some(0), Grid::SIGNED).unwrap().scales, [1.0, 1.0 / 127.0]);
        let empty = Tensor::from_slice::<f32>(&[2, 0], &[]).unwrap();
        assert_eq!(Weights::round(&empty, Some(0), Grid::SIGNED).unwrap().scales, [1.0, 1.0]);
        let infinite = Tensor::vector(&[1f32, f32::INFINITY]);
        assert!(Weights::round(&infinite, None, Grid::SIGNED).is_none());
        assert!(Weights::round(&zero, Some(2), Grid::SIGNED).is_none());
    }

    #[test]
    fn a_bias_that_would_not_fit_widens_the_scale_of_its_weight() {
        let (numbers, scales) = bias(&Tensor::vector(&[1f32, -3.0]), 0.5, &[0.25, 0.5]).unwrap();
        assert_eq!((numbers, scales), (vec![8, -12], vec![0.25, 0.5]));
        let (numbers, scales) = bias(&Tensor::vector(&[1e6f32, 1.0]), 1e-6, &[1e-6, 1.0]).unwrap();
        assert!(scales[0] > 900.0 && scales[1] == 1.0);
        assert!((numbers[0] - (1 << 30)).abs() <= 64 && numbers[1] == 1_000_000);
        let (numbers, scales) = bias(&Tensor::vector(&[0f32]), 1e-7, &[f32::MIN_POSITIVE]).unwrap();
        assert!(numbers == [0] && (scales[0] * 1e-7).is_normal());
        assert!(bias(&Tensor::vector(&[1f32, 2.0, 3.0]), 1.0, &[1.0, 1.0]).is_none());
        assert!(bias(&Tensor::vector::<f32>(&[]), 1.0, &[1.0]).is_none());
        assert!(bias(&Tensor::from_slice(&[2, 1], &[1f32, 2.0]).unwrap(), 1.0, &[1.0, 1.0]).is_none());
        assert!(bias(&Tensor::vector(&[1f32]), 0.0, &[1.0]).is_none());
    }

    #[test]
    fn a_weight_at_given_scales_stays_within_the_grid() {
        let w = Tensor::from_slice(&[2, 2], &[1f32, -2.0, 0.5, 8.0]).unwrap();
        let wide = Weights::round_at(&w, 1, Grid::SIGNED, &[0.5, 0.01]).unwrap();
        assert_eq!(numbers(&wide), [2, -127, 1, 127]);
        assert!(Weights::round_at(&w, 1, Grid::SIGNED, &[0.5]).is_none());
    }
}
