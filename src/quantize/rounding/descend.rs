//! The rounding of one channel.

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

/// Turns numbers to the other neighbour of their weight as long as that makes `eᵀ G e` smaller, where
/// `e = exact - scale · numbers`; gives back how often. No magnitude becomes larger than `most`.
pub(super) fn descend(exact: &[f64], numbers: &mut [i32], scale: f64, most: i32, gram: &Matrix) -> usize {
    let mut error: Vec<f64> = exact.iter().zip(&*numbers).map(|(w, q)| w - scale * f64::from(*q)).collect();
    let mut slope = product(gram, &error);
    let mut turned = 0;
    for _ in 0..SWEEPS {
        let before = turned;
        for at in 0..error.len() {
            let way = if slope[at] > 0.0 { 1.0 } else { -1.0 };
            let after = error[at] - way * scale;
            let number = numbers[at] + way as i32;
            let diagonal = f64::from(gram.row(at)[at]);
            let change = scale * (scale * diagonal - 2.0 * way * slope[at]);
            if change >= 0.0 || after.abs() >= scale || number.abs() > most {
                continue;
            }
            numbers[at] = number;
            error[at] = after;
            let step = way * scale;
            slope.iter_mut().zip(gram.row(at)).for_each(|(slope, g)| *slope -= step * f64::from(*g));
            turned += 1;
        }
        if turned == before {
            break;
        }
    }
    turned
}

fn product(gram: &Matrix, vector: &[f64]) -> Vec<f64> {
    let dot = |at: usize| gram.row(at).iter().zip(vector).map(|(g, v)| f64::from(*g) * v).sum();
    (0..vector.len()).map(dot).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn loss(exact: &[f64], numbers: &[i32], scale: f64, gram: &Matrix) -> f64 {
        let error: Vec<f64> = exact.iter().zip(numbers).map(|(w, q)| w - scale * f64::from(*q)).collect();
        product(gram, &error).iter().zip(&error).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn errors_of_inputs_that_are_alike_cancel() {
        // Three inputs that are always equal: only the sum of the weights counts, and it is 1.2.
        let gram = Matrix { len: 3, rows: vec![1.0; 9] };
        let mut numbers = [0; 3];
        assert_eq!(descend(&[0.4, 0.4, 0.4], &mut numbers, 1.0, 127, &gram), 1);
        assert_eq!(numbers.iter().sum::<i32>(), 1);
    }

    proptest! {
        #[test]
        fn the_loss_never_grows_and_every_number_stays_beside_its_weight(
            samples in prop::collection::vec(prop::collection::vec(-1.0f32..1.0, 5), 1..8),
            exact in prop::collection::vec(-1.0f64..1.0, 5),
            scale in 0.01f64..0.2,
        ) {
            let mut rows = vec![0f32; 25];
            for x in &samples {
                for i in 0..5 { for j in 0..5 { rows[i * 5 + j] += x[i] * x[j]; } }
            }
            let gram = Matrix { len: 5, rows };
            let nearest: Vec<i32> = exact.iter().map(|w| ((w / scale).round() as i32).clamp(-127, 127)).collect();
            let mut numbers = nearest.clone();
            descend(&exact, &mut numbers, scale, 127, &gram);
            let (before, after) = (loss(&exact, &nearest, scale, &gram), loss(&exact, &numbers, scale, &gram));
            prop_assert!(after <= before + 1e-6 * before.abs().max(1e-9), "{before} {after}");
            for (q, n) in numbers.iter().zip(&nearest) { prop_assert!((q - n).abs() <= 1); }
        }
    }
}
