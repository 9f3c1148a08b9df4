//! Proves a result against its original, and puts the verdict into the words of reports.

use super::progress::{Progress, Step};
use crate::diag::Diags;
use crate::error::Result;
use crate::ir::Model;
use crate::report::{DivergenceReport, Number, OutputReport, ParityReport, Status};
use crate::rewrite::Exactness;
use crate::runtime::Runtime;
use crate::validate::{
    self, Divergence, Feeds, OutputVerdict, ProveOptions, Subject, Verdict, Witness, prove,
};

/// Whether and how a result is proved.
#[derive(Clone, Debug, Default)]
pub struct Proof {
    /// Prove it at all.
    pub verify: bool,
    /// Refuse a result that could not be proved.
    pub require: bool,
    /// Write a result that differs.
    pub force: bool,
    /// The inputs to run on.
    pub feeds: Feeds,
}

/// A verdict, and where it failed the inputs to look closer with.
pub(super) struct Judgement {
    pub(super) parity: ParityReport,
    pub(super) witness: Option<Witness>,
}

/// Runs both models and compares.
///
/// # Errors
/// The inputs that the user named cannot be read.
pub(super) fn judge(
    original: &Subject<'_>,
    candidate: &Subject<'_>,
    exactness: Exactness,
    feeds: Feeds,
    runtime: &dyn Runtime,
    progress: &mut dyn Progress,
) -> Result<Judgement> {
    let options = ProveOptions { feeds, ..ProveOptions::new(exactness) };
    let verdict = prove(original, candidate, &options, runtime, &mut |at| progress.begin(Step::Prove(at)));
    let mut verdict = verdict
        .map_err(|e| e.with_help("give an npz or npy file or a test_data_set folder with --inputs"))?;
    let witness = verdict.witness.take();
    Ok(Judgement { parity: report(verdict), witness })
}

impl Judgement {
    /// Names the first value at which the candidate parts from the original, where outputs differ.
    pub(super) fn localize(
        &mut self,
        original: &Model,
        candidate: &Model,
        runtime: &dyn Runtime,
        diags: &mut Diags,
        progress: &mut dyn Progress,
    ) {
        let Some(witness) = self.witness.as_ref().filter(|_| !self.parity.outputs.is_empty()) else { return };
        progress.begin(Step::Localize);
        match witness.localize(original, candidate, runtime) {
            Ok(found) => self.parity.first_divergence = found.map(divergence),
            Err(e) => {
                diags.note("not-localized", None, format!("the first value that differs is not known: {e}"))
            }
        }
    }
}

fn divergence(d: Divergence) -> DivergenceReport {
    DivergenceReport {
        value: d.value,
        node: d.node,
        op: d.op,
        after: d.after,
        reason: d.reason,
        max_abs: d.metrics.as_ref().map(|m| Number(m.max_abs)),
        sqnr_db: d.metrics.as_ref().map(|m| decibels(m.sqnr_db)),
    }
}

fn report(verdict: Verdict) -> ParityReport {
    let compared = !verdict.outputs.is_empty();
    let worst = verdict.outputs.iter().filter_map(|o| Some((o.metrics.as_ref()?.max_abs, o.tolerance)));
    let worst = worst.max_by(|a, b| a.0.total_cmp(&b.0));
    ParityReport {
        status: match verdict.status {
            validate::Status::Passed => Status::Passed,
            validate::Status::Failed => Status::Failed,
            validate::Status::Unproven => Status::Unproven,
            validate::Status::Skipped => Status::Skipped,
        },
        runtime: verdict.runtime,
        cases: verdict.cases,
        exactness: verdict.exactness.to_string(),
        max_abs: verdict.max_abs.map(Number),
        max_rel: verdict.max_rel.map(Number),
        max_ulp: verdict.max_ulp,
        cosine: verdict.cosine.map(Number),
        sqnr_db: compared.then(|| decibels(verdict.sqnr_db)),
        noise_floor: verdict.noise_floor.map(Number),
        allowed: worst.map(|(_, tolerance)| Number(tolerance)),
        reason: verdict.reason,
        feeds: verdict.feeds,
        shared_random: verdict.shared_random,
        untaken_branches: verdict.untaken_branches,
        first_divergence: None,
        made_by: None,
        outputs: verdict.outputs.into_iter().map(output).collect(),
    }
}

fn output(o: OutputVerdict) -> OutputReport {
    let m = o.metrics.as_ref();
    OutputReport {
        name: o.name,
        dtype: o.dtype,
        passed: o.passed,
        max_abs: m.map(|m| Number(m.max_abs)),
        max_rel: m.map(|m| Number(m.max_rel)),
        max_ulp: m.map(|m| m.max_ulp),
        cosine: m.and_then(|m| m.cosine).map(Number),
        sqnr_db: m.map(|m| decibels(m.sqnr_db)),
        equal: m.map(|m| Number(m.equal)),
        allowed: Number(o.tolerance),
        noise_floor: Number(o.noise_floor),
        reason: o.reason,
    }
}

/// Where nothing differs there is no noise.
fn decibels(sqnr: Option<f64>) -> Number {
    Number(sqnr.unwrap_or(f64::INFINITY))
}
