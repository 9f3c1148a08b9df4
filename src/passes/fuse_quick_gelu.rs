//! `fuse-quick-gelu`: a value times its `Sigmoid` becomes ONNX Runtime's node for both.
//!
//! ```text
//! x · Sigmoid(α · x)   ->   com.microsoft.QuickGelu<alpha = α>(x)
//! x · Sigmoid(x)       ->   com.microsoft.QuickGelu<alpha = 1>(x)
//! Swish<α>(x)          ->   com.microsoft.QuickGelu<alpha = α>(x)
//! ```
//!
//! Reassociates. The formula is found in the spellings of `fuse-swish`, at every opset.
//!
//! ONNX Runtime makes the same node itself while it loads a model. In the file it is for those who run models with its
//! optimizations off or save them for devices; a target's table says whether the pass runs unasked.
//!
//! Refused: a `Sigmoid` that is read elsewhere too, a factor in double precision that single precision has not got.

use super::fuse_swish::{self, formula};
use crate::ir::OpId;
use crate::rewrite::{Exactness, Fusion, Match, Meta, Miss, Pat, Patch, Patterns, Var, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseQuickGelu;

/// What the registry runs.
pub fn pass() -> Work {
    Work::fusion(FuseQuickGelu)
}

const QUICK_GELU: OpId = OpId::microsoft("QuickGelu");

/// Handles into the formula, or into the operator that stands for it.
#[derive(Clone, Copy, Debug)]
pub struct Vars {
    formula: fuse_swish::Vars,
    operand: Var,
    swish: Var,
}

impl Fusion for FuseQuickGelu {
    type Vars = Vars;
    const META: Meta = Meta {
        id: "fuse-quick-gelu",
        summary: "x · Sigmoid(α · x) becomes ONNX Runtime's QuickGelu",
        exactness: Exactness::Reassociates,
        since_opset: 7,
        emits: &[QUICK_GELU],
    };

    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, Vars) {
        let (product, formula) = formula(p);
        let operand = p.any();
        let swish = p.op("Swish", [operand]);
        (p.either([product, swish]), Vars { formula, operand: operand.var(), swish: swish.var() })
    }

    fn rewrite(&self, m: &Match<'_>, v: &Vars) -> Result<Patch, Miss> {
        let (x, alpha) = match m.try_get(v.swish) {
            Some(_) => (m.get(v.operand), m.cx().float(m.node_id(v.swish), "alpha").ok_or(Miss::Silent)?),
            None => (m.get(v.formula.x), v.formula.factor(m)?.unwrap_or(1.0)),
        };
        Ok(Patch::op(QUICK_GELU, [x]).attr("alpha", alpha))
    }
}
