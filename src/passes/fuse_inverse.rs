//! `fuse-inverse`: arithmetic with an inverse becomes the inverse arithmetic.
//!
//! ```text
//! x · (1 / y)   ->   x / y          x + (-y)   ->   x - y
//! x / (1 / y)   ->   x · y          x - (-y)   ->   x + y
//! ```
//!
//! Reassociates. The inverses are `Reciprocal` or a quotient of floats whose dividend is one, and `Neg`; they must not be
//! read elsewhere.
//!
//! Refused: quotients and products that `DynamicQuantizeLinear` reads, whose steps move with a rounding.

use crate::ir::OpId;
use crate::passes::normalization::stays_float;
use crate::require;
use crate::rewrite::{Exactness, Fusion, Match, Meta, Miss, Pat, Patch, Patterns, Var, Work};
use crate::tensor::DType;

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
        summary: "arithmetic with an inverse or a Neg becomes Div, Mul, Sub or Add",
        exactness: Exactness::Reassociates,
        since_opset: 7,
        emits: &[ADD, SUB, MUL, DIV],
    };

    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, (Var, Var)) {
        let (x, y) = (p.any(), p.any());
        let (reciprocal, quotient, negative) = (p.op("Reciprocal", [y]), 1.0 / y, p.op("Neg", [y]));
        let inverse = p.either([reciprocal, quotient]);
        let pat = p.either([x * inverse, x / inverse, x + negative, x - negative]);
        (pat, (x.var(), y.var()))
    }

    fn rewrite(&self, m: &Match<'_>, &(x, y): &(Var, Var)) -> Result<Patch, Miss> {
        let (x, y) = (m.get(x), m.get(y));
        let op = m.graph.node(m.root()).op();
        let inverts = op == MUL || op == DIV;
        require!(
            !inverts || m.graph.dtype(y).is_some_and(DType::is_float),
            y,
            "a quotient of integers is cut off"
        );
        if inverts {
            stays_float(m.cx(), m.root())?;
        }
        let op = match op {
            MUL => DIV,
            DIV => MUL,
            ADD => SUB,
            _ => ADD,
        };
        Ok(Patch::op(op, [x, y]))
    }
}
