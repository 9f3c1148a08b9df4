//! Models of whose operators the judge has no kernel, with the formulas that those stand for.

use super::options::Options;
use super::progress::Silent;
use super::registry::registry;
use super::run::{Means, run};
use crate::diag::Diags;
use crate::error::Result;
use crate::io::to_bytes;
use crate::ir::{Model, OpId};
use crate::runtime::Source;
use crate::target::Target;
use crate::validate::Subject;
use bytes::Bytes;
use std::collections::BTreeSet;

/// What the kernels of the judge are known from.
const KERNELS: &str = "ort-cpu";

/// A model that a CPU can run in place of one that it cannot.
pub(super) struct Spelled {
    model: Model,
    bytes: Bytes,
    /// The operators that became formulas.
    pub(super) ops: BTreeSet<OpId>,
}

impl Spelled {
    /// `None` where there is no such operator, where one is left, or the result is too large for memory.
    ///
    /// # Errors
    /// A pass is broken.
    pub(super) fn of(model: &Model) -> Result<Option<Self>> {
        let target = Target::named(KERNELS)?;
        let ops = without_kernel(model, &target);
        if ops.is_empty() {
            return Ok(None);
        }
        let mut spelled = model.clone();
        let passes = registry().into_iter().filter(|e| !e.work().unfolds().is_empty());
        let only = passes.map(|e| e.id().to_owned()).collect();
        let options = Options { only, ..Options::new(target) };
        let means = Means { runtime: None, growth_budget: 0 };
        run(&mut spelled, &options, means, &mut Diags::new(), &mut Silent)?;
        if !without_kernel(&spelled, &options.target).is_empty() {
            return Ok(None);
        }
        let bytes = to_bytes(&spelled).ok();
        Ok(bytes.map(|bytes| Self { model: spelled, bytes, ops }))
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        Subject { model: &self.model, source: Source::bytes(self.bytes.clone()) }
    }
}

/// The operators of a model that have a formula and no kernel.
fn without_kernel(model: &Model, target: &Target) -> BTreeSet<OpId> {
    let known: BTreeSet<OpId> = registry().iter().flat_map(|e| e.work().unfolds()).collect();
    let lacks =
        |op: &OpId| known.contains(op) && !target.takes(*op, model.opsets.get(op.domain).unwrap_or(1));
    model.graph.nodes().map(|(_, node)| node.op()).filter(lacks).collect()
}
