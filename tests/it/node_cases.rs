//! Every ONNX node test: the optimized model gives the stored outputs wherever ONNX Runtime's original does.
//!
//! ONNX Runtime refuses versions newer than it knows even where nothing changed, so those are lowered first.

use crate::fixtures::onnx_runtime;
use crate::runtime::cases::{Case, Verdict, all, judge_as};
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

/// The number of changes.
fn optimize(model: &mut Model, target: &Target, runtime: &dyn Runtime) -> u64 {
    let mut options = Options::new(target.clone());
    options.verify_each = true;
    let means = Means { runtime: Some(runtime), growth_budget: 1 << 20 };
    run(model, &options, means, &mut Diags::new(), &mut Silent).unwrap().changes()
}

fn judge(runtime: &dyn Runtime, case: &Case, model: &Model) -> Verdict {
    judge_as(runtime, case, &Source::bytes(to_bytes(model).unwrap()))
}

#[test]
fn optimized_models_give_the_stored_outputs() {
    let (target, runtime) = (Target::named("onnx").unwrap(), onnx_runtime());
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
                changed += usize::from(optimize(&mut model, &target, runtime) > 0);
                match judge(runtime, &case, &model) {
                    Verdict::Passed => passed += 1,
                    Verdict::Wrong(why) | Verdict::Unsupported(why) | Verdict::Failed(why) => {
                        failed.push(format!("{}: {why}", case.name));
                    }
                }
                continue;
            }
        };
        *skipped.entry(why).or_default() += 1;
    }
    let skips: usize = skipped.values().sum();
    println!(
        "node cases: {passed} passed, {changed} of them changed; {} failed; {skips} skipped",
        failed.len()
    );
    skipped.iter().for_each(|(why, n)| println!("{n:6} skipped: {why}"));
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(passed >= 1600 && changed > 0, "only {passed} ran");
}
