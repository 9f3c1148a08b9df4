//! Nodes that go back to floats until the outputs are accurate enough.
//!
//! Those that lose most by themselves go first. The smallest number of them that reaches the bound is searched by halving,
//! since each further node makes the outputs better but for noise.

use super::compose::{Composed, Composer};
use super::measure::Judge;
use crate::error::Result;
use crate::pipeline::progress::Progress;
use crate::quantize::{Accuracy, Sensitivity};

/// What is to be reached.
pub(super) struct Bound<'a> {
    pub(super) judge: &'a Judge<'a>,
    /// Decibels.
    pub(super) least: f64,
    /// The most sensitive first.
    pub(super) ranked: &'a [Sensitivity],
}

impl Bound<'_> {
    /// A model that reaches the bound and how accurate it is; `None` where it is reached already, or cannot be.
    pub(super) fn reach(
        &self,
        composer: &Composer<'_>,
        reached: &Accuracy,
        progress: &mut dyn Progress,
    ) -> Result<Option<(Composed, Accuracy)>> {
        if self.holds(reached) {
            return Ok(None);
        }
        // So many nodes in floats are too few, and so many enough.
        let (mut few, mut enough): (usize, Option<usize>) = (0, None);
        let mut best = None;
        while few + 1 < enough.unwrap_or(self.ranked.len() + 1) {
            let count = match enough {
                None => (few * 2).clamp(1, self.ranked.len()),
                Some(enough) => few + (enough - few) / 2,
            };
            let composed = composer.without(self.ranked[..count].iter().map(|s| s.node))?;
            let Some(accuracy) = self.judge.accuracy(&composed.model, progress)? else { return Ok(None) };
            if self.holds(&accuracy) {
                enough = Some(count);
                best = Some((composed, accuracy));
            } else {
                few = count;
            }
        }
        Ok(best)
    }

    fn holds(&self, accuracy: &Accuracy) -> bool {
        accuracy.sqnr_db().is_none_or(|db| db >= self.least)
    }
}
