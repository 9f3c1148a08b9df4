//! Equal nodes, region by region, inner ones also against what was computed before outside.

use crate::analysis::Facts;
use crate::error::Result;
use crate::ir::{Attr, Attribute, Graph, Node, NodeId, Opsets, RegionId, topological};
use crate::rewrite::{Context, substitute, sweep};
use crate::schema;
use crate::tensor::Tensor;
use rustc_hash::{FxHashMap, FxHasher};
use std::hash::{Hash, Hasher};

/// Bytes of a tensor attribute that go into the hash; equality looks at all.
const SAMPLE: usize = 64;

/// Merges equal nodes of all regions and gives back how many went.
pub(super) fn merge(
    graph: &mut Graph,
    opsets: &Opsets,
    facts: &mut Facts,
    in_function: bool,
) -> Result<usize> {
    let mut scopes = Scopes { graph, opsets, facts, in_function, seen: Vec::new(), merged: 0 };
    scopes.region(RegionId::ROOT)?;
    Ok(scopes.merged)
}

struct Scopes<'a> {
    graph: &'a mut Graph,
    opsets: &'a Opsets,
    facts: &'a mut Facts,
    in_function: bool,
    /// Nodes met so far by hash, a table for each region around the current one, outermost first.
    seen: Vec<FxHashMap<u64, Vec<NodeId>>>,
    merged: usize,
}

impl Scopes<'_> {
    fn region(&mut self, region: RegionId) -> Result<()> {
        self.seen.push(FxHashMap::default());
        for id in topological(self.graph, region)? {
            if self.graph.get(id).is_none() {
                continue;
            }
            let bodies: Vec<RegionId> = self.graph.node(id).regions().collect();
            if !bodies.is_empty() {
                bodies.into_iter().try_for_each(|body| self.region(body))?;
            } else if self.may_merge(id) {
                self.visit(id);
            }
        }
        self.seen.pop();
        Ok(())
    }

    fn may_merge(&self, id: NodeId) -> bool {
        let node = self.graph.node(id);
        let (op, graph, opsets) = (node.op(), &*self.graph, self.opsets);
        let version = opsets.get(op.domain).unwrap_or(1);
        let known = schema::lookup(op.domain, op.name, version).is_some();
        let cx = Context { graph, opsets, facts: self.facts, in_function: self.in_function };
        known && !node.outputs().is_empty() && !cx.is_random(id)
    }

    fn visit(&mut self, id: NodeId) {
        let key = hash(self.graph.node(id));
        let found = self.seen.iter().rev().find_map(|table| {
            let candidates = table.get(&key)?;
            candidates.iter().copied().find(|&first| equal(self.graph, first, id))
        });
        match found {
            Some(first) if self.replace(id, first) => self.merged += 1,
            Some(_) => {}
            None => self.seen.last_mut().expect("a region is being visited").entry(key).or_default().push(id),
        }
    }

    /// Whether every output that is read could be replaced; what could not stays with its node.
    fn replace(&mut self, id: NodeId, first: NodeId) -> bool {
        let pairs: Vec<_> = {
            let (old, new) = (self.graph.node(id).outputs(), self.graph.node(first).outputs());
            old.iter().copied().zip(new.iter().copied()).collect()
        };
        let mut all = true;
        for (old, new) in pairs {
            if !self.graph.value(old).uses().is_empty() {
                all &= substitute(self.graph, self.facts, old, new).is_ok();
            }
        }
        if all {
            sweep(self.graph, id);
        }
        all
    }
}

fn hash(node: &Node) -> u64 {
    let mut hasher = FxHasher::default();
    node.op().hash(&mut hasher);
    node.overload().hash(&mut hasher);
    node.inputs().for_each(|v| v.hash(&mut hasher));
    // Attributes may be written in any order.
    let attrs = node.attrs().iter().map(hash_attribute).fold(0u64, u64::wrapping_add);
    attrs.hash(&mut hasher);
    hasher.finish()
}

fn hash_attribute(attribute: &Attribute) -> u64 {
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
        other => other.kind().hash(&mut hasher),
    }
    hasher.finish()
}

fn equal(graph: &Graph, a: NodeId, b: NodeId) -> bool {
    let (a, b) = (graph.node(a), graph.node(b));
    let omitted =
        |n: &Node| -> Vec<bool> { n.outputs().iter().map(|&o| graph.value(o).name().is_empty()).collect() };
    a.op() == b.op()
        && a.overload() == b.overload()
        && a.inputs().eq(b.inputs())
        && omitted(a) == omitted(b)
        && a.attrs().len() == b.attrs().len()
        && a.attrs().iter().all(|x| b.attr(&x.name).is_some_and(|y| same(&x.value, y)))
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
