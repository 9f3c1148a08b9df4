//! `fuse-hard-sigmoid`: a clipped ramp becomes `HardSigmoid`.
//!
//! ```text
//! Clip(x + b, 0, m) / m        ->   HardSigmoid<alpha = 1/m, beta = b/m>(x)
//! y · Clip(x + b, 0, m) / m    ->   y · HardSigmoid<alpha = 1/m, beta = b/m>(x)
//! ```
//!
//! Reassociates. The division may be a product with `1/m`, the summand may be missing or subtracted.
//!
//! Refused: other types than `float32`, which runtimes may have no kernel for, bounds that are no constants or not `0`
//! and `m`, and inner values that are read elsewhere.

use crate::ir::{NodeId, OpId, ValueId};
use crate::passes::linear::{beside_constant, same_shape, sole_producer};
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Ref, Rule, Work};
use crate::tensor::DType;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseHardSigmoid;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(FuseHardSigmoid)
}

const META: Meta = Meta {
    id: "fuse-hard-sigmoid",
    summary: "a clipped ramp becomes HardSigmoid",
    exactness: Exactness::Reassociates,
    since_opset: 7,
    emits: &[OpId::onnx("HardSigmoid")],
};

/// How far `m · (1/m)` is from 1 where the second is a rounded constant.
const ROUNDING: f64 = 1e-6;

impl Rule for FuseHardSigmoid {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Mul"), OpId::onnx("Div")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let n = cx.node(node);
        let (scaled, constant, second) = beside_constant(cx, node).ok_or(Miss::Silent)?;
        let number = number(cx, constant).ok_or(Miss::Silent)?;
        let factor = match (n.op().name, second) {
            ("Mul", _) => number,
            (_, true) => number.recip(),
            _ => return Err(Miss::Silent),
        };
        let (clip, beside) = clipped(cx, scaled, node)?;
        let (low, high) = bounds(cx, clip)?;
        let ramp = cx.node(clip).input(0).ok_or(Miss::Silent)?;
        require!(
            low == 0.0 && (high * factor - 1.0).abs() < ROUNDING,
            scaled,
            "the bounds are not those of the divisor"
        );
        require!(cx.graph.dtype(ramp) == Some(DType::F32), ramp, "the type is not float32");
        require!(
            same_shape(cx, scaled, n.outputs()[0]),
            scaled,
            "the divisor is not proven to leave the shape alone"
        );
        let (x, summand) = shifted(cx, ramp, clip).unwrap_or((ramp, 0.0));
        let mut patch = Patch::op("HardSigmoid", [x])
            .attr("alpha", factor as f32)
            .attr("beta", (summand * factor) as f32);
        if let Some(beside) = beside {
            let gate = Ref::New { node: 0, output: 0 };
            patch.node("Mul", [beside.into(), gate]);
        }
        Ok(patch)
    }
}

fn number(cx: &Context<'_>, value: ValueId) -> Option<f64> {
    let small = cx.graph.shape(value)?.iter().all(|d| d.as_fixed() == Some(1));
    if small { cx.graph.const_value(value)?.as_scalar() } else { None }
}

/// The `Clip` that makes a value, or one factor of it beside another.
fn clipped(cx: &Context<'_>, value: ValueId, reader: NodeId) -> Result<(NodeId, Option<ValueId>), Miss> {
    let producer = cx.graph.producer(value).ok_or(Miss::Silent)?;
    let op = cx.node(producer).op();
    if op.is("Clip") {
        return Ok((sole_producer(cx, value, reader)?, None));
    }
    if !op.is("Mul") {
        return Err(Miss::Silent);
    }
    let inputs: Vec<ValueId> = cx.node(producer).inputs().flatten().collect();
    let gate = inputs.iter().position(|&v| cx.graph.producer_is(v, "Clip").is_some());
    let (&[a, b], Some(gate)) = (&inputs[..], gate) else { return Err(Miss::Silent) };
    let (gate, beside) = if gate == 0 { (a, b) } else { (b, a) };
    sole_producer(cx, value, reader)?;
    Ok((sole_producer(cx, gate, producer)?, Some(beside)))
}

fn bounds(cx: &Context<'_>, clip: NodeId) -> Result<(f64, f64), Miss> {
    let n = cx.node(clip);
    let bound = |index: usize, name: &str| {
        if cx.opset() < 11 {
            return cx.float(clip, name).map(f64::from);
        }
        cx.graph.const_value(n.input(index)?)?.as_scalar()
    };
    match (bound(1, "min"), bound(2, "max")) {
        (Some(low), Some(high)) => Ok((low, high)),
        _ => Err(Miss::because("the bounds are no constants", n.outputs()[0])),
    }
}

/// What a number is added to, and the number, if nothing else reads the sum.
fn shifted(cx: &Context<'_>, ramp: ValueId, clip: NodeId) -> Option<(ValueId, f64)> {
    let sum = sole_producer(cx, ramp, clip).ok()?;
    let (x, constant, second) = beside_constant(cx, sum)?;
    let summand = number(cx, constant).filter(|_| same_shape(cx, x, ramp))?;
    match (cx.node(sum).op().name, second) {
        ("Add", _) => Some((x, summand)),
        ("Sub", true) => Some((x, -summand)),
        _ => None,
    }
}
