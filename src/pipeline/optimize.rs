//! The main job: read, rewrite, prove, write.

use super::blame::Suspect;
use super::measure::{data_bytes, node_count};
use super::memory::{Sampler, peak};
use super::options::Options;
use super::output::Output;
use super::place;
use super::profile;
use super::progress::{Progress, Step};
use super::proof::{self, Proof};
use super::run::{Means, Outcome, Ran, run};
use super::tune::Tuner;
use crate::diag::Diags;
use crate::error::{Error, Result};
use crate::io::{ExternalData, Loaded, WriteOptions, load};
use crate::ir::Model;
use crate::report::{Change, MissReport, OptimizeReport, ParityReport, PassReport, Status, TuningReport};
use crate::runtime::{Preferences, Runtime, default_runtime, find};
use crate::validate::{Subject, Verdict};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What is to be optimized, and how.
#[derive(Clone, Debug)]
pub struct OptimizeJob {
    /// The model file; `-` is standard input.
    pub input: PathBuf,
    /// Where the result goes; `-` is standard output.
    pub output: PathBuf,
    /// Which passes run.
    pub options: Options,
    /// How long passes are switched and timed before, if at all.
    pub tune: Option<Duration>,
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
    let (start, memory) = (Instant::now(), Sampler::start());
    place::check(&job.input, &job.output)?;
    job.recipe()?;
    let mut clock = Clock::new();
    progress.begin(Step::Load);
    let Loaded { mut model, mut diags, bytes } = clock.time("load", || load(&job.input))?;
    let before =
        Figures { nodes: node_count(&model), bytes: bytes + data_bytes(&model), opset: model.opset() };

    // The original is judged at the sizes that are asked for.
    job.options.sizes.fix(&mut model).map_err(|e| e.in_file(&job.input))?;
    let original = job.proof.verify.then(|| model.clone());
    let judge = clock.time("runtime", || judge(job, &mut diags))?;
    let means = Means { runtime: judge.as_deref(), growth_budget: job.options.growth.budget(before.bytes) };
    let (tuned, tuning) = match job.tune {
        Some(limit) => {
            let (tuned, report) = clock.time("tune", || tuned(job, limit, &model, means, progress))?;
            (tuned, Some(report))
        }
        None => (job.clone(), None),
    };
    let job = &tuned;
    let recipe = job.recipe()?;
    let outcome = clock
        .time("passes", || run(&mut model, &job.options, means, &mut diags, progress))
        .map_err(|e| e.in_file(&job.input))?;

    clock.time("check", || super::check::warn(&model, &job.options.target, &mut diags));
    progress.begin(Step::Write);
    let source = (job.input != Path::new("-")).then(|| job.input.clone());
    let options = WriteOptions { external_data: job.external_data, source };
    let mut result = clock.time("write", || Output::make(&model, &job.output, &options))?;
    let mut judged = clock.time("proof", || match (&original, &judge) {
        (Some(original), Some(runtime)) => {
            let original = Subject { model: original, source: super::compare::source(&job.input, original)? };
            let candidate = Subject { model: &model, source: result.source()? };
            let feeds = job.proof.feeds.clone();
            proof::judge(&original, &candidate, outcome.exactness, feeds, &**runtime, progress)
        }
        (None, _) => Ok(not_proved(&outcome, Status::Skipped, "not asked for (--no-verify)")),
        (_, None) => Ok(not_proved(&outcome, Status::Unproven, "there is no runtime: see `onnxpress setup`")),
    })?;
    if let (Some(original), Some(runtime), Some(witness)) = (&original, &judge, judged.witness.clone()) {
        let options = &job.options;
        let runtime = &**runtime;
        let suspect = Suspect { original, options, means, outcome: &outcome, witness: &witness, runtime };
        clock.time("blame", || investigate(&mut judged, &suspect, &model, &mut diags, progress));
    }
    let parity = judged.parity;
    let build_command = profile::command(&model, &job.output, &job.options.target, &parity);

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
        recipe,
        nodes: Change { before: before.nodes, after: after.nodes },
        bytes: Change { before: before.bytes, after: after.bytes },
        opset: Change { before: before.opset, after: after.opset },
        exactness: outcome.exactness.to_string(),
        changes: outcome.changes(),
        sweeps: outcome.sweeps,
        fused: fused(&outcome),
        passes: outcome.passes.into_iter().map(pass).collect(),
        tuning,
        parity,
        build_command,
        seconds: start.elapsed().as_secs_f64(),
        stages: clock.stages,
        peak_memory_bytes: peak(),
        peak_anonymous_bytes: memory.peak(),
        diags: diags.unique(),
    })
}

