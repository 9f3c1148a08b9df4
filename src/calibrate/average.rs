//! Minimum and maximum of each sample, averaged so that later samples weigh more.
//!
//! PyTorch's `MovingAverageMinMaxObserver` (averaging constant 0.01, which is `1 - MOMENTUM`) and TensorFlow's
//! `MovingAverageQuantize` begin with the first sample's values, which then outweigh dozens of others. Here the average
//! begins with nothing and is divided by the weights so far, as in Adam (Kingma and Ba, 2015, section 3): of few samples
//! it is nearly their mean.

/// What a sample leaves of the weight of those before it.
pub const MOMENTUM: f64 = 0.99;

/// The averages of minima and maxima of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MovingAverage {
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) weight: f64,
}

impl MovingAverage {
    /// The next sample.
    pub fn add(&mut self, min: f32, max: f32) {
        let share = 1.0 - MOMENTUM;
        self.min += share * (f64::from(min) - self.min);
        self.max += share * (f64::from(max) - self.max);
        self.weight += share * (1.0 - self.weight);
    }

    /// Average minimum and maximum; `None` before the first sample.
    pub fn ends(&self) -> Option<(f32, f32)> {
        (self.weight > 0.0).then(|| ((self.min / self.weight) as f32, (self.max / self.weight) as f32))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn samples_that_are_alike_average_to_themselves() {
        let mut average = MovingAverage::default();
        assert_eq!(average.ends(), None);
        for _ in 0..100 {
            average.add(-2.0, 3.0);
            assert_eq!(average.ends(), Some((-2.0, 3.0)));
        }
    }

    #[test]
    fn the_weights_are_powers_of_the_momentum() {
        let mut average = MovingAverage::default();
        let maxima = [4.0f32, 1.0, 2.5];
        maxima.iter().for_each(|&max| average.add(0.0, max));
        let weights = [MOMENTUM * MOMENTUM, MOMENTUM, 1.0];
        let sum: f64 = maxima.iter().zip(weights).map(|(&m, w)| f64::from(m) * w).sum();
        let expected = sum / weights.iter().sum::<f64>();
        assert!((f64::from(average.ends().unwrap().1) - expected).abs() < 1e-6);
    }
}
