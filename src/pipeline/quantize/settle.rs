//! Which model is written: what the samples, the bounds and the clock leave of the first one.

use super::bound::{Bound, Reached};
use super::compose::{Composed, Composer};
use super::faster::{Faster, faster};
use super::front::front;
use super::measure::{Judge, accuracy_report};
use super::{RANKED_SAMPLES, refine};
use crate::data::Source;
use crate::diag::Diags;
use crate::error::Result;
use crate::ir::Model;
use crate::pipeline::optimize::Clock;
use crate::pipeline::progress::{Progress, Step};
use crate::quantize::{Accuracy, Sensitivity, sensitivities};
use crate::report::{PutBack, QuantizedRace};

/// The model that is written, and what is known of it.
pub(super) struct Settled<'c, 's, 'j> {
    judge: &'s Judge<'j>,
    /// What things are fitted to.
    fitted: Option<&'s Source>,
    pub(super) composer: Composer<'c>,
    pub(super) composed: Composed,
    pub(super) accuracy: Option<Accuracy>,
    /// What nodes lose by themselves, the most sensitive first; none where nothing is measured.
    pub(super) ranked: Vec<Sensitivity>,
    pub(super) put_back: Option<PutBack>,
    pub(super) race: Option<QuantizedRace>,
}

/// Settles it: refined by the samples, then within the bounds, then no slower than it has to be.
pub(super) fn settled<'c, 's, 'j>(
    judge: &'s Judge<'j>,
    fitted: Option<&'s Source>,
    (composer, composed): (Composer<'c>, Composed),
    clock: &mut Clock,
    diags: &mut Diags,
    progress: &mut dyn Progress,
) -> Result<Settled<'c, 's, 'j>> {
    let (composer, composed, accuracy) =
        refine::refined(judge, fitted, composer, composed, clock, diags, progress)?;
    let mut settled =
        Settled { judge, fitted, composer, composed, accuracy, ranked: vec![], put_back: None, race: None };
    if judge.job.verify {
        settled.measure(clock, progress)?;
        settled.bound(clock, progress)?;
    }
    if judge.job.bench && settled.composed.is_int8() {
        settled.time(clock, diags, progress)?;
    }
    Ok(settled)
}

impl<'c> Settled<'c, '_, '_> {
    fn measure(&mut self, clock: &mut Clock, progress: &mut dyn Progress) -> Result<()> {
        let judge = self.judge;
        if let Some(source) = self.fitted {
            let of = RANKED_SAMPLES.min(source.len());
            let mut tell = |at| progress.begin(Step::Rank(at, of));
            let (float, places) = (self.composer.float(), &self.composed.places);
            self.ranked = clock.time("sensitivity", || {
                sensitivities(float, places, source, RANKED_SAMPLES, judge.runtime, &mut tell)
            })?;
        }
        if self.accuracy.is_none() {
            self.accuracy = clock.time("accuracy", || judge.accuracy(&self.composed.model, progress))?;
        }
        Ok(())
    }

    /// Puts nodes back to floats until the bounds hold.
    fn bound(&mut self, clock: &mut Clock, progress: &mut dyn Progress) -> Result<()> {
        let judge = self.judge;
        let (Some(reached), Some(fitted)) = (&self.accuracy, self.fitted) else { return Ok(()) };
        let bound = Bound { judge, fitted };
        let better = clock.time("bound", || bound.reach(&self.composer, reached, progress))?;
        let Some(Reached { composer, composed, nodes, of }) = better else { return Ok(()) };
        let (composer, composed, accuracy) =
            refine::refitted(judge, Some(fitted), (composer, composed), clock, progress)?;
        self.composer = composer;
        let all = std::mem::replace(&mut self.composed, composed);
        let accuracy = std::mem::replace(&mut self.accuracy, accuracy);
        self.put_back = Some(PutBack {
            nodes,
            of,
            accuracy: accuracy.as_ref().map(accuracy_report),
            race: self.race_of(&all.model, clock, progress)?,
        });
        Ok(())
    }

    /// Times it, and keeps floats where they are faster.
    fn time(&mut self, clock: &mut Clock, diags: &mut Diags, progress: &mut dyn Progress) -> Result<()> {
        let judge = self.judge;
        self.race = self.race_of(&self.composed.model, clock, progress)?;
        // What a plan says is done.
        let Some(race) = self.race.as_ref().filter(|_| judge.job.evidence.plan.is_none()) else {
            return Ok(());
        };
        let by_kinds =
            clock.time("bench", || faster(judge, &self.composer, &self.composed, race, progress))?;
        // Slower than the original, INT8 is worth nothing, whatever its accuracy.
        self.hold(by_kinds, None, clock, diags, progress)?;
        let least = self.accuracy.as_ref().and_then(Accuracy::sqnr_db);
        let in_front = clock.time("bench", || front(judge, &self.composer, &self.composed, progress))?;
        self.hold(in_front, least, clock, diags, progress)
    }

    /// Takes what is faster where it keeps to the bounds, and to so many decibels.
    fn hold(
        &mut self,
        faster: Option<Faster<'c>>,
        least: Option<f64>,
        clock: &mut Clock,
        diags: &mut Diags,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let Some((composer, composed, floats)) = faster else { return Ok(()) };
        let (composer, composed, accuracy) =
            refine::refitted(self.judge, self.fitted, (composer, composed), clock, progress)?;
        let reached = accuracy.as_ref().and_then(Accuracy::sqnr_db);
        if reached < least || self.judge.verdict(accuracy.as_ref()).is_some() {
            return Ok(());
        }
        self.race = self.race_of(&composed.model, clock, progress)?;
        (self.composer, self.composed, self.accuracy) = (composer, composed, accuracy);
        let message = format!("INT8 is not faster here for {floats}: floats are kept");
        diags.note("floats-are-faster", None, message);
        Ok(())
    }

    fn race_of(
        &self,
        model: &Model,
        clock: &mut Clock,
        progress: &mut dyn Progress,
    ) -> Result<Option<QuantizedRace>> {
        if !self.judge.job.bench {
            return Ok(None);
        }
        clock.time("bench", || self.judge.race_of(model, progress))
    }
}
