//! What the engine runs: a rule, what it says of itself, and why it did not fire.

use super::{Context, Exactness, Patch};
use crate::ir::{NodeId, OpId, ValueId};
use crate::target::Target;

/// What a pass says of itself. Its page is the `//!` of its file.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// Kebab-case identifier; the file is the same in snake case.
    pub id: &'static str,
    /// One line without a full stop: what becomes what.
    pub summary: &'static str,
    /// How much it may change the numbers.
    pub exactness: Exactness,
    /// The lowest opset of the default domain at which it can fire; a [`Rule`]'s patches are refused below (S7).
    pub since_opset: i64,
    /// Ops that it adds, checked against opset and target before it fires (S7).
    pub emits: &'static [OpId],
}

impl Meta {
    /// Whether the target's runtimes take no less time for what it makes than for what it replaces.
    pub fn is_slower_on(&self, target: &Target) -> bool {
        let listed = |ids: &[String]| ids.iter().any(|id| id == self.id);
        let expanded = || self.emits.iter().any(|op| target.expands(*op));
        listed(&target.held_back) || (expanded() && !listed(&target.gains))
    }
}

/// Why a rule did not fire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// Nothing looked like it: not worth a word.
    Silent,
    /// It looked like it, and something was in the way.
    Because {
        /// One clause without a full stop; the same words for the same reason, names go into `at`.
        reason: String,
        /// The value in the way.
        at: Option<ValueId>,
    },
}

impl Miss {
    /// Something was in the way.
    pub fn because(reason: impl Into<String>, at: impl Into<Option<ValueId>>) -> Self {
        Self::Because { reason: reason.into(), at: at.into() }
    }
}

/// A local rewrite. Stateless; sees the graph, never edits it.
pub trait Rule: Sync + Send {
    /// What it says of itself.
    fn meta(&self) -> &Meta;
    /// Ops at which it may start; empty means every node.
    fn ops(&self) -> &[OpId];
    /// Looks at one node and decides.
    ///
    /// # Errors
    /// A [`Miss`], which is no failure: the graph stays as it is.
    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss>;
}

/// Returns a [`Miss`] from a rule unless the condition is [proven](crate::ir::Truth).
///
/// ```text
/// require!(keeps_axis, mean, "mean does not keep its axis");
/// ```
#[macro_export]
macro_rules! require {
    ($cond:expr, $at:expr, $($why:tt)+) => {
        if !$cond {
            return Err($crate::rewrite::Miss::because(format!($($why)+), $at));
        }
    };
}
