//! S5: what a graph or body returns keeps its name, order and type when the value behind it changes.

use super::Miss;
use crate::ir::{Def, Graph, RegionId, Use, ValueId};
use rustc_hash::FxHashSet;

fn returned_by(graph: &Graph, value: ValueId) -> impl Iterator<Item = RegionId> + '_ {
    graph.value(value).uses().iter().filter_map(|u| match u {
        Use::RegionOutput { region, .. } => Some(*region),
        Use::Operand { .. } => None,
    })
}

/// Whether `new` may be returned wherever `old` is. Nodes of `spliced` count as moved out of it.
pub(super) fn check(
    graph: &Graph,
    old: ValueId,
    new: ValueId,
    spliced: Option<RegionId>,
) -> Result<(), Miss> {
    for region in returned_by(graph, old) {
        let mut home = graph.region_of(new);
        if home.is_some() && home == spliced {
            home = graph.region_of(old);
        }
        if home != Some(region) {
            return Err(Miss::because("a body cannot return a value from outside it", old));
        }
        if matches!(graph.value(new).def(), Def::Input { .. } | Def::Initializer { listed: true, .. }) {
            return Err(Miss::because("an output needs a producer of its own, apart from the input", old));
        }
        if returned_by(graph, new).any(|r| Some(r) != spliced) || returned_by(graph, old).count() > 1 {
            return Err(Miss::because("two outputs cannot be one value", old));
        }
    }
    Ok(())
}

/// Whether no two values that are returned get the same one in their place.
pub(super) fn check_apart(graph: &Graph, replace: &[(ValueId, ValueId)]) -> Result<(), Miss> {
    let mut taken = FxHashSet::default();
    for &(old, new) in replace {
        if returned_by(graph, old).next().is_some() && !taken.insert(new) {
            return Err(Miss::because("two outputs cannot be one value", old));
        }
    }
    Ok(())
}

/// Gives `new` the name and declared type under which the root graph returns `old`.
pub(super) fn hand_over(graph: &mut Graph, old: ValueId, new: ValueId) {
    if !returned_by(graph, old).any(|r| r == RegionId::ROOT) {
        return;
    }
    let public = graph.value(old).name().clone();
    let (declared, residue) = (graph.value(old).declared().cloned(), graph.value(old).residue().clone());
    // The old value may stay alive beside another output of its node.
    let retired = graph.fresh_name(&format!("{public}/replaced"));
    graph.rename(old, retired);
    graph.rename(new, public);
    graph.set_declared(new, declared);
    graph.set_value_residue(new, residue);
}
