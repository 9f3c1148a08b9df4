//! A copy of a function's nodes beside a call, with the call's operands and attributes in the place of the formal ones.

use crate::error::Result;
use crate::ir::{
    Attr, Attribute, Def, Function, Graph, Name, NewNode, NewOutput, Node, NodeId, RegionId, ValueId,
    topological,
};
use rustc_hash::{FxHashMap, FxHashSet};

/// The initializer of the main graph for a constant of a function.
pub(super) type Constants = FxHashMap<(usize, ValueId), ValueId>;

/// What a copy gives.
pub(super) struct Copied {
    /// The values that the function returns.
    pub(super) returned: Vec<ValueId>,
    /// The nodes that were added beside the call.
    pub(super) nodes: FxHashSet<NodeId>,
}

/// Adds the nodes of `function`, the one at `index`, beside a call of it.
pub(super) fn copy(
    function: &Function,
    index: usize,
    graph: &mut Graph,
    call: NodeId,
    constants: &mut Constants,
) -> Result<Copied> {
    let node = graph.node(call);
    let formals = function.graph.root().inputs().iter().enumerate();
    let values = formals.map(|(i, &formal)| (formal, node.input(i))).collect();
    let (region, order) = (node.region(), node.order());
    let attrs = node.attrs().iter().chain(&function.defaults).cloned().collect();
    let mut copier = Copier { function, index, graph, constants, values, attrs, nodes: FxHashSet::default() };
    copier.body(RegionId::ROOT, region, Some(order))?;
    let returned = function.graph.root().outputs().take(copier.graph.node(call).outputs().len());
    let returned = returned.map(|v| copier.value(v).expect("what is omitted is not returned")).collect();
    Ok(Copied { returned, nodes: copier.nodes })
}

struct Copier<'a> {
    function: &'a Function,
    index: usize,
    graph: &'a mut Graph,
    constants: &'a mut Constants,
    /// The values of the function that have one in the main graph; none where the call omits an operand.
    values: FxHashMap<ValueId, Option<ValueId>>,
    /// What the call gives, then what the function defaults to.
    attrs: Vec<Attribute>,
    nodes: FxHashSet<NodeId>,
}

impl Copier<'_> {
    /// Copies nodes and initializers of a region of the function into one of the main graph.
    fn body(&mut self, from: RegionId, to: RegionId, order: Option<u64>) -> Result<()> {
        let theirs = &self.function.graph;
        for id in topological(theirs, from)? {
            let node = theirs.node(id);
            let constant = node.outputs().first().is_some_and(|&v| theirs.is_const(v));
            if !(constant && from == RegionId::ROOT) {
                self.node(node, to, order)?;
            }
        }
        Ok(())
    }

    fn node(&mut self, node: &Node, to: RegionId, order: Option<u64>) -> Result<()> {
        let theirs = &self.function.graph;
        let mut inputs: Vec<Option<ValueId>> = node.inputs().map(|v| self.value(v?)).collect();
        if node.inputs().last().flatten().is_some() {
            let given = inputs.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
            inputs.truncate(given);
        }
        let mut attrs = Vec::new();
        for attribute in node.attrs() {
            attrs.extend(self.attribute(attribute)?);
        }
        let outputs = node.outputs().iter().map(|&v| NewOutput::named(self.name(v))).collect();
        let new = NewNode {
            overload: node.overload().clone(),
            attrs,
            order,
            ..NewNode::new(node.op(), inputs, outputs)
        };
        let id = self.graph.add_node(to, new);
        if order.is_some() {
            self.nodes.insert(id);
        }
        let outputs = self.graph.node(id).outputs().to_vec();
        for (&old, new) in node.outputs().iter().zip(outputs) {
            self.graph.set_declared(new, theirs.value(old).declared().cloned());
            self.values.insert(old, Some(new));
        }
        Ok(())
    }

    /// The attribute with what it refers to; none where that is not given.
    fn attribute(&mut self, attribute: &Attribute) -> Result<Option<Attribute>> {
        let value = match &attribute.value {
            Attr::Ref(name, _) => match self.attrs.iter().find(|a| a.name == *name) {
                Some(given) => given.value.clone(),
                None => return Ok(None),
            },
            Attr::Region(body) => Attr::Region(self.region(*body)?),
            Attr::Regions(bodies) => {
                Attr::Regions(bodies.iter().map(|&b| self.region(b)).collect::<Result<_>>()?)
            }
            other => other.clone(),
        };
        Ok(Some(Attribute { value, ..attribute.clone() }))
    }

    fn region(&mut self, from: RegionId) -> Result<RegionId> {
        let theirs = &self.function.graph;
        let body = theirs.region(from);
        let to = self.graph.add_region();
        self.graph.describe_region(to, body.name().clone(), body.residue().clone());
        for &input in body.inputs() {
            let name = self.name(input);
            let new = self.graph.add_input(to, name, theirs.value(input).declared().cloned());
            self.values.insert(input, Some(new));
        }
        for constant in theirs.initializers(from) {
            let Def::Initializer { tensor, .. } = theirs.value(constant).def() else { continue };
            let name = self.name(constant);
            let new = self.graph.add_initializer(to, name, tensor.clone());
            self.values.insert(constant, Some(new));
        }
        self.body(from, to, None)?;
        for output in body.outputs() {
            let output = self.value(output).expect("what is omitted is not returned");
            self.graph.add_output(to, output);
        }
        Ok(to)
    }

    fn name(&mut self, of: ValueId) -> Name {
        let name = self.function.graph.value(of).name();
        if name.is_empty() { name.clone() } else { self.graph.fresh_name(name) }
    }

    /// The value in the main graph. A constant of the function becomes an initializer when it is first read.
    fn value(&mut self, of: ValueId) -> Option<ValueId> {
        if let Some(&known) = self.values.get(&of) {
            return known;
        }
        if let Some(&stored) = self.constants.get(&(self.index, of)) {
            return Some(stored);
        }
        let tensor = self.function.graph.const_value(of)?;
        let name = self.name(of);
        let stored = self.graph.add_initializer(RegionId::ROOT, name, tensor);
        self.constants.insert((self.index, of), stored);
        Some(stored)
    }
}
