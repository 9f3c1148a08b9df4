//! `fuse-gemm`: a product of matrices and a constant that is added to it become `Gemm`.
//!
//! ```text
//! MatMul(a, b) + c   ->   Gemm(a, b, c)
//! ```
//!
//! Reassociates. Fires only when both factors are proven to be matrices of floats, and `c` is a constant that broadcasts
//! to their product: one number or one a column.

use crate::ir::{OpId, ValueId};
use crate::passes::linear::Channelwise;
use crate::require;
use crate::rewrite::{Exactness, Fusion, Match, Meta, Miss, Pat, Patch, Patterns, Var, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseGemm;

/// What the registry runs.
pub fn pass() -> Work {
    Work::fusion(FuseGemm)
}

impl Fusion for FuseGemm {
    type Vars = [Var; 3];
    const META: Meta = Meta {
        id: "fuse-gemm",
        summary: "a product of matrices plus a constant becomes Gemm",
        exactness: Exactness::Reassociates,
        since_opset: 7,
        emits: &[OpId::onnx("Gemm")],
    };

    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, [Var; 3]) {
        let (a, b, c) = (p.any(), p.any(), p.constant());
        (p.op("MatMul", [a, b]) + c, [a.var(), b.var(), c.var()])
    }

    fn rewrite(&self, m: &Match<'_>, vars: &[Var; 3]) -> Result<Patch, Miss> {
        // Before opset 7 operands broadcast by attributes.
        if m.cx().opset() < Self::META.since_opset {
            return Err(Miss::Silent);
        }
        let [a, b, c] = vars.map(|v| m.get(v));
        for factor in [a, b] {
            require!(m.graph.rank(factor) == Some(2), factor, "the factor is not proven to be a matrix");
        }
        let float = m.graph.dtype(a).is_some_and(|d| d.is_float());
        require!(float, a, "the product is not one of floats");
        require!(is_row(m, b, c), c, "the constant is not one number a column");
        Ok(Patch::op("Gemm", [a, b, c]))
    }
}

fn is_row(m: &Match<'_>, b: ValueId, c: ValueId) -> bool {
    let Some(tensor) = m.graph.const_value(c).filter(|t| t.rank() <= 2) else { return false };
    let columns = m.graph.shape(b).and_then(|s| usize::try_from(s[1].as_fixed()?).ok());
    Channelwise::of(&tensor).is_some_and(|row| row.along(0, columns.unwrap_or(1)).is_some())
}
