//! The first products stay floats where that is no slower.
//!
//! Where a network begins, channels are few and maps large: kernels for whole numbers gain least there, and numbers have to
//! be converted before the first of them in any case. Errors from there go through everything, so that these floats make the
//! result more accurate too: of two that take as long, that with more floats is held. Ever more of the first products go
//! back, twice as many each time, until that is slower.

use super::compose::{Composed, Composer};
use super::faster::Faster;
use super::measure::Judge;
use crate::error::Result;
use crate::ir::{NodeId, RegionId, topological};
use crate::pipeline::progress::Progress;
use crate::quantize::Role;
use rustc_hash::FxHashSet;

const AS_FAST: &str = "floats are as fast here";

/// At most this share of the products.
const SHARE: usize = 4;
/// What takes at most so many times as long, beyond doubt, takes as long.
const AS_LONG: f64 = 1.005;

/// A model that is no slower with its first products in floats; `None` where all are.
pub(super) fn front<'c>(
    judge: &Judge<'_>,
    composer: &Composer<'c>,
    composed: &Composed,
    progress: &mut dyn Progress,
) -> Result<Option<Faster<'c>>> {
    let products = products(composer, composed)?;
    let without = |count: usize| composer.without(products[..count].iter().copied(), AS_FAST);
    let race = |fastest: &(_, Composed), other: &(_, Composed)| {
        let race = judge.race(&fastest.1.model, &other.1.model, progress)?;
        Ok(race.and_then(|race| race.ratio_interval).map(|[low, high]| (low.0, high.0)))
    };
    let first = (composer.clone(), composed.clone());
    let Some((count, (composer, composed))) = longest(first, products.len() / SHARE, without, race)? else {
        return Ok(None);
    };
    let what =
        if count == 1 { "the first product".to_owned() } else { format!("the first {count} products") };
    Ok(Some((composer, composed, what)))
}

/// The interval that holds the ratio of two times; `None` where too few were taken.
type Interval = Option<(f64, f64)>;

/// How many products are left in floats by the last that takes no longer than the fastest, at most so many, and what it is.
fn longest<T: Clone>(
    first: T,
    most: usize,
    without: impl Fn(usize) -> Result<T>,
    mut race: impl FnMut(&T, &T) -> Result<Interval>,
) -> Result<Option<(usize, T)>> {
    let (mut fastest, mut held, mut count) = (first, None, 1);
    while count <= most {
        let other = without(count)?;
        match race(&fastest, &other)? {
            None => break,
            Some((low, _)) if low > 1.0 => break,
            Some((_, high)) if high <= AS_LONG => {
                if high < 1.0 {
                    fastest = other.clone();
                }
                held = Some((count, other));
            }
            Some(_) => {}
        }
        count *= 2;
    }
    Ok(held)
}

/// In the order in which they run.
fn products(composer: &Composer<'_>, composed: &Composed) -> Result<Vec<NodeId>> {
    let whole = composed.choices.iter().filter(|c| matches!(c.role, Role::Product { .. }));
    let whole: FxHashSet<NodeId> = whole.map(|c| c.node).collect();
    let mut all = topological(&composer.float().graph, RegionId::ROOT)?;
    all.retain(|node| whole.contains(node));
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// How many of the first products stay floats where a model with so many takes so long, within 0.3 %.
    fn floats(most: usize, time: impl Fn(usize) -> f64) -> Option<usize> {
        let race = |fastest: &usize, other: &usize| {
            let ratio = time(*other) / time(*fastest);
            Ok(Some((ratio - 0.003, ratio + 0.003)))
        };
        let (count, held) = longest(0, most, Ok, race).unwrap()?;
        assert_eq!(count, held);
        Some(count)
    }

    #[test]
    fn the_last_that_takes_no_longer_than_the_fastest_is_held_and_what_is_slower_ends_the_search() {
        let of =
            |times: [f64; 5]| floats(8, |n| times[[0, 1, 2, 4, 8].iter().position(|&c| c == n).unwrap()]);
        assert_eq!(of([1.0, 0.99, 0.98, 0.97, 0.96]), Some(8));
        assert_eq!(of([1.0, 1.0, 1.0, 0.95, 0.95]), Some(8));
        assert_eq!(of([1.0, 1.0, 1.0, 1.0, 1.0]), Some(8));
        assert_eq!(of([1.0, 1.05, 0.5, 0.5, 0.5]), None);
        // Each but a little slower than the one before: only the first is as fast as none.
        assert_eq!(of([1.0, 1.0015, 1.0029, 1.0029, 1.0029]), Some(1));
        // What nobody can tell is no reason to stop, and none to hold it.
        assert_eq!(of([1.0, 1.0025, 0.9, 0.9015, 0.9025]), Some(4));
        // Slower beyond doubt, however little.
        assert_eq!(of([1.0, 1.0031, 0.9, 0.9, 0.9]), None);
        assert_eq!(floats(7, |n| 1.0 - 0.01 * n as f64), Some(4));
        assert_eq!(floats(0, |_| 1.0), None);
        assert_eq!(longest(0, 8, Ok, |_, _| Ok(None)).unwrap(), None);
    }
}
