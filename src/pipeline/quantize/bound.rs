//! Nodes that go back to floats until the outputs are accurate enough.
//!
//! Those that lose most by themselves go first. The smallest number of them that reaches the bounds is searched by halving,
//! since each further node makes the outputs better but for noise.

use super::compose::{Composed, Composer};
use super::measure::Judge;
use crate::error::Result;
use crate::pipeline::progress::Progress;
use crate::quantize::{Accuracy, Bounds, Sensitivity};

const ACCURACY: &str = "a bound needs it (--min-sqnr, --max-drop)";

/// What is to be reached.
pub(super) struct Bound<'a, 'j> {
    pub(super) judge: &'a Judge<'j>,
    pub(super) bounds: &'a Bounds,
    /// The most sensitive first.
    pub(super) ranked: &'a [Sensitivity],
}

/// A model that reaches the bounds.
pub(super) struct Reached<'c> {
    pub(super) composer: Composer<'c>,
    pub(super) composed: Composed,
    pub(super) accuracy: Accuracy,
    /// Nodes that went back.
    pub(super) nodes: usize,
}

impl Bound<'_, '_> {
    /// The model that reaches the bounds; `None` where they are reached already, or cannot be.
    pub(super) fn reach<'c>(
        &self,
        composer: &Composer<'c>,
        reached: &Accuracy,
        progress: &mut dyn Progress,
    ) -> Result<Option<Reached<'c>>> {
        let holds = |accuracy: &Accuracy| self.bounds.missed(accuracy).is_none();
        if !self.bounds.is_asked() || self.bounds.unmeasured(reached).is_some() || holds(reached) {
            return Ok(None);
        }
        // So many nodes in floats are too few, and so many enough.
        let (mut few, mut enough): (usize, Option<usize>) = (0, None);
        let mut best = None;
        while few + 1 < enough.unwrap_or(self.ranked.len() + 1) {
            let nodes = match enough {
                None => (few * 2).clamp(1, self.ranked.len()),
                Some(enough) => few + (enough - few) / 2,
            };
            let (composer, composed) =
                composer.without(self.ranked[..nodes].iter().map(|s| s.node), ACCURACY)?;
            let Some(accuracy) = self.judge.accuracy(&composed.model, progress)? else { return Ok(None) };
            if holds(&accuracy) {
                enough = Some(nodes);
                best = Some(Reached { composer, composed, accuracy, nodes });
            } else {
                few = nodes;
            }
        }
        Ok(best)
    }
}
