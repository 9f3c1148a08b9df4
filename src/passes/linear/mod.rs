//! What passes that fold arithmetic into constant weights share: numbers a channel, and layers whose weights hold them.

mod batch_norm;
mod finite;

pub(super) use batch_norm::{Normalization, constant};
pub(super) use finite::finite;

use crate::ir::{Dim, NodeId, Use, ValueId};
use crate::require;
use crate::rewrite::{Context, Miss};
use crate::tensor::{DType, Expr, Tensor};

/// Bytes of a constant that may be stored once more although others read it.
const SMALL: usize = 64;

/// One number, or one for each index of a dim.
#[derive(Clone, Debug)]
pub(super) struct Channelwise {
    /// One, or as many as the dim has.
    pub(super) values: Vec<f64>,
    /// The dim, counted from the last one; meaningless for one number.
    pub(super) from_end: usize,
}

impl Channelwise {
    /// The same number for every element.
    pub(super) fn number(value: f64) -> Self {
        Self { values: vec![value], from_end: 0 }
    }

    /// A constant that varies along one dim at most.
    pub(super) fn of(tensor: &Tensor) -> Option<Self> {
        let mut wide = (0..tensor.rank()).filter(|&d| tensor.shape()[d] != 1);
        let from_end = wide.next().map_or(0, |d| tensor.rank() - 1 - d);
        if wide.next().is_some() || tensor.is_empty() || !tensor.dtype().is_float() {
            return None;
        }
        Some(Self { values: tensor.to_f64s()?, from_end })
    }

    /// The only number.
    pub(super) fn as_number(&self) -> Option<f64> {
        if self.values.len() == 1 { self.values.first().copied() } else { None }
    }

    /// Changes each number.
    pub(super) fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { values: self.values.iter().map(|&v| f(v)).collect(), from_end: self.from_end }
    }

    /// One for each of `channels`, if the dim is the one that is `from_end` dims before the last.
    pub(super) fn along(&self, from_end: usize, channels: usize) -> Option<Vec<f64>> {
        match self.as_number() {
            Some(number) => Some(vec![number; channels]),
            None => (self.from_end == from_end && self.values.len() == channels).then(|| self.values.clone()),
        }
    }
}

/// A node's operand beside a constant one, that constant, and whether the constant is the second.
pub(super) fn beside_constant(cx: &Context<'_>, node: NodeId) -> Option<(ValueId, ValueId, bool)> {
    let n = cx.node(node);
    let (a, b) = (n.input(0)?, n.input(1)?);
    match (cx.graph.is_const(a), cx.graph.is_const(b)) {
        (false, true) => Some((a, b, true)),
        (true, false) => Some((b, a, false)),
        _ => None,
    }
}

/// The node that makes a value which nothing but one node of the same region reads.
pub(super) fn sole_producer(cx: &Context<'_>, value: ValueId, reader: NodeId) -> Result<NodeId, Miss> {
    let producer = cx.graph.producer(value).ok_or(Miss::Silent)?;
    let node = cx.node(producer);
    require!(cx.graph.value(value).uses().len() == 1, value, "the layer's result is read elsewhere too");
    require!(node.region() == cx.node(reader).region(), value, "the layer is in another body");
    if node.outputs()[0] == value { Ok(producer) } else { Err(Miss::Silent) }
}

/// Whether two shapes are proven to be equal.
pub(super) fn same_shape(cx: &Context<'_>, a: ValueId, b: ValueId) -> bool {
    let (Some(a), Some(b)) = (cx.graph.shape(a), cx.graph.shape(b)) else { return false };
    same_dims(a, b)
}

/// Whether dims are proven to be equal, one by one.
pub(super) fn same_dims(a: &[Dim], b: &[Dim]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.same(y).is_proven())
}

/// Whether a constant has one number for each channel of a value, which is its last dim.
pub(super) fn is_of_channels(cx: &Context<'_>, constant: ValueId, value: ValueId) -> bool {
    let (Some([size]), Some([.., channels])) = (cx.graph.shape(constant), cx.graph.shape(value)) else {
        return false;
    };
    cx.graph.is_const(constant) && size.same(channels).is_proven()
}

/// Of two summands the one that gives the sum its shape, and the one that is its bias.
pub(super) fn with_bias(cx: &Context<'_>, a: ValueId, b: ValueId) -> Option<(ValueId, ValueId)> {
    let (x, bias) = if cx.graph.is_const(b) { (a, b) } else { (b, a) };
    is_of_channels(cx, bias, x).then_some((x, bias))
}

/// A constant that the file need not hold twice once it is changed for one reader.
pub(super) fn own_constant(cx: &Context<'_>, value: ValueId, what: &str) -> Result<Tensor, Miss> {
    require!(cx.graph.is_const(value), value, "the {what} is no constant");
    let tensor = cx.graph.const_value(value).ok_or(Miss::Silent)?;
    let own = cx.graph.value(value).uses().len() == 1 || tensor.byte_len() <= SMALL;
    require!(own, value, "the {what} is read elsewhere too");
    Ok(tensor)
}

/// Whether numbers may be multiplied into constants of a type without leaving its range.
pub(super) fn is_safe_factor(factor: &Channelwise, dtype: DType) -> bool {
    let half = dtype == DType::F16;
    factor
        .values
        .iter()
        .all(|&f| f.is_finite() && f != 0.0 && (!half || (f.abs() <= 16.0 && f.abs() >= 1.0 / 64.0)))
}

