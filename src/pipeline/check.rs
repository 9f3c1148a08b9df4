//! What a target does not take of a model in a file.

use super::build;
use super::options::Options;
use super::progress::Silent;
use super::registry::{Entry, registry};
use super::run::{Means, run};
use super::sizes::Sizes;
use crate::check;
use crate::diag::Diags;
use crate::error::Result;
use crate::io::load;
use crate::ir::Model;
use crate::report::{CheckReport, Finding};
use crate::target::{Target, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What is to be checked.
#[derive(Clone, Debug)]
pub struct CheckJob {
    /// The model file; `-` is standard input.
    pub input: PathBuf,
    /// What it is for.
    pub target: Target,
    /// Sizes that are fixed before.
    pub sizes: Sizes,
    /// The Python by which the target's compiler is asked; `None` where it is not to be.
    pub python: Option<PathBuf>,
}

/// Remarks what the target does not take of a result, each reason once.
pub(super) fn warn(model: &Model, target: &Target, diags: &mut Diags) {
    let mut said: Vec<(Finding, usize)> = Vec::new();
    for finding in check::check(model, target) {
        match said.iter_mut().find(|(f, _)| f.reason == finding.reason) {
            Some((_, count)) => *count += 1,
            None => said.push((finding, 1)),
        }
    }
    for (finding, count) in said {
        let more = if count > 1 { format!("; {} more nodes", count - 1) } else { String::new() };
        let message = format!("{}{more}", finding.reason);
        match finding.verdict {
            Verdict::Refused => diags.warn("target-refuses", finding.node.as_deref(), message),
            Verdict::Fallback => diags.warn("target-falls-back", finding.node.as_deref(), message),
            Verdict::Retyped => diags.note("target-retypes", finding.node.as_deref(), message),
        }
    }
}

/// What the target does not take.
///
/// # Errors
/// The file is no model, a size fits no input, or the compiler is not there.
pub fn check(job: &CheckJob) -> Result<CheckReport> {
    let mut loaded = load(&job.input)?;
    job.sizes.fix(&mut loaded.model).map_err(|e| e.in_file(&job.input))?;
    let mut findings = check::check(&loaded.model, &job.target);
    name_rewrites(&loaded.model, &job.target, &mut findings)?;
    let build = match &job.python {
        Some(python) => Some(build::build(&loaded.model, &job.input, &job.target, python)?),
        None => None,
    };
    let refused = findings.iter().any(|f| f.verdict == Verdict::Refused);
    Ok(CheckReport {
        input: job.input.display().to_string(),
        target: job.target.name(),
        taken: !refused && build.as_ref().is_none_or(|b| b.built),
        findings,
        build,
        diags: loaded.diags,
    })
}

/// Names `optimize` as the fix of refused operators that it writes as others.
fn name_rewrites(model: &Model, target: &Target, findings: &mut [Finding]) -> Result<()> {
    let passes: Vec<Entry> = registry().into_iter().filter(|e| !e.work().unfolds().is_empty()).collect();
    let mut ops: BTreeMap<String, &Entry> = BTreeMap::new();
    for pass in &passes {
        ops.extend(pass.work().unfolds().into_iter().map(|op| (op.to_string(), pass)));
    }
    let concerns = |f: &&mut Finding| {
        f.verdict == Verdict::Refused && f.op.as_ref().is_some_and(|op| ops.contains_key(op))
    };
    if findings.iter_mut().filter(concerns).count() == 0 {
        return Ok(());
    }
    let mut plain = model.clone();
    let only = passes.iter().map(|e| e.id().to_owned()).collect();
    let options = Options { only, ..Options::new(target.clone()) };
    let means = Means { runtime: None, growth_budget: 0 };
    run(&mut plain, &options, means, &mut Diags::new(), &mut Silent)?;
    let graphs = plain.functions.iter().map(|f| &f.graph).chain([&plain.graph]);
    let left: BTreeSet<(String, String)> =
        graphs.flat_map(|g| g.nodes().map(|(id, n)| (g.label(id), n.op().to_string()))).collect();
    for finding in findings.iter_mut().filter(concerns) {
        let (Some(node), Some(op)) = (&finding.node, &finding.op) else { continue };
        if !left.contains(&(node.clone(), op.clone())) {
            let pass = ops[op];
            let named =
                if options.runs_unnamed(pass) { String::new() } else { format!(" --enable {}", pass.id()) };
            let command = format!("`onnxpress optimize --target {}{named}`", target.name());
            finding.fix = Some(format!("{command} writes it with standard operators"));
        }
    }
    Ok(())
}
