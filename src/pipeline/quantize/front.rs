//! The first products stay floats where that is faster.
//!
//! Where a network begins, channels are few and maps large: kernels for whole numbers gain least there, and numbers have to
//! be converted before the first of them in any case. Errors from there go through everything, so that these floats make the
//! result more accurate too. Ever more of the first products go back, twice as many each time, until that is slower.

use super::compose::{Composed, Composer};
use super::faster::{Faster, SLOWER};
use super::measure::Judge;
use crate::error::Result;
use crate::ir::{NodeId, RegionId, topological};
use crate::pipeline::progress::Progress;
use crate::quantize::Role;
use crate::report::Race;
use rustc_hash::FxHashSet;

/// At most this share of the products.
const SHARE: usize = 4;

/// A model that is faster with its first products in floats; `None` where none is.
pub(super) fn front<'c>(
    judge: &Judge<'_>,
    composer: &Composer<'c>,
    composed: &Composed,
    progress: &mut dyn Progress,
) -> Result<Option<Faster<'c>>> {
    let products = products(composer, composed)?;
    let without = |count: usize| composer.without(products[..count].iter().copied(), SLOWER);
    let race = |held: &(_, Composed), other: &(_, Composed)| {
        let race = judge.race(&held.1.model, &other.1.model, progress)?;
        Ok(race.map_or(Race::TooFew, |race| race.verdict))
    };
    let first = (composer.clone(), composed.clone());
    let Some((count, (composer, composed))) = longest(first, products.len() / SHARE, without, race)? else {
        return Ok(None);
    };
    let what =
        if count == 1 { "the first product".to_owned() } else { format!("the first {count} products") };
    Ok(Some((composer, composed, what)))
}

/// How many products the fastest that is found leaves in floats, at most so many, and what it is.
fn longest<T>(
    first: T,
    most: usize,
    without: impl Fn(usize) -> Result<T>,
    mut race: impl FnMut(&T, &T) -> Result<Race>,
) -> Result<Option<(usize, T)>> {
    let (mut held, mut floats, mut count) = (first, 0, 1);
    while count <= most {
        let other = without(count)?;
        match race(&held, &other)? {
            Race::Faster => (held, floats) = (other, count),
            Race::NoDifference => {}
            Race::Slower | Race::TooFew => break,
        }
        count *= 2;
    }
    Ok((floats > 0).then_some((floats, held)))
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

    /// How many of the first products stay floats where a model with so many takes so long.
    fn floats(most: usize, time: impl Fn(usize) -> u32) -> Option<usize> {
        let race = |held: &usize, other: &usize| {
            Ok(match time(*other).cmp(&time(*held)) {
                std::cmp::Ordering::Less => Race::Faster,
                std::cmp::Ordering::Equal => Race::NoDifference,
                std::cmp::Ordering::Greater => Race::Slower,
            })
        };
        let (count, held) = longest(0, most, Ok, race).unwrap()?;
        assert_eq!(count, held);
        Some(count)
    }

    #[test]
    fn the_fastest_is_held_and_what_is_slower_ends_the_search() {
        assert_eq!(floats(8, |n| 10 - n as u32), Some(8));
        assert_eq!(floats(7, |n| 10 - n as u32), Some(4));
        // What takes as long is no reason to stop, and none to hold it.
        assert_eq!(floats(8, |n| if n >= 4 { 1 } else { 2 }), Some(4));
        assert_eq!(floats(8, |n| if n == 1 { 3 } else { 2 - u32::from(n > 1) }), None);
        assert_eq!(floats(8, |_| 1), None);
        assert_eq!(floats(0, |n| 10 - n as u32), None);
    }
}
