//! The folding kernels against the stored outputs of the ONNX node cases: every input becomes a constant, and what
//! folds without a runtime has to be the stored output, bit for bit but for the sign of a zero.

use crate::fixtures;
use onnxpress::analysis::Facts;
use onnxpress::diag::Diags;
use onnxpress::io;
use onnxpress::ir::RegionId;
use onnxpress::passes::fold_constants::FoldConstants;
use onnxpress::proto::TensorProto;
use onnxpress::rewrite::{OpsetRequest, Pass, PassContext};
use onnxpress::target::Target;
use onnxpress::tensor::Tensor;
use prost::Message;
use std::collections::BTreeMap;
use std::path::Path;

/// Cases below which kernels were lost.
const FEWEST: usize = 250;

fn tensor(file: &Path) -> Option<Tensor> {
    let proto = TensorProto::decode(bytes::Bytes::from(std::fs::read(file).ok()?)).ok()?;
    Some(io::tensor_from_proto(&proto).ok()?.1)
}

/// The ops that folded, or why a result is wrong; `None` where nothing folds.
fn fold(case: &Path) -> Option<Result<&'static str, String>> {
    let data = case.join("test_data_set_0");
    let mut model = io::load(case.join("model.onnx")).ok()?.model;
    let (_, node) = model.graph.nodes().next()?;
    let op = node.op().name;
    if model.graph.len() != 1 || !model.functions.is_empty() {
        return None;
    }
    let inputs = model.graph.root().inputs().to_vec();
    for (i, input) in inputs.into_iter().enumerate() {
        let constant = tensor(&data.join(format!("input_{i}.pb")))?;
        let constant = model.graph.add_initializer(RegionId::ROOT, format!("constant_{i}"), constant);
        model.graph.replace_uses(input, constant);
    }
    let target = Target::named("onnx").unwrap();
    let (mut facts, mut diags) = (Facts::new(), Diags::new());
    facts.infer_model(&mut model, &mut diags);
    let mut cx = PassContext {
        facts: &mut facts,
        diags: &mut diags,
        runtime: None,
        growth_budget: 1 << 30,
        opset: OpsetRequest::Keep,
        target: &target,
        changes_left: u64::MAX,
    };
    FoldConstants.run(&mut model, &mut cx).unwrap();
    if !model.graph.is_empty() {
        return None;
    }
    for (i, output) in model.graph.root().outputs().enumerate() {
        let (want, got) = (tensor(&data.join(format!("output_{i}.pb")))?, model.graph.const_value(output)?);
        let same = want.same_bits(&got)
            || (want.shape() == got.shape()
                && want.dtype() == got.dtype()
                && want.to_f64s().is_some_and(|w| got.to_f64s().is_some_and(|g| w == g)));
        if !same {
            return Some(Err(format!("{op}: output {i} is {got:?} instead of {want:?}")));
        }
    }
    Some(Ok(op))
}

#[test]
fn kernels_give_the_stored_outputs() {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in fixtures::entries(&fixtures::folder("node-cases")) {
        match fold(&case) {
            Some(Ok(op)) => *counts.entry(op).or_default() += 1,
            Some(Err(why)) => wrong.push(format!("{}: {why}", case.display())),
            None => {}
        }
    }
    let total: usize = counts.values().sum();
    println!("folded node cases: {total} {counts:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(total >= FEWEST, "{total} cases fold");
}
