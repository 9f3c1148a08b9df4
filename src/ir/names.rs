//! The name under which each value is written to a file or a text.
//!
//! Names are unique among the values visible at one place: a value of a body that would hide an outer one, and a second
//! value of a name in one graph, get a number behind their name. Graph inputs and outputs come first and so keep theirs.

use super::taken::Taken;
use super::{Graph, Name, NodeId, RegionId, ValueId};
use rustc_hash::FxHashSet;

/// The written names of a graph's values.
pub(crate) struct Names {
    of: Vec<Name>,
    renamed: usize,
}

impl Names {
    pub(crate) fn of(graph: &Graph) -> Self {
        let mut naming = Naming {
            graph,
            of: vec![Name::default(); graph.value_bound()],
            taken: graph.taken.clone(),
            done: vec![false; graph.value_bound()],
            visible: FxHashSet::default(),
            renamed: 0,
        };
        // A body that is an attribute's default belongs to no node.
        for region in graph.region_ids().filter(|&r| graph.region(r).parent().is_none()) {
            naming.region(region);
        }
        Self { of: naming.of, renamed: naming.renamed }
    }

    /// The written name; empty for an output that its node omits.
    pub(crate) fn get(&self, value: ValueId) -> &Name {
        &self.of[value.index()]
    }

    /// How many values are written under another name than their own.
    pub(crate) fn renamed(&self) -> usize {
        self.renamed
    }
}

struct Naming<'g> {
    graph: &'g Graph,
    of: Vec<Name>,
    taken: Taken,
    done: Vec<bool>,
    visible: FxHashSet<Name>,
    renamed: usize,
}

impl Naming<'_> {
    fn region(&mut self, id: RegionId) {
        let region = self.graph.region(id);
        let mut nodes: Vec<NodeId> = self.graph.nodes_in(id).map(|(id, _)| id).collect();
        nodes.sort_unstable_by_key(|&n| (self.graph.node(n).order(), n));
        let mut own: Vec<ValueId> = region.inputs().to_vec();
        own.extend(region.outputs().filter(|&v| self.graph.region_of(v) == Some(id)));
        own.extend(self.graph.initializers(id));
        own.extend(nodes.iter().flat_map(|&n| self.graph.node(n).outputs()));
        let mut opened = Vec::new();
        for value in own {
            if !std::mem::replace(&mut self.done[value.index()], true) {
                opened.extend(self.name(value));
            }
        }
        for body in nodes.into_iter().flat_map(|n| self.graph.node(n).regions()) {
            self.region(body);
        }
        for name in opened {
            self.visible.remove(&name);
        }
    }

    /// Names one value; gives back the name, unless nothing reads it and it has none.
    fn name(&mut self, id: ValueId) -> Option<Name> {
        let value = self.graph.value(id);
        let mut name = value.name().clone();
        if name.is_empty() && value.uses().is_empty() {
            return None;
        }
        if name.is_empty() || self.visible.contains(&name) {
            name = self.taken.fresh(&name);
            self.taken.insert(&name);
            self.renamed += 1;
        }
        self.visible.insert(name.clone());
        self.of[id.index()] = name.clone();
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, NewNode, NewOutput, OpId};

    fn node(graph: &mut Graph, region: RegionId, inputs: &[ValueId], output: &str) -> ValueId {
        let inputs = inputs.iter().copied().map(Some).collect();
        let node = NewNode::new(OpId::onnx("Relu"), inputs, vec![NewOutput::named(output)]);
        let node = graph.add_node(region, node);
        graph.node(node).outputs()[0]
    }

    #[test]
    fn outputs_keep_their_name_and_clashes_get_a_number() {
        let mut g = Graph::new();
        let x = g.add_input(RegionId::ROOT, "x", None);
        let first = node(&mut g, RegionId::ROOT, &[x], "y");
        let last = node(&mut g, RegionId::ROOT, &[first], "y");
        let body = g.add_region();
        let hiding = node(&mut g, body, &[first], "x");
        let unnamed = node(&mut g, body, &[hiding], "");
        let omitted = node(&mut g, body, &[hiding], "");
        g.add_output(body, unnamed);
        let holder = NewNode::new(OpId::onnx("If"), vec![Some(x)], vec![NewOutput::named("x_1")]);
        g.add_node(RegionId::ROOT, holder.attr("then_branch", Attr::Region(body)));
        g.add_output(RegionId::ROOT, last);
        let names = Names::of(&g);
        let written = [x, first, last, hiding, unnamed, omitted].map(|v| &**names.get(v));
        assert_eq!(written, ["x", "y_1", "y", "x_2", "value", ""]);
        assert_eq!(names.renamed(), 3);
    }

    #[test]
    fn bodies_that_no_node_holds_are_named_too() {
        let mut g = Graph::new();
        let body = g.add_region();
        let value = g.add_input(body, "inner", None);
        assert_eq!(&**Names::of(&g).get(value), "inner");
    }
}
