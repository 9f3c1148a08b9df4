//! Ways to break a graph that the mutation API does not offer, for the verifier's own tests.

use super::value::Slot;
use super::{Def, Graph, NodeId, RegionId, Type, Use, ValueId};

impl Graph {
    /// Loses the record of a value's uses.
    pub(crate) fn break_uses(&mut self, value: ValueId) {
        self.values[value.index()].uses.clear();
    }

    /// Records a use that is none.
    pub(crate) fn break_with_use(&mut self, value: ValueId, u: Use) {
        self.values[value.index()].uses.push(u);
    }

    /// Changes where a value says that it comes from.
    pub(crate) fn break_def(&mut self, value: ValueId, def: Def) {
        self.values[value.index()].def = def;
    }

    /// Lists a node a second time in its region.
    pub(crate) fn break_listing(&mut self, node: NodeId) {
        let region = self.nodes[node.index()].as_ref().expect("a live node").region;
        self.regions[region.index()].as_mut().expect("a live region").nodes.push(node);
    }

    /// Says that another node holds a body.
    pub(crate) fn break_parent(&mut self, region: RegionId, parent: Option<NodeId>) {
        self.regions[region.index()].as_mut().expect("a live region").parent = parent;
    }

    /// Makes a region return a value without recording it.
    pub(crate) fn break_output(&mut self, region: RegionId, value: ValueId) {
        self.regions[region.index()].as_mut().expect("a live region").outputs.push(Slot { value, at: 0 });
    }

    /// Gives a value a type that it does not have.
    pub(crate) fn break_type(&mut self, value: ValueId, ty: Option<Type>) {
        self.values[value.index()].ty = ty;
    }
}
