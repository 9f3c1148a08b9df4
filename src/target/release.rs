//! Versions of a target, and which of them a fact holds for.

use serde::{Deserialize, Deserializer};
use std::fmt;

/// A version of a target: major and minor number; patches differ in nothing that a table says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// The first number.
    pub major: u32,
    /// The second number; 0 where none is written.
    pub minor: u32,
}

impl Release {
    /// Reads `10`, `10.3` or `10.3.0.26`; numbers after the second are left out.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|n| n.parse::<u32>().ok());
        let major = numbers.next()??;
        let minor = numbers.next().unwrap_or(Some(0))?;
        numbers.all(|n| n.is_some()).then_some(Self { major, minor })
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl<'de> Deserialize<'de> for Release {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("'{text}' is no version")))
    }
}

/// The releases that a row is true of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    /// The first; `None` for the oldest known.
    pub(super) from: Option<Release>,
    /// The first after them; `None` where there is none.
    pub(super) until: Option<Release>,
}

impl Span {
    pub(super) fn holds(self, release: Release) -> bool {
        self.from.is_none_or(|from| from <= release) && self.until.is_none_or(|until| release < until)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_compare_as_numbers() {
        let release = |text| Release::parse(text).unwrap();
        assert!(release("10.3") > release("9.12") && release("1.9") < release("1.17.3"));
        assert_eq!(release("11"), release("11.0.0.114"));
        for text in ["", "x", "10.", "10.x", "-1", "1.2.x"] {
            assert_eq!(Release::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_span_ends_before_until() {
        let span = Span { from: Release::parse("10.3"), until: Release::parse("11") };
        let holds = |text| span.holds(Release::parse(text).unwrap());
        assert!(holds("10.3") && holds("10.15") && !holds("10.2") && !holds("11.0"));
    }
}
