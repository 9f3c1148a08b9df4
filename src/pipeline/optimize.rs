//! The main job: read, rewrite, prove, write.

use super::measure::{data_bytes, node_count};
use super::options::Options;
use super::output::Output;
use super::progress::{Progress, Step};
use super::proof::{self, Proof};
use super::run::{Means, Outcome, Ran, run};
use super::{memory, place};
use crate::diag::Diags;
use crate::error::Result;
use crate::io::{ExternalData, Loaded, WriteOptions, load};
use crate::report::{Change, Effective, MissReport, OptimizeReport, ParityReport, PassReport, Status};
use crate::rewrite::OpsetRequest;
use crate::runtime::{Preferences, Runtime, default_runtime};
use crate::validate::{Feeds, Subject};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A sweep of folding may grow the file by this share of the input, rounded down to a power of two …
const GROWTH_SHARE: u64 = 100;
/// … or by so many bytes where that is more.
const GROWTH_BYTES: u64 = 64 * 1024;

/// What is to be optimized, and how.
#[derive(Clone, Debug)]
pub struct OptimizeJob {
    /// The model file; `-` is standard input.
    pub input: PathBuf,
    /// Where the result goes; `-` is standard output.
    pub output: PathBuf,
    /// Which passes run.
    pub options: Options,
    /// Where the weights go.
    pub external_data: ExternalData,
    /// Whether and how the result is proved.
    pub proof: Proof,
    /// Which runtime judges.
    pub runtime: Preferences,
}

/// Runs the job. Nothing is written where the result differs from the original, unless forced.
///
/// # Errors
/// The input is no valid model, the output cannot be written, or a pass is broken. Nothing is left behind.
pub fn optimize(job: &OptimizeJob, progress: &mut dyn Progress) -> Result<OptimizeReport> {
    let start = Instant::now();
    place::check(&job.input, &job.output)?;
    job.options.passes()?;
    let mut clock = Clock { stages: BTreeMap::new() };
    progress.begin(Step::Load);
    let Loaded { mut model, mut diags, bytes } = clock.time("load", || load(&job.input))?;
    let before =
        Figures { nodes: node_count(&model), bytes: bytes + data_bytes(&model), opset: model.opset() };

    let original = job.proof.verify.then(|| model.clone());
    let judge = clock.time("runtime", || judge(job, &mut diags))?;
    let means = Means { runtime: judge.as_deref(), growth_budget: growth_budget(before.bytes) };
    let outcome = clock
        .time("passes", || run(&mut model, &job.options, means, &mut diags, progress))
        .map_err(|e| e.in_file(&job.input))?;

    progress.begin(Step::Write);
    let source = (job.input != Path::new("-")).then(|| job.input.clone());
    let options = WriteOptions { external_data: job.external_data, source };
    let mut result = clock.time("write", || Output::make(&model, &job.output, &options))?;
    let parity = clock.time("proof", || match (&original, &judge) {
        (Some(original), Some(runtime)) => {
            let original = Subject { model: original, source: super::compare::source(&job.input, original)? };
            let candidate = Subject { model: &model, source: result.source()? };
            proof::judge(
                &original,
                &candidate,
                outcome.exactness,
                job.proof.feeds.clone(),
                &**runtime,
                progress,
            )
        }
        (None, _) => Ok(not_proved(&outcome, Status::Skipped, "not asked for (--no-verify)")),
        (_, None) => Ok(not_proved(&outcome, Status::Unproven, "there is no runtime: see `onnxpress setup`")),
    })?;

    let after = Figures { nodes: node_count(&model), bytes: result.bytes(&model), opset: model.opset() };
    if after.bytes > before.bytes + means.growth_budget {
        diags.note("grown", None, format!("the file grew by {} bytes", after.bytes - before.bytes));
    }
    let written = may_write(parity.status, &job.proof);
    if written {
        diags.extend(clock.time("write", || result.commit())?);
    }
    Ok(OptimizeReport {
        input: job.input.display().to_string(),
        output: job.output.display().to_string(),
        written,
        recipe: effective(job, &outcome),
        nodes: Change { before: before.nodes, after: after.nodes },
        bytes: Change { before: before.bytes, after: after.bytes },
        opset: Change { before: before.opset, after: after.opset },
        exactness: outcome.exactness.to_string(),
        changes: outcome.changes(),
        sweeps: outcome.sweeps,
        passes: outcome.passes.into_iter().map(pass).collect(),
        parity,
        seconds: start.elapsed().as_secs_f64(),
        stages: clock.stages,
        peak_memory_bytes: memory::peak(),
        diags: diags.unique(),
    })
}

