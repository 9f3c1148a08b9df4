//! The only way to change a graph. Each edit costs the same whatever the size of the graph, and
//! leaves every use recorded at both ends.

use super::taken::Taken;
use super::value::Slot;
use super::{
    Attr, Attribute, Def, Dim, Graph, Name, NewNode, NewOutput, Node, NodeId, OpId, Region, RegionId,
    Residue, Type, Use, Value, ValueId,
};
use crate::tensor::Tensor;
use bytes::Bytes;

/// The distance between the order hints of nodes added one after the other.
const ORDER_STEP: u64 = 1 << 20;

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
            taken: Taken::default(),
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

    /// Moves an initializer outward, to a region around the one that owns it.
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
        let order = new.order.unwrap_or(self.clock.saturating_add(ORDER_STEP));
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
        if !name.is_empty() {
            self.taken.insert(&name);
        }
        let value = &mut self.values[value.index()];
        if value.name != name {
            value.name = name;
            value.source = None;
        }
    }

    /// A name that no value ever had, and no other call gave out: `base`, or `base` with a number behind it.
    ///
    /// A free `base` is given out again until a value has it.
    pub fn fresh_name(&mut self, base: &str) -> Name {
        self.taken.fresh(base)
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
    /// for `old`'s names too, in no particular order. Names at the border are the caller's business.
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
        let mut stands_for = std::mem::take(&mut self.values[old.index()].origins);
        stands_for.push(self.values[old.index()].name.clone());
        let origins = &mut self.values[new.index()].origins;
        // The shorter list moves, so that a long chain of replacements stays cheap from either end.
        if origins.len() < stands_for.len() {
            std::mem::swap(origins, &mut stands_for);
        }
        origins.append(&mut stands_for);
    }

    /// Makes a region return another value.
    pub fn set_region_output(&mut self, region: RegionId, index: usize, new: ValueId) {
        let slot = self.region(region).outputs[index];
        self.forget(slot);
        let slot = self.record(new, Use::RegionOutput { region, index: index as u32 });
        self.region_mut(region).outputs[index] = slot;
    }

    /// Moves a node, with the bodies inside it, to a region that it never was in. Its order hint becomes `order`.
    pub fn move_node(&mut self, node: NodeId, to: RegionId, order: u64) {
        let n = self.node_mut(node);
        n.order = order;
        if n.region != to {
            n.region = to;
            self.region_mut(to).nodes.push(node);
        }
    }

    fn push_value(&mut self, name: Name, ty: Option<Type>, def: Def) -> ValueId {
        if !name.is_empty() {
            self.taken.insert(&name);
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

    pub(super) fn forget(&mut self, slot: Slot) {
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

    pub(super) fn node_mut(&mut self, node: NodeId) -> &mut Node {
        self.nodes[node.index()].as_mut().expect("a removed node is never changed: S6")
    }

    pub(super) fn region_mut(&mut self, region: RegionId) -> &mut Region {
        self.regions[region.index()].as_mut().expect("a removed body is never changed: S6")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(g: &mut Graph, new: NewNode) -> ValueId {
        let node = g.add_node(RegionId::ROOT, new);
        g.node(node).outputs()[0]
    }

    fn relu(g: &mut Graph, input: ValueId, name: &str) -> ValueId {
        add(g, NewNode::new(OpId::onnx("Relu"), vec![Some(input)], vec![NewOutput::named(name)]))
    }

    #[test]
    fn a_use_is_recorded_at_both_ends_after_every_edit() {
        let mut g = Graph::new();
        let x = g.add_input(RegionId::ROOT, "x", None);
        let a = relu(&mut g, x, "a");
        let op = NewNode::new(OpId::onnx("Sum"), vec![Some(x), None, Some(a), Some(x)], vec![]);
        let sum = g.add_node(RegionId::ROOT, op);
        g.add_output(RegionId::ROOT, x);
        g.set_operand(sum, 0, Some(a));
        g.set_operand(sum, 1, Some(x));
        g.push_operand(sum, Some(x));
        g.truncate_operands(sum, 4);
        g.set_region_output(RegionId::ROOT, 0, a);
        let reads: Vec<_> = g.node(sum).inputs().collect();
        assert_eq!(reads, [Some(a), Some(x), Some(a), Some(x)]);
        for value in [x, a] {
            let mut uses = g.value(value).uses().to_vec();
            uses.sort_unstable();
            let mut read: Vec<Use> = Vec::new();
            for (node, n) in g.nodes() {
                let operands = (0u32..).zip(n.inputs()).filter(|(_, v)| *v == Some(value));
                read.extend(operands.map(|(index, _)| Use::Operand { node, index }));
            }
            let returned = (0u32..).zip(g.root().outputs()).filter(|(_, v)| *v == value);
            read.extend(returned.map(|(index, _)| Use::RegionOutput { region: RegionId::ROOT, index }));
            read.sort_unstable();
            assert_eq!(uses, read);
            for (at, u) in g.value(value).uses().iter().enumerate() {
                let slot = match *u {
                    Use::Operand { node, index } => g.node(node).inputs[index as usize],
                    Use::RegionOutput { index, .. } => Some(g.root().outputs[index as usize]),
                };
                assert_eq!(slot.map(|s| (s.value, s.at as usize)), Some((value, at)));
            }
        }
    }

    /// Each replacement hands on all names so far: copied each time, they would not fit into memory.
    #[test]
    fn a_chain_may_be_replaced_from_either_end() {
        for from_the_end in [false, true] {
            let mut g = Graph::new();
            let mut chain = vec![g.add_input(RegionId::ROOT, "x", None)];
            for i in 0..50_000 {
                let last = relu(&mut g, chain[i], &format!("v{i}"));
                chain.push(last);
            }
            let mut steps: Vec<usize> = (1..chain.len()).collect();
            if from_the_end {
                steps.reverse();
            }
            for i in steps {
                let new = if from_the_end { chain[i - 1] } else { chain[0] };
                g.replace_uses(chain[i], new);
                g.producer(chain[i]).into_iter().for_each(|n| g.remove_node(n));
            }
            let mut names: Vec<&str> = g.value(chain[0]).origins().iter().map(|n| &**n).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), 50_000);
        }
    }

    #[test]
    fn whether_a_value_is_constant_and_which_one_agree() {
        let mut g = Graph::new();
        let constant = |g: &mut Graph, attrs: &[(&str, Attr)]| {
            let outputs = vec![NewOutput::named("c"), NewOutput::named("d")];
            let new = NewNode::new(OpId::onnx("Constant"), vec![], outputs);
            add(g, attrs.iter().fold(new, |new, (name, value)| new.attr(name, value.clone())))
        };
        let one = Attr::Int(1);
        let good = constant(&mut g, &[("value_int", one.clone())]);
        let second = g.producer(good).map(|n| g.node(n).outputs()[1]);
        let bad = [
            constant(&mut g, &[]),
            constant(&mut g, &[("value", one.clone())]),
            constant(&mut g, &[("value_int", one.clone()), ("value_float", Attr::Float(1.0))]),
            constant(&mut g, &[("value_int", Attr::Ref("v".into(), one.kind()))]),
        ];
        assert!(g.is_const(good) && g.const_value(good).and_then(|t| t.as_int()) == Some(1));
        for value in bad.into_iter().chain(second) {
            assert!(!g.is_const(value) && g.const_value(value).is_none());
        }
    }
}
