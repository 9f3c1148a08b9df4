//! What quantization is to cover, and the levels that it has.

use super::extent::Extent;

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

    /// The range of all that was observed; around zero where the grid is symmetric.
    pub(super) fn of(extent: &Extent, grid: Grid) -> Self {
        if grid.symmetric { Self::around_zero(extent.limit()) } else { Self::holding(extent.min, extent.max) }
    }
}

/// The levels of a quantized type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Whether as many levels lie above zero as below.
    pub symmetric: bool,
    /// How many there are, zero among them; at least 3.
    pub levels: u32,
}

impl Grid {
    /// `int8` with zero point 0: -127 to 127.
    pub const INT8: Self = Self { symmetric: true, levels: 255 };
    /// `uint8` with a zero point: 0 to 255.
    pub const UINT8: Self = Self { symmetric: false, levels: 256 };
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
    fn a_symmetric_grid_reaches_as_far_below_as_above() {
        let extent = Extent::of(&[-3.0, 1.0]);
        assert_eq!(Range::of(&extent, Grid::INT8), Range { min: -3.0, max: 3.0 });
        assert_eq!(Range::of(&extent, Grid::UINT8), Range { min: -3.0, max: 1.0 });
    }
}
