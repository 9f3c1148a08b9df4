//! As few runs over the samples as a limit of memory allows.
//!
//! First fit, largest first: at most a fifth more runs than the fewest possible (Dósa 2007), and mostly none.

use std::cmp::Reverse;

/// Divides values, by their bytes, into runs that each take at most `limit`. A value above the limit gets a run of its
/// own. Within a run values keep their order; runs are ordered by their first value.
pub(super) fn runs(bytes: &[u64], limit: u64) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..bytes.len()).collect();
    order.sort_by_key(|&i| Reverse(bytes[i]));
    let mut runs: Vec<(u64, Vec<usize>)> = Vec::new();
    for i in order {
        let fits = |taken: u64| taken.checked_add(bytes[i]).is_some_and(|sum| sum <= limit);
        match runs.iter_mut().find(|(taken, _)| fits(*taken)) {
            Some((taken, members)) => {
                *taken += bytes[i];
                members.push(i);
            }
            None => runs.push((bytes[i], vec![i])),
        }
    }
    let mut runs: Vec<Vec<usize>> = runs.into_iter().map(|(_, members)| members).collect();
    runs.iter_mut().for_each(|members| members.sort_unstable());
    runs.sort_unstable();
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_share_runs() {
        assert_eq!(runs(&[6, 5, 4, 5], 10), [[0, 2], [1, 3]]);
        assert_eq!(runs(&[1, 2, 3], 6), [[0, 1, 2]]);
        assert_eq!(runs(&[20, 1, 20], 10), [vec![0], vec![1], vec![2]]);
        assert!(runs(&[], 10).is_empty());
        assert_eq!(runs(&[u64::MAX, u64::MAX], u64::MAX).len(), 2);
    }

    proptest! {
        #[test]
        fn each_value_is_in_one_run_that_fits(bytes in proptest::collection::vec(0u64..30, 0..40)) {
            let runs = runs(&bytes, 25);
            let mut all: Vec<usize> = runs.iter().flatten().copied().collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..bytes.len()).collect::<Vec<_>>());
            for run in &runs {
                prop_assert!(run.len() == 1 || run.iter().map(|&i| bytes[i]).sum::<u64>() <= 25);
            }
        }
    }
}
