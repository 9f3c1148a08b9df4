//! Two models that somebody says are the same.

use super::progress::{Progress, Step};
use super::proof::{judge, localize};
use crate::diag::Diags;
use crate::error::{Error, Result};
use crate::io::{Loaded, load, to_bytes};
use crate::ir::Model;
use crate::report::CompareReport;
use crate::rewrite::Exactness;
use crate::runtime::{Preferences, Source, default_runtime};
use crate::validate::{Feeds, Subject};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What is to be compared.
#[derive(Clone, Debug)]
pub struct CompareJob {
    /// The model that is right by definition; `-` is standard input.
    pub a: PathBuf,
    /// The model that is judged.
    pub b: PathBuf,
    /// The inputs.
    pub feeds: Feeds,
    /// Which runtime judges.
    pub runtime: Preferences,
}

/// Runs two models on the same inputs, and allows what reassociating passes may change.
///
/// # Errors
/// A file is no model, their inputs or outputs are not the same, or there is no runtime.
pub fn compare(job: &CompareJob, progress: &mut dyn Progress) -> Result<CompareReport> {
    let start = Instant::now();
    progress.begin(Step::Load);
    let mut diags = Diags::new();
    let (a, b) = (read(&job.a, &mut diags)?, read(&job.b, &mut diags)?);
    same_names(&a, &b).map_err(|e| e.in_file(&job.b))?;
    let runtime = default_runtime(&job.runtime, &mut diags)?;
    let original = Subject { model: &a, source: source(&job.a, &a)? };
    let candidate = Subject { model: &b, source: source(&job.b, &b)? };
    let mut judged =
        judge(&original, &candidate, Exactness::Reassociates, job.feeds.clone(), &*runtime, progress)?;
    localize(&mut judged, &a, &b, &*runtime, &mut diags, progress);
    Ok(CompareReport {
        a: job.a.display().to_string(),
        b: job.b.display().to_string(),
        parity: judged.parity,
        seconds: start.elapsed().as_secs_f64(),
        diags,
    })
}

pub(super) fn read(path: &Path, diags: &mut Diags) -> Result<Model> {
    let Loaded { model, diags: remarks, .. } = load(path)?;
    diags.extend(remarks);
    Ok(model)
}

/// How a runtime reads a model that was loaded from `path`.
///
/// # Errors
/// It came from standard input and is too large for memory.
pub(super) fn source(path: &Path, model: &Model) -> Result<Source> {
    if path == Path::new("-") { Ok(Source::bytes(to_bytes(model)?)) } else { Ok(Source::file(path)) }
}

pub(super) fn same_names(a: &Model, b: &Model) -> Result<()> {
    let names = |model: &Model| -> [Vec<String>; 2] {
        let (graph, root) = (&model.graph, model.graph.root());
        let mut inputs: Vec<String> =
            root.inputs().iter().map(|&v| graph.value(v).name().to_string()).collect();
        // Inputs are given by name.
        inputs.sort();
        [inputs, root.outputs().map(|v| graph.value(v).name().to_string()).collect()]
    };
    let ([a_in, a_out], [b_in, b_out]) = (names(a), names(b));
    for (what, a, b) in [("inputs", a_in, b_in), ("outputs", a_out, b_out)] {
        if a != b {
            let message = format!(
                "its {what} are not those of the other model: {} instead of {}",
                b.join(", "),
                a.join(", ")
            );
            return Err(
                Error::new(message).with_help("only models with the same inputs and outputs can be compared")
            );
        }
    }
    Ok(())
}
