//! Runs passes over a model until nothing changes.

use super::options::Options;
use super::progress::{Progress, Step};
use super::registry::Entry;
use super::signature::Signature;
use crate::analysis::{Facts, verify};
use crate::diag::Diags;
use crate::error::{Error, Result};
use crate::ir::Model;
use crate::rewrite::{Exactness, PassContext, PassStats, Work, apply};
use crate::runtime::Runtime;
use crate::text::{PrintOptions, print_model};
use std::time::Instant;

/// Sweeps after which passes that still change something are broken (S10).
const MOST_SWEEPS: usize = 100;

/// What passes are given beside the model.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Evaluates constant nodes that have no kernel here; without one they stay.
    pub runtime: Option<&'a dyn Runtime>,
    /// Bytes by which folding may grow the file.
    pub growth_budget: u64,
}

/// What one pass has done over all sweeps.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The pass.
    pub id: &'static str,
    /// Its changes, and why it made no more.
    pub stats: PassStats,
    /// Its time.
    pub seconds: f64,
}

/// What a run has done.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Every pass, in order.
    pub passes: Vec<Ran>,
    /// The weakest class of the passes that changed something.
    pub exactness: Exactness,
    /// How often the passes went over the model.
    pub sweeps: usize,
    /// Changes as `--pass-limit` counts them: a run of a pass over the whole model may be one.
    pub steps: u64,
    /// The pass that made the last of them.
    pub last: Option<&'static str>,
}

impl Outcome {
    /// Whether a pass has changed something.
    pub fn fired(&self, id: &str) -> bool {
        self.passes.iter().any(|ran| ran.id == id && ran.stats.applied > 0)
    }

    /// Changes over all passes.
    pub fn changes(&self) -> u64 {
        self.passes.iter().map(|p| p.stats.applied as u64).sum()
    }
}

/// Runs the passes that the options choose, again and again until none changes anything.
///
/// Passes that do not come to rest are reported as `no-fixpoint`; the model is as good as before.
///
/// # Errors
/// The options name an unknown pass, the model is invalid before or after a pass, or a text cannot be dumped.
pub fn run(
    model: &mut Model,
    options: &Options,
    means: Means<'_>,
    diags: &mut Diags,
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    let entries = options.passes()?;
    verify(model)?;
    let mut runner = Runner {
        options,
        signature: Signature::of(model),
        ran: entries.iter().map(|e| Ran { id: e.id(), stats: PassStats::default(), seconds: 0.0 }).collect(),
        rest: vec![None; entries.len()],
        generation: 0,
        dumped: 0,
        exactness: Exactness::Exact,
        steps: 0,
        last: None,
    };
    let sweeps =
        if entries.is_empty() { 0 } else { runner.sweeps(model, &entries, means, diags, progress)? };
    verify(model)?;
    let Runner { ran: passes, exactness, steps, last, .. } = runner;
    Ok(Outcome { passes, exactness, sweeps, steps, last })
}

struct Runner<'a> {
    options: &'a Options,
    signature: Signature,
    ran: Vec<Ran>,
    /// For each pass the generation of the model at which it is known to have nothing to do.
    rest: Vec<Option<u64>>,
    /// Counts the runs that changed the model.
    generation: u64,
    dumped: usize,
    exactness: Exactness,
    steps: u64,
    /// The pass that made the last change.
    last: Option<&'static str>,
}

impl Runner<'_> {
    fn sweeps(
        &mut self,
        model: &mut Model,
        entries: &[Entry],
        means: Means<'_>,
        diags: &mut Diags,
        progress: &mut dyn Progress,
    ) -> Result<usize> {
        let mut facts = Facts::new();
        // What inference remarks belongs to the pass that is asked for it, and is remarked there.
        facts.infer_model(model, &mut Diags::new());
        Facts::correct_declarations(model, diags);
        self.signature = Signature::of(model);
        self.dump(model, "input")?;
        let mut cx = PassContext {
            facts: &mut facts,
            diags,
            runtime: means.runtime,
            growth_budget: means.growth_budget,
            opset: self.options.opset,
            target: &self.options.target,
            changes_left: self.options.pass_limit.unwrap_or(u64::MAX),
        };
        for sweep in 1..=MOST_SWEEPS {
            let before = self.generation;
            for (index, entry) in entries.iter().enumerate() {
                if self.rest[index] == Some(self.generation) || cx.changes_left == 0 {
                    continue;
                }
                progress.begin(Step::Pass { id: entry.id(), index, of: entries.len() });
                self.pass(model, index, entry, &mut cx)?;
            }
            if cx.changes_left == 0 {
                let limit = self.options.pass_limit.unwrap_or(0);
                let by = self.last.map(|id| format!(", the last by {id}")).unwrap_or_default();
                cx.diags.note("pass-limit", None, format!("stopped after {limit} changes{by}"));
                return Ok(sweep);
            }
            if self.generation == before {
                return Ok(sweep);
            }
        }
        let restless: Vec<&str> = entries
            .iter()
            .zip(&self.rest)
            .filter(|(_, r)| **r != Some(self.generation))
            .map(|(e, _)| e.id())
            .collect();
        let message =
            format!("passes that never come to rest: {}; this is a defect of onnxpress", restless.join(", "));
        diags.warn("no-fixpoint", None, message);
        Ok(MOST_SWEEPS)
    }

    fn pass(
        &mut self,
        model: &mut Model,
        index: usize,
        entry: &Entry,
        cx: &mut PassContext<'_>,
    ) -> Result<()> {
        let (start, left) = (Instant::now(), cx.changes_left);
        let stats = match entry.work() {
            Work::Rule(rule) => apply(&**rule, model, cx)?,
            Work::Whole(pass) => pass.run(model, cx)?,
        };
        let applied = stats.applied;
        if applied > 0 {
            self.generation += 1;
            self.exactness = self.exactness.and(entry.meta().exactness);
            self.last = Some(entry.id());
        }
        // What a rule removes may leave a value one reader, which it was not asked about again.
        self.rest[index] = (applied == 0).then_some(self.generation);
        if applied > 0 && matches!(entry.work(), Work::Whole(_)) {
            if cx.changes_left == left {
                cx.changes_left -= 1;
            }
            cx.facts.infer_model(model, &mut Diags::new());
        }
        self.steps += left - cx.changes_left;
        let ran = &mut self.ran[index];
        ran.stats.then(stats);
        ran.seconds += start.elapsed().as_secs_f64();
        self.check(model, entry, applied)
    }

    /// S5, and with `--verify-each` all other invariants.
    fn check(&mut self, model: &Model, entry: &Entry, applied: usize) -> Result<()> {
        if applied == 0 {
            return Ok(());
        }
        let id = entry.id();
        let defect = |what: String| {
            Error::new(format!("{id} has broken the model: {what}"))
                .with_help(format!("this is a defect of onnxpress; --disable {id} avoids it"))
        };
        if let Some(difference) = self.signature.difference(model) {
            return Err(defect(difference));
        }
        if self.options.verify_each {
            verify(model).map_err(|e| defect(e.to_string()))?;
        }
        self.dump(model, id)
    }

    fn dump(&mut self, model: &Model, id: &str) -> Result<()> {
        let Some(folder) = &self.options.dump_ir else { return Ok(()) };
        let file = folder.join(format!("{:02}-{id}.onnxtxt", self.dumped));
        self.dumped += 1;
        let text = print_model(model, PrintOptions { elide: Some(16), digest: true });
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&file, text));
        written.map_err(|e| {
            Error::from(e).in_file(file).with_help("name a folder that you may write with --dump-ir")
        })
    }
}
