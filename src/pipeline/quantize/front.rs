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
use crate::report::{QuantizedRace, Race};
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
    let paced = |held: &(_, Composed), other: &(_, Composed)| {
        let race = judge.race(&held.1.model, &other.1.model, progress)?;
        Ok(race.as_ref().map_or(Pace::Slower, pace))
    };
    let first = (composer.clone(), composed.clone());
    let Some((count, (composer, composed))) = longest(first, products.len() / SHARE, without, paced)? else {
        return Ok(None);
    };
    let what =
        if count == 1 { "the first product".to_owned() } else { format!("the first {count} products") };
    Ok(Some((composer, composed, what)))
}

/// How long something takes beside the fastest so far.
#[derive(Clone, Copy)]
enum Pace {
    Faster,
    AsLong,
    Unclear,
    Slower,
}

fn pace(race: &QuantizedRace) -> Pace {
    match (race.verdict, race.ratio_interval) {
        (Race::Faster, _) => Pace::Faster,
        (Race::NoDifference, Some([_, high])) if high.0 <= AS_LONG => Pace::AsLong,
        (Race::NoDifference, _) => Pace::Unclear,
        (Race::Slower | Race::TooFew, _) => Pace::Slower,
    }
}

/// How many products are left in floats by the last that takes no longer than the fastest, at most so many, and what it is.
fn longest<T: Clone>(
    first: T,
    most: usize,
    without: impl Fn(usize) -> Result<T>,
    mut pace: impl FnMut(&T, &T) -> Result<Pace>,
) -> Result<Option<(usize, T)>> {
    let (mut fastest, mut held, mut count) = (first, None, 1);
    while count <= most {
        let other = without(count)?;
        match pace(&fastest, &other)? {
            Pace::Faster => {
                fastest = other.clone();
                held = Some((count, other));
            }
            Pace::AsLong => held = Some((count, other)),
            Pace::Unclear => {}
            Pace::Slower => break,
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
    use crate::report::Number;

    /// How many of the first products stay floats where a model with so many takes so long, in thousandths.
    fn floats(most: usize, time: impl Fn(usize) -> i64) -> Option<usize> {
        let pace = |fastest: &usize, other: &usize| {
            Ok(match time(*other) - time(*fastest) {
                ..=-10 => Pace::Faster,
                -9..=2 => Pace::AsLong,
                3..=9 => Pace::Unclear,
                _ => Pace::Slower,
            })
        };
        let (count, held) = longest(0, most, Ok, pace).unwrap()?;
        assert_eq!(count, held);
        Some(count)
    }

    #[test]
    fn the_last_that_takes_no_longer_than_the_fastest_is_held_and_what_is_slower_ends_the_search() {
        assert_eq!(floats(8, |n| 1000 - 10 * n as i64), Some(8));
        assert_eq!(floats(7, |n| 1000 - 10 * n as i64), Some(4));
        assert_eq!(floats(8, |n| 1000 - i64::from(n >= 4) * 50), Some(8));
        assert_eq!(floats(8, |n| if n == 1 { 1050 } else { 500 }), None);
        // One that takes as long after the other is slower in the end.
        assert_eq!(floats(8, |n| 1000 + 2 * n as i64), Some(1));
        // What nobody can tell is no reason to stop, and none to hold it.
        assert_eq!(floats(8, |n| [1000, 1005].get(n).copied().unwrap_or(900 + n as i64)), Some(4));
        assert_eq!(floats(8, |_| 1000), Some(8));
        assert_eq!(floats(0, |_| 1000), None);
    }

    #[test]
    fn an_interval_tells_the_pace() {
        let race = |low, high| QuantizedRace {
            runtime: String::new(),
            pairs: 30,
            float_milliseconds: Number(1.0),
            int8_milliseconds: Number(1.0),
            ratio: Number(1.0),
            ratio_interval: Some([Number(low), Number(high)]),
            verdict: Race::of(Some((low, high))),
        };
        assert!(matches!(pace(&race(0.9, 0.99)), Pace::Faster));
        assert!(matches!(pace(&race(0.99, 1.004)), Pace::AsLong));
        assert!(matches!(pace(&race(0.99, 1.02)), Pace::Unclear));
        assert!(matches!(pace(&race(1.001, 1.004)), Pace::Slower));
    }
}
