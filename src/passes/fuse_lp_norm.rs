//! `fuse-lp-norm`: a value over its norm along the last axis becomes `LpNormalization`.
//!
//! ```text
//! x / ReduceL2(x)          ->   LpNormalization<p = 2>(x)
//! x / ReduceL1(x)          ->   LpNormalization<p = 1>(x)
//! x · ReduceSumSquare(x)^-½   ->   LpNormalization<p = 2>(x)
//! ```
//!
//! Reassociates. The division may be a product with `Reciprocal`, the axis an attribute or an input; `fuse-reduction` finds
//! the norms in their formulas before. Of zeros alone the formula is `NaN` and the operator 0, and ONNX Runtime takes
//! longer for it than for the formula: so by name only for the targets that it judges.
//!
//! Refused: norms that drop their axis, run over several or over another than the last, where runtimes take longer for the
//! operator; and a floor under the norm, which the operator has not.

use crate::ir::OpId;
use crate::passes::reduction::{is_float, kept_axis, rank_of, reduce};
use crate::require;
use crate::rewrite::{Exactness, Fusion, Match, Meta, Miss, Pat, Patch, Patterns, Var, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseLpNorm;

/// What the registry runs.
pub fn pass() -> Work {
    Work::fusion(FuseLpNorm)
}

/// Handles into the formulas.
#[derive(Clone, Copy, Debug)]
pub struct Vars {
    x: Var,
    absolute: Var,
    euclidean: Var,
    squares: Var,
}

impl Fusion for FuseLpNorm {
    type Vars = Vars;
    const META: Meta = Meta {
        id: "fuse-lp-norm",
        summary: "x over its norm along the last axis becomes LpNormalization",
        exactness: Exactness::Reassociates,
        since_opset: 7,
        emits: &[OpId::onnx("LpNormalization")],
    };

    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, Vars) {
        let x = p.any();
        let (absolute, euclidean) = (reduce(p, "ReduceL1", x), reduce(p, "ReduceL2", x));
        let squares = reduce(p, "ReduceSumSquare", x);
        let norm = p.either([euclidean, absolute]);
        let inverse = p.either([p.op("Reciprocal", [norm]), p.op("Pow", [squares, p.scalar(-0.5)])]);
        let vars =
            Vars { x: x.var(), absolute: absolute.var(), euclidean: euclidean.var(), squares: squares.var() };
        (p.either([x / norm, x * inverse]), vars)
    }

    fn rewrite(&self, m: &Match<'_>, v: &Vars) -> Result<Patch, Miss> {
        let (cx, x) = (m.cx(), m.get(v.x));
        is_float(cx, x)?;
        let norm = [v.euclidean, v.absolute, v.squares].into_iter().find(|&n| m.try_get(n).is_some());
        let norm = norm.ok_or(Miss::Silent)?;
        let rank = rank_of(cx, x)?;
        let axis = kept_axis(cx, m.node_id(norm), rank)?;
        require!(axis + 1 == rank, m.get(norm), "the axis is not the last");
        let power: i64 = if norm == v.absolute { 1 } else { 2 };
        Ok(Patch::op("LpNormalization", [x]).attr("axis", -1i64).attr("p", power))
    }
}
