//! Two sessions, the same inputs: does the candidate answer as the original does?
//!
//! The original runs first and alone, then the candidate: two large models are never in memory at once. The noise floor
//! is measured on the smallest case, and on more only where an output would not pass without. An output passes where it differs by no more than the larger of what the declared [`Exactness`] allows and four times the
//! model's own noise floor (see `noise`). Bit-equality is therefore demanded only of a model that answers a disturbance
//! of its inputs with the same bits.

use super::Feeds;
use super::compare::{Metrics, compare};
use super::instrument::{is_heavy, with_conditions, with_moved_roundings, with_moved_weights};
use super::noise::{self, Floor};
use super::random::{Shared, share};
use super::search::{Case, Found, Observer, Search};
use super::verdict::{OutputVerdict, Verdict};
use super::witness::Witness;
use crate::analysis::Facts;
use crate::data::{self, FeedSet};
use crate::diag::Diags;
use crate::error::Result;
use crate::io;
use crate::ir::Model;
use crate::report::Status;
use crate::rewrite::Exactness;
use crate::runtime::{RunError, RunValue, Runtime, Session, SessionOptions, Source};
use std::path::PathBuf;
use std::time::Duration;

/// A model and the file or bytes that a runtime reads it from.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The model.
    pub model: &'a Model,
    /// The same as a runtime reads it.
    pub source: Source,
}

impl Subject<'_> {
    /// The folder that external data lies in.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        match &self.source {
            // A bare file name has an empty parent.
            Source::File(path) => {
                path.parent().map(|p| if p.as_os_str().is_empty() { PathBuf::from(".") } else { p.into() })
            }
            Source::Bytes { folder, .. } => folder.clone(),
        }
    }
}

/// How to prove.
#[derive(Clone, Debug)]
pub struct ProveOptions {
    /// The weakest class of all passes that fired; [`Exactness::Exact`] where none did.
    pub exactness: Exactness,
    /// Which inputs.
    pub feeds: Feeds,
    /// Runs per case that measure the noise floor.
    pub noise_runs: usize,
    /// No new input is tried after this; a guard against models that take minutes a run.
    pub search_limit: Duration,
    /// How the sessions run.
    pub session: SessionOptions,
}

impl ProveOptions {
    /// The usual options for a class.
    pub fn new(exactness: Exactness) -> Self {
        Self {
            exactness,
            feeds: Feeds::default(),
            noise_runs: 1,
            search_limit: Duration::from_secs(300),
            session: SessionOptions::default(),
        }
    }
}

/// What a proof is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Inputs are tried; the number of tries so far.
    Search(usize),
    /// The original ran on a case of so many.
    Original(usize, usize),
    /// The noise floor is measured.
    Noise,
    /// The candidate ran on a case of so many.
    Candidate(usize, usize),
}

/// Copies of models beyond this size are not made for the sake of a measurement.
pub(super) const HEAVY: usize = 512 << 20;
/// The noise floor is measured on so many cases.
const NOISE_CASES: usize = 4;
/// Copies that are moved before they round: few elements are near a step.
const ROUNDING_RUNS: u64 = 4;

/// Proves that a candidate answers as its original does, or says why that is not proven.
///
/// # Errors
/// The inputs that the user gave cannot be read.
pub fn prove(
    original: &Subject<'_>,
    candidate: &Subject<'_>,
    options: &ProveOptions,
    runtime: &dyn Runtime,
    progress: &mut dyn FnMut(Progress),
) -> Result<Verdict> {
    let data = match &options.feeds {
        Feeds::Data(path) => Some(data::load(path, original.model)?),
        Feeds::Made { .. } => None,
    };
    let mut verdict = Proof { original, candidate, options, runtime, progress }.run(data);
    verdict.parity.runtime = Some(runtime.name().to_owned());
    Ok(verdict)
}

struct Proof<'a> {
    original: &'a Subject<'a>,
    candidate: &'a Subject<'a>,
    options: &'a ProveOptions,
    runtime: &'a dyn Runtime,
    progress: &'a mut dyn FnMut(Progress),
}

/// What the original answered, and how noisily.
struct Reference {
    found: Found,
    /// One an output, of the smallest case.
    floors: Vec<Floor>,
}

/// Each case of each output, compared.
type Compared = Vec<Vec<Result<Metrics, String>>>;

