//! `fuse-fast-gelu`: the approximation of GELU by `tanh`, and a bias before it, become ONNX Runtime's node.
//!
//! ```text
//! Gelu<approximate="tanh">(x)                               ->   com.microsoft.FastGelu(x)
//! ½ · x · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))          ->   com.microsoft.FastGelu(x)
//! Gelu<approximate="tanh">(x + bias), and its formula       ->   com.microsoft.FastGelu(x, bias)
//! ```
//!
//! Reassociates. The formula is found in the spellings of `fuse-gelu-tanh`, at every opset. A bias has one number for
//! each channel, the last dim; any other sum stays before the node.
//!
//! ONNX Runtime makes the same node itself while it loads a model. In the file it is for those who run models with its
//! optimizations off or save them for devices; a target's table says whether the pass runs unasked.
//!
//! Refused: values that may be of rank 0, which the node does not take; double precision, for which it has the numbers of
//! single; values of constants and shapes alone, which a proof cannot disturb to see how well they are determined.

use super::fuse_gelu_tanh::formula;
use crate::error::Result;
use crate::ir::{Def, Graph, Model, OpId, ValueId};
use crate::passes::linear::with_bias;
use crate::require;
use crate::rewrite::{
    Exactness, Fusion, Match, Meta, Miss, Pass, PassContext, PassStats, Pat, Patch, Patterns, Var, Work,
    fusion, settle,
};
use crate::tensor::DType;
use rustc_hash::FxHashSet;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseFastGelu;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(FuseFastGelu)
}

const FAST_GELU: OpId = OpId::microsoft("FastGelu");

const META: Meta = Meta {
    id: "fuse-fast-gelu",
    summary: "GELU by tanh, and a bias before it, become ONNX Runtime's FastGelu",
    exactness: Exactness::Reassociates,
    since_opset: 7,
    emits: &[FAST_GELU],
};

impl Pass for FuseFastGelu {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        let (biased, plain) = (fusion(Biased), fusion(Plain));
        settle(&[&*biased, &*plain], model, cx)
    }
}

/// The operator or its formula.
fn gelu<'p>(p: &'p Patterns, x: Pat<'p>) -> Pat<'p> {
    p.either([p.op("Gelu", [x]).with("approximate", "tanh"), formula(p, x)])
}

/// In double precision the node has the numbers of single.
fn is_fit(m: &Match<'_>, x: ValueId) -> std::result::Result<(), Miss> {
    let single = matches!(m.graph.dtype(x), Some(DType::F32 | DType::F16 | DType::BF16));
    require!(single, x, "the type is not float, float16 or bfloat16");
    require!(is_disturbed(m.graph, x), x, "the value is of constants and shapes alone");
    Ok(())
}

/// Most nodes that are looked at for an input.
const NODES: usize = 256;

/// Whether elements of an input, and not its shape alone, may reach a value.
fn is_disturbed(graph: &Graph, value: ValueId) -> bool {
    let (mut seen, mut next) = (FxHashSet::default(), vec![value]);
    while let Some(value) = next.pop() {
        let Some(node) = graph.producer(value) else {
            if matches!(graph.value(value).def(), Def::Input { .. }) {
                return true;
            }
            continue;
        };
        let n = graph.node(node);
        if seen.len() > NODES || n.regions().next().is_some() {
            return true;
        }
        if !n.op().is("Shape") && !n.op().is("Size") && seen.insert(node) {
            next.extend(n.inputs().flatten());
        }
    }
    false
}

/// Of a value that has a bias.
struct Biased;

impl Fusion for Biased {
    type Vars = (Var, Var);
    const META: Meta = META;

    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, (Var, Var)) {
        let (a, b) = (p.any(), p.any());
        (gelu(p, a + b), (a.var(), b.var()))
    }

    fn rewrite(&self, m: &Match<'_>, &(a, b): &(Var, Var)) -> std::result::Result<Patch, Miss> {
        let (x, bias) = with_bias(m.cx(), m.get(a), m.get(b)).ok_or(Miss::Silent)?;
        is_fit(m, x)?;
        Ok(Patch::op(FAST_GELU, [x, bias]))
    }
}

/// Of any value.
struct Plain;

impl Fusion for Plain {
    type Vars = Var;
    const META: Meta = META;

    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, Var) {
        let x = p.any();
        (gelu(p, x), x.var())
    }

    fn rewrite(&self, m: &Match<'_>, x: &Var) -> std::result::Result<Patch, Miss> {
        let x = m.get(*x);
        require!(m.graph.rank(x).is_some_and(|rank| rank > 0), x, "the value may be of rank 0");
        is_fit(m, x)?;
        Ok(Patch::op(FAST_GELU, [x]))
    }
}
