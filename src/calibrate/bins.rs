//! The fast update of a histogram: which bin, for many elements at once, then the counts.
//!
//! Bins are found without a branch, with AVX2 where the processor has it; the results are the same bit by bit. Counts go
//! into four tables in turn: a processor takes several cycles to read back what it has just written, and half the
//! elements behind a `Relu` are in one bin.

use super::histogram::{BINS, HALF};

/// Elements whose bins are found before any is counted; their numbers stay in the fastest cache.
const CHUNK: usize = 1024;

/// Fewer elements than this are counted in place: adding the tables up would take longer.
const FEW: usize = 1 << 14;

/// So many elements overflow no table.
const MOST: usize = 1 << 30;

/// From here on an `f32` has no fraction: adding it rounds a number of at most as many bits to a whole one.
const WHOLE: f32 = 8_388_608.0;

/// Room that one histogram after the other is counted in.
pub(super) struct Tables(Box<[[u32; BINS]; 4]>);

impl Default for Tables {
    fn default() -> Self {
        Self(Box::new([[0; BINS]; 4]))
    }
}

impl Tables {
    /// Adds elements to `counts`. `scale` is a power of two and takes each to an absolute value below [`HALF`].
    pub(super) fn count(&mut self, values: &[f32], scale: f32, counts: &mut [u64]) {
        if values.len() < FEW {
            each_bin(values, scale, |bins| bins.iter().for_each(|&bin| counts[usize::from(bin) % BINS] += 1));
            return;
        }
        for part in values.chunks(MOST) {
            self.fill(part, scale);
            self.pour(counts);
        }
    }

    fn fill(&mut self, values: &[f32], scale: f32) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            return unsafe { self.fill_with_avx2(values, scale) };
        }
        self.fill_plainly(values, scale);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn fill_with_avx2(&mut self, values: &[f32], scale: f32) {
        self.fill_plainly(values, scale);
    }

    #[inline(always)]
    fn fill_plainly(&mut self, values: &[f32], scale: f32) {
        let [a, b, c, d] = &mut *self.0;
        each_bin(values, scale, |bins| {
            let (fours, rest) = bins.as_chunks::<4>();
            for four in fours {
                a[usize::from(four[0]) % BINS] += 1;
                b[usize::from(four[1]) % BINS] += 1;
                c[usize::from(four[2]) % BINS] += 1;
                d[usize::from(four[3]) % BINS] += 1;
            }
            rest.iter().for_each(|&bin| a[usize::from(bin) % BINS] += 1);
        });
    }

    /// Adds the tables to `counts` and empties them.
    fn pour(&mut self, counts: &mut [u64]) {
        for table in &mut *self.0 {
            for (count, more) in counts.iter_mut().zip(table) {
                *count += u64::from(std::mem::take(more));
            }
        }
    }
}

#[inline(always)]
fn each_bin(values: &[f32], scale: f32, mut count: impl FnMut(&[u16])) {
    let mut bins = [0u16; CHUNK];
    for chunk in values.chunks(CHUNK) {
        for (bin, &x) in bins.iter_mut().zip(chunk) {
            *bin = bin_of(x, scale);
        }
        count(&bins[..chunk.len()]);
    }
}

/// The bin of a number: `HALF + floor(x * scale)` for those from 0 on, and its mirror image for those below.
#[inline(always)]
fn bin_of(x: f32, scale: f32) -> u16 {
    // Negative zero becomes zero.
    let x = x + 0.0;
    let size = x.abs() * scale;
    let rounded = size + WHOLE;
    let floor = (rounded.to_bits() & 0x7f_ffff) as i32 - i32::from(rounded - WHOLE > size);
    let sign = x.to_bits() as i32 >> 31;
    ((floor ^ sign) + HALF as i32) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bins_mirror_each_other_and_zero_is_the_first_above() {
        let half = HALF as u16;
        for (x, bin) in
            [(0.0, half), (-0.0, half), (0.9, half), (-0.9, half - 1), (1.0, half + 1), (-1.0, half - 2)]
        {
            assert_eq!(bin_of(x, 1.0), bin, "{x}");
        }
        assert_eq!(bin_of(4095.999, 1.0), 2 * half - 1);
        assert_eq!(bin_of(-4095.999, 1.0), 0);
        assert_eq!(bin_of(f32::from_bits(1), 1.0), half);
        assert_eq!(bin_of(-f32::from_bits(1), 1.0), half - 1);
    }

    proptest! {
        #[test]
        fn bins_are_exact_floors(x in 0f32..1.0, power in 0..13i32) {
            let x = x * 2f32.powi(12 - power);
            let scale = 2f32.powi(power);
            prop_assume!(x * scale < HALF as f32);
            let floor = (f64::from(x) * f64::from(scale)).floor() as u16;
            prop_assert_eq!(bin_of(x, scale), HALF as u16 + floor);
        }

        #[test]
        fn tables_count_as_a_plain_loop_does(seed in any::<u32>(), len in 0usize..3 * FEW) {
            let values: Vec<f32> =
                (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 12) as f32 / 128.0 - 4096.0)
                    .filter(|x| x.abs() < 4096.0).collect();
            let (mut fast, mut plain) = (vec![0u64; BINS], vec![0u64; BINS]);
            Tables::default().count(&values, 1.0, &mut fast);
            values.iter().for_each(|&x| plain[usize::from(bin_of(x, 1.0))] += 1);
            prop_assert_eq!(fast, plain);
        }
    }
}
