//! Which statistics of which values.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One statistic of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Want {
    /// Exact minimum and maximum, and the moving average of those of the samples. All values have it.
    Range,
    /// A histogram, for every method there is: about 50 KiB for each sign of its elements.
    Histogram,
    /// The absolute maximum of each index of an axis, which must be as long in every sample; negative axes count from
    /// the last. 4 bytes each.
    ChannelMax {
        /// The axis.
        axis: i64,
    },
    /// XᵀX of the rows along the last axis, which must be as long in every sample: `4 n (n + 1)` bytes.
    Gram,
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range => f.write_str("range"),
            Self::Histogram => f.write_str("histogram"),
            Self::ChannelMax { axis } => write!(f, "channel-max:{axis}"),
            Self::Gram => f.write_str("gram"),
        }
    }
}

/// Statistics by the value's name in the model that is run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests(BTreeMap<String, BTreeSet<Want>>);

impl Requests {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for one more; twice is once.
    pub fn add(&mut self, value: impl Into<String>, want: Want) {
        self.0.entry(value.into()).or_default().insert(want);
    }

    /// Names and what is wanted of each, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &BTreeSet<Want>)> {
        self.0.iter().map(|(name, wants)| (name.as_str(), wants))
    }

    /// Values that something is wanted of.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
