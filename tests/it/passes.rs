//! The fixtures of the passes: one text model each under `tests/passes/<id>/`, and the pages of the passes.
//!
//! The head of a fixture says what is to happen:
//!
//! ```text
//! # expect: applied                    the pass changes the graph as the `.diff` beside it says
//! # expect: miss "<reason>"            it does not, and this is why
//! # expect: nothing                    it does not, and has nothing to say
//! # expect: types                      it changes no node; the `.diff` lists what it knows of each value
//! # feed: x = {1, 2}                   elements of an input; shape by `x = 2,3`
//! # answer: y = {3, 4}               elements of an output by definition, where ONNX Runtime has no kernel of the original
//! # dims: N=1                          the size of a symbolic dim, 3 where nothing is said
//! # budget: 1000                       bytes by which the file may grow
//! # opset: 20                          the opset that the user asks for
//! # target: ort-cpu                  the target, onnx where nothing is said
//! # runtime: none                      nothing but our own kernels folds
//! ```
//! Four checks each: the diff, parity through ONNX Runtime at the class that the pass declares, a
//! second run that finds nothing to do, and the verifier. `BLESS=1` rewrites diffs and pages.

mod fixture;
mod kernels;
mod pages;
mod parity;

pub(crate) use parity::{compare as close, random as random_tensor, spelled};

use crate::fixtures::onnx_runtime;
use fixture::{Expect, Fixture};
use onnxpress::analysis::{Facts, verify};
use onnxpress::diag::Diags;
use onnxpress::ir::Model;
use onnxpress::pipeline::{Entry, registry};
use onnxpress::rewrite::{PassContext, PassStats, Work, apply};
use onnxpress::runtime::Runtime;
use onnxpress::target::Target;
use onnxpress::text::diff;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Fixtures below which some were lost.
const FEWEST: usize = 400;

/// One run on a model of inferred shapes.
fn run(entry: &Entry, model: &mut Model, fixture: &Fixture) -> PassStats {
    let (mut facts, mut diags) = (Facts::new(), Diags::new());
    facts.infer_model(model, &mut diags);
    let target = Target::named(&fixture.target).unwrap();
    let mut cx = PassContext {
        facts: &mut facts,
        diags: &mut diags,
        runtime: fixture.runtime.then(|| onnx_runtime() as &dyn Runtime),
        growth_budget: fixture.budget,
        opset: fixture.opset,
        target: &target,
        changes_left: u64::MAX,
    };
    match entry.work() {
        Work::Rule(rule) => apply(rule.as_ref(), model, &mut cx).unwrap(),
        Work::Whole(pass) => pass.run(model, &mut cx).unwrap(),
    }
}

#[test]
fn fixtures_of_passes() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut failures = String::new();
    let passes = registry();
    for fixture in fixture::all() {
        let Some(entry) = passes.iter().find(|p| p.id() == fixture.pass) else {
            panic!("{}: there is no such pass", fixture.path.display());
        };
        *counts.entry(fixture.pass.clone()).or_default() += 1;
        if let Err(why) = check(entry, &fixture) {
            writeln!(failures, "{}: {why}", fixture.path.display()).unwrap();
        }
    }
    let total: usize = counts.values().sum();
    println!("pass fixtures: {total} {counts:?}");
    assert!(failures.is_empty(), "{failures}");
    assert!(total >= FEWEST, "{total} fixtures are left");
    for entry in &passes {
        assert!(counts.contains_key(entry.id()), "{} has no fixture", entry.id());
    }
}

fn check(entry: &Entry, fixture: &Fixture) -> Result<(), String> {
    let before = fixture.model()?;
    let mut after = before.clone();
    let stats = run(entry, &mut after, fixture);
    let change = diff(&before, &after);
    let reasons: Vec<&String> = stats.misses.keys().collect();
    let changed = stats.applied > 0 || !change.is_empty();
    let mut golden = change.to_string();
    match &fixture.expect {
        Expect::Applied if stats.applied == 0 => return Err(format!("did not apply: {reasons:?}")),
        Expect::Applied => {}
        _ if changed => return Err(format!("changed {} times:\n{change}", stats.applied)),
        Expect::Miss(want) if !reasons.iter().any(|r| r.starts_with(want.as_str())) => {
            return Err(format!("expected the miss {want:?}, got {reasons:?}"));
        }
        Expect::Nothing if !reasons.is_empty() => return Err(format!("unexpected misses {reasons:?}")),
        Expect::Types => golden = types(&after),
        Expect::Miss(_) | Expect::Nothing => golden = String::new(),
    }
    if !golden.is_empty() {
        compare_golden(&fixture.path.with_extension("diff"), &golden)?;
    }
    verify(&after).map_err(|e| format!("the verifier: {e}"))?;
    let mut again = after.clone();
    let second = run(entry, &mut again, fixture);
    if second.applied > 0 || !diff(&after, &again).is_empty() {
        return Err(format!("a second run changed it again:\n{}", diff(&after, &again)));
    }
    if fixture.expect == Expect::Applied {
        parity::check(&before, &after, fixture, entry.meta().exactness)?;
    }
    Ok(())
}

/// What is known of each value, a line each.
fn types(model: &Model) -> String {
    let graph = &model.graph;
    let named = graph.value_ids().map(|v| graph.value(v)).filter(|v| !v.name().is_empty());
    named.fold(String::new(), |mut out, v| {
        let ty = v.ty().map_or("?".to_owned(), ToString::to_string);
        writeln!(out, "{}: {ty}", v.name()).unwrap();
        out
    })
}

/// Compares with a file, or rewrites it where `BLESS` is set.
fn compare_golden(path: &Path, got: &str) -> Result<(), String> {
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, got).unwrap();
        return Ok(());
    }
    let want = std::fs::read_to_string(path).unwrap_or_default();
    if want == got { Ok(()) } else { Err(format!("is not what {} says; it is now\n{got}", path.display())) }
}
