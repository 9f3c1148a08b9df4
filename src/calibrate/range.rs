//! What quantization is to cover, and the levels that it has.

use super::extent::Extent;
use crate::error::{Error, Result};

/// Those of 16 bits.
const MOST_LEVELS: u32 = 1 << 16;

/// The real numbers that the levels are laid over; holds zero, and both ends are finite.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Range {
    /// At most 0.
    pub min: f32,
    /// At least 0.
    pub max: f32,
}

impl Range {
    /// The smallest range that holds both numbers and zero.
    pub fn holding(min: f32, max: f32) -> Self {
        // `+ 0.0` makes a negative zero positive, so that equal ranges are equal bytes.
        Self { min: min.min(0.0) + 0.0, max: max.max(0.0) + 0.0 }
    }

    /// From `-limit` to `limit`.
    pub fn around_zero(limit: f32) -> Self {
        Self { min: 0.0 - limit, max: limit }
    }

    /// The range of all that was observed; around zero where the levels are symmetric.
    pub(super) fn of(extent: &Extent, levels: Levels) -> Self {
        if levels.symmetric {
            Self::around_zero(extent.limit())
        } else {
            Self::holding(extent.min, extent.max)
        }
    }
}

/// The levels of a quantized type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    symmetric: bool,
    count: u32,
}

impl Levels {
    /// `int8` with zero point 0: -127 to 127.
    pub const INT8: Self = Self { symmetric: true, count: 255 };
    /// `uint8` with a zero point: 0 to 255.
    pub const UINT8: Self = Self { symmetric: false, count: 256 };

    /// So many levels, zero among them; where they are symmetric, as many above zero as below.
    ///
    /// # Errors
    /// There are fewer than 3 or more than 65,536, or an even number of symmetric ones.
    pub fn new(symmetric: bool, count: u32) -> Result<Self> {
        if !(3..=MOST_LEVELS).contains(&count) || symmetric && count.is_multiple_of(2) {
            let kind = if symmetric { "symmetric levels" } else { "levels" };
            return Err(Error::new(format!("{count} {kind} to quantize to"))
                .with_help("give 3 to 65536, and an odd number of symmetric ones, such as 255"));
        }
        Ok(Self { symmetric, count })
    }

    /// Whether as many levels lie above zero as below.
    pub fn is_symmetric(self) -> bool {
        self.symmetric
    }

    /// How many there are.
    pub fn count(self) -> u32 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_always_inside() {
        assert_eq!(Range::holding(2.0, 3.0), Range { min: 0.0, max: 3.0 });
        assert_eq!(Range::holding(-3.0, -2.0), Range { min: -3.0, max: 0.0 });
        assert!(Range::holding(-0.0, -0.0).min.is_sign_positive());
        assert!(Range::around_zero(0.0).min.is_sign_positive());
    }

    #[test]
    fn symmetric_levels_reach_as_far_below_as_above() {
        let extent = Extent::of(&[-3.0, 1.0]);
        assert_eq!(Range::of(&extent, Levels::INT8), Range { min: -3.0, max: 3.0 });
        assert_eq!(Range::of(&extent, Levels::UINT8), Range { min: -3.0, max: 1.0 });
    }

    #[test]
    fn levels_are_checked() {
        for (symmetric, count) in [(true, 255), (true, 3), (false, 3), (false, 4), (false, 1 << 16)] {
            assert_eq!(Levels::new(symmetric, count).map(Levels::count).ok(), Some(count));
        }
        for (symmetric, count) in
            [(true, 256), (false, 2), (true, 0), (false, (1 << 16) + 1), (true, u32::MAX)]
        {
            assert!(Levels::new(symmetric, count).is_err_and(|e| e.help().is_some()), "{count}");
        }
    }
}
