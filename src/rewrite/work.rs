//! A pass of either kind, as the registry holds it.

use super::{Fusion, Meta, Pass, Rule, fusion};
use crate::ir::OpId;

/// How a pass works.
pub enum Work {
    /// A node at a time, by the engine.
    Rule(Box<dyn Rule>),
    /// Over the whole model.
    Whole(Box<dyn Pass>),
}

impl Work {
    /// A rule.
    pub fn rule(rule: impl Rule + 'static) -> Self {
        Self::Rule(Box::new(rule))
    }

    /// A formula.
    pub fn fusion(formula: impl Fusion + 'static) -> Self {
        Self::Rule(fusion(formula))
    }

    /// A pass over whole models.
    pub fn whole(pass: impl Pass + 'static) -> Self {
        Self::Whole(Box::new(pass))
    }

    /// What the pass says of itself.
    pub fn meta(&self) -> &Meta {
        match self {
            Self::Rule(rule) => rule.meta(),
            Self::Whole(pass) => pass.meta(),
        }
    }

    /// Operators that the pass writes as others where a target lacks them.
    pub fn unfolds(&self) -> Vec<OpId> {
        match self {
            Self::Rule(_) => Vec::new(),
            Self::Whole(pass) => pass.unfolds(),
        }
    }
}
