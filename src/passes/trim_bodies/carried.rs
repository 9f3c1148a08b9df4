//! What a `Loop` or `Scan` carries from one iteration to the next.

use super::drop_result;
use crate::analysis::Facts;
use crate::ir::{Graph, NodeId, RegionId, Use, ValueId, captures};
use crate::rewrite::{substitute, sweep};
use rustc_hash::FxHashSet;

/// Where the parts of the node and its body stand.
#[derive(Clone, Copy)]
struct Layout {
    /// Operands, inputs of the body and outputs of the body in front of what is carried.
    ahead: [usize; 3],
    carried: usize,
}

impl Layout {
    fn of(graph: &Graph, id: NodeId, body: RegionId) -> Option<Self> {
        let (node, body) = (graph.node(id), graph.region(body));
        let (ahead, behind) = match node.op().name {
            "Loop" => ([2, 2, 1], 0),
            _ => ([0, 0, 0], usize::try_from(node.int("num_scan_inputs")?).ok()?),
        };
        let carried = node.inputs().len().checked_sub(ahead[0] + behind)?;
        let fits = body.inputs().len() == ahead[1] + carried + behind
            && node.outputs().len() >= carried
            && body.outputs().len() == ahead[2] + node.outputs().len();
        fits.then_some(Self { ahead, carried })
    }

    fn operand(self, i: usize) -> usize {
        self.ahead[0] + i
    }

    fn input(self, i: usize) -> usize {
        self.ahead[1] + i
    }

    fn output(self, i: usize) -> usize {
        self.ahead[2] + i
    }
}

/// Drops what is not needed, and gives back how much that is.
pub(super) fn trim(graph: &mut Graph, facts: &mut Facts, id: NodeId, body: RegionId) -> usize {
    sweep_dead(graph, body);
    let Some(mut layout) = Layout::of(graph, id, body) else { return 0 };
    let mut trimmed = 0;
    for i in (0..layout.carried).rev() {
        if unchanged(graph, facts, id, body, layout, i) {
            trimmed += 1;
            if graph.node(id).outputs().iter().all(|&o| graph.value(o).uses().is_empty()) {
                sweep(graph, id);
                return trimmed;
            }
            drop_carried(graph, id, body, layout, &[i]);
            layout.carried -= 1;
        }
    }
    let live = live(graph, id, body, layout);
    let dead: Vec<usize> = (0..layout.carried).rev().filter(|&i| !live.contains(&layout.output(i))).collect();
    for index in (layout.carried..graph.node(id).outputs().len()).rev() {
        if !live.contains(&layout.output(index)) {
            drop_result(graph, body, layout.output(index));
            graph.remove_output(id, index);
            for list in ["scan_output_axes", "scan_output_directions"] {
                let shorter = graph.node(id).ints(list).map(<[i64]>::to_vec);
                if let Some(mut list_of) = shorter.filter(|l| index - layout.carried < l.len()) {
                    list_of.remove(index - layout.carried);
                    graph.set_attr(id, list, list_of);
                }
            }
            trimmed += 1;
        }
    }
    drop_carried(graph, id, body, layout, &dead);
    trimmed + dead.len()
}

/// Removes what nothing reads inside, so that it counts as no reader.
fn sweep_dead(graph: &mut Graph, body: RegionId) {
    let nodes: Vec<NodeId> = graph.nodes_in(body).map(|(id, _)| id).collect();
    for id in nodes.into_iter().rev() {
        if graph.get(id).is_some_and(|n| n.outputs().iter().all(|&o| graph.value(o).uses().is_empty())) {
            sweep(graph, id);
        }
    }
}

/// Whether what is carried never changes; if so, everyone reads what it is at first.
fn unchanged(
    graph: &mut Graph,
    facts: &mut Facts,
    id: NodeId,
    body: RegionId,
    layout: Layout,
    i: usize,
) -> bool {
    let (region, node) = (graph.region(body), graph.node(id));
    let (Some(first), Some(&inner)) = (node.input(layout.operand(i)), region.inputs().get(layout.input(i)))
    else {
        return false;
    };
    let Some(mut end) = region.outputs().nth(layout.output(i)) else { return false };
    while let Some(identity) = graph.producer_is(end, "Identity") {
        match graph.node(identity).input(0) {
            Some(given) => end = given,
            None => return false,
        }
    }
    let result = node.outputs()[i];
    let mut operands: Vec<(NodeId, usize)> = Vec::new();
    for u in graph.value(inner).uses() {
        match *u {
            Use::Operand { node, index } => operands.push((node, index as usize)),
            Use::RegionOutput { region, index } if (region, index as usize) == (body, layout.output(i)) => {}
            // Another place in which a body returns it needs a value of that body.
            Use::RegionOutput { .. } => return false,
        }
    }
    if end != inner || substitute(graph, facts, result, first).is_err() {
        return false;
    }
    operands.into_iter().for_each(|(node, index)| graph.set_operand(node, index, Some(first)));
    true
}

/// The outputs of the body that matter: those that are read outside, and those that they lead back to.
fn live(graph: &Graph, id: NodeId, body: RegionId, layout: Layout) -> FxHashSet<usize> {
    let (region, node) = (graph.region(body), graph.node(id));
    let returned: Vec<ValueId> = region.outputs().collect();
    let mut live: FxHashSet<usize> = (0..layout.ahead[2]).collect();
    let read = |i: &usize| !graph.value(node.outputs()[*i]).uses().is_empty();
    live.extend((0..node.outputs().len()).filter(read).map(|i| layout.output(i)));
    let mut pending: Vec<ValueId> = live.iter().map(|&i| returned[i]).collect();
    let mut seen: FxHashSet<ValueId> = FxHashSet::default();
    while let Some(value) = pending.pop() {
        if !seen.insert(value) {
            continue;
        }
        if let Some(at) = region.inputs().iter().position(|&v| v == value) {
            let carried = at.checked_sub(layout.ahead[1]).filter(|&i| i < layout.carried);
            if let Some(output) = carried.map(|i| layout.output(i)).filter(|&o| live.insert(o)) {
                pending.push(returned[output]);
            }
        }
        if let Some(producer) = graph.producer(value).filter(|&p| graph.node(p).region() == body) {
            pending.extend(graph.node(producer).inputs().flatten());
            if graph.node(producer).regions().next().is_some() {
                pending.extend(captures(graph, producer));
            }
        }
    }
    live
}

/// Drops carried values, given from the last to the first, none of which matters.
fn drop_carried(graph: &mut Graph, id: NodeId, body: RegionId, layout: Layout, dead: &[usize]) {
    for &i in dead {
        drop_result(graph, body, layout.output(i));
    }
    for &i in dead {
        graph.remove_input(body, layout.input(i));
        graph.remove_operand(id, layout.operand(i));
        graph.remove_output(id, i);
    }
}
