//! Taking out of a graph what nothing reads.

use super::{Def, Graph, NodeId, RegionId, ValueId};

impl Graph {
    /// Drops outputs behind the first `len`.
    ///
    /// # Panics
    /// One of them is still read.
    pub fn truncate_outputs(&mut self, node: NodeId, len: usize) {
        while self.node(node).outputs.len() > len {
            let Some(output) = self.node_mut(node).outputs.pop() else {
                return;
            };
            let value = &mut self.values[output.index()];
            assert!(value.uses.is_empty(), "{output:?} is still read");
            value.def = Def::Dead;
        }
    }

    /// Takes an output out of a node; those behind it move up.
    ///
    /// # Panics
    /// It is still read.
    pub fn remove_output(&mut self, node: NodeId, index: usize) {
        let output = self.node_mut(node).outputs.remove(index);
        let value = &mut self.values[output.index()];
        assert!(value.uses.is_empty(), "{output:?} is still read");
        value.def = Def::Dead;
        let behind = self.node(node).outputs[index..].to_vec();
        for (at, value) in (index as u32..).zip(behind) {
            self.values[value.index()].def = Def::Output { node, index: at };
        }
    }

    /// Takes an operand out of a node; those behind it move up.
    pub fn remove_operand(&mut self, node: NodeId, index: usize) {
        let behind: Vec<Option<ValueId>> = self.node(node).inputs().skip(index + 1).collect();
        self.truncate_operands(node, index);
        behind.into_iter().for_each(|v| self.push_operand(node, v));
    }

    /// Takes an output out of a region; those behind it move up.
    pub fn remove_region_output(&mut self, region: RegionId, index: usize) {
        let behind: Vec<ValueId> = self.region(region).outputs().skip(index + 1).collect();
        for slot in self.region_mut(region).outputs.split_off(index) {
            self.forget(slot);
        }
        behind.into_iter().for_each(|v| self.add_output(region, v));
    }

    /// Takes an input out of a region; those behind it move up.
    ///
    /// # Panics
    /// It is still read.
    pub fn remove_input(&mut self, region: RegionId, index: usize) {
        let input = self.region_mut(region).inputs.remove(index);
        let value = &mut self.values[input.index()];
        assert!(value.uses.is_empty(), "{input:?} is still read");
        value.def = Def::Dead;
    }

    /// Removes a node that nothing reads, with the bodies inside it.
    ///
    /// # Panics
    /// One of its outputs is still read.
    pub fn remove_node(&mut self, node: NodeId) {
        let outputs = self.node(node).outputs.clone();
        assert!(
            outputs.iter().all(|&o| self.value(o).uses.is_empty()),
            "{node:?} ({}) is still read",
            self.node(node).op
        );
        self.tear_down(node);
    }

    /// Removes an initializer that nothing reads.
    ///
    /// # Panics
    /// It is still read.
    pub fn remove_initializer(&mut self, initializer: ValueId) {
        let value = &mut self.values[initializer.index()];
        assert!(value.uses.is_empty(), "{initializer:?} is still read");
        if matches!(value.def, Def::Initializer { .. }) {
            value.def = Def::Dead;
            value.source = None;
        }
    }

    /// Removes a node whose readers are removed with it.
    fn tear_down(&mut self, node: NodeId) {
        let mut pending = vec![node];
        while let Some(id) = pending.pop() {
            for index in 0..self.node(id).inputs.len() {
                if let Some(slot) = self.node_mut(id).inputs[index].take() {
                    self.forget(slot);
                }
            }
            let node = self.nodes[id.index()].take().expect("a node is torn down once");
            self.live -= 1;
            for body in node.regions() {
                self.tear_down_region(body, &mut pending);
            }
            for output in node.outputs {
                self.values[output.index()].def = Def::Dead;
            }
        }
    }

    fn tear_down_region(&mut self, region: RegionId, pending: &mut Vec<NodeId>) {
        let body = self.regions[region.index()].take().expect("a body is torn down with its only node");
        for slot in &body.outputs {
            self.forget(*slot);
        }
        for value in body.inputs.iter().chain(&body.initializers) {
            let home = match &self.value(*value).def {
                Def::Input { region, .. } | Def::Initializer { region, .. } => Some(*region),
                _ => None,
            };
            if home == Some(region) {
                self.values[value.index()].def = Def::Dead;
            }
        }
        pending.extend(
            body.nodes.into_iter().filter(|&n| self.get(n).is_some_and(|node| node.region == region)),
        );
    }
}
