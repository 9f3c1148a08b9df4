//! What a pass has done, and why it did not do more.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The outcome of one pass over a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassStats {
    /// How many changes were made.
    pub applied: usize,
    /// Why candidates were left alone, by reason.
    pub misses: BTreeMap<String, Missed>,
}

/// Candidates left alone for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// How many.
    pub count: usize,
    /// The first of them: its node, and the value in the way.
    pub example: String,
}

impl PassStats {
    /// Counts changes.
    pub fn applied(count: usize) -> Self {
        Self { applied: count, ..Self::default() }
    }

    /// Counts a candidate that was left alone.
    pub fn miss(&mut self, reason: impl Into<String>, example: impl FnOnce() -> String) {
        self.misses
            .entry(reason.into())
            .and_modify(|m| m.count += 1)
            .or_insert_with(|| Missed { count: 1, example: example() });
    }

    /// Adds what another rule of the same pass has done; what both left alone for one reason is the same.
    pub(super) fn beside(&mut self, other: PassStats) {
        self.applied += other.applied;
        for (reason, missed) in other.misses {
            match self.misses.entry(reason) {
                Entry::Vacant(new) => drop(new.insert(missed)),
                Entry::Occupied(mut had) => had.get_mut().count = had.get().count.max(missed.count),
            }
        }
    }

    /// Adds what another run of the same pass has done; its misses are the newer ones and replace ours.
    pub fn then(&mut self, later: PassStats) {
        self.applied += later.applied;
        self.misses = later.misses;
    }
}
