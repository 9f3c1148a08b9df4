//! `fuse-linear-input`: a constant factor or summand moves down into the layers that read its result.
//!
//! ```text
//! Conv(x · s, W, b)                    ->   Conv(x, W · s, b)
//! Conv(x + c, W, b)                    ->   Conv(x, W, b + W ∗ c)
//! MatMul(x / s, W)                     ->   MatMul(x, W / s)
//! Conv(BatchNormalization(x), W, b)    ->   Conv(x, W · s, b + W ∗ c)
//! MatMul(BatchNormalization(x), W)     ->   Gemm(x, s · W, c · W)
//! ```
//!
//! Reassociates. Every reader must be a `Conv`, `ConvTranspose`, `Gemm` or `MatMul` with constant weights of its own.
//! They take one number; convolutions take one number a channel too, with groups and without. A `Conv` takes a summand
//! where it does not pad, since padding adds zeros.
//!
//! A `BatchNormalization` at inference is a factor and, unless that is zero, a summand a channel. `Gemm` and `MatMul`
//! take both where their input is a matrix.
//!
//! Refused: weights that are read elsewhere too, since the file would then hold them twice, and factors that are zero,
//! not finite or out of the range of half precision. The numbers ½, 2, √2 and 1/√2 keep their place near `Erf` or `Tanh`, where runtimes look
//! for GELU, and so do other factors a channel before `Gemm` and `MatMul`, where they look for normalizations.

mod layer;

use crate::ir::{NodeId, OpId, Use, ValueId};
use crate::passes::linear::{
    Channelwise, Normalization, beside_constant, is_safe_factor, may_be_gelu, same_shape,
};
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Rule, Work};
use layer::Layer;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseLinearInput;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(FuseLinearInput)
}

const META: Meta = Meta {
    id: "fuse-linear-input",
    summary: "a constant factor or summand moves down into the layers that read it",
    exactness: Exactness::Reassociates,
    since_opset: 7,
    emits: &[OpId::onnx("Gemm")],
};

/// Readers at most.
const MOST_READERS: usize = 16;

impl Rule for FuseLinearInput {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[
            OpId::onnx("Mul"),
            OpId::onnx("Div"),
            OpId::onnx("Add"),
            OpId::onnx("Sub"),
            OpId::onnx("BatchNormalization"),
        ];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        if cx.in_function {
            return Err(Miss::Silent);
        }
        let layers = readers(cx, node)?;
        let change = Change::read(cx, node)?;
        let (x, output) = (change.x, cx.node(node).outputs()[0]);
        let inside = layers.iter().all(|&l| cx.node(l).region() == cx.node(node).region());
        require!(inside, output, "the layer is in another body");
        let dtype = cx.graph.dtype(x).filter(|d| d.is_float()).ok_or(Miss::Silent)?;
        require!(same_shape(cx, x, output), x, "the constant is not proven to leave the shape alone");
        if let Some(factor) = &change.factor {
            require!(is_safe_factor(factor, dtype), x, "the factor is zero, not finite or of unusual size");
        }
        let mut patch = Patch::new();
        layers.into_iter().try_for_each(|node| Layer { cx, node }.takes(&mut patch, &change))?;
        Ok(patch)
    }
}

/// `x · factor + summand`.
struct Change {
    x: ValueId,
    factor: Option<Channelwise>,
    summand: Option<Channelwise>,
    /// Whether it is a `BatchNormalization`.
    normalizes: bool,
}

impl Change {
    fn read(cx: &Context<'_>, node: NodeId) -> Result<Self, Miss> {
        let op = cx.node(node).op();
        if op.is("BatchNormalization") {
            return Self::normalization(cx, node);
        }
        let (x, constant, second) = beside_constant(cx, node).ok_or(Miss::Silent)?;
        let tensor = cx.graph.const_value(constant).ok_or(Miss::Silent)?;
        let numbers = Channelwise::of(&tensor).ok_or(Miss::Silent)?;
        let (factor, summand) = match (op.name, second) {
            ("Mul", _) => (Some(numbers), None),
            ("Div", true) => (Some(numbers.map(f64::recip)), None),
            ("Add", _) => (None, Some(numbers)),
            ("Sub", true) => (None, Some(numbers.map(|v| -v))),
            _ => return Err(Miss::Silent),
        };
        require!(
            factor.is_none() || !may_be_gelu(cx, node, &tensor),
            x,
            "the number may belong to a formula that runtimes look for"
        );
        Ok(Self { x, factor, summand, normalizes: false })
    }

    fn normalization(cx: &Context<'_>, node: NodeId) -> Result<Self, Miss> {
        let x = cx.node(node).input(0).ok_or(Miss::Silent)?;
        let from_end = cx.graph.rank(x).and_then(|r| r.checked_sub(2)).ok_or(Miss::Silent)?;
        let Normalization { factor, mean, offset } = Normalization::read(cx, node)?;
        let parts = factor.iter().zip(&mean).zip(&offset);
        let summand: Vec<f64> = parts.map(|((f, m), o)| o - m * f).collect();
        let channels = |values: Vec<f64>| Some(Channelwise { values, from_end });
        let summand = channels(summand).filter(|s| s.values.iter().any(|&v| v != 0.0));
        Ok(Self { x, factor: channels(factor), summand, normalizes: true })
    }
}

/// The layers that alone read what a node computes.
fn readers(cx: &Context<'_>, node: NodeId) -> Result<Vec<NodeId>, Miss> {
    let output = cx.node(node).outputs()[0];
    let uses = cx.graph.value(output).uses();
    let mut layers = Vec::new();
    for reader in uses {
        let &Use::Operand { node: layer, index: 0 } = reader else { return Err(Miss::Silent) };
        let n = cx.node(layer);
        let known = ["Conv", "ConvTranspose", "Gemm", "MatMul"];
        if !n.op().domain.is_empty() || !known.contains(&n.op().name) {
            return Err(Miss::Silent);
        }
        layers.push(layer);
    }
    layers.sort_unstable();
    if layers.is_empty() || layers.len() > MOST_READERS { Err(Miss::Silent) } else { Ok(layers) }
}