/// Whether a product with a constant may be one of the formulas of GELU, where runtimes look for its numbers.
pub(super) fn may_be_gelu(cx: &Context<'_>, product: NodeId, factor: &Tensor) -> bool {
    const NUMBERS: [f64; 4] = [0.5, 2.0, std::f64::consts::FRAC_1_SQRT_2, std::f64::consts::SQRT_2];
    let number = factor.as_scalar().is_some_and(|k| NUMBERS.iter().any(|n| (k - n).abs() < 1e-3));
    number && (is_near_a_curve(cx, product, true) || is_near_a_curve(cx, product, false))
}

/// Whether `Erf` or `Tanh` is among the next few nodes before, or after, this one.
fn is_near_a_curve(cx: &Context<'_>, node: NodeId, before: bool) -> bool {
    const FORMULA: usize = 16;
    let mut nodes = vec![node];
    let mut at = 0;
    while at < nodes.len() && at < FORMULA {
        let n = cx.node(nodes[at]);
        if matches!(n.op().name, "Erf" | "Tanh") {
            return true;
        }
        at += 1;
        if before {
            nodes.extend(n.inputs().flatten().filter_map(|v| cx.graph.producer(v)));
        } else {
            let readers = n.outputs().iter().flat_map(|&v| cx.graph.value(v).uses());
            nodes.extend(readers.take(FORMULA).filter_map(|u| match u {
                Use::Operand { node, .. } => Some(*node),
                Use::RegionOutput { .. } => None,
            }));
        }
    }
    false
}

/// A weight times one factor for each index of a dim.
pub(super) fn scale(weight: &Tensor, axis: usize, by: &[f64]) -> Option<Tensor> {
    Tensor::from_expr(Expr::Scale { of: weight.clone(), axis, by: by.to_vec() }).ok()
}

/// A weight in groups of rows times one factor for each index of its second dim, of each group its own.
///
/// So it is with the input channels of a `Conv`, whose weight is `[out, in / group, …]`, and with the output channels of
/// a `ConvTranspose`, whose weight is `[in, out / group, …]`.
pub(super) fn scale_grouped(weight: &Tensor, group: i64, by: &[f64]) -> Option<Tensor> {
    let group = usize::try_from(group).ok().filter(|&g| g > 0)?;
    let (&rows, &per_group) = (weight.shape().first()?, weight.shape().get(1)?);
    if per_group.checked_mul(group)? != by.len() || rows % group != 0 || by.is_empty() || rows == 0 {
        return None;
    }
    if group == 1 {
        return scale(weight, 1, by);
    }
    let bytes = weight.bytes()?;
    let slice = bytes.len() / group;
    let mut shape = weight.shape().to_vec();
    shape[0] = rows / group;
    let parts: Option<Vec<Tensor>> = by
        .chunks(per_group)
        .enumerate()
        .map(|(g, factors)| {
            let rows = bytes.slice(g * slice..(g + 1) * slice);
            scale(&Tensor::from_bytes(weight.dtype(), &shape, rows).ok()?, 1, factors)
        })
        .collect();
    Tensor::from_expr(Expr::Concat { axis: 0, parts: parts? }).ok()
}

/// How many channels `Conv`, `ConvTranspose` or `Gemm` has by its weight.
pub(super) fn output_channels(cx: &Context<'_>, layer: NodeId, weight: &Tensor) -> Option<usize> {
    let dim = |d: usize| weight.shape().get(d).copied();
    match cx.node(layer).op().name {
        "Conv" => dim(0),
        "Gemm" if cx.int(layer, "transB").is_some_and(|t| t != 0) => dim(0),
        "Gemm" => dim(1),
        "ConvTranspose" => dim(1)?.checked_mul(usize::try_from(cx.int(layer, "group")?).ok()?),
        _ => None,
    }
}

/// What a layer adds as its bias, one number for each of its output channels.
pub(super) fn bias(cx: &Context<'_>, layer: NodeId, channels: usize) -> Result<Vec<f64>, Miss> {
    let n = cx.node(layer);
    let Some(value) = n.input(2) else { return Ok(vec![0.0; channels]) };
    let tensor = constant(cx, value, "the bias is no constant")?;
    // That of Gemm broadcasts.
    let numbers = Channelwise::of(&tensor)
        .and_then(|b| b.along(0, channels))
        .ok_or_else(|| Miss::because("the bias is not one number a channel", value))?;
    let beta = if n.op().is("Gemm") { cx.float(layer, "beta").ok_or(Miss::Silent)? } else { 1.0 };
    Ok(numbers.into_iter().map(|b| f64::from(beta) * b).collect())
}

/// The weight of `Conv`, `ConvTranspose` or `Gemm` times one factor an output channel.
pub(super) fn scale_layer(cx: &Context<'_>, layer: NodeId, weight: &Tensor, by: &[f64]) -> Option<Tensor> {
    match cx.node(layer).op().name {
        "Conv" => scale(weight, 0, by),
        "Gemm" if cx.int(layer, "transB").is_some_and(|t| t != 0) => scale(weight, 0, by),
        "Gemm" => scale(weight, 1, by),
        "ConvTranspose" => scale_grouped(weight, cx.int(layer, "group")?, by),
        _ => None,
    }
}
