//! What is known of the values of a graph: their types, and the elements of small tensors.
//!
//! Types go into the graph, elements stay here. Graph inputs have their declared types; everything else is inferred
//! from them, since models in the wild declare wrong shapes inside. Where inference gives nothing (an op that nobody
//! has heard of), the declared *element type* is believed, the declared shape is not.
//!
//! A size that only a run can tell gets a symbol of its own, named after the value (`?v17_0`), so that inferring twice
//! gives the same names. All symbols are sizes: never negative, and the same wherever they stand; inside the body of a
//! loop, the same within one iteration.

mod call;
mod control;
mod declared;
mod generic;
#[cfg(test)]
mod tests;

use super::grid::{Element, Grid};
use super::shape;
use super::site::Site;
use crate::diag::Diags;
use crate::ir::{Dim, Function, Graph, Model, NodeId, Opsets, RegionId, Type, ValueId, topological};
use crate::schema;
use rustc_hash::FxHashMap;

/// Nodes inside bodies and functions that one inference looks at, since both may be looked at again and again.
const FUEL: u64 = 500_000;

/// Bodies in bodies, and functions that call functions: more than any honest model has, few enough for the stack.
const MAX_NESTING: u32 = 48;

/// What is known of the values of one graph beyond their types.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    grids: FxHashMap<ValueId, Grid>,
    /// Where a symbol that inference made comes from.
    born: FxHashMap<String, ValueId>,
    /// The functions whose calls lead here, outermost first.
    callers: Vec<usize>,
    /// How many calls and bodies lead to the node at hand.
    nesting: u32,
    /// Nodes inside bodies and functions looked at so far.
    spent: u64,
}

/// What the nodes of a graph are written in.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    /// Opset imports.
    pub opsets: &'a Opsets,
    /// Functions that nodes may call.
    pub functions: &'a [Function],
}

impl Facts {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Infers types and facts of the main graph and its bodies, and remarks on declarations that are wrong.
    ///
    /// Graphs of functions stay as they are: what a call gives is inferred for that call.
    pub fn infer_model(&mut self, model: &mut Model, diags: &mut Diags) {
        let env = Env { opsets: &model.opsets, functions: &model.functions };
        self.infer_graph(&mut model.graph, &env);
        declared::check(&model.graph, diags);
    }

    /// Corrects what the main graph declares of its outputs, and drops what it declares inside, where inference has
    /// proven another shape. To be called after [`Self::infer_model`].
    pub fn correct_declarations(model: &mut Model, diags: &mut Diags) {
        declared::correct(&mut model.graph, diags);
    }

    /// Infers types and facts of one graph and its bodies, anew. Of a function's graph, whose inputs have no types,
    /// only that becomes known which is true at every call.
    pub fn infer_graph(&mut self, graph: &mut Graph, env: &Env<'_>) {
        *self = Self::new();
        self.infer_region(graph, env, RegionId::ROOT);
    }

    /// Infers types and facts of one node's outputs, and of the bodies inside it.
    pub fn infer_node(&mut self, graph: &mut Graph, env: &Env<'_>, node: NodeId) {
        for value in graph.node(node).inputs().flatten() {
            self.read_constant(graph, value);
        }
        if control::infer(self, graph, env, node) || call::infer(self, graph, env, node) {
            return;
        }
        let op = graph.node(node).op();
        let opset = env.opsets.get(op.domain).unwrap_or(1);
        let mut site = Site::new(graph, self, node, opset, schema::lookup(op.domain, op.name, opset));
        generic::infer(&mut site);
        if let Some(rule) = shape::rule(op) {
            // A rule stops where it cannot tell; what it said before then holds.
            let _ = rule(&mut site);
        }
        let (findings, born) = (site.findings, site.born);
        self.born.extend(born);
        let outputs = graph.node(node).outputs().to_vec();
        for (output, mut finding) in outputs.into_iter().zip(findings) {
            let declared = graph.value(output).declared().and_then(Type::as_tensor);
            finding.dtype = finding.dtype.or(declared.map(|t| t.dtype));
            let (ty, grid) = finding.into_type();
            self.learn(graph, output, ty, grid);
        }
        for value in graph.node(node).outputs().to_vec() {
            self.read_constant(graph, value);
        }
    }

