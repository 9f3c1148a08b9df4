//! `hoist-nodes`: what both branches of an `If` compute, and what every iteration computes anew, moves in front.
//!
//! ```text
//! If<then: Neg(Exp(x)), else: Abs(Exp(x))>(c)   ->   e = Exp(x);  If<then: Neg(e), else: Abs(e)>(c)
//! Loop<body: v = v + Exp(x)>(n)                 ->   e = Exp(x);  Loop<body: v = v + e>(n)
//! If<then: Neg(x), else: Neg(x)>(c)             ->   Neg(x)
//! ```
//!
//! Exact. From branches move nodes that are in both, with the same values from outside; what both return
//! in the same place is returned no more, and an `If` that returns nothing is gone. From the body of a
//! `Loop` or `Scan` move nodes that read only values from outside, where at least one iteration is
//! certain: a constant count and no condition but true, or a sequence of known length.
//!
//! Refused: nodes that draw random numbers, keep state or are not known, and values that a body
//! returns itself and cannot return from outside.

mod branches;
mod invariants;

use crate::analysis::Facts;
use crate::error::Result;
use crate::ir::{Def, Graph, Model, NodeId, OpId, Opsets, RegionId, Use, ValueId, captures};
use crate::rewrite::{Exactness, Meta, Pass, PassContext, PassStats, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct HoistNodes;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(HoistNodes)
}

const META: Meta = Meta {
    id: "hoist-nodes",
    summary: "what both branches or all iterations compute moves in front of the If, Loop or Scan",
    exactness: Exactness::Exact,
    since_opset: 1,
    emits: &[],
};

impl Pass for HoistNodes {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        let mut moved = hoist(&mut model.graph, &model.opsets, cx.facts, false)?;
        for function in &mut model.functions {
            moved += hoist(&mut function.graph, &function.opsets, &mut Facts::new(), true)?;
        }
        Ok(PassStats::applied(moved))
    }
}

/// Empties bodies, the innermost first, so that what moves may move on.
fn hoist(graph: &mut Graph, opsets: &Opsets, facts: &mut Facts, in_function: bool) -> Result<usize> {
    let depth = |graph: &Graph, id: NodeId| graph.enclosing(graph.node(id).region()).count();
    let mut holders: Vec<(usize, NodeId)> = graph
        .nodes()
        .filter(|(_, n)| n.regions().next().is_some())
        .map(|(id, _)| (depth(graph, id), id))
        .collect();
    holders.sort_unstable_by_key(|&(depth, id)| (std::cmp::Reverse(depth), id));
    let mut moved = 0;
    for (_, id) in holders {
        if graph.get(id).is_none() {
            continue;
        }
        let op = graph.node(id).op();
        if op == OpId::onnx("If") {
            moved += branches::hoist(graph, opsets, facts, in_function, id)?;
        } else if op == OpId::onnx("Loop") || op == OpId::onnx("Scan") {
            moved += invariants::hoist(graph, opsets, facts, in_function, id)?;
        }
    }
    Ok(moved)
}

/// Whether a node of the body could stand in front of the body's holder, with the body's initializers that it reads.
fn reads_outside(graph: &Graph, id: NodeId, body: RegionId) -> bool {
    let node = graph.node(id);
    let captured = if node.regions().next().is_some() { captures(graph, id) } else { Vec::new() };
    node.inputs().flatten().chain(captured).all(|v| match graph.value(v).def() {
        Def::Initializer { .. } => true,
        _ => graph.region_of(v) != Some(body),
    })
}

/// Moves a node of a body in front of the node that holds the body.
fn lift(graph: &mut Graph, id: NodeId, holder: NodeId) {
    let (region, order) = (graph.node(holder).region(), graph.node(holder).order());
    let mut read: Vec<ValueId> = graph.node(id).inputs().flatten().collect();
    if graph.node(id).regions().next().is_some() {
        read.extend(captures(graph, id));
    }
    for value in read {
        let inner =
            matches!(graph.value(value).def(), Def::Initializer { .. }) && !graph.is_visible(value, region);
        if inner {
            graph.hoist_initializer(value, region);
        }
    }
    graph.move_node(id, region, order);
}

/// The places in which a region returns a value.
fn returned(graph: &Graph, value: ValueId) -> Vec<(RegionId, u32)> {
    let mut places: Vec<_> = graph
        .value(value)
        .uses()
        .iter()
        .filter_map(|u| match u {
            Use::RegionOutput { region, index } => Some((*region, *index)),
            Use::Operand { .. } => None,
        })
        .collect();
    places.sort_unstable();
    places
}
