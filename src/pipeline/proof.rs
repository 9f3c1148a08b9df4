//! Proves a result against its original, and looks closer where it differs.

use super::progress::{Progress, Step};
use crate::diag::Diags;
use crate::error::Result;
use crate::ir::Model;
use crate::rewrite::Exactness;
use crate::runtime::Runtime;
use crate::validate::{Feeds, ProveOptions, Subject, Verdict, prove};

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
) -> Result<Verdict> {
    let options = ProveOptions { feeds, ..ProveOptions::new(exactness) };
    prove(original, candidate, &options, runtime, &mut |at| progress.begin(Step::Prove(at)))
        .map_err(|e| e.with_help("give an npz or npy file or a test_data_set folder with --inputs"))
}

/// Names the first value at which the candidate parts from the original, where outputs differ.
pub(super) fn localize(
    verdict: &mut Verdict,
    original: &Model,
    candidate: &Model,
    runtime: &dyn Runtime,
    diags: &mut Diags,
    progress: &mut dyn Progress,
) {
    let Some(witness) = verdict.witness.as_ref().filter(|_| !verdict.parity.outputs.is_empty()) else {
        return;
    };
    progress.begin(Step::Localize);
    match witness.localize(original, candidate, runtime) {
        Ok(found) => verdict.parity.first_divergence = found,
        Err(e) => {
            diags.note("not-localized", None, format!("the first value that differs is not known: {e}"))
        }
    }
}
