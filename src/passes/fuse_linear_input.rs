//! `fuse-linear-input`: a constant factor or summand moves down into the layers that read its result.
//!
//! ```text
//! Conv(x · s, W, b)   ->   Conv(x, W · s, b)
//! Conv(x + c, W, b)   ->   Conv(x, W, b + W ∗ c)
//! MatMul(x / s, W)    ->   MatMul(x, W / s)
//! ```
//!
//! Reassociates. Every reader must be a `Conv`, `ConvTranspose`, `Gemm` or `MatMul` with constant weights of its own.
//! They take one number; a `Conv` takes one number a channel too, with groups only where each has one channel. A `Conv`
//! takes a summand where it does not pad, since padding adds zeros.
//!
//! Refused: weights that are read elsewhere too, since the file would then hold them twice, and factors that are zero,
//! not finite or out of the range of half precision. The numbers ½, 2, √2 and 1/√2 keep their place near `Erf` or `Tanh`, where runtimes look
//! for GELU, and so do factors a channel before `Gemm` and `MatMul`, where they look for normalizations.

use crate::ir::{NodeId, OpId, Use, ValueId};
use crate::passes::linear::{
    Channelwise, beside_constant, finite, is_safe_factor, may_be_gelu, own_constant, same_shape, scale,
};
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Ref, Rule, Work};
use crate::tensor::Tensor;

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
    emits: &[],
};

/// Readers at most.
const MOST_READERS: usize = 16;
/// Elements of a weight whose sums a summand needs.
const MOST_ELEMENTS: usize = 1 << 22;

impl Rule for FuseLinearInput {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Mul"), OpId::onnx("Div"), OpId::onnx("Add"), OpId::onnx("Sub")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        // Before opset 7 operands broadcast by attributes.
        if cx.opset() < META.since_opset || cx.in_function {
            return Err(Miss::Silent);
        }
        let n = cx.node(node);
        let (x, constant, second) = beside_constant(cx, node).ok_or(Miss::Silent)?;
        let layers = readers(cx, node)?;
        let tensor = cx.graph.const_value(constant).ok_or(Miss::Silent)?;
        let numbers = Channelwise::of(&tensor).ok_or(Miss::Silent)?;
        let change = match (n.op().name, second) {
            ("Mul", _) => Change::Factor(numbers),
            ("Div", true) => Change::Factor(numbers.map(f64::recip)),
            ("Add", _) => Change::Summand(numbers),
            ("Sub", true) => Change::Summand(numbers.map(|v| -v)),
            _ => return Err(Miss::Silent),
        };
        let dtype = cx.graph.dtype(x).filter(|d| d.is_float()).ok_or(Miss::Silent)?;
        require!(same_shape(cx, x, n.outputs()[0]), x, "the constant is not proven to leave the shape alone");
        if let Change::Factor(factor) = &change {
            require!(is_safe_factor(factor, dtype), x, "the factor is zero, not finite or of unusual size");
            require!(
                !may_be_gelu(cx, node, &tensor),
                x,
                "the number may belong to a formula that runtimes look for"
            );
        }
        let mut patch = Patch::new();
        for layer in layers {
            let into = Into { cx, x, layer };
            match &change {
                Change::Factor(factor) => into.scaled(&mut patch, factor)?,
                Change::Summand(summand) => into.shifted(&mut patch, summand)?,
            }
        }
        Ok(patch)
    }
}

enum Change {
    Factor(Channelwise),
    Summand(Channelwise),
}

/// The layers of the same region that alone read what a node computes.
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
        require!(n.region() == cx.node(node).region(), output, "the layer is in another body");
        layers.push(layer);
    }
    layers.sort_unstable();
    if layers.is_empty() || layers.len() > MOST_READERS { Err(Miss::Silent) } else { Ok(layers) }
}

/// A layer that is to read `x` itself.
struct Into<'c, 'g> {
    cx: &'c Context<'g>,
    x: ValueId,
    layer: NodeId,
}

impl Into<'_, '_> {
    fn rebuild(&self, patch: &mut Patch, weight: Ref, bias: Ref) {
        let n = self.cx.node(self.layer);
        let mut inputs = vec![Ref::from(self.x), weight];
        inputs.extend((bias != Ref::Omitted).then_some(bias));
        let layer = patch.copy(n, inputs);
        patch.replace(n.outputs()[0], layer);
    }

