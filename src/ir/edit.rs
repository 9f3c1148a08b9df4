//! The only way to change a graph. Each edit costs the same whatever the size of the graph, and
//! leaves every use recorded at both ends.

use super::graph::Slot;
use super::{
    Attr, Attribute, Def, Dim, Graph, Name, Node, NodeId, OpId, Region, RegionId, Residue, Type, Use, Value,
    ValueId,
};
use crate::tensor::Tensor;
use bytes::Bytes;
use rustc_hash::FxHashSet;

/// The distance between the order hints of nodes added one after the other.
const ORDER_STEP: u64 = 1 << 20;

/// A node to be added.
#[derive(Clone, Debug)]
pub struct NewNode {
    /// What it computes.
    pub op: OpId,
    /// `NodeProto.overload`.
    pub overload: Name,
    /// Its name, empty for none.
    pub name: Name,
    /// The operands.
    pub inputs: Vec<Option<ValueId>>,
    /// The outputs; an empty name omits one.
    pub outputs: Vec<NewOutput>,
    /// The attributes. A region among them must be new: made by [`Graph::add_region`] and held by no node.
    pub attrs: Vec<Attribute>,
    /// The position hint; behind all earlier nodes where `None`.
    pub order: Option<u64>,
    /// What we carry.
    pub residue: Residue,
}

/// An output of a node to be added.
#[derive(Clone, Debug, Default)]
pub struct NewOutput {
    /// Its name; empty omits the output.
    pub name: Name,
    /// What is known of its type.
    pub ty: Option<Type>,
}

impl NewNode {
    /// A nameless node without attributes.
    pub fn new(op: OpId, inputs: Vec<Option<ValueId>>, outputs: Vec<NewOutput>) -> Self {
        Self {
            op,
            overload: Name::default(),
            name: Name::default(),
            inputs,
            outputs,
            attrs: Vec::new(),
            order: None,
            residue: Residue::default(),
        }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attr(mut self, name: &str, value: impl Into<Attr>) -> Self {
        self.attrs.push(Attribute { name: name.into(), value: value.into(), residue: Residue::default() });
        self
    }
}

impl NewOutput {
    /// An output of unknown type.
    pub fn named(name: impl Into<Name>) -> Self {
        Self { name: name.into(), ty: None }
    }
}

impl Default for Graph {
    fn default() -> Self {
        Self::new()
    }
}

impl Graph {
    /// A graph whose root region is empty.
    pub fn new() -> Self {
        Self {
            nodes: Vec::new(),
            values: Vec::new(),
            regions: vec![Some(Region::default())],
            names: FxHashSet::default(),
            live: 0,
            clock: 0,
        }
    }

    /// An empty body, to be held by the next node that takes it as an attribute.
    pub fn add_region(&mut self) -> RegionId {
        self.regions.push(Some(Region::default()));
        RegionId::new(self.regions.len() - 1)
    }

    /// Names a region and says what we carry of it.
    pub fn describe_region(&mut self, region: RegionId, name: impl Into<Name>, residue: Residue) {
        let region = self.region_mut(region);
        region.name = name.into();
        region.residue = residue;
    }

    /// A new last input of a region. The type is declared and known.
    pub fn add_input(&mut self, region: RegionId, name: impl Into<Name>, ty: Option<Type>) -> ValueId {
        let v = self.push_value(name.into(), ty.clone(), Def::Input { region, default: None });
        self.values[v.index()].declared = ty;
        self.region_mut(region).inputs.push(v);
        v
    }

    /// Gives a graph input a value that a caller may override.
    pub fn set_input_default(&mut self, input: ValueId, tensor: Tensor) {
        if let Def::Input { default, .. } = &mut self.values[input.index()].def {
            *default = Some(tensor);
        }
    }

    /// A constant owned by a region. Its type is the tensor's.
    pub fn add_initializer(&mut self, region: RegionId, name: impl Into<Name>, tensor: Tensor) -> ValueId {
        let dims: Vec<Dim> = tensor.shape().iter().map(|&d| Dim::Fixed(d as u64)).collect();
        let ty = Type::tensor(tensor.dtype(), dims);
        let v = self.push_value(name.into(), Some(ty), Def::Initializer { region, tensor, listed: false });
        self.region_mut(region).initializers.push(v);
        v
    }

