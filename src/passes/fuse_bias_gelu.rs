//! `fuse-bias-gelu`: a bias and the GELU behind it become ONNX Runtime's node for both.
//!
//! ```text
//! Gelu(x + bias)                   ->   com.microsoft.BiasGelu(x, bias)
//! ½ · s · (1 + erf(s / √2))        ->   com.microsoft.BiasGelu(x, bias)     of s = x + bias
//! ```
//!
//! Reassociates. The formula is found in the spellings of `fuse-gelu`, at every opset. A bias has one number for each
//! channel, the last dim.
//!
//! ONNX Runtime makes the same node itself while it loads a model. In the file it is for those who run models with its
//! optimizations off or save them for devices; a target's table says whether the pass runs unasked.
//!
//! Refused: summands of which neither is a constant of one number a channel, a sum that is read elsewhere too, the
//! approximation by `tanh`, which is for `fuse-fast-gelu`.

use super::fuse_gelu::formula;
use crate::ir::OpId;
use crate::passes::linear::with_bias;
use crate::rewrite::{Exactness, Fusion, Match, Meta, Miss, Pat, Patch, Patterns, Var, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseBiasGelu;

/// What the registry runs.
pub fn pass() -> Work {
    Work::fusion(FuseBiasGelu)
}

const BIAS_GELU: OpId = OpId::microsoft("BiasGelu");

/// The summands, and the sum.
#[derive(Clone, Copy, Debug)]
pub struct Vars {
    a: Var,
    b: Var,
    sum: Var,
}

impl Fusion for FuseBiasGelu {
    type Vars = Vars;
    const META: Meta = Meta {
        id: "fuse-bias-gelu",
        summary: "a bias and its GELU become ONNX Runtime's BiasGelu",
        exactness: Exactness::Reassociates,
        since_opset: 9,
        emits: &[BIAS_GELU],
    };

    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, Vars) {
        let (a, b) = (p.any(), p.any());
        let sum = a + b;
        let gelu = p.either([p.op("Gelu", [sum]).with("approximate", "none"), formula(p, sum)]);
        (gelu, Vars { a: a.var(), b: b.var(), sum: sum.var() })
    }

    fn rewrite(&self, m: &Match<'_>, v: &Vars) -> Result<Patch, Miss> {
        let biased = with_bias(m.cx(), m.get(v.a), m.get(v.b));
        let none = || Miss::because("neither summand is a constant of one number a channel", m.get(v.sum));
        let (x, bias) = biased.ok_or_else(none)?;
        Ok(Patch::op(BIAS_GELU, [x, bias]))
    }
}
