//! Which passes make a model faster on this machine, found by timing.
//!
//! Beside what the target's table says, a pass is tried the other way round: one that is held back as slower is switched
//! on; one that has changed something is switched off, unless it simplifies wherever the model runs. Both results are timed
//! in turn, in ONNX Runtime as those run it who deploy, and a change is kept where the whole interval of the ratio lies
//! below 1. Trials go on from what was kept, and end when the time is up.

use super::options::{CONVERTER, Options};
use super::progress::{Progress, Step};
use super::registry::{Entry, registry};
use super::run::{Means, Outcome, run};
use crate::data::FeedSet;
use crate::diag::Diags;
use crate::error::Result;
use crate::io::{ExternalData, Scratch, Staged, WriteOptions, stage};
use crate::ir::Model;
use crate::report::{Number, Trial, TuningReport};
use crate::rewrite::Exactness;
use crate::runtime::{Runtime, SessionOptions, Source};
use crate::target::Target;
use crate::validate::{BenchOptions, Feeds, Subject, bench_inputs, bench_on, median, median_interval};
use std::path::Path;
use std::time::{Duration, Instant};

/// Of all changes that are kept together: the more are tried, the surer each has to be (Bonferroni's bound).
const CONFIDENCE: f64 = 0.95;
/// Sessions of a trial: where they land in memory matters too.
const SESSIONS: usize = 2;
/// Pairs of runs in each of them, and before.
const PAIRS: usize = 20;
const WARMUP: usize = 3;
/// No session of a trial runs longer than this share of all the time.
const SHARE: u32 = 8;

/// What passes are tried with.
pub(super) struct Tuner<'a> {
    /// The model before any pass.
    pub(super) original: &'a Model,
    pub(super) means: Means<'a>,
    pub(super) runtime: &'a dyn Runtime,
    pub(super) feeds: &'a Feeds,
    /// Candidates lie on the disk of this file.
    pub(super) output: &'a Path,
    /// No trial is begun after this.
    pub(super) limit: Duration,
}

impl Tuner<'_> {
    /// Options that are at least as fast.
    ///
    /// # Errors
    /// What the passes make without any change cannot be written, or does not run.
    pub(super) fn tune(
        &self,
        options: &Options,
        progress: &mut dyn Progress,
    ) -> Result<(Options, TuningReport)> {
        let start = Instant::now();
        let mut best = self.candidate(options.clone(), progress)?;
        let sets = bench_inputs(&best.subject(), &self.bench_options(), self.runtime)?;
        let changes = changes(options, &best.outcome);
        let confidence = 1.0 - (1.0 - CONFIDENCE) / changes.len().max(1) as f64;
        let feeds = sets.iter().map(|set| set.label.clone()).collect();
        let mut report = TuningReport { feeds, trials: Vec::new(), untried: changes.len() };
        for change in changes {
            if start.elapsed() >= self.limit {
                break;
            }
            report.untried -= 1;
            if !change.enabled && !best.outcome.fired(change.pass) {
                continue;
            }
            let (trial, other) = match self.candidate(change.made_to(&best.options), progress) {
                Ok(other) if change.enabled && !other.outcome.fired(change.pass) => continue,
                Ok(other) => {
                    (change.judged(self.race(&best, &other, &sets, progress), confidence), Some(other))
                }
                Err(e) => (change.judged(Err(e), confidence), None),
            };
            if trial.kept {
                best = other.unwrap_or(best);
            }
            report.trials.push(trial);
        }
        Ok((Options { dump_ir: options.dump_ir.clone(), ..best.options }, report))
    }

    fn candidate(&self, options: Options, progress: &mut dyn Progress) -> Result<Candidate> {
        let options = Options { dump_ir: None, ..options };
        let mut model = self.original.clone();
        let outcome = run(&mut model, &options, self.means, &mut Diags::new(), progress)?;
        let scratch = Scratch::beside(self.output)?;
        let inline = WriteOptions { external_data: ExternalData::Inline, source: None };
        let mut staged = stage(&model, scratch.path().join("model.onnx"), &inline)?;
        let source = Source::file(staged.file()?);
        Ok(Candidate { options, outcome, model, source, _staged: staged, _scratch: scratch })
    }

    /// Time with the change by time without, pair by pair.
    fn race(
        &self,
        a: &Candidate,
        b: &Candidate,
        sets: &[FeedSet],
        progress: &mut dyn Progress,
    ) -> Result<Vec<f64>> {
        let mut ratios = Vec::new();
        for session in 0..SESSIONS {
            let mut timed = |at: usize| progress.begin(Step::Time(session * PAIRS + at, SESSIONS * PAIRS));
            let both = [&a.subject(), &b.subject()];
            let times = bench_on(sets, both, &self.bench_options(), self.runtime, &mut timed)?;
            ratios.extend(times.pairs.iter().map(|(a, b)| b / a));
        }
        Ok(ratios)
    }

    fn bench_options(&self) -> BenchOptions {
        BenchOptions {
            feeds: self.feeds.clone(),
            session: SessionOptions::deployed(),
            pairs: PAIRS,
            warmup: WARMUP,
            limit: self.limit / SHARE,
        }
    }
}

