//! Statistics as protobuf messages, for the cache: compact, since a count of 0 takes a byte.

use super::average::MovingAverage;
use super::channels::ChannelMax;
use super::extent::Extent;
use super::gram::Gram;
use super::histogram::{Histogram, OCTAVES};
use super::statistics::{Statistics, ValueStatistics};
use prost::Message;
use std::collections::BTreeMap;

/// What a cache file holds.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Stored {
    #[prost(string, tag = "1")]
    pub(super) model: String,
    #[prost(string, tag = "2")]
    pub(super) data: String,
    #[prost(uint64, tag = "3")]
    samples: u64,
    #[prost(btree_map = "string, message", tag = "4")]
    values: BTreeMap<String, StoredValue>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredValue {
    #[prost(message, required, tag = "1")]
    extent: StoredExtent,
    #[prost(double, repeated, tag = "2")]
    average: Vec<f64>,
    #[prost(message, optional, tag = "3")]
    histogram: Option<StoredHistogram>,
    #[prost(btree_map = "int64, message", tag = "4")]
    channels: BTreeMap<i64, StoredChannels>,
    #[prost(message, optional, tag = "5")]
    gram: Option<StoredGram>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct StoredExtent {
    #[prost(float, tag = "1")]
    min: f32,
    #[prost(float, tag = "2")]
    max: f32,
    #[prost(uint64, tag = "3")]
    finite: u64,
    #[prost(uint64, tag = "4")]
    zeros: u64,
    #[prost(uint64, tag = "5")]
    non_finite: u64,
}

#[derive(Clone, PartialEq, Message)]
struct StoredHistogram {
    /// By sign and exponent.
    #[prost(btree_map = "uint32, message", tag = "3")]
    octaves: BTreeMap<u32, StoredOctave>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredOctave {
    #[prost(uint64, repeated, tag = "1")]
    counts: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredChannels {
    #[prost(float, repeated, tag = "1")]
    maxima: Vec<f32>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredGram {
    #[prost(uint64, tag = "1")]
    size: u64,
    #[prost(uint64, tag = "2")]
    rows: u64,
    #[prost(double, repeated, tag = "3")]
    upper: Vec<f64>,
}

impl Stored {
    pub(super) fn of(model: &str, data: &str, statistics: &Statistics) -> Self {
        Self {
            model: model.to_owned(),
            data: data.to_owned(),
            samples: statistics.samples,
            values: statistics.values.iter().map(|(name, value)| (name.clone(), value.into())).collect(),
        }
    }

    /// The statistics; `None` where they contradict themselves.
    pub(super) fn statistics(self) -> Option<Statistics> {
        let values = self.values.into_iter().map(|(name, value)| Some((name, value.read()?)));
        Some(Statistics { samples: self.samples, values: values.collect::<Option<_>>()? })
    }
}

impl From<&ValueStatistics> for StoredValue {
    fn from(value: &ValueStatistics) -> Self {
        let Extent { min, max, finite, zeros, non_finite } = value.extent;
        let MovingAverage { min: average_min, max: average_max, weight } = value.average;
        Self {
            extent: StoredExtent { min, max, finite, zeros, non_finite },
            average: vec![average_min, average_max, weight],
            histogram: value.histogram.as_ref().map(StoredHistogram::of),
            channels: value
                .channels
                .iter()
                .map(|(&axis, channels)| (axis, StoredChannels { maxima: channels.maxima.clone() }))
                .collect(),
            gram: value.gram.as_ref().map(|g| StoredGram {
                size: g.size as u64,
                rows: g.rows,
                upper: g.upper.clone(),
            }),
        }
    }
}

impl StoredValue {
    fn read(self) -> Option<ValueStatistics> {
        let StoredExtent { min, max, finite, zeros, non_finite } = self.extent;
        let extent = Extent { min, max, finite, zeros, non_finite };
        let ordered = finite == 0 || (min.is_finite() && max.is_finite() && min <= max && zeros <= finite);
        let [min, max, weight] = self.average.try_into().ok()?;
        let numbers = [min, max, weight].iter().all(|v| v.is_finite());
        let maxima = self.channels.values().flat_map(|c| &c.maxima).all(|m| m.is_finite() && *m >= 0.0);
        (ordered && numbers && maxima).then_some(())?;
        let channels = self.channels.into_iter().map(|(axis, c)| (axis, ChannelMax { maxima: c.maxima }));
        Some(ValueStatistics {
            extent,
            average: MovingAverage { min, max, weight },
            histogram: self.histogram.map_or(Some(None), |h| h.read(extent).map(Some))?,
            channels: channels.collect(),
            gram: self.gram.map_or(Some(None), |g| g.read().map(Some))?,
        })
    }
}

impl StoredHistogram {
    fn of(histogram: &Histogram) -> Self {
        let octave =
            |octave: usize| Some((octave as u32, StoredOctave { counts: histogram.octave(octave)? }));
        Self { octaves: (0..OCTAVES).filter_map(octave).collect() }
    }

    fn read(self, extent: Extent) -> Option<Histogram> {
        let octaves: Vec<(usize, Vec<u64>)> =
            self.octaves.into_iter().map(|(octave, stored)| (octave as usize, stored.counts)).collect();
        Histogram::of_octaves(octaves, extent)
    }
}

impl StoredGram {
    fn read(self) -> Option<Gram> {
        let size = usize::try_from(self.size).ok()?;
        let entries = size.checked_mul(size.checked_add(1)?)? / 2;
        (self.upper.len() == entries).then_some(Gram { size, rows: self.rows, upper: self.upper })
    }
}
