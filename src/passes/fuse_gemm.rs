//! `fuse-gemm`: a product of matrices takes in what is added to it, and transpositions around it.
//!
//! ```text
//! MatMul(a, b) + c          ->   Gemm(a, b, c)
//! Gemm(Transpose(a), b)     ->   Gemm<transA=1>(a, b)
//! MatMul(a, Transpose(b))   ->   Gemm<transB=1>(a, b)
//! Transpose(MatMul(a, b))   ->   Gemm<transA=1, transB=1>(b, a)
//! ```
//!
//! Reassociates. Fires only when both factors are proven to be matrices of floats, and the dims of `c` are proven to be
//! 1 or those of the product.
//!
//! Refused: a transposition or product that is read elsewhere too. A transposed result stays where a factor is constant,
//! since runtimes prepare constant second factors ahead.

mod transposed;

use crate::error::Result;
use crate::ir::{Model, OpId, ValueId};
use crate::require;
use crate::rewrite::{
    Exactness, Fusion, Match, Meta, Miss, Pass, PassContext, PassStats, Pat, Patch, Patterns, Var, Work,
    fusion, settle,
};
use transposed::Transposed;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseGemm;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(FuseGemm)
}

const META: Meta = Meta {
    id: "fuse-gemm",
    summary: "a product of matrices takes in a summand and transpositions as Gemm",
    exactness: Exactness::Reassociates,
    since_opset: 7,
    emits: &[OpId::onnx("Gemm")],
};

impl Pass for FuseGemm {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        settle(&[fusion(Sum).as_ref(), &Transposed], model, cx)
    }
}

/// The product and its summand.
#[derive(Clone, Copy, Debug)]
struct Sum;

impl Fusion for Sum {
    type Vars = [Var; 3];
    const META: Meta = META;

    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, [Var; 3]) {
        let (a, b, c) = (p.any(), p.any(), p.any());
        (p.op("MatMul", [a, b]) + c, [a.var(), b.var(), c.var()])
    }

    fn rewrite(&self, m: &Match<'_>, vars: &[Var; 3]) -> std::result::Result<Patch, Miss> {
        let [a, b, c] = vars.map(|v| m.get(v));
        for factor in [a, b] {
            require!(m.graph.rank(factor) == Some(2), factor, "the factor is not proven to be a matrix");
        }
        let float = m.graph.dtype(a).is_some_and(|d| d.is_float());
        require!(float, a, "the product is not one of floats");
        require!(broadcasts(m, [a, b], c), c, "the summand is not proven to broadcast to the product");
        Ok(Patch::op("Gemm", [a, b, c]))
    }
}

fn broadcasts(m: &Match<'_>, [a, b]: [ValueId; 2], c: ValueId) -> bool {
    let (Some([rows, _]), Some([_, columns]), Some(dims)) =
        (m.graph.shape(a), m.graph.shape(b), m.graph.shape(c))
    else {
        return false;
    };
    let product = [columns, rows];
    let fits = |(dim, of): (&crate::ir::Dim, &&crate::ir::Dim)| {
        dim.as_fixed() == Some(1) || dim.same(of).is_proven()
    };
    dims.len() <= 2 && dims.iter().rev().zip(&product).all(fits)
}