/// The model as some passes make it, in a file of its own: of large ones no copy is held in memory.
struct Candidate {
    options: Options,
    outcome: Outcome,
    model: Model,
    source: Source,
    _staged: Staged,
    _scratch: Scratch,
}

impl Candidate {
    fn subject(&self) -> Subject<'_> {
        Subject { model: &self.model, source: self.source.clone() }
    }
}

/// A pass switched on or off.
struct SwitchedPass {
    pass: &'static str,
    enabled: bool,
}

impl SwitchedPass {
    fn made_to(&self, options: &Options) -> Options {
        let mut changed = options.clone();
        let list = if self.enabled { &mut changed.enable } else { &mut changed.disable };
        list.push(self.pass.to_owned());
        changed
    }

    /// Kept where it is faster beyond doubt. A form that cannot be made, or that the runtime does not take, is none.
    fn judged(&self, ratios: Result<Vec<f64>>, confidence: f64) -> Trial {
        let failed = ratios.as_ref().err().map(ToString::to_string);
        let ratios = ratios.unwrap_or_default();
        let interval = median_interval(&ratios, confidence);
        Trial {
            pass: self.pass.to_owned(),
            enabled: self.enabled,
            pairs: ratios.len(),
            ratio: median(&ratios).map(Number),
            ratio_interval: interval.map(|(low, high)| [Number(low), Number(high)]),
            confidence,
            kept: interval.is_some_and(|(_, high)| high < 1.0),
            failed,
        }
    }
}

