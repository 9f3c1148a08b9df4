//! What each target takes, as data: one file a target in `data/`, every limit with its source.
//!
//! A target restricts what we add, never what we carry.

use crate::error::{Error, Result};
use crate::ir::OpId;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A target and what may be added for it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// What `--target` calls it.
    pub id: String,
    /// One line without a full stop.
    pub summary: String,
    /// Domains of which ops may be added; empty for `ai.onnx`.
    pub domains: Vec<String>,
    /// Ops of the default domain that its runtimes expand into something slower than what they stand for.
    #[serde(default)]
    pub expanded: Vec<String>,
    /// Versions of the default domain that it takes.
    pub opset: Range,
    /// `ir_version`s that it takes.
    pub ir: Range,
    /// Ops of the default domain that it no longer takes in newer opsets than this.
    #[serde(default)]
    pub newest_opset: BTreeMap<String, i64>,
}

/// Versions from `min` to `max`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The oldest.
    pub min: i64,
    /// The newest.
    pub max: i64,
}

const TABLES: &[&str] = &[include_str!("data/onnx.toml")];

impl Target {
    /// All targets.
    pub fn all() -> Vec<Target> {
        TABLES.iter().map(|t| toml::from_str(t).expect("a test reads every table")).collect()
    }

    /// The target of a name.
    ///
    /// # Errors
    /// There is none; the help lists those that are.
    pub fn named(id: &str) -> Result<Target> {
        let all = Self::all();
        let known: Vec<String> = all.iter().map(|t| t.id.clone()).collect();
        all.into_iter().find(|t| t.id == id).ok_or_else(|| {
            Error::new(format!("there is no target '{id}'"))
                .with_help(format!("targets: {}", known.join(", ")))
        })
    }

    /// Whether nodes of this op may be added.
    pub fn may_add(&self, op: OpId) -> bool {
        self.domains.iter().any(|d| d == op.domain)
    }

    /// Whether nodes of this op run at an opset of its domain, as far as the target says.
    pub fn runs(&self, op: OpId, opset: i64) -> bool {
        !op.domain.is_empty() || self.newest_opset.get(op.name).is_none_or(|&newest| opset <= newest)
    }

    /// Whether its runtimes expand this op into something slower than what it stands for.
    pub fn expands(&self, op: OpId) -> bool {
        op.domain.is_empty() && self.expanded.iter().any(|name| name == op.name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_table_reads_and_is_found_by_its_id() {
        let all = Target::all();
        assert!(!all.is_empty());
        for target in all {
            assert_eq!(Target::named(&target.id).unwrap().summary, target.summary);
            assert!(target.opset.min <= target.opset.max && target.ir.min <= target.ir.max);
            for (op, newest) in &target.newest_opset {
                assert!((target.opset.min..target.opset.max).contains(newest), "{op}");
            }
        }
        assert!(Target::named("onnx2").unwrap_err().help().unwrap().contains("onnx"));
    }

    #[test]
    fn contrib_ops_are_not_added_to_standard_onnx() {
        let onnx = Target::named("onnx").unwrap();
        assert!(onnx.may_add(OpId::onnx("Gelu")) && !onnx.may_add(OpId::microsoft("Gelu")));
    }
}