    fn weight(&self) -> Result<(ValueId, Tensor), Miss> {
        let weight = self.cx.node(self.layer).input(1).ok_or(Miss::Silent)?;
        Ok((weight, own_constant(self.cx, weight, "weight")?))
    }

    fn bias(&self) -> Option<ValueId> {
        self.cx.node(self.layer).input(2)
    }

    fn scaled(&self, patch: &mut Patch, factor: &Channelwise) -> Result<(), Miss> {
        let (value, weight) = self.weight()?;
        let scaled = match factor.as_number() {
            Some(number) => weight.shape().first().and_then(|&rows| scale(&weight, 0, &vec![number; rows])),
            None => self.scaled_by_channel(&weight, factor),
        };
        let scaled =
            scaled.ok_or_else(|| Miss::because("the factor does not follow the layer's channels", value))?;
        let scaled = patch.constant(finite(scaled, value)?);
        self.rebuild(patch, scaled, self.bias().into());
        Ok(())
    }

    fn scaled_by_channel(&self, weight: &Tensor, factor: &Channelwise) -> Option<Tensor> {
        if !self.cx.node(self.layer).op().is("Conv") || factor.from_end + 2 != weight.rank() {
            return None;
        }
        let group = usize::try_from(self.cx.int(self.layer, "group")?).ok()?;
        let (rows, per_group) = (weight.shape()[0], weight.shape()[1]);
        if per_group.checked_mul(group)? != factor.values.len() {
            return None;
        }
        match (group, per_group) {
            (1, _) => scale(weight, 1, &factor.values),
            (_, 1) if rows % group == 0 => {
                let by: Vec<f64> = (0..rows).map(|row| factor.values[row / (rows / group)]).collect();
                scale(weight, 0, &by)
            }
            _ => None,
        }
    }

    fn shifted(&self, patch: &mut Patch, summand: &Channelwise) -> Result<(), Miss> {
        let n = self.cx.node(self.layer);
        if !n.op().is("Conv") {
            return Err(Miss::Silent);
        }
        let pads = n.ints("pads").is_none_or(|pads| pads.iter().all(|&p| p == 0));
        let pads = pads && n.string("auto_pad").is_none_or(|mode| mode == "NOTSET" || mode == "VALID");
        require!(pads, self.x, "the layer pads what the constant is added to");
        let value = n.input(1).ok_or(Miss::Silent)?;
        require!(self.cx.graph.is_const(value), value, "the weight is no constant");
        let weight =
            self.cx.graph.const_value(value).filter(|w| w.len() <= MOST_ELEMENTS).ok_or(Miss::Silent)?;
        let sums = self.sums(&weight, summand);
        let sums =
            sums.ok_or_else(|| Miss::because("the constant does not follow the layer's channels", value))?;
        let old = match self.bias() {
            None => vec![0.0; sums.len()],
            Some(b) => {
                let bias = own_constant(self.cx, b, "bias")?.to_f64s().filter(|b| b.len() == sums.len());
                bias.ok_or(Miss::Silent)?
            }
        };
        let bias: Vec<f64> = old.iter().zip(&sums).map(|(o, s)| o + s).collect();
        let bias = Tensor::from_f64s(weight.dtype(), &[bias.len()], &bias).map_err(|_| Miss::Silent)?;
        let bias = patch.constant(finite(bias, value)?);
        self.rebuild(patch, value.into(), bias);
        Ok(())
    }

    /// What a convolution of the summand alone answers, one number an output channel.
    fn sums(&self, weight: &Tensor, summand: &Channelwise) -> Option<Vec<f64>> {
        let group = usize::try_from(self.cx.int(self.layer, "group")?).ok().filter(|&g| g > 0)?;
        let (&rows, &per_group) = (weight.shape().first()?, weight.shape().get(1)?);
        let by = summand.along(weight.rank() - 2, per_group.checked_mul(group)?)?;
        if rows == 0 || rows % group != 0 || weight.is_empty() {
            return None;
        }
        let window = weight.len() / rows / per_group;
        let weights = weight.to_f64s()?;
        let sums = weights.chunks_exact(per_group * window).enumerate().map(|(row, w)| {
            let first = row / (rows / group) * per_group;
            w.chunks_exact(window).zip(&by[first..]).map(|(w, s)| w.iter().sum::<f64>() * s).sum()
        });
        Some(sums.collect())
    }
}
