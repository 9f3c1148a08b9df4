//! What passes share that write an operator which the target lacks as standard ones.
//!
//! Each operator is a function that writes its [`Formula`]. Operands, attributes and results that the function does not
//! ask for or give are refused here, so that no formula can leave one out.

mod formula;
mod norm;
mod product;
mod turn;
mod whole;

pub(super) use formula::Formula;
pub(super) use norm::Norm;
pub(super) use product::{Scaled, computes_whole, rescaled};
pub(super) use turn::Turn;
pub(super) use whole::{Dynamic, centered, shifted};

use crate::error::Result;
use crate::ir::{Model, NodeId, OpId};
use crate::require;
use crate::rewrite::{Context, Meta, Miss, Pass, PassContext, PassStats, Patch, Ref, Rule, apply};
use crate::target::Target;

/// Writes a node's formula and gives back its first result.
pub(super) type Write = fn(&mut Formula<'_>) -> std::result::Result<Ref, Miss>;

/// A pass: operators and their formulas.
pub(super) struct Unfold {
    pub(super) meta: Meta,
    pub(super) ops: &'static [(OpId, Write)],
}

impl Pass for Unfold {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        let target = cx.target;
        let lacks = |op: &OpId| !target.takes(*op, model.opsets.get(op.domain).unwrap_or(1));
        let ops: Vec<OpId> = self.ops.iter().map(|(op, _)| *op).filter(lacks).collect();
        if ops.is_empty() {
            return Ok(PassStats::default());
        }
        apply(&Lacked { pass: self, target, ops }, model, cx)
    }

    fn unfolds(&self) -> Vec<OpId> {
        self.ops.iter().map(|(op, _)| *op).collect()
    }
}

/// The operators among them that a target lacks.
struct Lacked<'a> {
    pass: &'a Unfold,
    target: &'a Target,
    ops: Vec<OpId>,
}

impl Rule for Lacked<'_> {
    fn meta(&self) -> &Meta {
        &self.pass.meta
    }

    fn ops(&self) -> &[OpId] {
        &self.ops
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> std::result::Result<Patch, Miss> {
        require!(!cx.in_function, None, "the values of a function have no types");
        let op = cx.node(node).op();
        let (_, write) = self.pass.ops.iter().find(|(of, _)| *of == op).ok_or(Miss::Silent)?;
        let mut formula = Formula::new(*cx, self.target, node)?;
        let first = write(&mut formula)?;
        formula.finish(first)
    }
}
