//! Nodes that go back to floats until the outputs are accurate enough.
//!
//! In each of a few orders the smallest number of nodes that reaches the bounds is searched by halving, since each further
//! node makes the outputs better but for noise. What is found is weighed by its shares of the original's time and size;
//! where nothing is timed, by its share of nodes in floats instead of time.

use super::RANKED_SAMPLES;
use super::compose::{Composed, Composer};
use super::measure::Judge;
use crate::data::Source;
use crate::error::Result;
use crate::ir::{Def, Model, NodeId};
use crate::pipeline::progress::{Progress, Step};
use crate::quantize::{Accuracy, effects, orders};

const ACCURACY: &str = "a bound needs it (--min-sqnr, --max-drop)";

/// What is to be reached.
pub(super) struct Bound<'a, 'j> {
    pub(super) judge: &'a Judge<'j>,
    /// What nodes are ranked by.
    pub(super) fitted: &'a Source,
}

/// A model that reaches the bounds.
pub(super) struct Reached<'c> {
    pub(super) composer: Composer<'c>,
    pub(super) composed: Composed,
    /// Nodes that went back.
    pub(super) nodes: usize,
    /// Of so many.
    pub(super) of: usize,
}

impl Bound<'_, '_> {
    /// The model that reaches the bounds; `None` where they are reached already, or cannot be.
    pub(super) fn reach<'c>(
        &self,
        composer: &Composer<'c>,
        reached: &Accuracy,
        progress: &mut dyn Progress,
    ) -> Result<Option<Reached<'c>>> {
        let (judge, bounds) = (self.judge, &self.judge.job.bounds);
        if !bounds.is_asked() || bounds.unmeasured(reached).is_some() || judge.holds(reached) {
            return Ok(None);
        }
        let orders = self.orders(composer, progress)?;
        let all = orders.first().map_or(&[][..], Vec::as_slice);
        let floats = composer.without(all.iter().copied(), ACCURACY)?.1;
        if !judge.accuracy(&floats.model, progress)?.is_some_and(|accuracy| judge.holds(&accuracy)) {
            return Ok(None);
        }
        let mut best: Option<(f64, Reached<'c>)> = None;
        for order in orders {
            let Some(found) = self.first(&order, composer, progress)? else { continue };
            let price = self.price(&found, progress)?;
            if best.as_ref().is_none_or(|(least, _)| price < *least) {
                best = Some((price, found));
            }
        }
        Ok(best.map(|(_, found)| found))
    }

    /// By nodes as they are before anything is fitted to what the others round: what makes up for others would count as
    /// lost.
    fn orders(&self, composer: &Composer<'_>, progress: &mut dyn Progress) -> Result<Vec<Vec<NodeId>>> {
        let (float, places) = (composer.float(), composer.plain().compose()?.places);
        let by = (self.fitted, RANKED_SAMPLES);
        let mut tell = |run, of| progress.begin(Step::Effects(run, of));
        orders(float, &effects(float, &places, by, self.judge.runtime, &mut tell)?)
    }

    /// The model with the fewest of the first nodes in floats that reaches the bounds.
    fn first<'c>(
        &self,
        order: &[NodeId],
        composer: &Composer<'c>,
        progress: &mut dyn Progress,
    ) -> Result<Option<Reached<'c>>> {
        // So many nodes in floats are too few, and so many enough.
        let (mut few, mut enough): (usize, Option<usize>) = (0, None);
        let mut best = None;
        while few + 1 < enough.unwrap_or(order.len() + 1) {
            let nodes = match enough {
                None => (few * 2).clamp(1, order.len()),
                Some(enough) => few + (enough - few) / 2,
            };
            let (composer, composed) = composer.without(order[..nodes].iter().copied(), ACCURACY)?;
            let Some(accuracy) = self.judge.accuracy(&composed.model, progress)? else { return Ok(None) };
            if self.judge.holds(&accuracy) {
                enough = Some(nodes);
                best = Some(Reached { composer, composed, nodes, of: order.len() });
            } else {
                few = nodes;
            }
        }
        Ok(best)
    }

    /// The share of the original's time, or of nodes, and the share of its constants.
    fn price(&self, found: &Reached<'_>, progress: &mut dyn Progress) -> Result<f64> {
        let race = match self.judge.job.bench {
            true => self.judge.race_of(&found.composed.model, progress)?,
            false => None,
        };
        let time = race.map_or(found.nodes as f64 / found.of as f64, |race| race.ratio.0);
        let size = constants(&found.composed.model) / constants(found.composer.float()).max(1.0);
        Ok(time + size)
    }
}

/// Bytes of a model's constants.
fn constants(model: &Model) -> f64 {
    let graph = &model.graph;
    let bytes = |value| match graph.value(value).def() {
        Def::Initializer { tensor, .. } => tensor.byte_len() as f64,
        _ => 0.0,
    };
    graph.value_ids().map(bytes).sum()
}
