//! Every ONNX node test: the model optimized at each level, and for each target at the usual one, gives the stored outputs
//! wherever ONNX Runtime's original does. What has no kernel on a CPU is run as what it stands for.
//!
//! ONNX Runtime refuses versions newer than it knows even where nothing changed, so those are lowered first.

use crate::fixtures::onnx_runtime;
use crate::passes::spelled;
use crate::runtime::cases::{Case, Verdict, all, judge_as};
use bytes::Bytes;
use onnxpress::diag::Diags;
use onnxpress::io::{load, to_bytes};
use onnxpress::ir::Model;
use onnxpress::pipeline::{Means, Options, Silent, run};
use onnxpress::runtime::{Runtime, Source};
use onnxpress::target::Target;
use std::collections::BTreeMap;

/// Lowers IR and opset to what ONNX Runtime takes. Whether that changed what the model means, its outputs tell.
fn lower(model: &mut Model, target: &Target) {
    model.opsets.set("", model.opset().min(target.opset.max));
    model.ir_version = model.ir_version.min(target.ir.max);
}

/// What the levels and the targets make of a model, as files, where it is not what one before made.
fn optimized(model: &Model, settings: &[(u8, Target)], runtime: &dyn Runtime) -> Vec<(String, Bytes)> {
    let mut results: Vec<(String, Bytes)> = Vec::new();
    for (level, target) in settings {
        let mut model = model.clone();
        let options = Options { level: *level, verify_each: true, ..Options::new(target.clone()) };
        let means = Means { runtime: Some(runtime), growth_budget: 1 << 20 };
        run(&mut model, &options, means, &mut Diags::new(), &mut Silent).unwrap();
        let file = to_bytes(&spelled(&model)).unwrap();
        if results.iter().all(|(_, other)| *other != file) {
            results.push((format!("-O{level} for {}", target.id), file));
        }
    }
    results
}

fn judge(runtime: &dyn Runtime, case: &Case, model: &Model) -> Verdict {
    judge_as(runtime, case, &Source::bytes(to_bytes(model).unwrap()))
}

#[test]
fn optimized_models_give_the_stored_outputs() {
    let (target, runtime) = (Target::named("onnx").unwrap(), onnx_runtime());
    let levels = (0..=3).map(|level| (level, target.clone()));
    let settings: Vec<(u8, Target)> = levels.chain(Target::all().into_iter().map(|t| (2, t))).collect();
    let (mut passed, mut changed, mut failed) = (0, 0, Vec::new());
    let mut skipped: BTreeMap<&str, usize> = BTreeMap::new();
    for case in all() {
        let mut model = load(&case.model).unwrap().model;
        lower(&mut model, &target);
        let why = match judge(runtime, &case, &model) {
            Verdict::Unsupported(_) => "ONNX Runtime does not support the original",
            Verdict::Failed(_) => "ONNX Runtime refuses the original",
            Verdict::Wrong(_) => "ONNX Runtime answers the original with other outputs",
            Verdict::Passed => {
                let results = optimized(&model, &settings, runtime);
                changed += usize::from(results.len() > 1);
                let wrong: Vec<String> = results
                    .into_iter()
                    .filter_map(|(setting, file)| match judge_as(runtime, &case, &Source::bytes(file)) {
                        Verdict::Passed => None,
                        Verdict::Wrong(why) | Verdict::Unsupported(why) | Verdict::Failed(why) => {
                            Some(format!("{} at {setting}: {why}", case.name))
                        }
                    })
                    .collect();
                passed += usize::from(wrong.is_empty());
                failed.extend(wrong);
                continue;
            }
        };
        *skipped.entry(why).or_default() += 1;
    }
    let skips: usize = skipped.values().sum();
    println!(
        "node cases: {passed} passed at every level and for {} targets, {changed} of them changed; {} failed; {skips} skipped",
        settings.len() - 4,
        failed.len()
    );
    skipped.iter().for_each(|(why, n)| println!("{n:6} skipped: {why}"));
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(passed >= 1600 && changed > 0, "only {passed} ran");
}
