//! `remove-dead`: what nothing reads goes.
//!
//! ```text
//! a node none of whose outputs is read or returned   ->   gone, and with it what only it had read
//! an initializer that nothing reads                  ->   gone
//! a model-local function that nothing calls          ->   gone, and the import of its domain with the last
//! ```
//!
//! Exact. In the main graph, in the bodies of `If`, `Loop` and `Scan`, and in functions.
//!
//! Refused: nodes without outputs and nodes that keep state between runs, which are there for their
//! effect; graph inputs, which are part of the model's signature.

use crate::error::Result;
use crate::ir::{Function, Graph, Model, NodeId, ValueId, canonical_domain};
use crate::rewrite::{Exactness, Meta, Pass, PassContext, PassStats, Work, keeps_state, sweep};
use crate::schema;
use rustc_hash::FxHashSet;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct RemoveDead;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(RemoveDead)
}

const META: Meta = Meta {
    id: "remove-dead",
    summary: "nodes, initializers and functions that nothing reads go",
    exactness: Exactness::Exact,
    since_opset: 1,
    emits: &[],
};

impl Pass for RemoveDead {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, _: &mut PassContext<'_>) -> Result<PassStats> {
        let mut removed = clean(&mut model.graph);
        for function in &mut model.functions {
            removed += clean(&mut function.graph);
        }
        removed += drop_functions(model);
        Ok(PassStats::applied(removed))
    }
}

/// Removes what is dead in one graph and gives back how much that was.
pub(crate) fn clean(graph: &mut Graph) -> usize {
    let before = graph.len();
    let nodes: Vec<NodeId> = graph.nodes().map(|(id, _)| id).rev().collect();
    for id in nodes {
        if graph.get(id).is_some() && is_dead(graph, id) {
            sweep(graph, id);
        }
    }
    let unread: Vec<ValueId> = graph
        .region_ids()
        .flat_map(|region| graph.initializers(region))
        .filter(|&v| graph.value(v).uses().is_empty())
        .collect();
    unread.iter().for_each(|&v| graph.remove_initializer(v));
    before - graph.len() + unread.len()
}

fn is_dead(graph: &Graph, id: NodeId) -> bool {
    let node = graph.node(id);
    !node.outputs().is_empty()
        && !keeps_state(graph, id)
        && node.outputs().iter().all(|&o| graph.value(o).uses().is_empty())
}

type Callee = (String, String, String);

fn calls(graph: &Graph) -> impl Iterator<Item = Callee> + '_ {
    graph.nodes().map(|(_, n)| (n.op().domain.to_owned(), n.op().name.to_owned(), n.overload().to_string()))
}

/// Removes functions that are called neither by the main graph nor by a function that is.
fn drop_functions(model: &mut Model) -> usize {
    if model.functions.is_empty() {
        return 0;
    }
    let mut called: FxHashSet<Callee> = FxHashSet::default();
    let mut pending: Vec<Callee> = calls(&model.graph).collect();
    while let Some(callee) = pending.pop() {
        if called.contains(&callee) {
            continue;
        }
        let bodies = model.functions.iter().filter(|f| identity(f) == callee);
        pending.extend(bodies.flat_map(|f| calls(&f.graph)));
        called.insert(callee);
    }
    let (kept, dropped): (Vec<_>, Vec<_>) =
        std::mem::take(&mut model.functions).into_iter().partition(|f| called.contains(&identity(f)));
    model.functions = kept;
    for domain in dropped.iter().map(|f| canonical_domain(&f.domain)) {
        if schema::latest_opset(domain).is_none() && !is_used(model, domain) {
            model.opsets.remove(domain);
        }
    }
    dropped.len()
}

fn is_used(model: &Model, domain: &str) -> bool {
    model.graphs().flat_map(Graph::nodes).any(|(_, n)| n.op().domain == domain)
}

fn identity(function: &Function) -> Callee {
    (canonical_domain(&function.domain).to_owned(), function.name.clone(), function.overload.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::text::parse_model;

    #[test]
    fn what_keeps_state_stays_also_behind_a_dead_reader() {
        let model = |attr: &str| {
            parse_model(&format!(
                "<ir_version: 8, opset_import: [\"\" : 18, \"com.microsoft\" : 1]>
                 g (float[2,3,8] x, float[8,24] w, float[24] b) => (float[2,3,8] y) {{
                    a = com.microsoft.Attention <num_heads = 2{attr}> (x, w, b)
                    d = Neg (a)
                    y = Relu (x)
                 }}"
            ))
            .unwrap()
        };
        let mut stateful = model(", past_present_share_buffer = 1");
        assert_eq!(clean(&mut stateful.graph), 1);
        let ops: Vec<_> = stateful.graph.nodes().map(|(_, n)| n.op().name).collect();
        assert_eq!(ops, ["Attention", "Relu"]);
        assert_eq!(clean(&mut stateful.graph), 0);
        assert_eq!(clean(&mut model("").graph), 2);
    }
}