    /// Says that an initializer is also written as a graph input (IR older than 4).
    pub fn set_listed(&mut self, initializer: ValueId, yes: bool) {
        if let Def::Initializer { listed, .. } = &mut self.values[initializer.index()].def {
            *listed = yes;
        }
    }

    /// Remembers the message that an initializer was read from, until its name changes.
    pub fn set_source(&mut self, initializer: ValueId, message: Bytes) {
        self.values[initializer.index()].source = Some(message);
    }

    /// Moves an initializer to the region that is to own it.
    pub fn hoist_initializer(&mut self, initializer: ValueId, to: RegionId) {
        if let Def::Initializer { region, .. } = &mut self.values[initializer.index()].def
            && *region != to
        {
            *region = to;
            self.region_mut(to).initializers.push(initializer);
        }
    }

    /// Adds a node to a region.
    pub fn add_node(&mut self, region: RegionId, new: NewNode) -> NodeId {
        let id = NodeId::new(self.nodes.len());
        let order = new.order.unwrap_or(self.clock + ORDER_STEP);
        self.clock = self.clock.max(order);
        let outputs = (0u32..)
            .zip(new.outputs)
            .map(|(index, o)| self.push_value(o.name, o.ty, Def::Output { node: id, index }))
            .collect();
        let inputs = (0u32..)
            .zip(new.inputs)
            .map(|(index, v)| v.map(|v| self.record(v, Use::Operand { node: id, index })))
            .collect();
        for body in new.attrs.iter().flat_map(|a| a.value.regions()) {
            self.region_mut(*body).parent = Some(id);
        }
        self.nodes.push(Some(Node {
            op: new.op,
            overload: new.overload,
            name: new.name,
            region,
            order,
            inputs,
            outputs,
            attrs: new.attrs,
            residue: new.residue,
        }));
        self.region_mut(region).nodes.push(id);
        self.live += 1;
        id
    }

    /// A new last output of a node, for one that may have any number: If, Loop, Scan.
    pub fn add_node_output(&mut self, node: NodeId, new: NewOutput) -> ValueId {
        let index = self.node(node).outputs.len() as u32;
        let v = self.push_value(new.name, new.ty, Def::Output { node, index });
        self.node_mut(node).outputs.push(v);
        v
    }

    /// A new last output of a region.
    pub fn add_output(&mut self, region: RegionId, value: ValueId) {
        let index = self.region(region).outputs.len() as u32;
        let slot = self.record(value, Use::RegionOutput { region, index });
        self.region_mut(region).outputs.push(slot);
    }

    /// What the file declares of a value's type.
    pub fn set_declared(&mut self, value: ValueId, ty: Option<Type>) {
        self.values[value.index()].declared = ty;
    }

    /// What is known of a value's type from now on.
    pub fn set_type(&mut self, value: ValueId, ty: Option<Type>) {
        self.values[value.index()].ty = ty;
    }

    /// What we carry of a value's `ValueInfoProto`.
    pub fn set_value_residue(&mut self, value: ValueId, residue: Residue) {
        self.values[value.index()].residue = residue;
    }

    /// Renames a value. The old name is not given out again.
    pub fn rename(&mut self, value: ValueId, name: impl Into<Name>) {
        let name = name.into();
        self.names.insert(name.clone());
        let value = &mut self.values[value.index()];
        if value.name != name {
            value.name = name;
            value.source = None;
        }
    }

    /// A name that no value ever had: `base`, or `base` with a number behind it.
    pub fn fresh_name(&self, base: &str) -> Name {
        if !self.names.contains(base) {
            return base.into();
        }
        let numbered = (1u64..).map(|i| format!("{base}_{i}")).find(|n| !self.names.contains(n.as_str()));
        numbered.expect("there are more numbers than names").into()
    }

    /// Makes a node read another value, or none.
    pub fn set_operand(&mut self, node: NodeId, index: usize, value: Option<ValueId>) {
        if let Some(slot) = self.node(node).inputs[index] {
            self.forget(slot);
        }
        let slot = value.map(|v| self.record(v, Use::Operand { node, index: index as u32 }));
        self.node_mut(node).inputs[index] = slot;
    }

    /// Adds a last operand.
    pub fn push_operand(&mut self, node: NodeId, value: Option<ValueId>) {
        let index = self.node(node).inputs.len() as u32;
        let slot = value.map(|v| self.record(v, Use::Operand { node, index }));
        self.node_mut(node).inputs.push(slot);
    }

