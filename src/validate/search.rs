//! Tries made inputs until the original runs, on several sizes, and until every `If` branch was taken.

use super::instrument::Condition;
use crate::data::FeedSet;
use crate::data::made::inputs::MadeInputs;
use crate::data::made::is_mostly_nan;
use crate::data::made::make::Style;
use crate::data::made::sizes::{SCHEMES, Scheme, Sizes, Symbols, lots};
use crate::ir::Model;
use crate::runtime::{RunError, RunValue, Session};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Inputs on which the original runs, and what it answered.
pub(super) struct Case {
    pub(super) feeds: FeedSet,
    pub(super) outputs: Vec<RunValue>,
}

/// What a search came to.
#[derive(Default)]
pub(super) struct Found {
    pub(super) cases: Vec<Case>,
    pub(super) tries: usize,
    /// Why tries failed, each reason once, the first few.
    pub(super) failures: Vec<String>,
    /// Branches that no case took: `label: then` or `label: else`.
    pub(super) untaken: Vec<String>,
}

/// A session of the copy that returns the conditions.
pub(super) struct Observer {
    pub(super) session: Box<dyn Session>,
    pub(super) conditions: Vec<Condition>,
}

/// Sizes that a model with symbolic dims is proven on.
const SIZES_WANTED: usize = 3;
/// Different numbers that a model of fixed sizes is proven on.
const NUMBERS_WANTED: usize = 2;
const MOST_TRIES: usize = 128;
/// Tries made only for the sake of a branch.
const BRANCH_TRIES: usize = 24;
const MOST_FAILURES: usize = 4;

pub(super) struct Search<'a> {
    pub(super) model: &'a Model,
    pub(super) session: &'a mut dyn Session,
    pub(super) outputs: &'a [&'a str],
    /// Inputs that every case gets as they are.
    pub(super) pools: &'a [(String, RunValue)],
    pub(super) seed: u64,
    pub(super) limit: Duration,
    pub(super) observer: Option<Observer>,
    pub(super) progress: &'a mut dyn FnMut(usize),
}

impl Search<'_> {
    /// Runs the search.
    ///
    /// # Errors
    /// The runtime cannot run the model at all, whatever its inputs.
    pub(super) fn run(self) -> Result<Found, RunError> {
        let inputs = MadeInputs::of(self.model);
        let choices = inputs.choices();
        let symbols = Symbols::of(self.model);
        let mut state = State {
            search: self,
            inputs,
            symbols,
            started: Instant::now(),
            found: Found::default(),
            taken: BTreeSet::new(),
            tried: BTreeSet::new(),
            good: None,
            doubtful: None,
        };
        for choice in 0..choices {
            state.one_choice(choice)?;
        }
        state.more_branches(choices)?;
        Ok(state.finish())
    }
}

/// Sizes that few models insist on. Memory may go with the square of a size, so long ones come last.
fn odd_schemes() -> impl Iterator<Item = Scheme> {
    let (long, short): (Vec<Scheme>, Vec<Scheme>) =
        SCHEMES.into_iter().skip(SIZES_WANTED).partition(|scheme| scheme.is_long());
    short.into_iter().chain(lots()).chain(long)
}

struct State<'a> {
    search: Search<'a>,
    inputs: MadeInputs,
    symbols: Symbols,
    started: Instant,
    found: Found,
    /// Indices of conditions with the values that were seen.
    taken: BTreeSet<(usize, bool)>,
    /// Labels of sizes with style, choice and round that were tried.
    tried: BTreeSet<(String, usize, usize, usize)>,
    good: Option<(Scheme, Style)>,
    /// A case whose outputs are mostly NaN: better than none.
    doubtful: Option<Case>,
}