/// What may be changed: passes of this level that are held back, then those that have changed something for some target's
/// sake, or rounded in another order.
fn changes(options: &Options, outcome: &Outcome) -> Vec<SwitchedPass> {
    let named =
        |entry: &Entry| [&options.enable, &options.disable].into_iter().flatten().any(|id| id == entry.id());
    let free = |entry: &&Entry| !named(entry) && entry.id() != CONVERTER;
    let (all, targets) = (registry(), Target::all());
    let switched_on = all.iter().filter(free).filter(|e| options.is_held_back_as_slower(e));
    let a_choice = |e: &&Entry| {
        e.meta().exactness != Exactness::Exact || targets.iter().any(|t| e.meta().is_slower_on(t))
    };
    let switched_off = all.iter().filter(free).filter(|e| outcome.fired(e.id())).filter(a_choice);
    let on = switched_on.map(|e| SwitchedPass { pass: e.id(), enabled: true });
    on.chain(switched_off.map(|e| SwitchedPass { pass: e.id(), enabled: false })).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::progress::Silent;
    use super::*;
    use crate::io::load;
    use crate::ir::OpId;
    use crate::runtime::{Limits, RunError, RunValue, Session};
    use crate::target::Target;
    use crate::tensor::Tensor;
    use crate::text::parse_model;

    /// A sum and a normalization, of a GELU that is found.
    const NORM: &str = r#"<ir_version: 8, opset_import: ["" : 20]>
        g (float[2,8,4] x, float[2,8,4] s) => (float[2,8,4] y)
        <float[4] w = {1, 2, 3, 4}, float root = {1.41421354}, float one = {1}, float half = {0.5}>
        { a = Add (x, s) n = LayerNormalization (a, w)
          d = Div (n, root) e = Erf (d) f = Add (e, one) h = Mul (n, f) y = Mul (h, half) }"#;

    /// Says how many microseconds a model takes, if it takes it.
    struct Clockwork(fn(&Model) -> Option<u64>);

    fn has(model: &Model, op: OpId) -> bool {
        model.graph.nodes().any(|(_, n)| n.op() == op)
    }

    const SKIP: OpId = OpId::microsoft("SkipLayerNormalization");

    impl Runtime for Clockwork {
        fn name(&self) -> &str {
            "clockwork"
        }
        fn limits(&self) -> Limits {
            Limits { ir_version: 13, opset: 26, ml_opset: 5 }
        }
        fn session(&self, source: &Source, _: &SessionOptions) -> Result<Box<dyn Session>, RunError> {
            let Source::File(file) = source else { panic!("{source:?}") };
            let time = (self.0)(&load(file)?.model);
            let time = time.ok_or_else(|| RunError::Unsupported("no kernel".to_owned()))?;
            Ok(Box::new(Tick(vec!["x".to_owned(), "s".to_owned()], vec!["y".to_owned()], time)))
        }
    }

    struct Tick(Vec<String>, Vec<String>, u64);

    impl Session for Tick {
        fn inputs(&self) -> &[String] {
            &self.0
        }
        fn outputs(&self) -> &[String] {
            &self.1
        }
        fn run(&mut self, _: &[(&str, &RunValue)], names: &[&str]) -> Result<Vec<RunValue>, RunError> {
            Ok(names.iter().map(|_| RunValue::Tensor(Tensor::vector(&[0f32]))).collect())
        }
        fn time(&mut self, _: &[(&str, &RunValue)]) -> Result<Duration, RunError> {
            Ok(Duration::from_micros(self.2))
        }
    }

    const MINUTE: Duration = Duration::from_secs(60);

    fn tuned(
        time: fn(&Model) -> Option<u64>,
        options: &Options,
        limit: Duration,
    ) -> Result<(Options, TuningReport)> {
        let folder = tempfile::tempdir().unwrap();
        let (original, feeds) = (parse_model(NORM).unwrap(), Feeds::default());
        let means = Means { runtime: None, growth_budget: 0 };
        let output = &folder.path().join("out.onnx");
        let tuner =
            Tuner { original: &original, means, runtime: &Clockwork(time), feeds: &feeds, output, limit };
        let tuned = tuner.tune(options, &mut Silent);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "candidates are left");
        tuned
    }

    fn options() -> Options {
        Options::new(Target::named("ort-cpu").unwrap())
    }

    fn trial<'a>(report: &'a TuningReport, pass: &str) -> &'a Trial {
        report.trials.iter().find(|t| t.pass == pass).unwrap()
    }

    #[test]
    fn what_is_faster_beyond_doubt_is_kept() {
        let (best, report) =
            tuned(|m| Some(if has(m, SKIP) { 900 } else { 1000 }), &options(), MINUTE).unwrap();
        let skip = trial(&report, "fuse-skip-norm");
        assert!(skip.kept && skip.enabled && skip.pairs == SESSIONS * PAIRS && skip.confidence > CONFIDENCE);
        assert!(skip.ratio.is_some_and(|r| (r.0 - 0.9).abs() < 1e-9));
        assert_eq!(
            (best.enable, best.disable.len(), report.untried),
            (vec!["fuse-skip-norm".to_owned()], 0, 0)
        );
        assert!(!trial(&report, "fuse-gelu").kept && report.feeds.len() == 1);
        for time in [|_: &Model| Some(1000), |m: &Model| Some(if has(m, SKIP) { 1100 } else { 1000 })] {
            let (other, report) = tuned(time, &options(), MINUTE).unwrap();
            assert!(!trial(&report, "fuse-skip-norm").kept && other.enable.is_empty());
        }
    }

    #[test]
    fn passes_are_switched_off_too_and_trials_go_on_from_what_was_kept() {
        let time = |m: &Model| {
            Some(1000 - if has(m, SKIP) { 100 } else { 0 } + if has(m, "Gelu".into()) { 50 } else { 0 })
        };
        let (best, report) = tuned(time, &options(), MINUTE).unwrap();
        assert_eq!(
            (best.enable, best.disable),
            (vec!["fuse-skip-norm".to_owned()], vec!["fuse-gelu".to_owned()])
        );
        let off = trial(&report, "fuse-gelu");
        assert!(!off.enabled && off.ratio.is_some_and(|r| (r.0 - 900.0 / 950.0).abs() < 1e-9), "{off:?}");
        assert!(report.trials.iter().all(|t| t.pass != "guard-sums"), "it fires no more");
    }

    #[test]
    fn a_pass_that_guards_against_a_runtime_may_be_switched_off() {
        let time =
            |m: &Model| if has(m, SKIP) { None } else { Some(if has(m, "Sum".into()) { 1000 } else { 700 }) };
        let (best, report) = tuned(time, &options(), MINUTE).unwrap();
        assert_eq!(best.disable, ["guard-sums"]);
        assert!(trial(&report, "fuse-skip-norm").failed.as_ref().unwrap().contains("no kernel"));
    }

    #[test]
    fn a_model_that_does_not_run_is_an_error_and_what_time_did_not_allow_is_counted() {
        let error = tuned(|_| None, &options(), MINUTE).err().unwrap();
        assert!(error.to_string().contains("no kernel"), "{error}");
        let (_, report) = tuned(|_| Some(1000), &options(), Duration::ZERO).unwrap();
        assert!(report.trials.is_empty() && report.untried > 0);
    }

    #[test]
    fn what_the_user_named_is_not_tried() {
        let named = Options {
            disable: vec!["fuse-gelu".to_owned()],
            enable: vec!["fuse-skip-norm".to_owned()],
            ..options()
        };
        let (_, report) = tuned(|_| Some(1000), &named, MINUTE).unwrap();
        assert!(report.trials.iter().all(|t| !["fuse-gelu", "fuse-skip-norm"].contains(&&*t.pass)));
    }
}