    /// Makes a node compute another op of the same outputs.
    pub fn set_op(&mut self, node: NodeId, op: OpId) {
        self.node_mut(node).op = op;
    }

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

    /// Drops operands behind the first `len`.
    pub fn truncate_operands(&mut self, node: NodeId, len: usize) {
        while self.node(node).inputs.len() > len {
            if let Some(Some(slot)) = self.node_mut(node).inputs.pop() {
                self.forget(slot);
            }
        }
    }

    /// Sets or adds an attribute that holds no body.
    pub fn set_attr(&mut self, node: NodeId, name: &str, value: impl Into<Attr>) {
        let value = value.into();
        debug_assert!(value.regions().is_empty(), "a body belongs to its node from the start");
        let attrs = &mut self.node_mut(node).attrs;
        match attrs.iter_mut().find(|a| &*a.name == name) {
            Some(a) => a.value = value,
            None => attrs.push(Attribute { name: name.into(), value, residue: Residue::default() }),
        }
    }

    /// Drops an attribute that holds no body; gives back whether it was there.
    pub fn remove_attr(&mut self, node: NodeId, name: &str) -> bool {
        let attrs = &mut self.node_mut(node).attrs;
        let before = attrs.len();
        attrs.retain(|a| &*a.name != name || !a.value.regions().is_empty());
        attrs.len() != before
    }

    /// Moves every use of `old`, captures and region outputs included, to `new`, which from now on stands
    /// for `old`'s names too. Names at the border are the caller's business.
    pub fn replace_uses(&mut self, old: ValueId, new: ValueId) {
        if old == new {
            return;
        }
        for u in std::mem::take(&mut self.values[old.index()].uses) {
            let slot = self.record(new, u);
            match u {
                Use::Operand { node, index } => self.node_mut(node).inputs[index as usize] = Some(slot),
                Use::RegionOutput { region, index } => self.region_mut(region).outputs[index as usize] = slot,
            }
        }
        let stands_for: Vec<Name> = std::iter::once(self.values[old.index()].name.clone())
            .chain(self.values[old.index()].origins.iter().cloned())
            .collect();
        self.values[new.index()].origins.extend(stands_for);
    }

    /// Makes a region return another value.
    pub fn set_region_output(&mut self, region: RegionId, index: usize, new: ValueId) {
        let slot = self.region(region).outputs[index];
        self.forget(slot);
        let slot = self.record(new, Use::RegionOutput { region, index: index as u32 });
        self.region_mut(region).outputs[index] = slot;
    }

    /// Moves a node, with the bodies inside it, to another region. Its order hint becomes `order`.
    pub fn move_node(&mut self, node: NodeId, to: RegionId, order: u64) {
        let n = self.node_mut(node);
        n.order = order;
        if n.region != to {
            n.region = to;
            self.region_mut(to).nodes.push(node);
        }
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

    fn push_value(&mut self, name: Name, ty: Option<Type>, def: Def) -> ValueId {
        if !name.is_empty() {
            self.names.insert(name.clone());
        }
        self.values.push(Value {
            name,
            ty,
            declared: None,
            def,
            uses: Vec::new(),
            origins: Vec::new(),
            residue: Residue::default(),
            source: None,
        });
        ValueId::new(self.values.len() - 1)
    }

    fn record(&mut self, value: ValueId, u: Use) -> Slot {
        let uses = &mut self.values[value.index()].uses;
        uses.push(u);
        Slot { value, at: (uses.len() - 1) as u32 }
    }

    fn forget(&mut self, slot: Slot) {
        let uses = &mut self.values[slot.value.index()].uses;
        uses.swap_remove(slot.at as usize);
        let Some(&moved) = uses.get(slot.at as usize) else {
            return;
        };
        let place = match moved {
            Use::Operand { node, index } => {
                self.nodes[node.index()].as_mut().and_then(|n| n.inputs[index as usize].as_mut())
            }
            Use::RegionOutput { region, index } => {
                self.regions[region.index()].as_mut().map(|r| &mut r.outputs[index as usize])
            }
        };
        if let Some(place) = place {
            place.at = slot.at;
        }
    }

    fn node_mut(&mut self, node: NodeId) -> &mut Node {
        self.nodes[node.index()].as_mut().expect("a removed node is never changed: S6")
    }

    fn region_mut(&mut self, region: RegionId) -> &mut Region {
        self.regions[region.index()].as_mut().expect("a removed body is never changed: S6")
    }
}