impl State<'_> {
    fn exhausted(&self, tries: usize) -> bool {
        self.found.tries >= tries || self.started.elapsed() >= self.search.limit
    }

    fn one_choice(&mut self, choice: usize) -> Result<(), RunError> {
        let wanted = match (choice, self.symbols.is_empty()) {
            (0, false) => SIZES_WANTED,
            (0, true) => NUMBERS_WANTED,
            _ => 1,
        };
        let target = self.found.cases.len() + wanted;
        let known = self.good;
        let styles = known.iter().map(|g| g.1).chain(Style::ALL);
        for style in styles {
            if self.one_style(style, choice, target)? || self.exhausted(MOST_TRIES) {
                break;
            }
        }
        Ok(())
    }

    /// Tries the sizes that most models take, then odd ones until one works, then its relatives.
    /// Gives back whether the target was reached.
    fn one_style(&mut self, style: Style, choice: usize, target: usize) -> Result<bool, RunError> {
        let mut worked = None;
        let usual = SCHEMES.iter().take(SIZES_WANTED);
        let known = self.good;
        for &scheme in known.iter().map(|g| &g.0).chain(usual) {
            if self.attempt(scheme, style, choice, 0)? {
                worked.get_or_insert(scheme);
            }
            if self.found.cases.len() >= target {
                return Ok(true);
            }
        }
        for scheme in odd_schemes() {
            if worked.is_none() && self.attempt(scheme, style, choice, 0)? {
                worked = Some(scheme);
            }
        }
        let Some(scheme) = worked else { return Ok(false) };
        for round in 0..2 {
            for relative in scheme.relatives().into_iter().chain(lots().filter(|_| scheme.is_drawn())) {
                if self.found.cases.len() >= target {
                    return Ok(true);
                }
                self.attempt(relative, style, choice, round)?;
            }
        }
        Ok(self.found.cases.len() >= target)
    }

    fn more_branches(&mut self, choices: usize) -> Result<(), RunError> {
        let Some((scheme, style)) = self.good else { return Ok(()) };
        let limit = self.found.tries + BRANCH_TRIES;
        let styles = std::iter::once(style).chain(Style::ALL);
        for style in styles {
            for scheme in scheme.relatives() {
                for choice in 0..choices {
                    if self.all_taken() || self.exhausted(limit) {
                        return Ok(());
                    }
                    let before = self.taken.len();
                    if self.attempt(scheme, style, choice, 0)? && self.taken.len() == before {
                        self.found.cases.pop();
                    }
                }
            }
        }
        Ok(())
    }

    fn all_taken(&self) -> bool {
        self.search.observer.as_ref().is_none_or(|o| self.taken.len() == 2 * o.conditions.len())
    }

    /// Tries one combination, unless it was tried; gives back whether it became a case.
    fn attempt(
        &mut self,
        scheme: Scheme,
        style: Style,
        choice: usize,
        round: usize,
    ) -> Result<bool, RunError> {
        let sizes = scheme.sizes(&self.symbols);
        let key = (sizes.label(), style as usize, choice, round);
        if self.exhausted(MOST_TRIES) || (!self.inputs.unranked() && !self.tried.insert(key)) {
            return Ok(false);
        }
        self.found.tries += 1;
        (self.search.progress)(self.found.tries);
        let feeds = match self.feeds(&sizes, style, choice, round) {
            Ok(feeds) => feeds,
            Err(why) => {
                self.fail(why);
                return Ok(false);
            }
        };
        let outputs = match self.search.session.run(&feeds.as_feeds(), self.search.outputs) {
            Ok(outputs) => outputs,
            Err(RunError::Unsupported(what)) => return Err(RunError::Unsupported(what)),
            Err(RunError::Failed(e)) => {
                self.fail(e.message().to_owned());
                return Ok(false);
            }
        };
        let case = Case { feeds, outputs };
        if case.outputs.iter().any(is_mostly_nan) {
            self.fail("an output is mostly NaN".to_owned());
            self.doubtful.get_or_insert(case);
            return Ok(false);
        }
        self.observe(&case);
        self.good.get_or_insert((scheme, style));
        self.found.cases.push(case);
        Ok(true)
    }

    fn feeds(&self, sizes: &Sizes, style: Style, choice: usize, round: usize) -> Result<FeedSet, String> {
        let label = format!("{}/{choice}/{round}", self.found.cases.len());
        let made = self.inputs.make(sizes, style, choice, self.search.seed, &label);
        let mut values = made.map_err(|e| e.message().to_owned())?;
        values.extend(self.search.pools.iter().cloned());
        Ok(FeedSet { label: sizes.label(), values })
    }

    fn observe(&mut self, case: &Case) {
        let Some(observer) = &mut self.search.observer else { return };
        let names: Vec<&str> = observer.conditions.iter().map(|c| &*c.output).collect();
        let Ok(seen) = observer.session.run(&case.feeds.as_feeds(), &names) else { return };
        for (index, value) in seen.iter().enumerate() {
            let RunValue::Tensor(tensor) = value else { continue };
            for condition in tensor.to_i64s().unwrap_or_default() {
                if condition >= 0 {
                    self.taken.insert((index, condition != 0));
                }
            }
        }
    }

    fn fail(&mut self, why: String) {
        let why: String = why.lines().next().unwrap_or_default().chars().take(300).collect();
        if self.found.failures.len() < MOST_FAILURES && !self.found.failures.contains(&why) {
            self.found.failures.push(why);
        }
    }

    fn finish(mut self) -> Found {
        if self.found.cases.is_empty() {
            self.found.cases.extend(self.doubtful.take());
        }
        if let Some(observer) = &self.search.observer {
            for (index, condition) in observer.conditions.iter().enumerate() {
                for (branch, name) in [(true, "then"), (false, "else")] {
                    if !self.taken.contains(&(index, branch)) {
                        self.found.untaken.push(format!("{}: {name}", condition.label));
                    }
                }
            }
        }
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_is_tried_and_long_ones_when_all_others_have_failed() {
        let schemes: Vec<Scheme> = odd_schemes().collect();
        assert_eq!(schemes.len(), SCHEMES.len() - SIZES_WANTED + lots().count());
        let short = schemes.iter().take_while(|s| !s.is_long()).count();
        assert!(schemes[..short].iter().any(|s| s.is_drawn()) && short < schemes.len());
        assert!(schemes[short..].iter().all(|s| s.is_long()));
    }
}
