//! Which change made a result differ: the passes run again, each time up to another change.

use super::options::Options;
use super::progress::{Progress, Silent, Step};
use super::run::{Means, Outcome, run};
use crate::diag::Diags;
use crate::error::{Error, Result};
use crate::ir::Model;
use crate::report::Culprit;
use crate::runtime::Runtime;
use crate::validate::Witness;
use std::time::{Duration, Instant};

/// Runs of the passes at most; enough for 65,000 changes.
const MOST_RUNS: usize = 16;
/// No run begins after this.
const LIMIT: Duration = Duration::from_secs(120);

/// A run of passes whose result differs from the original on some inputs.
pub(super) struct Suspect<'a> {
    pub(super) original: &'a Model,
    pub(super) options: &'a Options,
    pub(super) means: Means<'a>,
    pub(super) outcome: &'a Outcome,
    pub(super) witness: &'a Witness,
    pub(super) runtime: &'a dyn Runtime,
}

impl Suspect<'_> {
    /// The change that made the difference, and the model right after it.
    ///
    /// # Errors
    /// Nothing was changed, or the original differs from itself.
    pub(super) fn find(&self, progress: &mut dyn Progress) -> Result<(Culprit, Model)> {
        let (start, mut runs, mut found) = (Instant::now(), 0, None);
        let (harmless, change) = bisect(self.outcome.steps, |limit| {
            if runs == MOST_RUNS || (runs > 0 && start.elapsed() > LIMIT) {
                return Ok(None);
            }
            runs += 1;
            progress.begin(Step::Blame(runs, MOST_RUNS));
            let mut model = self.original.clone();
            let options = Options { pass_limit: Some(limit), dump_ir: None, ..self.options.clone() };
            let outcome = run(&mut model, &options, self.means, &mut Diags::new(), &mut Silent)?;
            let differs = self.witness.refutes(self.original, &model, self.runtime)?;
            if differs {
                found = outcome.last.map(|pass| (pass.to_owned(), model));
            }
            Ok(Some(differs))
        })?;
        let changes = self.outcome.steps;
        let (pass, model) = found.ok_or_else(|| Error::new("the passes run again make no difference"))?;
        Ok((Culprit { pass, change, harmless, changes }, model))
    }
}

/// Narrows `0..=most` down to `(good, bad)`, neighbours unless the probe gives up with `None`. 0 is taken to be good,
/// `most` is probed first.
fn bisect(most: u64, mut is_bad: impl FnMut(u64) -> Result<Option<bool>>) -> Result<(u64, u64)> {
    let (mut good, mut bad) = (0, most);
    if most == 0 || is_bad(most)? != Some(true) {
        return Ok((most, most));
    }
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        match is_bad(middle)? {
            Some(true) => bad = middle,
            Some(false) => good = middle,
            None => break,
        }
    }
    Ok((good, bad))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_first_bad_change_is_found() {
        for most in 1..40 {
            for first in 1..=most {
                assert_eq!(bisect(most, |n| Ok(Some(n >= first))).unwrap(), (first - 1, first));
            }
        }
    }

    #[test]
    fn a_search_that_gives_up_leaves_a_range() {
        let mut runs = 0;
        let (good, bad) = bisect(1000, |n| {
            runs += 1;
            Ok((runs <= 4).then_some(n >= 300))
        })
        .unwrap();
        assert!(good < 300 && bad >= 300 && bad - good == 125, "{good} {bad}");
    }

    #[test]
    fn nothing_is_asked_where_nothing_changed() {
        assert_eq!(bisect(0, |_| Err(Error::new("asked"))).unwrap(), (0, 0));
        assert_eq!(bisect(5, |_| Ok(Some(false))).unwrap(), (5, 5));
    }
}
