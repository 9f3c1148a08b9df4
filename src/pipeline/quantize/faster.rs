//! Where INT8 is not faster than the original, the kinds of nodes that floats are faster for go back to floats.
//!
//! A processor may have slow kernels for one kind and fast ones for all others: convolutions of groups, small products, what
//! stands between. The kinds go back one after the other, what is held so far is timed beside the model without the kind, and
//! the floats stay where the whole interval of the ratio lies below 1.

use super::compose::{Composed, Composer};
use super::measure::Judge;
use crate::diag::Diags;
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

/// What holds a model, and how fast it is.
pub(super) type Held<'c> = (Composer<'c>, Composed);

/// A model that is faster than the one that was timed, with some kinds in floats; `None` where that is fast, or none is faster.
pub(super) fn faster<'c>(
    judge: &Judge<'_>,
    composer: &Composer<'c>,
    composed: &Composed,
    race: &QuantizedRace,
    diags: &mut Diags,
    progress: &mut dyn Progress,
) -> Result<Option<Held<'c>>> {
    if race.verdict == Race::Faster {
        return Ok(None);
    }
    let kinds = kinds(&composer.float().graph, composed);
    let first: Held<'c> = (composer.clone(), composer.compose()?);
    let without = |held: &Held<'c>, kind: &Kind| held.0.without(kind.nodes.iter().copied(), SLOWER);
    let is_faster = |other: &Held<'c>, held: &Held<'c>| {
        let race = judge.race(&held.1.model, &other.1.model, progress)?;
        Ok(race.is_some_and(|race| race.verdict == Race::Faster))
    };
    let (held, floats) = taken_back(first, kinds, without, is_faster)?;
    if floats.is_empty() {
        return Ok(None);
    }
    let message = format!("INT8 is not faster here for {}: floats are kept", floats.join(", "));
    diags.note("floats-are-faster", None, message);
    Ok(Some(held))
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
    kinds: Vec<Kind>,
    without: impl Fn(&T, &Kind) -> Result<T>,
    mut is_faster: impl FnMut(&T, &T) -> Result<bool>,
) -> Result<(T, Vec<String>)> {
    let mut floats = Vec::new();
    for kind in kinds {
        let other = without(&held, &kind)?;
        if is_faster(&other, &held)? {
            held = other;
            floats.push(format!("{} {}", kind.nodes.len(), kind.name));
        }
    }
    Ok((held, floats))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn kinds_go_back_one_after_the_other_where_that_is_faster() {
        let kind = |name: &str| Kind { name: name.to_owned(), nodes: Vec::new() };
        let all = ["Add", "Conv of groups", "Conv"].map(kind);
        // Without sums alone it takes longer; without both kinds of convolutions it takes least.
        let time = |floats: &Vec<String>| match floats.join(" ").as_str() {
            "" => 4,
            "Conv of groups" => 3,
            "Conv of groups Conv" => 2,
            _ => 5,
        };
        let without = |held: &Vec<String>, kind: &Kind| {
            Ok(held.iter().cloned().chain([kind.name.clone()]).collect::<Vec<String>>())
        };
        let mut timed = 0;
        let is_faster = |other: &Vec<String>, held: &Vec<String>| {
            timed += 1;
            Ok(time(other) < time(held))
        };
        let (held, floats) = taken_back(Vec::new(), all.into(), without, is_faster).unwrap();
        assert_eq!(held, ["Conv of groups", "Conv"]);
        assert_eq!((floats.len(), timed), (2, 3));
    }
}
