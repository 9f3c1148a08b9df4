//! `fuse-reduction`: a sum of squares, of absolutes or of exponentials becomes the reduction of that name.
//!
//! ```text
//! ReduceSum(x²)                        ->   ReduceSumSquare(x)
//! Sqrt(ReduceSum(x²))                  ->   ReduceL2(x)
//! ReduceSum(|x|)                       ->   ReduceL1(x)
//! Log(ReduceSum(x))                    ->   ReduceLogSum(x)
//! Log(ReduceSum(Exp(x)))               ->   ReduceLogSumExp(x)
//! Log(ReduceSum(Exp(x - m))) + m       ->   ReduceLogSumExp(x)     m = ReduceMax(x)
//! ```
//!
//! Reassociates. Squares may be `Pow` or products, the root `Sqrt` or a power of ½, the axes an
//! attribute or an input; where the sum drops its axes, the maximum added to it is squeezed. A plain
//! `Log(ReduceSum(Exp(x)))` is infinite where an exponential overflows; `ReduceLogSumExp` is not. ONNX Runtime takes longer
//! for most of the operators: so by name only for the targets that it judges.
//!
//! Refused: integers, inner values that are read elsewhere, a maximum over other axes than the sum.

use crate::ir::{NodeId, OpId};
use crate::passes::reduction::{axes_of, is_float, rank_of, reduce, square};
use crate::require;
use crate::rewrite::{Context, Exactness, Fusion, Match, Meta, Miss, Pat, Patch, Patterns, Ref, Var, Work};
use crate::tensor::Tensor;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseReduction;

/// What the registry runs.
pub fn pass() -> Work {
    Work::fusion(FuseReduction)
}

/// Reductions that a formula may become.
const NAMES: [&str; 5] = ["ReduceSumSquare", "ReduceL2", "ReduceL1", "ReduceLogSum", "ReduceLogSumExp"];

/// Handles into the formulas.
#[derive(Clone, Copy, Debug)]
pub struct Vars {
    x: Var,
    /// The sum in the formula of each of [`NAMES`].
    sums: [Var; NAMES.len()],
    /// The sum of exponentials less the maximum, that maximum, and the maximum without its axes.
    shifted: [Var; 2],
    max: Var,
    squeezed: Var,
}

impl Fusion for FuseReduction {
    type Vars = Vars;
    const META: Meta = Meta {
        id: "fuse-reduction",
        summary: "a sum of squares, absolutes or exponentials becomes the reduction of that name",
        exactness: Exactness::Reassociates,
        since_opset: 7,
        emits: &[
            OpId::onnx("ReduceSumSquare"),
            OpId::onnx("ReduceL2"),
            OpId::onnx("ReduceL1"),
            OpId::onnx("ReduceLogSum"),
            OpId::onnx("ReduceLogSumExp"),
        ],
    };

    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, Vars) {
        let x = p.any();
        let log = |v| p.op("Log", [v]);
        let squares = reduce(p, "ReduceSum", square(p, x));
        let norm = p.either([reduce(p, "ReduceSum", square(p, x)), reduce(p, "ReduceSumSquare", x)]);
        let absolutes = reduce(p, "ReduceSum", p.op("Abs", [x]));
        let sum = reduce(p, "ReduceSum", x);
        let exponentials = reduce(p, "ReduceSum", p.op("Exp", [x]));
        let max = reduce(p, "ReduceMax", x);
        let shifted = reduce(p, "ReduceSum", p.op("Exp", [x - max]));
        // The engine finds the inner formula first.
        let found = reduce(p, "ReduceLogSumExp", x - max);
        let squeezed = p.either([p.op("Squeeze", [max]), p.op("Squeeze", [max, p.any()])]);
        let pattern = p.either([
            squares,
            p.op("Sqrt", [norm]),
            p.op("Pow", [norm, p.scalar(0.5)]),
            absolutes,
            p.either([found, log(shifted)]) + p.either([max, squeezed]),
            log(exponentials),
            log(sum),
        ]);
        let sums = [squares, norm, absolutes, sum, exponentials].map(Pat::var);
        let vars = Vars {
            x: x.var(),
            sums,
            shifted: [found, shifted].map(Pat::var),
            max: max.var(),
            squeezed: squeezed.var(),
        };
        (pattern, vars)
    }

    fn rewrite(&self, m: &Match<'_>, v: &Vars) -> Result<Patch, Miss> {
        let (cx, x) = (m.cx(), m.get(v.x));
        is_float(cx, x)?;
        if let Some(&shifted) = v.shifted.iter().find(|&&s| m.try_get(s).is_some()) {
            let sum = m.node_id(shifted);
            follows_sum(m, v, sum)?;
            return reduction(m, v, "ReduceLogSumExp", sum);
        }
        let found = v.sums.iter().position(|&s| m.try_get(s).is_some()).ok_or(Miss::Silent)?;
        reduction(m, v, NAMES[found], m.node_id(v.sums[found]))
    }
}

/// Whether the maximum runs over the axes of the sum and has the form of its result.
fn follows_sum(m: &Match<'_>, v: &Vars, sum: NodeId) -> Result<(), Miss> {
    let (cx, max, at) = (m.cx(), m.node_id(v.max), m.get(v.max));
    let rank = rank_of(cx, m.get(v.x))?;
    let axes = axes_of(cx, sum, rank)?;
    require!(cx.int(max, "keepdims") == Some(1), at, "the maximum does not keep its axes");
    require!(axes_of(cx, max, rank)? == axes, at, "the maximum runs over other axes than the sum");
    let keeps = cx.int(sum, "keepdims") == Some(1);
    match m.try_get(v.squeezed) {
        None => require!(keeps, at, "the sum drops its axes and the maximum does not"),
        Some(at) => {
            let same = !keeps && axes_of(cx, m.node_id(v.squeezed), rank)? == axes;
            require!(same, at, "what is squeezed is not what the sum drops");
        }
    }
    Ok(())
}

/// The op over the axes of the sum, given as the op wants them at the model's opset.
fn reduction(m: &Match<'_>, v: &Vars, op: &'static str, sum: NodeId) -> Result<Patch, Miss> {
    let (cx, at) = (m.cx(), m.graph.node(sum).outputs()[0]);
    let given = cx.ints(sum, 1, "axes");
    let plain = cx.int(sum, "noop_with_empty_axes").unwrap_or(0) == 0;
    let some = matches!(&given, Some(Some(axes)) if !axes.is_empty());
    require!(plain || some, at, "nothing may be reduced");
    let mut patch = Patch::new();
    let x: Ref = m.get(v.x).into();
    if takes_axes(cx) {
        let axes = match (m.graph.node(sum).input(1), given.flatten()) {
            (Some(axes), _) => Some(axes.into()),
            (None, Some(axes)) => Some(patch.constant(Tensor::vector(&axes))),
            (None, None) => None,
        };
        patch.node(op, std::iter::once(x).chain(axes));
    } else {
        let axes = given.ok_or_else(|| Miss::because("the axes of a reduction are no constants", at))?;
        patch.node(op, [x]);
        axes.filter(|axes| !axes.is_empty()).into_iter().for_each(|axes| patch.set_attr("axes", axes));
    }
    let keeps = cx.int(sum, "keepdims").unwrap_or(1);
    if keeps != 1 {
        patch.set_attr("keepdims", keeps);
    }
    Ok(patch)
}

/// Whether these reductions take their axes as an input.
fn takes_axes(cx: &Context<'_>) -> bool {
    cx.opset() >= 18
}
