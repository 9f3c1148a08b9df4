//! Exact minimum and maximum, and how many elements are zero or no finite number.

/// What a pass over elements tells before any bin is touched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// The smallest finite element; positive infinity where there is none.
    pub min: f32,
    /// The largest finite element; negative infinity where there is none.
    pub max: f32,
    /// Finite elements.
    pub finite: u64,
    /// Zeros of either sign among them.
    pub zeros: u64,
    /// Infinities and NaN.
    pub non_finite: u64,
}

/// Elements taken at once: wide enough for any vector unit, and for two additions under way in each.
const LANES: usize = 16;

impl Default for Extent {
    fn default() -> Self {
        Self { min: f32::INFINITY, max: f32::NEG_INFINITY, finite: 0, zeros: 0, non_finite: 0 }
    }
}

impl Extent {
    /// The extent of some elements.
    pub fn of(values: &[f32]) -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            return unsafe { Self::of_with_avx2(values) };
        }
        Self::of_in_lanes(values)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn of_with_avx2(values: &[f32]) -> Self {
        Self::of_in_lanes(values)
    }

    #[inline(always)]
    fn of_in_lanes(values: &[f32]) -> Self {
        let mut lanes = Lanes::default();
        let (whole, rest) = values.as_chunks::<LANES>();
        for chunk in whole {
            lanes.add(chunk);
        }
        // Repeating a last element changes no minimum; its zeros are counted apart.
        if let Some(&last) = rest.last() {
            let mut chunk = [last; LANES];
            chunk[..rest.len()].copy_from_slice(rest);
            lanes.add(&chunk);
        }
        if lanes.any_non_finite() {
            return Self::slowly(values);
        }
        let padded = if rest.last() == Some(&0.0) { LANES - rest.len() } else { 0 };
        Self {
            min: lanes.min.into_iter().fold(f32::INFINITY, f32::min),
            max: lanes.max.into_iter().fold(f32::NEG_INFINITY, f32::max),
            finite: values.len() as u64,
            zeros: lanes.zeros.into_iter().map(u64::from).sum::<u64>() - padded as u64,
            non_finite: 0,
        }
    }

    fn slowly(values: &[f32]) -> Self {
        let mut extent = Self::default();
        for &x in values.iter().filter(|x| x.is_finite()) {
            extent.min = extent.min.min(x);
            extent.max = extent.max.max(x);
            extent.finite += 1;
            extent.zeros += u64::from(x == 0.0);
        }
        extent.non_finite = values.len() as u64 - extent.finite;
        extent
    }

    /// Takes over what another pass told.
    pub fn merge(&mut self, other: &Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.finite += other.finite;
        self.zeros += other.zeros;
        self.non_finite += other.non_finite;
    }

    /// The largest absolute value; 0 where nothing finite was seen.
    pub fn limit(&self) -> f32 {
        if self.finite == 0 { 0.0 } else { self.min.abs().max(self.max.abs()) }
    }
}

struct Lanes {
    min: [f32; LANES],
    max: [f32; LANES],
    /// Stays 0 as long as only finite numbers are multiplied by 0 into it.
    nothing: [f32; LANES],
    /// At most one a chunk, and no slice has 2³² chunks.
    zeros: [u32; LANES],
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            min: [f32::INFINITY; LANES],
            max: [f32::NEG_INFINITY; LANES],
            nothing: [0.0; LANES],
            zeros: [0; LANES],
        }
    }
}

impl Lanes {
    #[inline(always)]
    fn add(&mut self, chunk: &[f32; LANES]) {
        for (i, &x) in chunk.iter().enumerate() {
            // Comparisons become one instruction each; `f32::min`, which looks for NaN, does not.
            self.min[i] = if x < self.min[i] { x } else { self.min[i] };
            self.max[i] = if x > self.max[i] { x } else { self.max[i] };
            self.nothing[i] += x * 0.0;
            self.zeros[i] += u32::from(x == 0.0);
        }
    }

    fn any_non_finite(&self) -> bool {
        self.nothing.iter().any(|&x| x != 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_has_no_extent() {
        assert_eq!(Extent::of(&[]), Extent::default());
        assert_eq!(Extent::default().limit(), 0.0);
    }

    #[test]
    fn non_finite_numbers_are_counted_and_left_out() {
        let extent = Extent::of(&[f32::NAN, 1.0, f32::INFINITY, -2.0, f32::NEG_INFINITY, 0.0]);
        assert_eq!(extent, Extent { min: -2.0, max: 1.0, finite: 3, zeros: 1, non_finite: 3 });
        let none = Extent::of(&[f32::NAN; 40]);
        assert_eq!((none.finite, none.non_finite, none.limit()), (0, 40, 0.0));
    }

    #[test]
    fn subnormal_numbers_are_not_zero() {
        let tiny = f32::from_bits(1);
        let extent = Extent::of(&[tiny; 17]);
        assert_eq!((extent.min, extent.zeros), (tiny, 0));
    }

    fn any_number() -> impl Strategy<Value = f32> {
        prop_oneof![any::<f32>(), Just(0.0), Just(-0.0), -9.0f32..9.0]
    }

    proptest! {
        #[test]
        fn lanes_tell_what_a_loop_tells(values in proptest::collection::vec(any_number(), 0..70)) {
            prop_assert_eq!(Extent::of(&values), Extent::slowly(&values));
        }

        #[test]
        fn parts_merge_to_the_whole(values in proptest::collection::vec(any_number(), 1..70), at in 0usize..70) {
            let (head, tail) = values.split_at(at.min(values.len()));
            let mut merged = Extent::of(head);
            merged.merge(&Extent::of(tail));
            prop_assert_eq!(merged, Extent::of(&values));
        }
    }
}
