//! Proves a result against its original, and looks closer where it differs.

use super::progress::{Progress, Step};
use super::spelled::Spelled;
use crate::diag::Diags;
use crate::error::Result;
use crate::ir::{Model, OpId};
use crate::report::Status;
use crate::rewrite::Exactness;
use crate::runtime::Runtime;
use crate::validate::{Feeds, ProveOptions, Subject, Verdict, prove};
use std::collections::BTreeSet;

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

/// Runs both models and compares. What has no kernel in the runtime is run as the formula that it stands for, and named.
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
    let mut proved = |a: &Subject<'_>, b: &Subject<'_>| {
        prove(a, b, &options, runtime, &mut |at| progress.begin(Step::Prove(at)))
            .map_err(|e| e.with_help("give an npz or npy file or a test_data_set folder with --inputs"))
    };
    let verdict = proved(original, candidate)?;
    if verdict.parity.status != Status::Unproven {
        return Ok(verdict);
    }
    let spelled = [Spelled::of(original.model)?, Spelled::of(candidate.model)?];
    let ops: BTreeSet<String> = spelled.iter().flatten().flat_map(|s| &s.ops).map(OpId::to_string).collect();
    if ops.is_empty() {
        return Ok(verdict);
    }
    let [a, b] = spelled.each_ref().map(|s| s.as_ref().map(Spelled::subject));
    let mut second = proved(a.as_ref().unwrap_or(original), b.as_ref().unwrap_or(candidate))?;
    if second.parity.status == Status::Unproven {
        return Ok(verdict);
    }
    second.parity.spelled_out = ops.into_iter().collect();
    Ok(second)
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
