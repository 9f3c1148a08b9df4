//! The first value, in the order of the original, at which two models part.
//!
//! Values of the main graph that both have, by name or by a name that one stands for, are fetched from both in pieces
//! and compared at the class's tolerance.

use super::compare::{Metrics, compare};
use super::feeds::FeedSet;
use super::instrument::with_outputs;
use super::parity::Subject;
use crate::error::{Error, Result};
use crate::io;
use crate::ir::{Graph, Model, Name, RegionId, ValueId, topological};
use crate::rewrite::Exactness;
use crate::runtime::{RunError, RunValue, Runtime, SessionOptions, Source};
use rustc_hash::FxHashMap;
use serde::Serialize;

/// Where two models part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Divergence {
    /// The value's name in the original.
    pub value: String,
    /// The node that makes it there.
    pub node: String,
    /// Its op.
    pub op: String,
    /// The last value before it that agrees.
    pub after: Option<String>,
    /// How far the two are apart; absent where type or shape differ.
    pub metrics: Option<Metrics>,
}

/// Values fetched at once: each stays in memory for both models.
const PIECE: usize = 64;

/// Finds the first value that differs by more than the class allows; `None` where all shared ones agree.
///
/// # Errors
/// One of the two models cannot be run on these inputs.
pub fn localize(
    original: &Subject<'_>,
    candidate: &Subject<'_>,
    feeds: &FeedSet,
    exactness: Exactness,
    runtime: &dyn Runtime,
) -> Result<Option<Divergence>> {
    let shared = shared_values(original.model, candidate.model)?;
    let mut after = None;
    for piece in shared.chunks(PIECE) {
        let (ours, theirs): (Vec<ValueId>, Vec<ValueId>) = piece.iter().copied().unzip();
        let reference = fetch(original, &ours, feeds, runtime)?;
        let judged = fetch(candidate, &theirs, feeds, runtime)?;
        for ((&value, a), b) in ours.iter().zip(&reference).zip(&judged) {
            let name = original.model.graph.value(value).name().to_string();
            let compared = compare(a, b).ok();
            if !compared.as_ref().is_some_and(|m| agrees(m, exactness)) {
                return Ok(Some(divergence(&original.model.graph, value, name, after, compared)));
            }
            after = Some(name);
        }
    }
    Ok(None)
}

fn agrees(metrics: &Metrics, exactness: Exactness) -> bool {
    let Some(dtype) = metrics.dtype else { return true };
    let tolerance = exactness.and(Exactness::Reassociates).tolerance(dtype);
    metrics.same_pattern
        && metrics.max_abs <= tolerance.abs + tolerance.rel * metrics.reference_max
        && (dtype.bits() > 0 || metrics.equal == 1.0)
}

fn divergence(
    graph: &Graph,
    value: ValueId,
    name: String,
    after: Option<String>,
    metrics: Option<Metrics>,
) -> Divergence {
    let producer = graph.producer(value);
    Divergence {
        value: name,
        node: producer.map(|n| graph.label(n)).unwrap_or_default(),
        op: producer.map(|n| graph.node(n).op().to_string()).unwrap_or_default(),
        after,
        metrics,
    }
}

/// Node outputs of the main graph that both have, in the original's order.
fn shared_values(original: &Model, candidate: &Model) -> Result<Vec<(ValueId, ValueId)>> {
    let mut theirs: FxHashMap<&Name, ValueId> = FxHashMap::default();
    for (_, node) in candidate.graph.nodes_in(RegionId::ROOT) {
        for &output in node.outputs() {
            let value = candidate.graph.value(output);
            theirs.insert(value.name(), output);
            value.origins().iter().for_each(|name| _ = theirs.entry(name).or_insert(output));
        }
    }
    let mut shared = Vec::new();
    for node in topological(&original.graph, RegionId::ROOT)? {
        for &output in original.graph.node(node).outputs() {
            let name = original.graph.value(output).name();
            if let Some(&other) = theirs.get(name).filter(|_| !name.is_empty()) {
                shared.push((output, other));
            }
        }
    }
    Ok(shared)
}

fn fetch(
    of: &Subject<'_>,
    values: &[ValueId],
    feeds: &FeedSet,
    runtime: &dyn Runtime,
) -> Result<Vec<RunValue>> {
    let run = || -> Result<Vec<RunValue>, RunError> {
        let model = io::to_bytes(&with_outputs(of.model, values)).map_err(RunError::Failed)?;
        let source = Source::Bytes { model, folder: of.folder() };
        let names: Vec<&str> = values.iter().map(|&v| &**of.model.graph.value(v).name()).collect();
        runtime.session(&source, &SessionOptions::default())?.run(&feeds.as_feeds(), &names)
    };
    run().map_err(|e| match e {
        RunError::Failed(e) => e,
        RunError::Unsupported(what) => Error::new(format!("{} cannot run it: {what}", runtime.name())),
    })
}
