//! `plain-sums`: a `Sum` of two becomes an `Add`, where the target makes more of that.
//!
//! ```text
//! Sum(a, b)   ->   Add(a, b)
//! ```
//!
//! Exact. For targets whose table holds `Sum` back as slower: those that find bias, residual and normalization by their
//! `Add`. For the others `guard-sums` writes a `Sum` where it pays.

use crate::error::Result;
use crate::ir::{Model, NodeId, OpId};
use crate::rewrite::{
    Context, Exactness, Meta, Miss, Pass, PassContext, PassStats, Patch, Rule, Work, apply,
};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainSums;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(PlainSums)
}

const SUM: OpId = OpId::onnx("Sum");

const META: Meta = Meta {
    id: "plain-sums",
    summary: "a Sum of two becomes an Add, where the target makes more of that",
    exactness: Exactness::Exact,
    since_opset: 8,
    emits: &[OpId::onnx("Add")],
};

impl Pass for PlainSums {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        if cx.target.expands(SUM) { apply(self, model, cx) } else { Ok(PassStats::default()) }
    }
}

impl Rule for PlainSums {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        &[SUM]
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> std::result::Result<Patch, Miss> {
        let n = cx.node(node);
        match (n.input(0), n.input(1), n.input(2)) {
            (Some(a), Some(b), None) => Ok(Patch::op("Add", [a, b])),
            _ => Err(Miss::Silent),
        }
    }
}
