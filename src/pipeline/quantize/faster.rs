//! Where INT8 is not faster than the original, the kinds of nodes that floats are faster for go back to floats.
//!
//! A processor may have slow kernels for one kind and fast ones for all others: convolutions of groups, small products, what
//! stands between. The kinds go back one after the other, what is held so far is timed beside the model without the kind, and
//! the floats stay where the whole interval of the ratio lies below 1. What one kind costs depends on the others, so that this
//! goes on until nothing changes, and in the end on to all of them together.

use super::compose::{Composed, Composer};
use super::measure::Judge;
use crate::error::Result;
use crate::ir::{Graph, NodeId};
use crate::pipeline::progress::Progress;
use crate::quantize::Role;
use crate::report::{QuantizedRace, Race};
use std::collections::BTreeMap;

const SLOWER: &str = "floats are faster here";

/// Nodes of a kind that compute in whole numbers.
struct Kind {
    name: String,
    nodes: Vec<NodeId>,
}

/// What makes a faster model, the model, and what floats are faster for.
pub(super) type Faster<'c> = (Composer<'c>, Composed, String);

/// A model that is faster than the one that was timed, with some kinds in floats; `None` where that is fast, or none is
/// faster.
pub(super) fn faster<'c>(
    judge: &Judge<'_>,
    composer: &Composer<'c>,
    composed: &Composed,
    race: &QuantizedRace,
    progress: &mut dyn Progress,
) -> Result<Option<Faster<'c>>> {
    if race.verdict == Race::Faster {
        return Ok(None);
    }
    let kinds = kinds(&composer.float().graph, composed);
    let first = (composer.clone(), composed.clone());
    let without = |held: &(Composer<'c>, Composed), kinds: &[&Kind]| {
        held.0.without(kinds.iter().flat_map(|kind| kind.nodes.iter().copied()), SLOWER)
    };
    let is_faster = |other: &(Composer<'c>, Composed), held: &(Composer<'c>, Composed)| {
        let race = judge.race(&held.1.model, &other.1.model, progress)?;
        Ok(race.is_some_and(|race| race.verdict == Race::Faster))
    };
    let ((composer, composed), floats) = taken_back(first, &kinds, without, is_faster)?;
    if floats.is_empty() {
        return Ok(None);
    }
    let floats: Vec<String> =
        floats.iter().map(|kind| format!("{} {}", kind.nodes.len(), kind.name)).collect();
    Ok(Some((composer, composed, floats.join(", "))))
}

/// Kinds of products and of all else that computes in whole numbers, those with the fewest nodes first.
fn kinds(graph: &Graph, composed: &Composed) -> Vec<Kind> {
    let mut kinds: BTreeMap<String, Vec<NodeId>> = BTreeMap::new();
    for choice in &composed.choices {
        let node = graph.node(choice.node);
        let grouped = node.op().is("Conv") && node.int("group").is_some_and(|group| group > 1);
        if matches!(choice.role, Role::Product { .. } | Role::Between { .. } | Role::Lookup) {
            let name = if grouped { "Conv of groups".to_owned() } else { node.op().to_string() };
            kinds.entry(name).or_default().push(choice.node);
        }
    }
    let mut kinds: Vec<Kind> = kinds.into_iter().map(|(name, nodes)| Kind { name, nodes }).collect();
    kinds.sort_by_key(|kind| kind.nodes.len());
    kinds
}

/// What is held in the end, and the kinds that went back.
fn taken_back<T>(
    mut held: T,
    kinds: &[Kind],
    without: impl Fn(&T, &[&Kind]) -> Result<T>,
    mut is_faster: impl FnMut(&T, &T) -> Result<bool>,
) -> Result<(T, Vec<&Kind>)> {
    let (mut floats, mut whole): (Vec<&Kind>, Vec<&Kind>) = (Vec::new(), kinds.iter().collect());
    loop {
        let before = whole.len();
        for kind in std::mem::take(&mut whole) {
            let other = without(&held, &[kind])?;
            if is_faster(&other, &held)? {
                held = other;
                floats.push(kind);
            } else {
                whole.push(kind);
            }
        }
        if whole.is_empty() || whole.len() == before {
            break;
        }
    }
    if whole.len() > 1 {
        let other = without(&held, &whole)?;
        if is_faster(&other, &held)? {
            held = other;
            floats.append(&mut whole);
        }
    }
    Ok((held, floats))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The kinds that go back where a model with these in floats takes so long.
    fn floats(time: impl Fn(&str) -> u32) -> Vec<String> {
        let kinds = ["A", "B", "C"].map(|name| Kind { name: name.to_owned(), nodes: Vec::new() });
        let without = |held: &String, kinds: &[&Kind]| {
            let mut names: Vec<char> =
                held.chars().chain(kinds.iter().flat_map(|kind| kind.name.chars())).collect();
            names.sort_unstable();
            Ok(names.into_iter().collect::<String>())
        };
        let is_faster = |other: &String, held: &String| Ok(time(other) < time(held));
        let (held, floats) = taken_back(String::new(), &kinds, without, is_faster).unwrap();
        assert_eq!(held.len(), floats.len());
        floats.iter().map(|kind| kind.name.clone()).collect()
    }

    #[test]
    fn kinds_go_back_until_nothing_gets_faster() {
        let in_turn = |floats: &str| match floats {
            "" => 5,
            "B" => 4,
            "BC" => 3,
            "ABC" => 2,
            _ => 6,
        };
        assert_eq!(floats(in_turn), ["B", "C", "A"]);
        let one = |floats: &str| if floats == "B" { 1 } else { 2 };
        assert_eq!(floats(one), ["B"]);
        assert!(floats(|_| 1).is_empty());
    }

    #[test]
    fn all_together_are_tried_where_no_single_one_is_faster() {
        let together = |floats: &str| if floats == "ABC" { 1 } else { 2 + floats.len() as u32 };
        assert_eq!(floats(together), ["A", "B", "C"]);
    }
}
