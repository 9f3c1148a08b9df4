//! Losses and optimizers.

use super::Rule;
use crate::analysis::site::Site;
use crate::ir::Type;

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    ("", "NegativeLogLikelihoodLoss", loss),
    ("", "SoftmaxCrossEntropyLoss", loss),
    ("ai.onnx.preview.training", "Adagrad", |site| optimize(site, 3)),
    ("ai.onnx.preview.training", "Momentum", |site| optimize(site, 3)),
    ("ai.onnx.preview.training", "Adam", |site| optimize(site, 4)),
];

fn loss(site: &mut Site<'_>) -> Option<()> {
    if let Some(dtype) = site.dtype(0) {
        site.set_dtype(0, dtype);
        site.set_dtype(1, dtype);
    }
    if let Some(scores) = site.shape(0) {
        site.set_shape(1, scores);
    }
    match site.string_or("reduction", "mean")? {
        "none" => site.like(0, 1),
        _ => {
            site.set_shape(0, []);
            Some(())
        }
    }
}

/// Behind rate and step come groups of tensors: values, gradients, then the state. Values and state come back.
fn optimize(site: &mut Site<'_>, groups: usize) -> Option<()> {
    let tensors = (site.arity().checked_sub(2)?) / groups;
    for output in 0..site.findings.len() {
        let skipped = if output < tensors { 0 } else { tensors };
        if let Some(ty @ Type::Tensor(_)) = site.ty(2 + output + skipped) {
            site.set_type(output, ty.clone());
        }
    }
    Some(())
}
