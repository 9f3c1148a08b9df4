//! Weights and biases chosen by the samples, where the outputs gain by it.
//!
//! Each product by itself errs less with them; what that is worth where the model ends is measured, and the most accurate
//! of the models that they make is kept.

use super::compose::{Composed, Composer};
use super::measure::Judge;
use crate::data::Source;
use crate::diag::Diags;
use crate::error::Result;
use crate::ir::Model;
use crate::pipeline::optimize::Clock;
use crate::pipeline::progress::Progress;
use crate::quantize::Accuracy;
use crate::runtime::Runtime;

/// A model, and what makes it.
struct Candidate<'a> {
    composer: Composer<'a>,
    composed: Composed,
    rounds: bool,
    corrects: bool,
}

type Samples<'s> = (&'s Source, &'s dyn Runtime);

impl Candidate<'_> {
    /// The same, with weights rounded by the samples.
    fn rounded(&self, by: Samples<'_>, progress: &mut dyn Progress) -> Result<Self> {
        let mut composer = self.composer.clone();
        composer.round(&self.composed, by, progress)?;
        Ok(Self { composed: composer.compose()?, composer, rounds: true, ..*self })
    }

    /// The same, with biases corrected.
    fn corrected(&self, by: Samples<'_>, progress: &mut dyn Progress) -> Result<Self> {
        let mut composer = self.composer.clone();
        composer.correct(&self.composed, by, progress)?;
        Ok(Self { composed: composer.compose()?, composer, corrects: true, ..*self })
    }
}

/// The best model that the options allow, what makes it from now on, and its accuracy where it was measured for the choice.
pub(super) fn refined<'a>(
    judge: &Judge<'_>,
    fitted: Option<&Source>,
    composer: Composer<'a>,
    composed: Composed,
    clock: &mut Clock,
    diags: &mut Diags,
    progress: &mut dyn Progress,
) -> Result<(Composer<'a>, Composed, Option<Accuracy>)> {
    let Some(source) = fitted else { return Ok((composer, composed, None)) };
    let (job, by) = (judge.job, (source, judge.runtime));
    let mut all = vec![Candidate { composer, composed, rounds: false, corrects: false }];
    if job.adaptive_rounding {
        let more = clock.time("rounding", || all[0].rounded(by, progress))?;
        all.push(more);
    }
    if job.bias_correction && !all[0].composer.is_planned() {
        // Without a measurement nothing but the last is wanted.
        let first = if job.verify { 0 } else { all.len() - 1 };
        for at in first..all.len() {
            let more = clock.time("bias correction", || all[at].corrected(by, progress))?;
            all.push(more);
        }
    }
    if all.len() == 1 || !job.verify {
        let last = all.pop().expect("the first is always there");
        return Ok((last.composer, last.composed, None));
    }
    let mut best: Option<(Candidate<'a>, Option<Accuracy>)> = None;
    let full = all.last().map_or((false, false), |c| (c.rounds, c.corrects));
    let mut of_full = None;
    for candidate in all.into_iter().rev() {
        let measured = clock.time("accuracy", || judge.accuracy(&candidate.composed.model, progress))?;
        let reached = |accuracy: &Option<Accuracy>| accuracy.as_ref().and_then(Accuracy::sqnr_db);
        of_full = of_full.or(reached(&measured));
        if best.as_ref().is_none_or(|(_, held)| rank(judge, &measured) > rank(judge, held)) {
            best = Some((candidate, measured));
        }
    }
    let (Candidate { composer, composed, rounds, corrects }, measured) = best.expect("there are some");
    let left = [("adaptive rounding", full.0 && !rounds), ("bias correction", full.1 && !corrects)];
    let left: Vec<&str> = left.into_iter().filter(|(_, is)| *is).map(|(what, _)| what).collect();
    let reached = measured.as_ref().and_then(Accuracy::sqnr_db);
    if let (Some(reached), Some(of_full), false) = (reached, of_full, left.is_empty()) {
        let left = left.join(" and ");
        let message =
            format!("{left} left out: the outputs reach {reached:.1} dB without, {of_full:.1} dB with all");
        diags.note("refinement-left-out", None, message);
    }
    Ok((composer, composed, measured))
}

/// A model some of whose nodes went back to floats, with biases corrected for what the others round where that is better.
pub(super) fn refitted<'a>(
    judge: &Judge<'_>,
    fitted: Option<&Source>,
    (composer, composed): (Composer<'a>, Composed),
    clock: &mut Clock,
    progress: &mut dyn Progress,
) -> Result<(Composer<'a>, Composed, Option<Accuracy>)> {
    let measured = |model: &Model, clock: &mut Clock, progress: &mut dyn Progress| match judge.job.verify {
        true => clock.time("accuracy", || judge.accuracy(model, progress)),
        false => Ok(None),
    };
    let anew = match fitted {
        Some(source) => {
            clock.time("bias correction", || composer.corrected_anew((source, judge.runtime), progress))?
        }
        None => None,
    };
    let as_it_is = measured(&composed.model, clock, progress)?;
    let Some((other_composer, other)) = anew else { return Ok((composer, composed, as_it_is)) };
    let corrected = measured(&other.model, clock, progress)?;
    Ok(match rank(judge, &corrected) >= rank(judge, &as_it_is) {
        true => (other_composer, other, corrected),
        false => (composer, composed, as_it_is),
    })
}

/// Models are better that keep to the bounds, and among those that do the more accurate ones.
fn rank(judge: &Judge<'_>, accuracy: &Option<Accuracy>) -> (bool, Option<f64>) {
    (
        accuracy.as_ref().is_some_and(|accuracy| judge.holds(accuracy)),
        accuracy.as_ref().and_then(Accuracy::sqnr_db),
    )
}
