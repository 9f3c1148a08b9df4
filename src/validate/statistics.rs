//! The median of repeated measurements, and how sure it is, whatever their distribution.

/// The middle of numbers; the mean of the two middle ones of an even count. `None` of none.
pub fn median(numbers: &[f64]) -> Option<f64> {
    let sorted = sorted(numbers);
    let (low, high) = (sorted.len().checked_sub(1)? / 2, sorted.len() / 2);
    Some((sorted[low] + sorted[high]) / 2.0)
}

/// An interval that holds the true median with at least `confidence`, from two order statistics.
///
/// The k-th smallest and the k-th largest of n independent numbers enclose the median of a continuous distribution with
/// probability `1 - 2 P(Binomial(n, 1/2) < k)`; k is the largest that keeps it. `None` where n is too small for any
/// (below 6 at 95 %). Source: David and Nagaraja, "Order Statistics", 3rd edition, 2003, section 7.1.
pub fn median_interval(numbers: &[f64], confidence: f64) -> Option<(f64, f64)> {
    let rank = interval_rank(numbers.len(), confidence)?;
    let sorted = sorted(numbers);
    Some((sorted[rank - 1], sorted[sorted.len() - rank]))
}

/// The largest k of [`median_interval`], counted from 1.
fn interval_rank(n: usize, confidence: f64) -> Option<usize> {
    let tail = (1.0 - confidence) / 2.0;
    // In logarithms: 2^-n is zero as a number from n = 1075 on.
    let mut logarithm = -(n as f64) * std::f64::consts::LN_2;
    let mut below = 0.0;
    let mut rank = 0;
    for k in 0..n {
        below += logarithm.exp();
        if below > tail {
            break;
        }
        rank = k + 1;
        logarithm += ((n - k) as f64 / (k + 1) as f64).ln();
    }
    (rank > 0).then_some(rank)
}

fn sorted(numbers: &[f64]) -> Vec<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn ranks_are_those_of_the_published_tables() {
        let table =
            [(6, 1), (8, 1), (9, 2), (10, 2), (15, 4), (20, 6), (25, 8), (30, 10), (50, 18), (100, 40)];
        for (n, rank) in table {
            assert_eq!(interval_rank(n, 0.95), Some(rank), "{n}");
        }
        assert_eq!((interval_rank(5, 0.95), interval_rank(0, 0.95)), (None, None));
        assert_eq!(interval_rank(30, 0.99), Some(8));
    }

    #[test]
    fn the_rank_of_many_is_that_of_the_normal_distribution() {
        let n = 10_000.0f64;
        let expected = n / 2.0 - 1.959_964 * n.sqrt() / 2.0;
        let rank = interval_rank(10_000, 0.95).map(|r| r as f64);
        assert!(rank.is_some_and(|r| (r - expected).abs() <= 1.0), "{rank:?} instead of {expected}");
    }

    #[test]
    fn an_interval_counts_from_both_ends() {
        let numbers: Vec<f64> = (1..=30).rev().map(f64::from).collect();
        assert_eq!(median_interval(&numbers, 0.95), Some((10.0, 21.0)));
        assert_eq!(median_interval(&numbers[..5], 0.95), None);
    }
}
