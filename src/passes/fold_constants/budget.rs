//! What a fold costs the file, and what it frees.

use crate::ir::{Attr, Def, Graph, NodeId, ValueId};
use crate::tensor::Tensor;
use rustc_hash::{FxHashMap, FxHashSet};

/// Bytes of a message for its tags, lengths and dims.
const OVERHEAD: usize = 16;

/// Growth up to this is small.
const SMALL: i64 = 1 << 10;

/// By how much a fold grows the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    /// Not at all.
    None,
    /// By next to nothing: decided together with others of the kind.
    Small,
    /// By more: decided together with others of the kind.
    Large,
    /// By more than a single fold may.
    Excessive,
}

/// Bytes by which the file may still grow, a half for small growth and a half for large.
///
/// Folds of a kind are done all or none: what is left of a budget must not decide, or the next job would find it whole
/// again and go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    left: i64,
    half: i64,
}

impl Budget {
    pub(super) fn new(bytes: u64) -> Self {
        let left = i64::try_from(bytes).unwrap_or(i64::MAX);
        Self { left, half: left / 2 }
    }

    pub(super) fn left(self) -> u64 {
        self.left.unsigned_abs()
    }

    pub(super) fn judge(self, growth: i64) -> Growth {
        match growth {
            g if g <= 0 => Growth::None,
            g if g > self.half => Growth::Excessive,
            g if g <= SMALL => Growth::Small,
            _ => Growth::Large,
        }
    }

    /// Takes what folds of one kind need together; `false` where that is too much.
    pub(super) fn take(&mut self, growth: i64) -> bool {
        let affordable = growth <= self.half;
        if affordable {
            self.left -= growth.max(0);
        }
        affordable
    }
}

/// Bytes that a constant takes in the file under a name of so many.
pub(super) fn cost(tensor: &Tensor, name: usize) -> i64 {
    let bytes = tensor.byte_len().saturating_add(2 * tensor.rank() + name + OVERHEAD);
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Bytes that a node takes in the file at least.
fn node_cost(graph: &Graph, node: NodeId) -> i64 {
    let n = graph.node(node);
    let name = |v: ValueId| graph.value(v).name().len() + 2;
    let operands = n.inputs().map(|v| v.map_or(2, name)).sum::<usize>();
    let results = n.outputs().iter().map(|&v| name(v)).sum::<usize>();
    let fixed = i64::try_from(operands + results + n.op().name.len() + n.name().len()).unwrap_or(0);
    n.attrs().iter().fold(fixed, |bytes, attribute| match &attribute.value {
        Attr::Tensor(t) => bytes.saturating_add(cost(t, attribute.name.len())),
        _ => bytes,
    })
}

/// Bytes that leave the file with a node: its own, and those of nodes and initializers that only it had read.
pub(super) fn freed(graph: &Graph, node: NodeId) -> i64 {
    let mut reads: FxHashMap<ValueId, usize> = FxHashMap::default();
    let mut dying = FxHashSet::from_iter([node]);
    let mut pending = vec![node];
    let mut bytes = 0i64;
    while let Some(id) = pending.pop() {
        bytes = bytes.saturating_add(node_cost(graph, id));
        for value in graph.node(id).inputs().flatten() {
            *reads.entry(value).or_default() += 1;
            if reads[&value] < graph.value(value).uses().len() {
                continue;
            }
            match graph.value(value).def() {
                Def::Initializer { tensor, .. } => {
                    bytes = bytes.saturating_add(cost(tensor, graph.value(value).name().len()))
                }
                Def::Output { node: producer, .. } => {
                    let unread =
                        |o: &ValueId| reads.get(o).copied().unwrap_or(0) == graph.value(*o).uses().len();
                    if graph.node(*producer).outputs().iter().all(unread) && dying.insert(*producer) {
                        pending.push(*producer);
                    }
                }
                _ => {}
            }
        }
    }
    bytes
}
