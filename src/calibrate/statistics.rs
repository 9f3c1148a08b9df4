//! What is known of the values of a model after a run.

use super::average::MovingAverage;
use super::channels::ChannelMax;
use super::extent::Extent;
use super::floats::with_floats;
use super::gram::Gram;
use super::histogram::Histogram;
use super::method::Method;
use super::range::{Levels, Range};
use super::requests::{Requests, Want};
use super::response::Response;
use crate::diag::Diags;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use std::collections::{BTreeMap, BTreeSet};

/// Elements that are looked at more than once while they are in a fast cache.
const BLOCK: usize = 1 << 16;

/// What was observed of one value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ValueStatistics {
    /// Exact minimum and maximum over all samples.
    pub extent: Extent,
    /// Minimum and maximum of each sample, averaged; samples without a finite element do not count.
    pub average: MovingAverage,
    /// Where it was asked for.
    pub histogram: Option<Histogram>,
    /// By axis, as it was asked for.
    pub channels: BTreeMap<i64, ChannelMax>,
    /// Where it was asked for.
    pub gram: Option<Gram>,
}

impl ValueStatistics {
    /// Nothing observed yet.
    pub(super) fn new(wants: &BTreeSet<Want>) -> Self {
        let mut new = Self::default();
        for want in wants {
            match want {
                Want::Range => {}
                Want::Histogram => new.histogram = Some(Histogram::new()),
                Want::ChannelMax { axis } => _ = new.channels.insert(*axis, ChannelMax::default()),
                Want::Gram => new.gram = Some(Gram::default()),
            }
        }
        new
    }

    /// The next sample.
    ///
    /// # Errors
    /// The elements are of a type that is not observed, or an axis is missing or not as long as before.
    pub(super) fn observe(&mut self, tensor: &Tensor) -> Result<()> {
        with_floats(tensor, |values| self.add(values, tensor.shape()))?
    }

    fn add(&mut self, values: &[f32], shape: &[usize]) -> Result<()> {
        let mut all = Extent::default();
        for block in values.chunks(BLOCK) {
            let extent = Extent::of(block);
            all.merge(&extent);
            if let Some(histogram) = &mut self.histogram {
                histogram.add(block, &extent);
            }
        }
        self.extent.merge(&all);
        if all.finite > 0 {
            self.average.add(all.min, all.max);
        }
        for (&axis, channels) in &mut self.channels {
            channels.observe(values, shape, axis)?;
        }
        self.gram.as_mut().map_or(Ok(()), |gram| gram.observe(values, shape))
    }

    /// Takes over what it lacks from statistics of the same samples.
    fn complete(&mut self, other: Self) {
        self.histogram = self.histogram.take().or(other.histogram);
        self.gram = self.gram.take().or(other.gram);
        for (axis, channels) in other.channels {
            self.channels.entry(axis).or_insert(channels);
        }
    }

    /// What was asked for.
    pub(super) fn wants(&self) -> BTreeSet<Want> {
        let axes = self.channels.keys().map(|&axis| Want::ChannelMax { axis });
        let histogram = self.histogram.as_ref().map(|_| Want::Histogram);
        let gram = self.gram.as_ref().map(|_| Want::Gram);
        axes.chain(histogram).chain(gram).chain([Want::Range]).collect()
    }

    fn byte_len(&self) -> usize {
        let histogram = self.histogram.as_ref().map_or(0, Histogram::byte_len);
        let channels: usize = self.channels.values().map(|c| size_of_val(c.maxima())).sum();
        let gram = self.gram.as_ref().map_or(0, |gram| size_of_val(&*gram.upper));
        size_of::<Self>() + histogram + channels + gram
    }
}

/// Statistics by the value's name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Samples that were run.
    pub samples: u64,
    /// What was observed.
    pub values: BTreeMap<String, ValueStatistics>,
}

impl Statistics {
    /// The range of a value that is read through a function, by a method.
    ///
    /// # Errors
    /// As [`Method::range`], or the value was not asked for. The error names the value.
    pub fn range(&self, value: &str, method: Method, levels: Levels, read: Response) -> Result<Range> {
        let of = self
            .values
            .get(value)
            .ok_or_else(|| Error::new("no statistics were taken of this value").at(value))?;
        method.range(of, levels, read).map_err(|e| e.at(value))
    }