    /// What was known of `old` is known of `new`.
    pub fn forward(&mut self, old: ValueId, new: ValueId) {
        if let Some(grid) = self.grids.get(&old).cloned() {
            self.grids.entry(new).or_insert(grid);
        }
    }

    /// The elements of a small integer or boolean tensor, row-major; booleans are 0 and 1.
    pub fn elements(&self, value: ValueId) -> Option<&[Element]> {
        self.grid(value).filter(|g| !g.dtype.is_float()).map(|g| g.data.as_slice())
    }

    /// The elements of a small integer or boolean tensor, where each is a known number.
    pub fn constant_elements(&self, value: ValueId) -> Option<Vec<i64>> {
        self.grid(value).filter(|g| !g.dtype.is_float())?.numbers()
    }

    pub(super) fn grid(&self, value: ValueId) -> Option<&Grid> {
        self.grids.get(&value)
    }

    /// The name of the size of an output's axis that only a run can tell.
    pub(super) fn symbol_name(&self, value: ValueId, axis: usize) -> String {
        match self.callers.len() {
            0 => format!("?v{}_{axis}", value.index()),
            depth => format!("?{depth}v{}_{axis}", value.index()),
        }
    }

    fn fresh(&mut self, value: ValueId, axis: usize) -> Dim {
        let name = self.symbol_name(value, axis);
        let dim = Dim::symbol(&name);
        self.born.insert(name, value);
        dim
    }

    fn infer_region(&mut self, graph: &mut Graph, env: &Env<'_>, region: RegionId) {
        for value in graph.initializers(region).collect::<Vec<_>>() {
            self.read_constant(graph, value);
        }
        let Ok(order) = topological(graph, region) else {
            return forget_region(self, graph, region);
        };
        for node in order {
            self.infer_node(graph, env, node);
        }
    }

    /// Infers a body, if there is fuel for it; says whether there was.
    fn infer_body(&mut self, graph: &mut Graph, env: &Env<'_>, region: RegionId) -> bool {
        let cost = 1 + graph.nodes_in(region).count() as u64;
        let affordable = self.spend(cost) && self.nesting < MAX_NESTING;
        if affordable {
            self.nesting += 1;
            self.infer_region(graph, env, region);
            self.nesting -= 1;
        } else {
            forget_region(self, graph, region);
        }
        affordable
    }

    /// Whether so many more nodes may be looked at. Once they may not, no more may.
    fn spend(&mut self, nodes: u64) -> bool {
        self.spent = self.spent.saturating_add(nodes);
        self.spent <= FUEL
    }

    /// Writes down what was found out of a value, in place of what was known.
    fn learn(&mut self, graph: &mut Graph, value: ValueId, ty: Option<Type>, grid: Option<Grid>) {
        let ty = ty.or_else(|| graph.value(value).declared().and_then(declared::element_type));
        graph.set_type(value, ty);
        match grid {
            Some(grid) => self.grids.insert(value, grid),
            None => self.grids.remove(&value),
        };
    }

    fn read_constant(&mut self, graph: &Graph, value: ValueId) {
        if graph.is_const(value)
            && !self.grids.contains_key(&value)
            && let Some(grid) = graph.const_value(value).as_ref().and_then(Grid::of_tensor)
        {
            self.grids.insert(value, grid);
        }
    }
}

/// Nothing is known of what a body computes.
fn forget_region(facts: &mut Facts, graph: &mut Graph, region: RegionId) {
    let mut pending = vec![region];
    while let Some(region) = pending.pop() {
        let nodes: Vec<NodeId> = graph.nodes_in(region).map(|(id, _)| id).collect();
        for node in nodes {
            pending.extend(graph.node(node).regions());
            for output in graph.node(node).outputs().to_vec() {
                facts.learn(graph, output, None, None);
            }
        }
    }
}
