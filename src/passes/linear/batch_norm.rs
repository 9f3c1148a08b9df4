//! A `BatchNormalization` as arithmetic with constants.

use crate::ir::{NodeId, ValueId};
use crate::require;
use crate::rewrite::{Context, Miss};
use crate::tensor::Tensor;

/// `(x - mean) · factor + offset`, one of each a channel.
pub(in crate::passes) struct Normalization {
    pub(in crate::passes) factor: Vec<f64>,
    pub(in crate::passes) mean: Vec<f64>,
    pub(in crate::passes) offset: Vec<f64>,
}

impl Normalization {
    pub(in crate::passes) fn read(cx: &Context<'_>, node: NodeId) -> Result<Self, Miss> {
        let n = cx.node(node);
        let at = n.outputs()[0];
        require!(
            cx.opset() < 14 || cx.int(node, "training_mode") == Some(0),
            at,
            "the normalization is in training mode"
        );
        require!(
            cx.opset() >= 9 || cx.int(node, "spatial") == Some(1),
            at,
            "the normalization is not one a channel"
        );
        require!(
            n.outputs()[1..].iter().all(|&o| cx.graph.value(o).name().is_empty()),
            at,
            "the normalization has more than one output"
        );
        let parameter = |i: usize| -> Result<Vec<f64>, Miss> {
            let value = n.input(i).ok_or(Miss::Silent)?;
            let tensor = constant(cx, value, "a parameter of the normalization is no constant")?;
            require!(tensor.rank() == 1, value, "a parameter of the normalization is no vector");
            tensor.to_f64s().ok_or_else(|| Miss::because("a parameter has an unusual type", value))
        };
        let (scale, offset, mean, variance) = (parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?);
        let same = [&offset, &mean, &variance].iter().all(|p| p.len() == scale.len());
        require!(same, at, "the parameters of the normalization differ in length");
        let epsilon = f64::from(cx.float(node, "epsilon").ok_or(Miss::Silent)?);
        let factor: Vec<f64> = scale.iter().zip(&variance).map(|(s, v)| s / (v + epsilon).sqrt()).collect();
        require!(factor.iter().all(|f| f.is_finite()), at, "a factor of the normalization is not finite");
        Ok(Self { factor, mean, offset })
    }
}

/// A constant, or why there is none.
pub(in crate::passes) fn constant(cx: &Context<'_>, value: ValueId, why: &str) -> Result<Tensor, Miss> {
    cx.graph.const_value(value).ok_or_else(|| Miss::because(why, value))
}