    /// What is asked for and not there.
    pub(super) fn lacks(&self, requests: &Requests) -> Requests {
        let mut left = Requests::new();
        for (name, wants) in requests.iter() {
            let held = self.values.get(name).map(ValueStatistics::wants).unwrap_or_default();
            wants.difference(&held).for_each(|&want| left.add(name, want));
        }
        left
    }

    /// Adds what was observed of a value, to what is known of it from the same samples.
    pub(super) fn add(&mut self, name: String, mut value: ValueStatistics) {
        if let Some(held) = self.values.remove(&name) {
            value.complete(held);
        }
        self.values.insert(name, value);
    }

    /// Bytes that they take: the same for any number of samples.
    pub fn byte_len(&self) -> usize {
        self.values.iter().map(|(name, value)| name.len() + value.byte_len()).sum()
    }

    /// `non-finite-values` for each value that had some, `never-observed` for each without an element, `only-zeros` for
    /// each without another.
    pub fn remarks(&self) -> Diags {
        let mut remarks = Diags::new();
        for (name, value) in &self.values {
            let Extent { finite, non_finite, zeros, .. } = value.extent;
            let all = finite + non_finite;
            if non_finite > 0 {
                let message =
                    format!("{non_finite} of {all} elements are infinite or NaN, and were left out");
                remarks.warn("non-finite-values", Some(name), message);
            } else if all == 0 {
                remarks.warn("never-observed", Some(name), "the value is empty in every sample");
            }
            if finite > 0 && finite == zeros {
                let message = "the value is 0 in every sample, so that its range says nothing of others; give samples where \
                               it is not, and where it is a state that one run hands to the next, say so with `carry` in \
                               the data's settings";
                remarks.warn("only-zeros", Some(name), message);
            }
        }
        remarks
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ALL: [Want; 4] = [Want::Range, Want::Histogram, Want::ChannelMax { axis: -1 }, Want::Gram];

    #[test]
    fn all_that_is_wanted_is_observed() {
        let mut value = ValueStatistics::new(&ALL.into());
        let tensor = Tensor::from_slice(&[2, 2], &[1.0f32, -2.0, f32::NAN, 3.0]).unwrap();
        value.observe(&tensor).unwrap();
        assert_eq!(value.wants(), ALL.into());
        assert_eq!((value.extent.min, value.extent.max, value.extent.non_finite), (-2.0, 3.0, 1));
        assert_eq!(value.average.ends(), Some((-2.0, 3.0)));
        assert_eq!(value.histogram.as_ref().unwrap().bins().map(|bin| bin.count).sum::<u64>(), 3);
        assert_eq!(value.histogram.as_ref().unwrap().extent(), &value.extent);
        assert_eq!(value.channels[&-1].maxima(), [1.0, 3.0]);
        assert_eq!(value.gram.as_ref().unwrap().rows(), 1);
    }

    #[test]
    fn errors_and_remarks_name_the_value() {
        let mut statistics = Statistics::default();
        assert_eq!(
            statistics.range("x", Method::MinMax, Levels::INT8, Response::SAME).unwrap_err().node(),
            Some("x")
        );
        statistics.values.insert("x".to_owned(), ValueStatistics::default());
        assert_eq!(
            statistics.range("x", Method::MinMax, Levels::INT8, Response::SAME).unwrap_err().node(),
            Some("x")
        );
        let remarks = statistics.remarks();
        let codes: Vec<_> = remarks.iter().map(|d| (d.code, d.at.as_deref())).collect();
        assert_eq!(codes, [("never-observed", Some("x"))]);
        let mut zeros = ValueStatistics::default();
        zeros.observe(&Tensor::vector(&[0.0f32, -0.0, 0.0])).unwrap();
        statistics.values.insert("x".to_owned(), zeros);
        let codes: Vec<_> = statistics.remarks().iter().map(|d| (d.code, d.at.clone().unwrap())).collect();
        assert_eq!(codes, [("only-zeros", "x".to_owned())]);
    }
}
