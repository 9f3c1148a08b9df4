//! The first value, in the order of the original, at which two models part.
//!
//! Values of the main graph that both have, by name or by a name that one stands for, are fetched from both in pieces
//! and judged as a proof judges outputs: by the class's tolerance or four times the value's own noise.

use super::compare::compare;
use super::instrument::{with_moved_weights, with_outputs};
use super::noise::{self, Floor};
use super::search::Case;
use super::verdict::{OutputVerdict, decibels};
use crate::data::FeedSet;
use crate::error::{Error, Result};
use crate::io;
use crate::ir::{Model, Name, RegionId, ValueId, topological};
use crate::report::{DivergenceReport, Number};
use crate::rewrite::Exactness;
use crate::runtime::{RunError, RunValue, Runtime, Session, SessionOptions, Source};
use rustc_hash::FxHashMap;
use std::time::{Duration, Instant};

/// Values fetched at once: each stays in memory for both models.
const PIECE: usize = 64;
/// No more values are fetched after this.
const LIMIT: Duration = Duration::from_secs(120);

/// Finds the first value that differs by more than a proof would allow an output; `None` where all shared ones agree.
///
/// # Errors
/// One of the two models cannot be run on these inputs, or nothing was found within two minutes.
pub fn localize(
    original: &Model,
    candidate: &Model,
    feeds: &FeedSet,
    exactness: Exactness,
    runtime: &dyn Runtime,
) -> Result<Option<DivergenceReport>> {
    let start = Instant::now();
    let shared = shared_values(original, candidate)?;
    let mut after = None;
    for (at, piece) in shared.chunks(PIECE).enumerate() {
        if start.elapsed() > LIMIT {
            let (done, of) = (at * PIECE, shared.len());
            return Err(Error::new(format!("the first {done} of {of} values agree, the rest took too long")));
        }
        let (ours, theirs): (Vec<ValueId>, Vec<ValueId>) = piece.iter().copied().unzip();
        let (reference, floors) = reference(original, &ours, feeds, runtime)?;
        let judged = fetch(candidate, &theirs, feeds, runtime)?;
        for (i, &value) in ours.iter().enumerate() {
            let name = original.graph.value(value).name().to_string();
            let compared = compare(&reference[i], &judged[i]);
            let metrics = compared.clone().ok();
            let mut verdict = OutputVerdict::new(&name);
            verdict.add(exactness, floors[i], compared);
            if let Some(reason) = verdict.reason {
                let graph = &original.graph;
                let producer = graph.producer(value);
                return Ok(Some(DivergenceReport {
                    value: name,
                    node: producer.map(|n| graph.label(n)).unwrap_or_default(),
                    op: producer.map(|n| graph.node(n).op().to_string()).unwrap_or_default(),
                    after,
                    reason,
                    max_abs: metrics.as_ref().map(|m| Number(m.max_abs)),
                    sqnr_db: metrics.as_ref().map(|m| decibels(m.sqnr_db)),
                }));
            }
            after = Some(name);
        }
    }
    Ok(None)
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

/// What the original answers, and how noisily.
fn reference(
    of: &Model,
    values: &[ValueId],
    feeds: &FeedSet,
    runtime: &dyn Runtime,
) -> Result<(Vec<RunValue>, Vec<Floor>)> {
    let names = names(of, values);
    let mut session = session(of, values, runtime)?;
    let outputs = session.run(&feeds.as_feeds(), &names).map_err(RunError::into_error)?;
    let cases = [Case { feeds: feeds.clone(), outputs }];
    let mut floors = vec![Floor::default(); values.len()];
    noise::by_inputs(&mut *session, &cases, &names, 0, 1, &mut floors);
    if noise::is_silent(&floors)
        && let Some(moved) = with_moved_weights(of, 0)
    {
        noise::by_weights(&mut *self::session(&moved, values, runtime)?, &cases, &names, &mut floors);
    }
    let [Case { outputs, .. }] = cases;
    Ok((outputs, floors))
}

fn fetch(of: &Model, values: &[ValueId], feeds: &FeedSet, runtime: &dyn Runtime) -> Result<Vec<RunValue>> {
    let mut session = session(of, values, runtime)?;
    session.run(&feeds.as_feeds(), &names(of, values)).map_err(RunError::into_error)
}

fn session(model: &Model, values: &[ValueId], runtime: &dyn Runtime) -> Result<Box<dyn Session>> {
    let source = Source::bytes(io::to_bytes(&with_outputs(model, values))?);
    runtime.session(&source, &SessionOptions::default()).map_err(RunError::into_error)
}

fn names<'a>(model: &'a Model, values: &[ValueId]) -> Vec<&'a str> {
    values.iter().map(|&v| &**model.graph.value(v).name()).collect()
}
