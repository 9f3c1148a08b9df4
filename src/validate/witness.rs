//! Inputs on which two models part, kept to look closer: which other candidate parts there too, and at which value.

use super::compare::compare;
use super::instrument::is_heavy;
use super::localize::localize;
use super::noise::Floor;
use super::parity::HEAVY;
use super::random::share;
use super::verdict::OutputVerdict;
use crate::data::FeedSet;
use crate::error::{Error, Result};
use crate::io::to_bytes;
use crate::ir::Model;
use crate::report::DivergenceReport;
use crate::rewrite::Exactness;
use crate::runtime::{RunError, RunValue, Runtime, SessionOptions, Source};

/// A set of inputs on which a candidate did not answer as the original does.
#[derive(Clone, Debug)]
pub struct Witness {
    pub(super) feeds: FeedSet,
    /// The noise floor of each output of the original.
    pub(super) floors: Vec<Floor>,
    pub(super) exactness: Exactness,
    pub(super) seed: u64,
}

impl Witness {
    /// Whether another candidate for the same original fails on these inputs: it answers otherwise, or not at all.
    ///
    /// # Errors
    /// The original cannot be run, or the candidate holds what the runtime does not know.
    pub fn refutes(&self, original: &Model, candidate: &Model, runtime: &dyn Runtime) -> Result<bool> {
        let pair = self.pair(original, candidate)?;
        let graph = &original.graph;
        let names: Vec<String> = graph.root().outputs().map(|v| graph.value(v).name().to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let answers = |of: &Model| -> Result<Vec<RunValue>, RunError> {
            let source = Source::bytes(to_bytes(of)?);
            runtime.session(&source, &SessionOptions::default())?.run(&pair.feeds.as_feeds(), &names)
        };
        let reference = answers(pair.original.as_ref().unwrap_or(original)).map_err(RunError::into_error)?;
        let judged = match answers(pair.candidate.as_ref().unwrap_or(candidate)) {
            Ok(judged) => judged,
            Err(RunError::Failed(_)) => return Ok(true),
            Err(unsupported) => return Err(unsupported.into_error()),
        };
        let all = reference.iter().zip(&judged).zip(&names).zip(&self.floors);
        Ok(all.into_iter().any(|(((a, b), name), floor)| {
            let mut verdict = OutputVerdict::new(name);
            verdict.add(self.exactness, *floor, compare(a, b));
            !verdict.passed
        }))
    }

    /// The first value at which a candidate parts from the original; `None` where all that both have agree.
    ///
    /// # Errors
    /// One of the two cannot be run, is too large to be copied, or it took too long.
    pub fn localize(
        &self,
        original: &Model,
        candidate: &Model,
        runtime: &dyn Runtime,
    ) -> Result<Option<DivergenceReport>> {
        let pair = self.pair(original, candidate)?;
        localize(
            pair.original.as_ref().unwrap_or(original),
            pair.candidate.as_ref().unwrap_or(candidate),
            &pair.feeds,
            self.exactness,
            runtime,
        )
    }

    fn pair(&self, original: &Model, candidate: &Model) -> Result<Pair> {
        if is_heavy(original, HEAVY) || is_heavy(candidate, HEAVY) {
            return Err(Error::new("the model is too large to be copied"));
        }
        let mut feeds = self.feeds.clone();
        Ok(match share(original, candidate, self.seed).map_err(Error::new)? {
            None => Pair { original: None, candidate: None, feeds },
            Some(shared) => {
                feeds.values.retain(|(name, _)| !shared.pools.iter().any(|(pool, _)| pool == name));
                feeds.values.extend(shared.pools);
                Pair { original: Some(shared.original), candidate: Some(shared.candidate), feeds }
            }
        })
    }
}

/// Copies that draw the same random numbers, where the models draw any, and what both are given.
struct Pair {
    original: Option<Model>,
    candidate: Option<Model>,
    feeds: FeedSet,
}
