//! The absolute maximum of each index of one axis.

use crate::error::{Error, Result};

/// Absolute maxima by channel; 0 where a channel had no finite element.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChannelMax {
    pub(super) maxima: Vec<f32>,
}

impl ChannelMax {
    /// One for each channel; none before the first sample.
    pub fn maxima(&self) -> &[f32] {
        &self.maxima
    }

    /// Adds the elements of a row-major tensor; infinities and NaN are passed over. Negative axes count from the last.
    ///
    /// # Errors
    /// There is no such axis, or it is not as long as before.
    pub fn observe(&mut self, values: &[f32], shape: &[usize], axis: i64) -> Result<()> {
        let at = usize::try_from(if axis < 0 { axis + shape.len() as i64 } else { axis }).ok();
        let Some(at) = at.filter(|&at| at < shape.len()) else {
            return Err(Error::new(format!("a tensor of rank {} has no axis {axis}", shape.len())));
        };
        let (channels, inner) = (shape[at], shape[at + 1..].iter().product::<usize>());
        if self.maxima.is_empty() {
            self.maxima = vec![0.0; channels];
        }
        if self.maxima.len() != channels {
            let (before, axis) = (self.maxima.len(), at);
            return Err(Error::new(format!(
                "axis {axis} has {channels} channels, and {before} in another sample"
            )));
        }
        if channels == 0 || inner == 0 {
            return Ok(());
        }
        for block in values.chunks_exact(channels * inner) {
            if inner == 1 {
                self.maxima.iter_mut().zip(block).for_each(|(max, &x)| *max = larger(*max, x));
            } else {
                for (max, channel) in self.maxima.iter_mut().zip(block.chunks_exact(inner)) {
                    *max = channel.iter().fold(*max, |max, &x| larger(max, x));
                }
            }
        }
        Ok(())
    }
}

/// The larger of an absolute maximum and the size of a number, which does not count unless it is finite.
#[inline(always)]
fn larger(max: f32, x: f32) -> f32 {
    let size = x.abs();
    if size > max && size < f32::INFINITY { size } else { max }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_axis_has_its_own() {
        let values: Vec<f32> = (0..24).map(|i| if i % 2 == 0 { i as f32 } else { -(i as f32) }).collect();
        let max = |axis| {
            let mut max = ChannelMax::default();
            max.observe(&values, &[2, 3, 4], axis).unwrap();
            max.maxima
        };
        assert_eq!(max(0), [11.0, 23.0]);
        assert_eq!(max(1), [15.0, 19.0, 23.0]);
        assert_eq!(max(2), [20.0, 21.0, 22.0, 23.0]);
        assert_eq!((max(-1), max(-3)), (max(2), max(0)));
    }

    #[test]
    fn samples_add_up_and_numbers_that_are_none_do_not_count() {
        let mut max = ChannelMax::default();
        max.observe(&[1.0, f32::NAN, -3.0, f32::INFINITY], &[2, 2], 1).unwrap();
        max.observe(&[-2.0, 0.5], &[1, 2], 1).unwrap();
        assert_eq!(max.maxima(), [3.0, 0.5]);
        max.observe(&[], &[0, 2], 1).unwrap();
        assert!(max.observe(&[0.0; 3], &[1, 3], 1).is_err());
        assert!(max.observe(&[0.0], &[], 0).is_err());
        assert!(max.observe(&[0.0], &[1], -2).is_err());
    }
}
