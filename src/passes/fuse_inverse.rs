//! `fuse-inverse`: arithmetic with an inverse becomes the inverse arithmetic.
//!
//! ```text
//! x · (1 / y)   ->   x / y          x + (-y)   ->   x - y
//! x / (1 / y)   ->   x · y          x - (-y)   ->   x + y
//! ```
//!
//! Reassociates. The inverses are `Reciprocal` and `Neg`; they must not be read elsewhere.

use crate::ir::OpId;
use crate::rewrite::{Exactness, Fusion, Match, Meta, Miss, Pat, Patch, Patterns, Var, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseInverse;

/// What the registry runs.
pub fn pass() -> Work {
    Work::fusion(FuseInverse)
}

const ADD: OpId = OpId::onnx("Add");
const SUB: OpId = OpId::onnx("Sub");
const MUL: OpId = OpId::onnx("Mul");
const DIV: OpId = OpId::onnx("Div");

impl Fusion for FuseInverse {
    type Vars = (Var, Var);
    const META: Meta = Meta {
        id: "fuse-inverse",
        summary: "arithmetic with Reciprocal or Neg becomes Div, Mul, Sub or Add",
        exactness: Exactness::Reassociates,
        since_opset: 7,
        emits: &[ADD, SUB, MUL, DIV],
    };

    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, (Var, Var)) {
        let (x, y) = (p.any(), p.any());
        let (inverse, negative) = (p.op("Reciprocal", [y]), p.op("Neg", [y]));
        let pat = p.either([x * inverse, x / inverse, x + negative, x - negative]);
        (pat, (x.var(), y.var()))
    }

    fn rewrite(&self, m: &Match<'_>, &(x, y): &(Var, Var)) -> Result<Patch, Miss> {
        // Before opset 7 operands broadcast by attributes.
        if m.cx().opset() < Self::META.since_opset {
            return Err(Miss::Silent);
        }
        let op = match m.graph.node(m.root()).op() {
            MUL => DIV,
            DIV => MUL,
            ADD => SUB,
            _ => ADD,
        };
        Ok(Patch::op(op, [m.get(x), m.get(y)]))
    }
}
