//! What a fold costs the file, and what it frees.

use crate::ir::{Attr, Def, Graph, NodeId, ValueId};
use crate::tensor::Tensor;
use rustc_hash::{FxHashMap, FxHashSet};

/// Bytes of a message beside its payload: names, dims, tags.
const OVERHEAD: i64 = 48;

/// Growth that is not worth a second thought.
const SMALL: i64 = 1 << 10;

/// What to do with a fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It shrinks the file, or grows it by next to nothing.
    Fold,
    /// It grows the file: to be decided together with the others.
    Later,
    /// It alone would take most of the budget.
    Refuse,
}

/// Bytes by which the file may still grow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// What is left for folds that hardly grow the file.
    left: i64,
    /// What larger folds may take together. What others have spent does not count, or the next run would decide otherwise.
    large: i64,
    /// The most that a single fold may take.
    single: i64,
}

impl Budget {
    pub(super) fn new(bytes: u64) -> Self {
        let left = i64::try_from(bytes).unwrap_or(i64::MAX);
        Self { left, large: left, single: left / 2 }
    }

    pub(super) fn judge(self, growth: i64) -> Verdict {
        match growth {
            g if g <= 0 => Verdict::Fold,
            g if g <= SMALL && self.affords(g) => Verdict::Fold,
            g if g <= self.single => Verdict::Later,
            _ => Verdict::Refuse,
        }
    }

    fn affords(self, growth: i64) -> bool {
        growth <= self.left
    }

    /// Whether larger folds may be done, all of them.
    pub(super) fn affords_together(self, growth: i64) -> bool {
        growth <= self.large
    }

    pub(super) fn spend(&mut self, growth: i64) {
        self.left = self.left.saturating_sub(growth);
    }
}

/// Bytes that a constant takes in the file.
pub(super) fn cost(tensor: &Tensor) -> i64 {
    i64::try_from(tensor.byte_len()).unwrap_or(i64::MAX).saturating_add(OVERHEAD)
}

/// Bytes that leave the file with a node: its own, and those of nodes and initializers that only it had read.
pub(super) fn freed(graph: &Graph, node: NodeId) -> i64 {
    let mut reads: FxHashMap<ValueId, usize> = FxHashMap::default();
    let mut dying = FxHashSet::from_iter([node]);
    let mut pending = vec![node];
    let mut bytes = 0i64;
    while let Some(id) = pending.pop() {
        let n = graph.node(id);
        bytes = bytes.saturating_add(OVERHEAD);
        for attribute in n.attrs() {
            if let Attr::Tensor(t) = &attribute.value {
                bytes = bytes.saturating_add(cost(t));
            }
        }
        for value in n.inputs().flatten() {
            *reads.entry(value).or_default() += 1;
            if reads[&value] < graph.value(value).uses().len() {
                continue;
            }
            match graph.value(value).def() {
                Def::Initializer { tensor, .. } => bytes = bytes.saturating_add(cost(tensor)),
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