/// Rounded, so that the somewhat larger result of a run has the same budget and a second run folds nothing more.
fn growth_budget(bytes: u64) -> u64 {
    let share = (bytes / GROWTH_SHARE).checked_ilog2().map_or(0, |log| 1 << log);
    share.max(GROWTH_BYTES)
}

struct Figures {
    nodes: u64,
    bytes: u64,
    opset: i64,
}

struct Clock {
    stages: BTreeMap<&'static str, f64>,
}

impl Clock {
    fn time<T>(&mut self, stage: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        *self.stages.entry(stage).or_default() += start.elapsed().as_secs_f64();
        result
    }
}

/// The runtime, where something will need one.
fn judge(job: &OptimizeJob, diags: &mut Diags) -> Result<Option<Box<dyn Runtime>>> {
    if !job.proof.verify && job.options.passes()?.is_empty() {
        return Ok(None);
    }
    match default_runtime(&job.runtime, diags) {
        Ok(runtime) => Ok(Some(runtime)),
        Err(error) if job.runtime.library.is_some() => {
            Err(error.with_help("name ONNX Runtime's shared library, 1.22 or newer, or leave --ort-lib out"))
        }
        Err(error) => {
            let message = format!("{error}; see `onnxpress setup`");
            if job.proof.verify {
                diags.warn("no-runtime", None, message);
            } else {
                diags.note("no-runtime", None, message);
            }
            Ok(None)
        }
    }
}

fn may_write(status: Status, proof: &Proof) -> bool {
    match status {
        Status::Passed | Status::Skipped => true,
        Status::Failed => proof.force,
        Status::Unproven => !proof.require,
    }
}

fn not_proved(outcome: &Outcome, status: Status, reason: &str) -> ParityReport {
    ParityReport::without(status, outcome.exactness.to_string(), Some(reason.to_owned()))
}

fn effective(job: &OptimizeJob, outcome: &Outcome) -> Effective {
    Effective {
        target: job.options.target.id.clone(),
        level: job.options.level,
        opset: match job.options.opset {
            OpsetRequest::Keep => "keep".to_owned(),
            OpsetRequest::Latest => "latest".to_owned(),
            OpsetRequest::Version(version) => version.to_string(),
        },
        passes: outcome.passes.iter().map(|p| p.id.to_owned()).collect(),
        pass_limit: job.options.pass_limit,
        verify: job.proof.verify,
        require_proof: job.proof.require,
        force: job.proof.force,
        inputs: match &job.proof.feeds {
            Feeds::Data(path) => Some(path.display().to_string()),
            Feeds::Made { .. } => None,
        },
        seed: match job.proof.feeds {
            Feeds::Made { seed } => Some(seed),
            Feeds::Data(_) => None,
        },
        external_data: match job.external_data {
            ExternalData::Keep => "keep",
            ExternalData::Inline => "inline",
            ExternalData::Separate => "separate",
        }
        .to_owned(),
    }
}

fn pass(ran: Ran) -> PassReport {
    let misses = ran.stats.misses.into_iter();
    PassReport {
        id: ran.id.to_owned(),
        applied: ran.stats.applied,
        misses: misses.map(|(why, m)| (why, MissReport { count: m.count, example: m.example })).collect(),
        seconds: ran.seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mismatch_is_written_by_force_only_and_an_unproven_result_unless_proof_is_required() {
        let proof = |require, force| Proof { verify: true, require, force, feeds: Feeds::default() };
        assert!(may_write(Status::Passed, &proof(true, false)));
        assert!(
            !may_write(Status::Failed, &proof(false, false))
                && may_write(Status::Failed, &proof(false, true))
        );
        assert!(
            may_write(Status::Unproven, &proof(false, false))
                && !may_write(Status::Unproven, &proof(true, false))
        );
    }

    #[test]
    fn what_folding_added_does_not_buy_more_folding() {
        assert_eq!([0, 15_000, 10_000_000].map(growth_budget), [GROWTH_BYTES; 3]);
        let bytes = 400 << 20;
        assert_eq!(growth_budget(bytes), 4 << 20);
        assert_eq!(growth_budget(bytes + growth_budget(bytes)), growth_budget(bytes));
    }
}
