//! `trim-bodies`: what an `If`, `Loop` or `Scan` returns and nobody reads is returned no more.
//!
//! ```text
//! a, b = If<then: (p, q), else: (r, s)>(c); b unread              ->   a = If<then: p, else: r>(c)
//! a, s = Loop<body: v -> v + 1, t>(n, x); s unread                ->   a = Loop<body: v -> v + 1>(n, x)
//! a, b = Loop<body: (v, w) -> (v + w, w)>(n, x, y)                ->   a = Loop<body: v -> v + y>(n, x)
//! ```
//!
//! Exact. What is carried from one iteration to the next goes where neither the node's result nor anything
//! that matters in the body reads it; what is carried unchanged is read from outside instead.
//!
//! Refused: bodies with nodes that keep state, and a value carried unchanged that the graph returns.

mod carried;

use crate::analysis::Facts;
use crate::error::Result;
use crate::ir::{Graph, Model, NodeId, OpId, Opsets, RegionId};
use crate::rewrite::{Exactness, Meta, Pass, PassContext, PassStats, Work, keeps_state, sweep};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct TrimBodies;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(TrimBodies)
}

const META: Meta = Meta {
    id: "trim-bodies",
    summary: "results and states of If, Loop and Scan that nobody reads go",
    exactness: Exactness::Exact,
    since_opset: 9,
    emits: &[],
};

impl Pass for TrimBodies {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        let mut trimmed = trim(&mut model.graph, &model.opsets, cx.facts);
        for function in &mut model.functions {
            trimmed += trim(&mut function.graph, &function.opsets, &mut Facts::new());
        }
        Ok(PassStats::applied(trimmed))
    }
}

fn trim(graph: &mut Graph, opsets: &Opsets, facts: &mut Facts) -> usize {
    if opsets.get("").unwrap_or(1) < META.since_opset {
        return 0;
    }
    let mut trimmed = 0;
    // What is trimmed may be all that read another result, inside or outside.
    loop {
        match trim_each(graph, facts) {
            0 => return trimmed,
            more => trimmed += more,
        }
    }
}

fn trim_each(graph: &mut Graph, facts: &mut Facts) -> usize {
    let holders: Vec<NodeId> =
        graph.nodes().rev().filter(|(_, n)| n.regions().next().is_some()).map(|(id, _)| id).collect();
    let mut trimmed = 0;
    for id in holders {
        let Some(node) = graph.get(id) else { continue };
        let (op, read) = (node.op(), node.outputs().iter().any(|&o| !graph.value(o).uses().is_empty()));
        let bodies: Vec<RegionId> = node.regions().collect();
        // What nobody reads at all is dead, which is another pass's business.
        if !read || bodies.iter().any(|&b| keeps_state_inside(graph, b)) {
            continue;
        }
        trimmed += match op {
            OpId { domain: "", name: "If" } => branches(graph, id, &bodies),
            OpId { domain: "", name: "Loop" | "Scan" } => carried::trim(graph, facts, id, bodies[0]),
            _ => 0,
        };
    }
    trimmed
}

fn keeps_state_inside(graph: &Graph, body: RegionId) -> bool {
    let mut pending = vec![body];
    while let Some(body) = pending.pop() {
        for (id, node) in graph.nodes_in(body) {
            if node.outputs().is_empty() || keeps_state(graph, id) {
                return true;
            }
            pending.extend(node.regions());
        }
    }
    false
}

fn branches(graph: &mut Graph, id: NodeId, bodies: &[RegionId]) -> usize {
    let count = graph.node(id).outputs().len();
    if bodies.iter().any(|&b| graph.region(b).outputs().len() != count) {
        return 0;
    }
    let mut trimmed = 0;
    for index in (0..count).rev() {
        if graph.value(graph.node(id).outputs()[index]).uses().is_empty() {
            bodies.iter().for_each(|&body| drop_result(graph, body, index));
            graph.remove_output(id, index);
            trimmed += 1;
        }
    }
    trimmed
}

/// Lets a body return a value no more, with what only led to it.
fn drop_result(graph: &mut Graph, body: RegionId, index: usize) {
    let value = graph.region(body).outputs().nth(index);
    graph.remove_region_output(body, index);
    if let Some(producer) = value.and_then(|v| graph.producer(v)) {
        sweep(graph, producer);
    }
}
