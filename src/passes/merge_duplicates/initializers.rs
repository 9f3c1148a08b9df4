//! Equal initializers. Types and shapes are compared first, then both ends of the data, then a digest of all of it,
//! and what is equal so far bit for bit: mapped weights are read only where they are likely to be equal.

use crate::analysis::Facts;
use crate::ir::{Def, Graph, RegionId, Use, ValueId};
use crate::rewrite::substitute;
use crate::tensor::{DType, Data, Tensor};
use rustc_hash::{FxHashMap, FxHasher};
use std::hash::{Hash, Hasher};

/// Bytes of each end of the data that are compared first.
const ENDS: usize = 1 << 10;

/// Above this size a computed tensor is not evaluated for the comparison.
const LAZY_BYTES: usize = 1 << 12;

type Look = (DType, Vec<usize>, u64);

/// Merges equal initializers of all regions and gives back how many went.
pub(super) fn merge(graph: &mut Graph, facts: &mut Facts) -> usize {
    let regions: Vec<RegionId> = graph.region_ids().collect();
    let mut looks: FxHashMap<Look, Vec<ValueId>> = FxHashMap::default();
    let mut order = Vec::new();
    for value in regions.into_iter().flat_map(|r| graph.initializers(r).collect::<Vec<_>>()) {
        let Some(look) = tensor(graph, value).and_then(look) else { continue };
        let group = looks.entry(look.clone()).or_default();
        if group.is_empty() {
            order.push(look);
        }
        group.push(value);
    }
    let mut merged = 0;
    for look in order {
        let Some(group) = looks.remove(&look).filter(|g| g.len() > 1) else { continue };
        for equal in by_digest(graph, group) {
            merged += merge_equal(graph, facts, &equal);
        }
    }
    merged
}

fn tensor(graph: &Graph, value: ValueId) -> Option<&Tensor> {
    match graph.value(value).def() {
        Def::Initializer { tensor, .. } => Some(tensor),
        _ => None,
    }
}

fn look(tensor: &Tensor) -> Option<Look> {
    let mut hasher = FxHasher::default();
    match (tensor.data(), tensor.strings()) {
        (_, Some(strings)) => strings.hash(&mut hasher),
        (Data::Expr(_), _) if tensor.byte_len() > LAZY_BYTES => return None,
        _ => {
            let bytes = tensor.bytes()?;
            hasher.write(&bytes[..bytes.len().min(ENDS)]);
            hasher.write(&bytes[bytes.len().saturating_sub(ENDS)..]);
        }
    }
    Some((tensor.dtype(), tensor.shape().to_vec(), hasher.finish()))
}

/// Splits a group into those of equal digest, each in the group's order, first members in order.
fn by_digest(graph: &Graph, group: Vec<ValueId>) -> Vec<Vec<ValueId>> {
    let mut parts: Vec<(u64, Vec<ValueId>)> = Vec::new();
    let mut index: FxHashMap<u64, usize> = FxHashMap::default();
    for value in group {
        let mut hasher = FxHasher::default();
        hasher.write(&tensor(graph, value).and_then(Tensor::bytes).unwrap_or_default());
        let digest = hasher.finish();
        let at = *index.entry(digest).or_insert(parts.len());
        if at == parts.len() {
            parts.push((digest, Vec::new()));
        }
        parts[at].1.push(value);
    }
    parts.into_iter().map(|(_, values)| values).filter(|v| v.len() > 1).collect()
}

fn merge_equal(graph: &mut Graph, facts: &mut Facts, values: &[ValueId]) -> usize {
    let mut merged = 0;
    let kept = values[0];
    for &other in &values[1..] {
        let equal = tensor(graph, kept).zip(tensor(graph, other)).is_some_and(|(a, b)| a.same_bits(b));
        if !equal || returned(graph, other) {
            continue;
        }
        let Some(home) = common_region(graph, kept, other) else { continue };
        if graph.region_of(kept) != Some(home) {
            if returned(graph, kept) {
                continue;
            }
            graph.hoist_initializer(kept, home);
        }
        if substitute(graph, facts, other, kept).is_ok() {
            graph.remove_initializer(other);
            merged += 1;
        }
    }
    merged
}

fn returned(graph: &Graph, value: ValueId) -> bool {
    graph.value(value).uses().iter().any(|u| matches!(u, Use::RegionOutput { .. }))
}

fn common_region(graph: &Graph, a: ValueId, b: ValueId) -> Option<RegionId> {
    let around: Vec<RegionId> = graph.enclosing(graph.region_of(a)?).collect();
    graph.enclosing(graph.region_of(b)?).find(|r| around.contains(r))
}