impl Proof<'_> {
    fn run(mut self, data: Option<Vec<FeedSet>>) -> Verdict {
        let graph = &self.original.model.graph;
        let names: Vec<String> = graph.root().outputs().map(|v| graph.value(v).name().to_string()).collect();
        let outputs: Vec<&str> = names.iter().map(String::as_str).collect();
        let shared = match share(self.original.model, self.candidate.model, self.seed()) {
            Ok(shared) => shared,
            Err(why) => return self.unproven(why),
        };
        let reference = match self.reference(data, shared.as_ref(), &outputs) {
            Ok(reference) => reference,
            Err(why) => return self.unproven(why),
        };
        let mut verdict = self.unproven(String::new());
        let parity = &mut verdict.parity;
        parity.cases = reference.found.cases.len();
        parity.feeds = reference.found.cases.iter().map(|c| c.feeds.label.clone()).collect();
        parity.feed_shapes = reference.found.cases.iter().map(|c| c.feeds.shapes()).collect();
        parity.shared_random = shared.as_ref().map_or(0, |s| s.pools.len());
        parity.untaken_branches = reference.found.untaken.clone();
        self.judge(verdict, reference, shared.as_ref(), &outputs)
    }

    fn seed(&self) -> u64 {
        match self.options.feeds {
            Feeds::Made { seed } => seed,
            Feeds::Data(_) => 0,
        }
    }

    fn unproven(&self, why: String) -> Verdict {
        Verdict::unproven(self.options.exactness, why)
    }

    fn session(&self, source: &Source) -> Result<Box<dyn Session>, RunError> {
        self.runtime.session(source, &self.options.session)
    }

    fn copy_session(&self, of: &Subject<'_>, copy: &Model) -> Result<Box<dyn Session>, RunError> {
        let model = io::to_bytes(copy).map_err(RunError::Failed)?;
        self.session(&Source::Bytes { model, folder: of.folder() })
    }

    /// Runs the original, on the given inputs or on made ones.
    fn reference(
        &mut self,
        data: Option<Vec<FeedSet>>,
        shared: Option<&Shared>,
        outputs: &[&str],
    ) -> Result<Reference, String> {
        let cannot = |e: RunError| format!("the original cannot be run: {e}");
        let (model, pools) = match shared {
            Some(s) => (&s.original, s.pools.as_slice()),
            None => (self.original.model, &[][..]),
        };
        let mut session = self.original_session(shared).map_err(cannot)?;
        let found = match data {
            Some(sets) => self.run_sets(&mut *session, sets, pools, outputs).map_err(cannot)?,
            None => self.search(&mut *session, model, pools, outputs).map_err(cannot)?,
        };
        if found.cases.is_empty() {
            let why = found.failures.last().map_or("no inputs could be made", String::as_str);
            return Err(format!(
                "the original ran on none of {} inputs that were made for it ({why}); give some with --inputs",
                found.tries
            ));
        }
        let mut floors = vec![Floor::default(); outputs.len()];
        if let Some(case) = found.cases.iter().min_by_key(|case| case.feeds.byte_len()) {
            self.measure(&mut *session, model, std::slice::from_ref(case), outputs, &mut floors);
        }
        Ok(Reference { found, floors })
    }

    fn run_sets(
        &mut self,
        session: &mut dyn Session,
        sets: Vec<FeedSet>,
        pools: &[(String, RunValue)],
        outputs: &[&str],
    ) -> Result<Found, RunError> {
        let mut found = Found { tries: sets.len(), ..Found::default() };
        let total = sets.len();
        for (at, mut feeds) in sets.into_iter().enumerate() {
            feeds.values.extend(pools.iter().cloned());
            let outputs = session.run(&feeds.as_feeds(), outputs)?;
            found.cases.push(Case { feeds, outputs });
            (self.progress)(Progress::Original(at + 1, total));
        }
        Ok(found)
    }

    fn search(
        &mut self,
        session: &mut dyn Session,
        model: &Model,
        pools: &[(String, RunValue)],
        outputs: &[&str],
    ) -> Result<Found, RunError> {
        let observer = self.observer(model);
        let seed = self.seed();
        let mut typed = self.original.model.clone();
        Facts::new().infer_model(&mut typed, &mut Diags::new());
        let progress = &mut self.progress;
        Search {
            model: &typed,
            session,
            outputs,
            pools,
            seed,
            limit: self.options.search_limit,
            observer,
            progress: &mut |tries| progress(Progress::Search(tries)),
        }
        .run()
    }

    /// A session that shows which branches are taken; none where there are no branches or the copy cannot be run.
    fn observer(&self, model: &Model) -> Option<Observer> {
        if is_heavy(model, HEAVY) {
            return None;
        }
        let (copy, conditions) = with_conditions(model)?;
        let session = self.copy_session(self.original, &copy).ok()?;
        Some(Observer { session, conditions })
    }

    /// Adds the noise of some cases to the floors.
    fn measure(
        &mut self,
        session: &mut dyn Session,
        model: &Model,
        cases: &[Case],
        outputs: &[&str],
        floors: &mut [Floor],
    ) {
        (self.progress)(Progress::Noise);
        noise::by_inputs(session, cases, outputs, self.seed(), self.options.noise_runs, floors);
        if noise::is_silent(floors)
            && !is_heavy(model, HEAVY)
            && let Some(copy) = with_moved_weights(model, self.seed())
            && let Ok(mut session) = self.copy_session(self.original, &copy)
        {
            noise::by_weights(&mut *session, cases, outputs, floors);
        }
    }

    /// The floors over several cases, by a session of the original's own. As they were where there is none.
    fn more_floors(
        &mut self,
        reference: &Reference,
        shared: Option<&Shared>,
        outputs: &[&str],
    ) -> Vec<Floor> {
        let mut floors = reference.floors.clone();
        let cases = &reference.found.cases;
        let model = shared.map_or(self.original.model, |s| &s.original);
        let cases = &cases[..cases.len().min(NOISE_CASES)];
        if let Ok(mut session) = self.original_session(shared) {
            self.measure(&mut *session, model, cases, outputs, &mut floors);
        }
        if self.options.exactness != Exactness::Exact && !is_heavy(model, HEAVY) {
            for run in 0..ROUNDING_RUNS {
                let copy = with_moved_roundings(model, self.seed() ^ run);
                let Some(Ok(mut session)) = copy.map(|c| self.copy_session(self.original, &c)) else { break };
                noise::by_weights(&mut *session, cases, outputs, &mut floors);
            }
        }
        floors
    }

    fn original_session(&self, shared: Option<&Shared>) -> Result<Box<dyn Session>, RunError> {
        match shared {
            Some(s) => self.copy_session(self.original, &s.original),
            None => self.session(&self.original.source),
        }
    }

    fn judge(
        &mut self,
        mut verdict: Verdict,
        mut reference: Reference,
        shared: Option<&Shared>,
        outputs: &[&str],
    ) -> Verdict {
        let compared = match self.candidate(&reference.found.cases, shared, outputs) {
            Ok(compared) => compared,
            Err((at, error)) => return self.only_the_original_runs(verdict, &error, &reference, at),
        };
        let mut judged = self.outputs(outputs, &reference.floors, &compared);
        if judged.iter().any(|output| !output.passed) {
            reference.floors = self.more_floors(&reference, shared, outputs);
            judged = self.outputs(outputs, &reference.floors, &compared);
        }
        verdict.witness =
            judged.iter().filter_map(|output| output.failed_at).min().map(|at| self.witness(&reference, at));
        self.unless_empty(verdict.conclude(judged))
    }

    /// Made inputs on which no output has an element prove nothing.
    fn unless_empty(&self, mut verdict: Verdict) -> Verdict {
        let parity = &mut verdict.parity;
        let made = matches!(self.options.feeds, Feeds::Made { .. });
        let nothing = !parity.outputs.is_empty() && parity.empty_outputs.len() == parity.outputs.len();
        if made && nothing && parity.status == Status::Passed {
            parity.status = Status::Unproven;
            parity.reason =
                Some("all outputs are empty on all inputs that were made; give some with --inputs".into());
        }
        verdict
    }

    /// Runs the candidate on all cases; an error comes with the case.
    fn candidate(
        &mut self,
        cases: &[Case],
        shared: Option<&Shared>,
        outputs: &[&str],
    ) -> Result<Compared, (usize, RunError)> {
        let mut session = match shared {
            Some(s) => self.copy_session(self.candidate, &s.candidate),
            None => self.session(&self.candidate.source),
        }
        .map_err(|e| (0, e))?;
        let mut compared: Compared = vec![Vec::with_capacity(cases.len()); outputs.len()];
        for (at, case) in cases.iter().enumerate() {
            let answers = session.run(&case.feeds.as_feeds(), outputs).map_err(|e| (at, e))?;
            for (i, all) in compared.iter_mut().enumerate() {
                all.push(match (case.outputs.get(i), answers.get(i)) {
                    (Some(reference), Some(answer)) => compare(reference, answer),
                    _ => Err("missing".to_owned()),
                });
            }
            (self.progress)(Progress::Candidate(at + 1, cases.len()));
        }
        Ok(compared)
    }

    fn outputs(&self, names: &[&str], floors: &[Floor], compared: &Compared) -> Vec<OutputVerdict> {
        let judge = |((name, &floor), cases): ((&&str, &Floor), &Vec<Result<Metrics, String>>)| {
            let mut verdict = OutputVerdict::new(name);
            for (at, case) in cases.iter().enumerate() {
                verdict.add(self.options.exactness, floor, case.clone());
                verdict.failed_at = verdict.failed_at.or((!verdict.passed).then_some(at));
            }
            verdict
        };
        names.iter().zip(floors).zip(compared).map(judge).collect()
    }

    fn witness(&self, reference: &Reference, case: usize) -> Witness {
        Witness {
            feeds: reference.found.cases[case].feeds.clone(),
            floors: reference.floors.clone(),
            exactness: self.options.exactness,
            seed: self.seed(),
        }
    }

    /// A runtime that does not know something judges nothing; one that fails says that the candidate is broken.
    fn only_the_original_runs(
        &self,
        mut verdict: Verdict,
        error: &RunError,
        reference: &Reference,
        case: usize,
    ) -> Verdict {
        if let RunError::Failed(_) = error {
            verdict.parity.status = Status::Failed;
            verdict.witness = Some(self.witness(reference, case));
        }
        verdict.parity.reason = Some(format!("only the original can be run; the optimized model: {error}"));
        verdict
    }
}
