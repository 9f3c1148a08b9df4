//! `fuse-linear-bias`: a constant that is added to a layer's result becomes its bias, or joins the one that it has.
//!
//! ```text
//! Conv(x, W, b) + c              ->   Conv(x, W, b + c)
//! Gemm(x, W) + c                 ->   Gemm(x, W, c)
//! LayerNormalization(x, s, b) + c->   LayerNormalization(x, s, b + c)
//! (x + b) - c                    ->   x + (b - c)
//! ```
//!
//! Reassociates. `ConvTranspose` is as `Conv`. The constant is one number or one a channel; where two constants are
//! summed, one of them has the shape of the sum.
//!
//! Refused: a result that is read elsewhere too, a bias that is no constant or, unless it is small, is read elsewhere
//! too, since the file would then hold it twice.

use crate::ir::{NodeId, OpId, ValueId};
use crate::passes::linear::{
    Channelwise, beside_constant, bias, finite, output_channels, own_constant, same_shape, sole_producer,
};
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Ref, Rule, Work};
use crate::tensor::{DType, Tensor};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseLinearBias;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(FuseLinearBias)
}

const META: Meta = Meta {
    id: "fuse-linear-bias",
    summary: "a constant added to a layer's result becomes its bias",
    exactness: Exactness::Reassociates,
    since_opset: 7,
    emits: &[],
};

/// Elements of a sum of constants at most.
const MOST_ELEMENTS: usize = 1 << 20;

impl Rule for FuseLinearBias {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Add"), OpId::onnx("Sub")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        if cx.in_function {
            return Err(Miss::Silent);
        }
        let n = cx.node(node);
        let (x, c, second) = beside_constant(cx, node).ok_or(Miss::Silent)?;
        let sign = match (n.op().name, second) {
            ("Add", _) => 1.0,
            (_, true) => -1.0,
            _ => return Err(Miss::Silent),
        };
        let layer = cx.graph.producer(x).ok_or(Miss::Silent)?;
        let op = cx.node(layer).op();
        let dtype = cx.graph.dtype(x).filter(|d| d.is_float()).ok_or(Miss::Silent)?;
        let known = ["Conv", "ConvTranspose", "Gemm", "LayerNormalization", "Add", "Sub"];
        if !op.domain.is_empty() || !known.contains(&op.name) {
            return Err(Miss::Silent);
        }
        if matches!(op.name, "Add" | "Sub") && beside_constant(cx, layer).is_none() {
            return Err(Miss::Silent);
        }
        sole_producer(cx, x, node)?;
        let added = Added { cx, x, c, sign, dtype };
        match op.name {
            "Add" | "Sub" => added.to_sum(layer),
            _ => {
                require!(same_shape(cx, x, n.outputs()[0]), x, "the sum is not proven to keep the shape");
                added.to_layer(layer)
            }
        }
    }
}

/// `sign · c`, added to `x`.
struct Added<'c, 'g> {
    cx: &'c Context<'g>,
    x: ValueId,
    c: ValueId,
    sign: f64,
    dtype: DType,
}

impl Added<'_, '_> {
    fn to_layer(&self, layer: NodeId) -> Result<Patch, Miss> {
        let (cx, n) = (self.cx, self.cx.node(layer));
        let not_channels = || Miss::because("the constant is not one number a channel", self.c);
        let tensor = cx.graph.const_value(self.c).ok_or(Miss::Silent)?;
        let added = Channelwise::of(&tensor).ok_or_else(not_channels)?;
        let weight = n.input(1).ok_or(Miss::Silent)?;
        require!(cx.graph.is_const(weight), weight, "the weight is no constant");
        let weight = cx.graph.const_value(weight).ok_or(Miss::Silent)?;
        let (channels, from_end) = match n.op().name {
            "LayerNormalization" => {
                require!(
                    cx.int(layer, "axis") == Some(-1),
                    self.x,
                    "the layer does not run over the last axis"
                );
                (weight.shape().last().copied(), 0)
            }
            "Gemm" => (output_channels(cx, layer, &weight), 0),
            _ => {
                let rank = cx.graph.rank(self.x).filter(|&r| r >= 2).ok_or(Miss::Silent)?;
                (output_channels(cx, layer, &weight), rank - 2)
            }
        };
        let added = channels.and_then(|channels| added.along(from_end, channels)).ok_or_else(not_channels)?;
        if let Some(b) = n.input(2) {
            own_constant(cx, b, "bias")?;
        }
        let old = bias(cx, layer, added.len())?;
        let sums: Vec<f64> = old.iter().zip(&added).map(|(o, a)| o + self.sign * a).collect();
        let bias = Tensor::from_f64s(self.dtype, &[sums.len()], &sums).map_err(|_| Miss::Silent)?;
        let mut patch = Patch::new();
        let bias = patch.constant(finite(bias, self.c)?);
        patch.copy(n, [Ref::from(n.input(0)), Ref::from(n.input(1)), bias]);
        patch.drop_attr("beta");
        Ok(patch)
    }

    fn to_sum(&self, inner: NodeId) -> Result<Patch, Miss> {
        let (cx, op) = (self.cx, self.cx.node(inner).op());
        let (u, b, second) = beside_constant(cx, inner).ok_or(Miss::Silent)?;
        let (b, c) = (own_constant(cx, b, "summand")?, own_constant(cx, self.c, "summand")?);
        // (u - b) + c = u - (b - c)
        let sign = if op.is("Sub") && second { -self.sign } else { self.sign };
        let sum = sum(&b, &c, sign);
        let sum = sum.ok_or_else(|| Miss::because("neither constant has the shape of their sum", self.c))?;
        let mut patch = Patch::new();
        let sum = patch.constant(finite(sum, self.c)?);
        let u = Ref::from(u);
        patch.node(op, if second { [u, sum] } else { [sum, u] });
        Ok(patch)
    }
}

/// `a + sign · b`, where one is one number or both have one shape.
fn sum(a: &Tensor, b: &Tensor, sign: f64) -> Option<Tensor> {
    let wide = if (b.len(), b.rank()) > (a.len(), a.rank()) { b } else { a };
    let fits = |t: &Tensor| t.shape() == wide.shape() || (t.len() == 1 && t.rank() <= wide.rank());
    if !fits(a) || !fits(b) || wide.is_empty() || wide.len() > MOST_ELEMENTS {
        return None;
    }
    let (x, y) = (a.to_f64s()?, b.to_f64s()?);
    let at = |v: &[f64], i: usize| if v.len() == 1 { v[0] } else { v[i] };
    let sums: Vec<f64> = (0..wide.len()).map(|i| at(&x, i) + sign * at(&y, i)).collect();
    Tensor::from_f64s(a.dtype(), wide.shape(), &sums).ok()
}