/// The job with the passes that are fastest here, and what was tried.
fn tuned(
    job: &OptimizeJob,
    limit: Duration,
    model: &Model,
    means: Means<'_>,
    progress: &mut dyn Progress,
) -> Result<(OptimizeJob, TuningReport)> {
    let target = &job.options.target;
    if target.compiler.is_some() || target.fallback.is_some() {
        let message = format!("--tune times on this machine's CPU, which says nothing of {}", target.name());
        return Err(Error::new(message).with_help("leave it out, or choose --target ort-cpu or onnx"));
    }
    let (runtime, _) = find(&job.runtime).map_err(|e| {
        Error::from(e).with_help("--tune times in ONNX Runtime: get it with `onnxpress setup`")
    })?;
    let (feeds, output) = (&job.proof.feeds, &*job.output);
    let tuner = Tuner { original: model, means, runtime: &runtime, feeds, output, limit };
    let (options, report) = tuner.tune(&job.options, progress).map_err(|e| e.in_file(&job.input))?;
    Ok((OptimizeJob { options, ..job.clone() }, report))
}

/// Names the change that made the difference and the first value that shows it.
fn investigate(
    judged: &mut Verdict,
    suspect: &Suspect<'_>,
    result: &Model,
    diags: &mut Diags,
    progress: &mut dyn Progress,
) {
    let right_after = match suspect.find(progress) {
        Ok((culprit, model)) => {
            judged.parity.made_by = Some(culprit);
            Some(model)
        }
        Err(e) => {
            diags.note(
                "not-bisected",
                None,
                format!("the change that made the difference is not known: {e}"),
            );
            None
        }
    };
    let candidate = right_after.as_ref().unwrap_or(result);
    proof::localize(judged, suspect.original, candidate, suspect.runtime, diags, progress);
}

struct Figures {
    nodes: u64,
    bytes: u64,
    opset: i64,
}

/// Wall time by stage.
pub(super) struct Clock {
    pub(super) stages: BTreeMap<&'static str, f64>,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { stages: BTreeMap::new() }
    }

    pub(super) fn time<T>(&mut self, stage: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        *self.stages.entry(stage).or_default() += start.elapsed().as_secs_f64();
        result
    }
}

/// The runtime, where something will need one.
fn judge(job: &OptimizeJob, diags: &mut Diags) -> Result<Option<Box<dyn Runtime>>> {
    if !job.proof.verify && job.tune.is_none() && job.options.passes()?.is_empty() {
        return Ok(None);
    }
    match default_runtime(&job.runtime, diags) {
        Ok(runtime) => Ok(Some(runtime)),
        Err(error) if job.runtime.custom_ops.is_some() => Err(error),
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

/// How much the passes called `fuse-…` have made, `fuse-grouped-…` being more of the same.
fn fused(outcome: &Outcome) -> BTreeMap<String, usize> {
    let mut made = BTreeMap::new();
    for ran in outcome.passes.iter().filter(|ran| ran.stats.applied > 0) {
        if let Some(what) = ran.id.strip_prefix("fuse-") {
            let what = what.strip_prefix("grouped-").unwrap_or(what);
            *made.entry(what.to_owned()).or_default() += ran.stats.applied;
        }
    }
    made
}

fn not_proved(outcome: &Outcome, status: Status, reason: &str) -> Verdict {
    let exactness = outcome.exactness.to_string();
    Verdict { parity: ParityReport::without(status, exactness, Some(reason.to_owned())), witness: None }
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
    use crate::validate::Feeds;

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
}
