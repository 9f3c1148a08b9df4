//! Raising the opset: what the nodes compute stays, bit for bit in almost all cases.

use crate::fixtures::{files, folder, onnx_runtime};
use crate::runtime::cases::{Verdict, all, difference, judge, judge_as};
use onnxpress::analysis::Facts;
use onnxpress::diag::Diags;
use onnxpress::io;
use onnxpress::ir::{Model, Type};
use onnxpress::passes::convert_opset::{ConvertOpset, convert};
use onnxpress::rewrite::{Exactness, Pass};
use onnxpress::runtime::{RunValue, Runtime, SessionOptions, Source};
use onnxpress::target::Target;
use onnxpress::tensor::{DType, Tensor};
use onnxpress::text::parse_model;
use std::collections::BTreeMap;
use std::path::Path;

/// Fixtures with an op whose newer version ONNX Runtime adds up in another order.
const ADDED_ANEW: &[&str] = &["average-pool-11-ceil", "pool-7"];

/// The model at a higher opset, and what was remarked.
fn raised(model: &Model, to: i64) -> (Model, Diags) {
    let (mut model, mut facts, mut diags) = (model.clone(), Facts::new(), Diags::new());
    facts.infer_model(&mut model, &mut diags);
    let mut remarks = Diags::new();
    convert(&mut model, to, &Target::named("onnx").unwrap(), &mut facts, &mut remarks);
    (model, remarks)
}

fn source(model: &Model) -> Source {
    Source::bytes(io::to_bytes(model).unwrap())
}

fn stem(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

/// A value for an input: small distinct numbers of both signs; unknown sizes are 2.
fn feed(ty: &Type, seed: u32) -> RunValue {
    let ty = ty.as_tensor().unwrap();
    let dims = ty.shape.as_ref().unwrap().iter();
    let dims: Vec<usize> = dims.map(|d| d.as_fixed().unwrap_or(2) as usize).collect();
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 23) - 1.0
    };
    let numbers: Vec<f64> = (0..dims.iter().product()).map(|_| next() * 3.0).collect();
    let numbers = if ty.dtype == DType::Bool { vec![1.0; numbers.len()] } else { numbers };
    RunValue::Tensor(Tensor::from_f64s(ty.dtype, &dims, &numbers).unwrap())
}

fn run(runtime: &dyn Runtime, model: &Model, feeds: &[(String, RunValue)]) -> Vec<RunValue> {
    let graph = &model.graph;
    let outputs: Vec<String> = graph.root().outputs().map(|v| graph.value(v).name().to_string()).collect();
    let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
    let feeds: Vec<(&str, &RunValue)> = feeds.iter().map(|(name, value)| (name.as_str(), value)).collect();
    let session = runtime.session(&source(model), &SessionOptions::default());
    session.and_then(|mut session| session.run(&feeds, &outputs)).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn models_of_old_opsets_answer_as_before() {
    let runtime = onnx_runtime();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/opset");
    let mut compared = 0;
    for path in files(&folder, "onnxtxt") {
        let name = stem(&path);
        let model =
            parse_model(&std::fs::read_to_string(&path).unwrap()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let feeds: Vec<(String, RunValue)> = (0..)
            .zip(model.graph.root().inputs())
            .map(|(seed, &v)| {
                (model.graph.value(v).name().to_string(), feed(model.graph.value(v).ty().unwrap(), seed))
            })
            .collect();
        let want = run(runtime, &model, &feeds);
        assert!(!want.is_empty(), "{name}");
        for to in [11, 13, 18, 20, 26].into_iter().filter(|&to| to > model.opset()) {
            let (higher, remarks) = raised(&model, to);
            let reached = if name.starts_with("roi-align") { to.min(21) } else { to };
            assert_eq!(higher.opset(), reached, "{name}: {remarks:?}");
            let class =
                if ADDED_ANEW.contains(&name) { ConvertOpset.meta().exactness } else { Exactness::Exact };
            let tolerance = class.tolerance(DType::F32);
            for (got, want) in run(runtime, &higher, &feeds).iter().zip(&want) {
                assert_eq!(difference(got, want, tolerance.rel, tolerance.abs), None, "{name} at opset {to}");
                compared += 1;
            }
        }
    }
    println!("{compared} outputs of old models compared with those at higher opsets");
    assert!(compared > 100, "{compared}");
}

#[test]
fn node_cases_keep_their_stored_outputs() {
    let runtime = onnx_runtime();
    let (mut passed, mut wrong, mut refused) = (0, Vec::new(), BTreeMap::<String, usize>::new());
    for case in all() {
        let Ok(loaded) = io::load(&case.model) else { continue };
        let opset = loaded.model.opset();
        if !(7..26).contains(&opset) || !matches!(judge(runtime, &case), Verdict::Passed) {
            continue;
        }
        for to in [20, 26].into_iter().filter(|&to| to > opset) {
            let (higher, remarks) = raised(&loaded.model, to);
            if higher.opset() < to {
                let why = remarks.iter().next().map_or_else(String::new, |d| d.message.clone());
                *refused.entry(why).or_default() += 1;
            }
            if higher.opset() == opset {
                continue;
            }
            match judge_as(runtime, &case, &source(&higher)) {
                Verdict::Passed => passed += 1,
                Verdict::Wrong(why) | Verdict::Unsupported(why) | Verdict::Failed(why) => {
                    wrong.push(format!("{} at {to}: {why}", case.name));
                }
            }
        }
    }
    println!("{passed} conversions of node cases passed, {} did not; held back:", wrong.len());
    for (why, count) in &refused {
        println!("  {count} x {why}");
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(passed > 2000, "{passed}");
}

#[test]
fn public_models_reach_20_and_the_newest_opset() {
    let runtime = onnx_runtime();
    let paths = files(&folder("models"), "onnx");
    assert_eq!(paths.len(), 17);
    for path in paths {
        let name = stem(&path);
        let loaded = io::load(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        for to in [20, 26] {
            let (higher, remarks) = raised(&loaded.model, to);
            // The newest RandomNormalLike has no kernel.
            let reached = if name == "piper-vits" { to.min(21) } else { to };
            assert_eq!(higher.opset(), reached, "{name}: {remarks:?}");
            if let Err(e) = runtime.session(&source(&higher), &SessionOptions::default()) {
                panic!("{name} at {to}: {e}");
            }
        }
    }
}
