//! What nodes are called: by their name or, where they have none or share it, by their first result.

use crate::ir::{Graph, NodeId};
use rustc_hash::FxHashMap;

/// The nodes of a graph and of its bodies, by names that no two of them share.
pub struct Labels {
    nodes: FxHashMap<String, NodeId>,
    names: FxHashMap<NodeId, String>,
}

impl Labels {
    /// Of nodes with the same name the first is called so.
    pub fn of(graph: &Graph) -> Self {
        let mut labels = Self { nodes: FxHashMap::default(), names: FxHashMap::default() };
        for (id, node) in graph.nodes().filter(|(_, node)| !node.name().is_empty()) {
            labels.call(id, node.name().to_string());
        }
        for (id, node) in graph.nodes() {
            let results = node.outputs().iter().map(|&v| graph.value(v).name().to_string());
            results.filter(|name| !name.is_empty()).for_each(|name| labels.call(id, name));
        }
        labels
    }

    fn call(&mut self, id: NodeId, name: String) {
        if !self.names.contains_key(&id) && !self.nodes.contains_key(&name) {
            self.nodes.insert(name.clone(), id);
            self.names.insert(id, name);
        }
    }

    /// The node of a name.
    pub fn node(&self, name: &str) -> Option<NodeId> {
        self.nodes.get(name).copied()
    }

    /// The name of a node; empty where nothing tells it from others.
    pub fn name(&self, node: NodeId) -> String {
        self.names.get(&node).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::text::parse_model;

    #[test]
    fn nodes_without_a_name_of_their_own_are_called_by_their_result() {
        let model = parse_model(
            "<ir_version: 8, opset_import: [\"\" : 17]> g (float[4] x) => (float[4] y)\n\
             { [same] a = Relu (x)\n [same] b = Abs (a)\n [c] d = Neg (b)\n c = Exp (d)\n y = Abs (c) }",
        );
        let graph = model.unwrap().graph;
        let labels = Labels::of(&graph);
        let names: Vec<String> = graph.nodes().map(|(id, _)| labels.name(id)).collect();
        assert_eq!(names, ["same", "b", "c", "", "y"]);
        for (id, _) in graph.nodes().filter(|(id, _)| !labels.name(*id).is_empty()) {
            assert_eq!(labels.node(&labels.name(id)), Some(id));
        }
    }
}
