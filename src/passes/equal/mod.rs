//! Nodes that compute the same from the same, with the bodies inside them.

use crate::ir::{Attr, Attribute, Def, Graph, Node, NodeId, RegionId, ValueId, captures, topological};
use crate::rewrite::Context;

use crate::tensor::Tensor;
use rustc_hash::{FxHashMap, FxHasher};
use std::hash::{Hash, Hasher};

/// Bytes of a tensor attribute that go into the hash; equality looks at all.
const SAMPLE: usize = 64;

/// Whether a node, and every node of the bodies inside it, is one that we know, draws no random numbers and keeps no state.
pub(super) fn is_pure(cx: &Context<'_>, id: NodeId) -> bool {
    let mut pending = vec![id];
    while let Some(id) = pending.pop() {
        let node = cx.node(id);
        if cx.schema(id).is_none() || cx.is_random(id) {
            return false;
        }
        for body in node.regions() {
            pending.extend(cx.graph.nodes_in(body).map(|(inner, _)| inner));
        }
    }
    true
}

/// Equal nodes have equal numbers; of bodies only the ops count, and what is read from outside.
pub(super) fn hash(graph: &Graph, id: NodeId) -> u64 {
    let node = graph.node(id);
    let mut hasher = FxHasher::default();
    node.op().hash(&mut hasher);
    node.overload().hash(&mut hasher);
    node.inputs().for_each(|v| v.hash(&mut hasher));
    // Attributes may be written in any order.
    let attrs = node.attrs().iter().map(|a| hash_attribute(graph, a)).fold(0u64, u64::wrapping_add);
    attrs.hash(&mut hasher);
    let computed = |v: &ValueId| !matches!(graph.value(*v).def(), Def::Initializer { .. });
    let read = captures(graph, id).into_iter().filter(computed).map(|v| v.index() as u64);
    read.fold(0u64, u64::wrapping_add).hash(&mut hasher);
    hasher.finish()
}

fn hash_attribute(graph: &Graph, attribute: &Attribute) -> u64 {
    let mut hasher = FxHasher::default();
    attribute.name.hash(&mut hasher);
    match &attribute.value {
        Attr::Int(v) => v.hash(&mut hasher),
        Attr::Float(v) => v.to_bits().hash(&mut hasher),
        Attr::String(v) => v.hash(&mut hasher),
        Attr::Ints(v) => v.hash(&mut hasher),
        Attr::Tensor(t) => {
            (t.dtype(), t.shape()).hash(&mut hasher);
            let bytes = t.bytes().unwrap_or_default();
            hasher.write(&bytes[..bytes.len().min(SAMPLE)]);
        }
        Attr::Region(body) => {
            let numbers = graph.nodes_in(*body).map(|(_, n)| {
                let mut hasher = FxHasher::default();
                n.op().hash(&mut hasher);
                hasher.finish()
            });
            numbers.fold(0u64, u64::wrapping_add).hash(&mut hasher);
        }
        other => other.kind().hash(&mut hasher),
    }
    hasher.finish()
}

/// Whether two nodes compute the same from the same values.
pub(super) fn equal(graph: &Graph, a: NodeId, b: NodeId) -> bool {
    Twins { graph, of: FxHashMap::default() }.nodes(a, b)
}

/// What inside one body is what inside the other.
struct Twins<'g> {
    graph: &'g Graph,
    of: FxHashMap<ValueId, ValueId>,
}

impl Twins<'_> {
    fn nodes(&mut self, a: NodeId, b: NodeId) -> bool {
        let graph = self.graph;
        let (a, b) = (graph.node(a), graph.node(b));
        let omitted = |n: &Node| -> Vec<bool> {
            n.outputs().iter().map(|&o| graph.value(o).name().is_empty()).collect()
        };
        let alike = a.op() == b.op()
            && a.overload() == b.overload()
            && a.inputs().len() == b.inputs().len()
            && omitted(a) == omitted(b)
            && a.attrs().len() == b.attrs().len();
        alike
            && a.inputs().zip(b.inputs()).all(|pair| match pair {
                (Some(x), Some(y)) => self.values(x, y),
                (x, y) => x == y,
            })
            && a.attrs().iter().all(|x| b.attr(&x.name).is_some_and(|y| self.attributes(&x.value, y)))
    }

    /// Outside of bodies only a value itself is the same: equal constants are merged before.
    fn values(&self, a: ValueId, b: ValueId) -> bool {
        if a == b || self.of.get(&a) == Some(&b) {
            return true;
        }
        let inner = |v: ValueId| match self.graph.value(v).def() {
            Def::Initializer { region, tensor, .. } if *region != RegionId::ROOT => Some(tensor),
            _ => None,
        };
        inner(a).zip(inner(b)).is_some_and(|(x, y)| x.same_bits(y))
    }

    fn attributes(&mut self, a: &Attr, b: &Attr) -> bool {
        match (a, b) {
            (Attr::Region(a), Attr::Region(b)) => self.bodies(*a, *b),
            _ => same(a, b),
        }
    }

    fn bodies(&mut self, a: RegionId, b: RegionId) -> bool {
        let graph = self.graph;
        let (first, second) = (graph.region(a), graph.region(b));
        let declared = |v: &ValueId| graph.value(*v).declared();
        if first.inputs().len() != second.inputs().len()
            || first.outputs().len() != second.outputs().len()
            || !first.inputs().iter().map(declared).eq(second.inputs().iter().map(declared))
        {
            return false;
        }
        self.of.extend(first.inputs().iter().copied().zip(second.inputs().iter().copied()));
        let (Ok(ours), Ok(theirs)) = (topological(graph, a), topological(graph, b)) else { return false };
        if ours.len() != theirs.len() {
            return false;
        }
        for (x, y) in ours.into_iter().zip(theirs) {
            if !self.nodes(x, y) {
                return false;
            }
            let outputs = graph.node(x).outputs().iter().zip(graph.node(y).outputs());
            self.of.extend(outputs.map(|(x, y)| (*x, *y)));
        }
        first.outputs().zip(second.outputs()).all(|(x, y)| self.values(x, y))
    }
}

fn same(a: &Attr, b: &Attr) -> bool {
    let bits = |v: &[f32]| v.iter().map(|f| f.to_bits()).collect::<Vec<_>>();
    match (a, b) {
        (Attr::Int(a), Attr::Int(b)) => a == b,
        (Attr::Float(a), Attr::Float(b)) => a.to_bits() == b.to_bits(),
        (Attr::String(a), Attr::String(b)) => a == b,
        (Attr::Ints(a), Attr::Ints(b)) => a == b,
        (Attr::Floats(a), Attr::Floats(b)) => bits(a) == bits(b),
        (Attr::Strings(a), Attr::Strings(b)) => a == b,
        (Attr::Tensor(a), Attr::Tensor(b)) => a.same_bits(b),
        (Attr::Tensors(a), Attr::Tensors(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(x, y): (&Tensor, &Tensor)| x.same_bits(y))
        }
        (Attr::Type(a), Attr::Type(b)) => a == b,
        (Attr::Ref(a, k), Attr::Ref(b, l)) => a == b && k == l,
        _ => false,
    }
}
