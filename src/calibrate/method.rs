//! The ways to choose a range, by name.

use super::range::{Levels, Range};
use super::response::Response;
use super::statistics::ValueStatistics;
use super::{entropy, mse, percentile};
use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// Where the name alone is given.
pub const DEFAULT_PERCENTILE: Percent = Percent(99.99);

/// The percentage of elements that stays: above 50, at most 100.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Percent(f32);

impl Percent {
    /// # Errors
    /// It is none above 50 and up to 100.
    pub fn new(percent: f32) -> Result<Self> {
        Some(percent).filter(|&p| p > 50.0 && p <= 100.0).map(Self).ok_or_else(|| no_percentage(percent))
    }

    /// The number.
    pub fn get(self) -> f32 {
        self.0
    }
}

fn no_percentage(given: impl fmt::Display) -> Error {
    Error::new(format!("'{given}' is no percentage above 50 and up to 100"))
        .with_help("such as percentile:99.99")
}

/// How a range is chosen from what was observed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// All that was observed.
    MinMax,
    /// Minimum and maximum of each sample, averaged; see [`MovingAverage`](super::MovingAverage).
    MovingAverage,
    /// All but the outermost elements.
    Percentile(Percent),
    /// The least Kullback-Leibler divergence between values and quantized values (Migacz 2017).
    Entropy,
    /// The least expected squared error.
    Mse,
}

impl Method {
    /// The names that are read; that of a percentile may be followed by a number, as in `percentile:99.9`.
    pub const NAMES: [&'static str; 5] = ["minmax", "moving-average", "percentile", "entropy", "mse"];

    /// Whether it needs a histogram, not only minima and maxima.
    pub fn needs_histogram(self) -> bool {
        matches!(self, Self::Percentile(_) | Self::Entropy | Self::Mse)
    }

    /// The range of a value that is read through a function. It lies within what was observed, zero added; zeros alone
    /// give `[0, 0]`. Only `Mse` asks what the function hides.
    ///
    /// # Errors
    /// No finite element was observed, or no histogram and the method needs one.
    pub fn range(self, of: &ValueStatistics, levels: Levels, read: Response) -> Result<Range> {
        if of.extent.finite == 0 {
            let what = if of.extent.non_finite == 0 { "no element" } else { "no finite number" };
            return Err(Error::new(format!("{what} was observed, so there is no range to quantize"))
                .with_help("leave this value in float, or calibrate on other data"));
        }
        let histogram = || {
            of.histogram.as_ref().ok_or_else(|| Error::new(format!("the method {self} needs a histogram")))
        };
        Ok(match self {
            Self::MinMax => Range::of(&of.extent, levels),
            Self::MovingAverage => {
                let (min, max) = of.average.ends().unwrap_or((of.extent.min, of.extent.max));
                if levels.is_symmetric() {
                    Range::around_zero(min.abs().max(max.abs()))
                } else {
                    Range::holding(min, max)
                }
            }
            Self::Percentile(percent) => percentile::range(histogram()?, percent, levels),
            Self::Entropy => entropy::range(histogram()?, levels),
            Self::Mse => mse::range(histogram()?, levels, read),
        })
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinMax => f.write_str("minmax"),
            Self::MovingAverage => f.write_str("moving-average"),
            Self::Percentile(percent) => write!(f, "percentile:{}", percent.0),
            Self::Entropy => f.write_str("entropy"),
            Self::Mse => f.write_str("mse"),
        }
    }
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "minmax" => Ok(Self::MinMax),
            "moving-average" => Ok(Self::MovingAverage),
            "percentile" => Ok(Self::Percentile(DEFAULT_PERCENTILE)),
            "entropy" => Ok(Self::Entropy),
            "mse" => Ok(Self::Mse),
            _ => match text.strip_prefix("percentile:") {
                Some(number) => percent(number).map(Self::Percentile),
                None => Err(Error::new(format!("'{text}' is no calibration method"))
                    .with_help(format!("the methods are {}", Self::NAMES.join(", ")))),
            },
        }
    }
}

fn percent(number: &str) -> Result<Percent> {
    number.parse().map_err(|_| no_percentage(number)).and_then(Percent::new)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_read_back() {
        for name in Method::NAMES {
            let method: Method = name.parse().unwrap();
            assert_eq!(method.to_string().parse::<Method>().unwrap(), method);
        }
        assert_eq!("percentile".parse::<Method>().unwrap(), Method::Percentile(DEFAULT_PERCENTILE));
        assert_eq!("percentile:99.5".parse::<Method>().unwrap(), Method::Percentile(Percent(99.5)));
        for wrong in ["kl", "percentile:", "percentile:50", "percentile:101", "percentile:nan", "Entropy"] {
            assert!(wrong.parse::<Method>().unwrap_err().help().is_some(), "{wrong}");
        }
    }

    #[test]
    fn a_percentage_is_checked_wherever_it_is_from() {
        for wrong in [50.0, 100.1, -1.0, f32::NAN, f32::INFINITY] {
            assert!(Percent::new(wrong).is_err_and(|e| e.help().is_some()), "{wrong}");
        }
        assert_eq!(Percent::new(99.5).map(Percent::get).ok(), Some(99.5));
    }

    #[test]
    fn without_a_finite_number_there_is_no_range() {
        for method in [Method::MinMax, Method::MovingAverage, Method::Entropy] {
            let error = method.range(&ValueStatistics::default(), Levels::INT8, Response::SAME).unwrap_err();
            assert!(error.help().is_some(), "{error:?}");
        }
    }
}
