//! The rounding of channels.

/// Sweeps over the weights.
const SWEEPS: usize = 20;

/// A symmetric matrix.
pub(super) struct Matrix {
    pub(super) len: usize,
    /// Row by row.
    pub(super) rows: Vec<f32>,
}

impl Matrix {
    fn row(&self, at: usize) -> &[f32] {
        &self.rows[at * self.len..][..self.len]
    }
}

/// The weights of one channel of a result.
pub(super) struct Channel {
    /// Which it is.
    pub(super) output: usize,
    pub(super) exact: Vec<f32>,
    pub(super) numbers: Vec<i32>,
    pub(super) scale: f32,
    /// How often a number was turned.
    pub(super) turned: usize,
}

/// Turns numbers to the other neighbour of their weight as long as that makes `eᵀ G e` of their channel smaller, where
/// `e = exact - scale · numbers`. No magnitude becomes larger than `most`.
pub(super) fn descend(channels: &mut [Channel], most: i32, gram: &Matrix) {
    let mut errors: Vec<f32> = channels.iter().flat_map(Channel::errors).collect();
    let mut slopes = slopes(&errors, gram);
    let rows = errors.chunks_exact_mut(gram.len).zip(slopes.chunks_exact_mut(gram.len));
    for (channel, (error, slope)) in channels.iter_mut().zip(rows) {
        channel.descend(error, slope, most, gram);
    }
}

impl Channel {
    fn errors(&self) -> impl Iterator<Item = f32> {
        self.exact.iter().zip(&self.numbers).map(|(w, &q)| w - self.scale * q as f32)
    }

    fn descend(&mut self, error: &mut [f32], slope: &mut [f32], most: i32, gram: &Matrix) {
        for _ in 0..SWEEPS {
            let before = self.turned;
            for at in 0..error.len() {
                let way = if slope[at] > 0.0 { 1.0 } else { -1.0 };
                let step = way * self.scale;
                let after = error[at] - step;
                let number = self.numbers[at] + way as i32;
                let row = gram.row(at);
                let is_less = self.scale * row[at] < 2.0 * slope[at].abs();
                if !is_less || after.abs() >= self.scale || number.abs() > most {
                    continue;
                }
                self.numbers[at] = number;
                error[at] = after;
                slope.iter_mut().zip(row).for_each(|(slope, g)| *slope -= step * g);
                self.turned += 1;
            }
            if self.turned == before {
                break;
            }
        }
    }
}

/// `E G` for the errors of some channels, one a row.
fn slopes(errors: &[f32], gram: &Matrix) -> Vec<f32> {
    let (len, rows) = (gram.len, errors.len() / gram.len);
    assert!(errors.len() == rows * len && gram.rows.len() == len * len);
    let mut slopes = vec![0f32; errors.len()];
    let (row, one) = (len as isize, 1);
    let (e, g, out) = (errors.as_ptr(), gram.rows.as_ptr(), slopes.as_mut_ptr());
    // SAFETY: errors and slopes have `rows` rows of `len` elements, the matrix has `len` of them: asserted above.
    unsafe { matrixmultiply::sgemm(rows, len, len, 1.0, e, row, one, g, row, one, 0.0, out, row, one) };
    slopes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn loss(channel: &Channel, gram: &Matrix) -> f64 {
        let error: Vec<f64> = channel.errors().map(f64::from).collect();
        let dot = |row: &[f32]| -> f64 { row.iter().zip(&error).map(|(g, e)| f64::from(*g) * e).sum() };
        error.iter().enumerate().map(|(at, e)| e * dot(gram.row(at))).sum()
    }

    #[test]
    fn errors_of_inputs_that_are_alike_cancel() {
        // Three inputs that are always equal: only the sum of the weights counts, and it is 1.2.
        let gram = Matrix { len: 3, rows: vec![1.0; 9] };
        let channel =
            || Channel { output: 0, exact: vec![0.4; 3], numbers: vec![0; 3], scale: 1.0, turned: 0 };
        let mut channels = [channel(), channel()];
        descend(&mut channels, 127, &gram);
        assert!(channels.iter().all(|c| c.turned == 1));
        assert!(channels.iter().all(|c| c.numbers.iter().sum::<i32>() == 1));
    }

    /// More than there are samples, so that many errors can cancel each other.
    const LEN: usize = 48;

    proptest! {
        #[test]
        fn the_loss_never_grows_and_every_number_stays_beside_its_weight(
            samples in prop::collection::vec(prop::collection::vec(-1.0f32..1.0, LEN), 1..8),
            exact in prop::collection::vec(prop::collection::vec(-1.0f32..1.0, LEN), 1..4),
            scale in 0.01f32..0.2,
        ) {
            let mut rows = vec![0f32; LEN * LEN];
            for x in &samples {
                for i in 0..LEN { for j in 0..LEN { rows[i * LEN + j] += x[i] * x[j]; } }
            }
            let gram = Matrix { len: LEN, rows };
            let nearest = |exact: &Vec<f32>| {
                let numbers = exact.iter().map(|w| ((w / scale).round() as i32).clamp(-127, 127)).collect();
                Channel { output: 0, exact: exact.clone(), numbers, scale, turned: 0 }
            };
            let mut channels: Vec<Channel> = exact.iter().map(nearest).collect();
            descend(&mut channels, 127, &gram);
            for (channel, nearest) in channels.iter().zip(exact.iter().map(nearest)) {
                let (before, after) = (loss(&nearest, &gram), loss(channel, &gram));
                prop_assert!(after <= before + 1e-6 * before.abs().max(1e-9), "{before} {after}");
                for (q, n) in channel.numbers.iter().zip(&nearest.numbers) { prop_assert!((q - n).abs() <= 1); }
            }
        }
    }
}
