//! Random graphs through the whole pipeline: same outputs, same signature, valid after every pass, the same bytes each
//! time, and nothing left for a second run, whichever passes are switched off.
//!
//! `ONNXPRESS_SEEDS=A..B` runs other seeds than the usual ones.

mod generate;

use crate::fixtures::onnx_runtime;
use crate::passes::same_outputs;
use generate::Generator;
use onnxpress::diag::Diags;
use onnxpress::io;
use onnxpress::ir::{Model, ValueId};
use onnxpress::pipeline::{Means, Options, Outcome, Silent, registry, run};
use onnxpress::rewrite::OpsetRequest;
use onnxpress::target::Target;
use onnxpress::text::parse_model;
use std::collections::BTreeMap;

/// Seeds of every test run.
const SEEDS: std::ops::Range<u64> = 0..250;

/// Passes that these graphs do not call for, or that only count what the file had not said.
const UNSEEN: [&str; 3] = ["drop-failing-branch", "infer-shapes", "merge-transposed"];

#[test]
fn random_graphs_stay_what_they_are() {
    let mut fired: BTreeMap<&str, usize> = BTreeMap::new();
    let mut failures = Vec::new();
    let seeds = seeds();
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let text = Generator::model(seed);
        match check(seed, &text) {
            Ok(passes) => passes.into_iter().for_each(|id| *fired.entry(id).or_default() += 1),
            Err(why) => failures.push(format!("seed {seed}: {why}\n{text}")),
        }
    }
    println!("random graphs: {count}, failed {}, passes that fired: {fired:?}", failures.len());
    assert!(failures.is_empty(), "{}", failures[..failures.len().min(5)].join("\n"));
    assert!(count > 0);
    for entry in registry().iter().filter(|e| count >= SEEDS.end && !UNSEEN.contains(&e.id())) {
        assert!(fired.contains_key(entry.id()), "no graph has made {} fire", entry.id());
    }
}

fn seeds() -> std::ops::Range<u64> {
    let Ok(asked) = std::env::var("ONNXPRESS_SEEDS") else { return SEEDS };
    let (from, to) = asked.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

fn options(seed: u64) -> Options {
    let mut options = Options::new(Target::named("onnx").unwrap());
    options.verify_each = true;
    options.level = 1 + Generator::choice(seed, 4).min(2) as u8;
    if Generator::choice(seed + 1, 3) == 0 {
        options.opset = OpsetRequest::Latest;
    }
    if Generator::choice(seed + 2, 2) == 0 {
        let ids = registry();
        let off = ids.iter().enumerate().filter(|(i, _)| Generator::choice(seed + 7 * *i as u64, 3) == 0);
        options.disable = off.map(|(_, e)| e.id().to_owned()).collect();
    }
    options
}

fn check(seed: u64, text: &str) -> Result<Vec<&'static str>, String> {
    let parsed = parse_model(text).map_err(|e| format!("the text: {e:?}"))?;
    let original = reload(&parsed)?;
    let options = options(seed);
    let (after, outcome) = optimize(&original, &options)?;
    let bytes = io::to_bytes(&after).map_err(|e| format!("{e:?}"))?;
    let again = io::to_bytes(&optimize(&original, &options)?.0).map_err(|e| format!("{e:?}"))?;
    let changed = |outcome: &Outcome| -> Vec<&'static str> {
        outcome.passes.iter().filter(|p| p.stats.applied > 0).map(|p| p.id).collect()
    };
    if bytes != again {
        return Err("two runs give different bytes".into());
    }
    if signature(&original) != signature(&after) {
        return Err(format!("{:?} became {:?}", signature(&original), signature(&after)));
    }
    same_outputs(&original, &after, outcome.exactness).map_err(|e| {
        format!("{e}; {:?} at {:?} without {:?}", changed(&outcome), options.opset, options.disable)
    })?;
    let (second, rest) = optimize(&reload(&after)?, &options)?;
    if rest.changes() > 0 || io::to_bytes(&second).map_err(|e| format!("{e:?}"))? != bytes {
        return Err(format!(
            "a second run changes something: {:?} without {:?}",
            changed(&rest),
            options.disable
        ));
    }
    Ok(changed(&outcome))
}

fn reload(model: &Model) -> Result<Model, String> {
    let bytes = io::to_bytes(model).map_err(|e| format!("writing: {e:?}"))?;
    Ok(io::load_bytes(bytes).map_err(|e| format!("reading: {e:?}"))?.model)
}

fn optimize(model: &Model, options: &Options) -> Result<(Model, Outcome), String> {
    let mut model = model.clone();
    let mut diags = Diags::new();
    let means = Means { runtime: Some(onnx_runtime()), growth_budget: 64 << 10 };
    let outcome =
        run(&mut model, options, means, &mut diags, &mut Silent).map_err(|e| format!("a run: {e:?}"))?;
    if outcome.sweeps >= 100 {
        return Err("no fixpoint".into());
    }
    Ok((model, outcome))
}

fn signature(model: &Model) -> Vec<(String, String)> {
    let root = model.graph.root();
    let line = |v: ValueId| {
        let value = model.graph.value(v);
        (value.name().to_string(), format!("{:?}", value.declared()))
    };
    root.inputs().iter().copied().chain(root.outputs()).map(line).collect()
}
