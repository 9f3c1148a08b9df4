//! Nodes in floats or in whole numbers as flags say, in one graph.
//!
//! ```text
//! y = Conv(x, w)   ->   y = Conv(Where(flags[0], DQ(Q(x)), x), Where(flags[0], DQ(w'), w))
//! ```
//!
//! So any number of choices is tried without another session. A flag belongs to a product, or to a table that rows are
//! looked up in, and rules what these read; what nodes between products read belongs to the product that it comes from. All
//! else that would be rounded stays floats, as do the outputs of the graph.

use super::place::{Place, place};
use super::probe;
use crate::data::FeedSet;
use crate::error::Result;
use crate::io::Scratch;
use crate::ir::{Graph, Model, NewNode, NewOutput, NodeId, OpId, RegionId, Type, ValueId};
use crate::runtime::{RunError, RunValue, Runtime, Session};
use crate::tensor::{DType, Tensor};
use rustc_hash::FxHashMap;

/// A model with a flag for each of some nodes.
pub(super) struct Gates {
    model: Model,
    /// The input that the flags are given by.
    flags: ValueId,
    /// How many outputs the model has by itself; elements of the nodes' results come after them.
    outputs: usize,
    /// The nodes, in the order of the flags.
    pub(super) nodes: Vec<NodeId>,
}

impl Gates {
    /// Of the products and tables among the places.
    pub(super) fn new(float: &Model, places: &[Place]) -> Self {
        let mut model = float.clone();
        let ruled = places.iter().filter(|p| !p.weights.is_empty() || p.table.is_some());
        let nodes: Vec<NodeId> = ruled.map(|p| p.node).collect();
        let graph = &mut model.graph;
        let name = graph.fresh_name("flags");
        let ty = Type::tensor(DType::Bool, vec![(nodes.len() as u64).into()]);
        let flags = graph.add_input(RegionId::ROOT, name, Some(ty));
        let outputs = graph.root().outputs().count();
        let mut gates = Self { model, flags, outputs, nodes };
        let at: FxHashMap<NodeId, usize> = gates.nodes.iter().enumerate().map(|(at, n)| (*n, at)).collect();
        let flags: Vec<ValueId> = (0..gates.nodes.len()).map(|at| gates.flag(at)).collect();
        let flag = |node: Option<NodeId>| at.get(&node?).map(|&at| flags[at]);
        let (tables, others): (Vec<_>, Vec<_>) = places.iter().partition(|p| p.table.is_some());
        gates.look_up(&tables, flag);
        gates.place(&others, flag);
        gates.tell_sizes();
        gates
    }

    /// A flag by itself.
    fn flag(&mut self, at: usize) -> ValueId {
        let graph = &mut self.model.graph;
        let name = graph.fresh_name("at");
        let at = graph.add_initializer(RegionId::ROOT, name, Tensor::scalar(at as i64));
        let ty = Some(Type::tensor(DType::Bool, vec![]));
        add(graph, RegionId::ROOT, "Gather", [self.flags, at].to_vec(), ty)
    }

    /// Looks rows up in whole numbers, with one gate for all that read them.
    fn look_up(&mut self, tables: &[&Place], flag: impl Fn(Option<NodeId>) -> Option<ValueId>) {
        let graph = &mut self.model.graph;
        let mut gates = Vec::new();
        for table in tables {
            let (rows, region) = (graph.node(table.node).outputs()[0], graph.node(table.node).region());
            let Some(flag) = flag(Some(table.node)) else { continue };
            let ty = graph.value(rows).ty().cloned();
            let chosen = add(graph, region, "Where", vec![flag, rows, rows], ty);
            let gate = graph.producer(chosen).expect("a node was just made for it");
            graph.replace_uses(rows, chosen);
            if graph.is_graph_output(chosen) {
                let name = graph.value(rows).name().clone();
                let aside = graph.fresh_name(&format!("{name}/float"));
                graph.rename(rows, aside);
                graph.rename(chosen, name);
            }
            [1, 2].into_iter().for_each(|at| graph.set_operand(gate, at, Some(rows)));
            gates.push((gate, rows));
        }
        let tables: Vec<Place> = tables.iter().map(|&table| table.clone()).collect();
        place(graph, &tables);
        gates.into_iter().for_each(|(gate, rows)| graph.set_operand(gate, 2, Some(rows)));
    }

    /// Writes places into the graph, and puts a gate wherever a node reads another value now.
    fn place(&mut self, places: &[&Place], flag: impl Fn(Option<NodeId>) -> Option<ValueId>) {
        let graph = &mut self.model.graph;
        let read = |graph: &Graph| -> Vec<(NodeId, Vec<Option<ValueId>>)> {
            graph.nodes().map(|(id, node)| (id, node.inputs().collect())).collect()
        };
        let before = read(graph);
        let inner = |p: &&Place| {
            let output = p.output.filter(|_| !graph.is_graph_output(graph.node(p.node).outputs()[0]));
            Place { output, ..(*p).clone() }
        };
        let places: Vec<Place> = places.iter().map(inner).collect();
        place(graph, &places);
        for (node, operands) in before {
            for (index, float) in operands.into_iter().enumerate() {
                let now = graph.node(node).input(index);
                let (Some(float), Some(rounded)) = (float, now.filter(|_| now != float)) else { continue };
                let chosen = match flag(Some(node)).or_else(|| flag(graph.producer(float))) {
                    Some(flag) => {
                        let (region, ty) = (graph.node(node).region(), graph.value(float).ty().cloned());
                        add(graph, region, "Where", vec![flag, rounded, float], ty)
                    }
                    None => float,
                };
                graph.set_operand(node, index, Some(chosen));
            }
        }
    }

    fn tell_sizes(&mut self) {
        let graph = &mut self.model.graph;
        for &node in &self.nodes {
            let made = graph.node(node).outputs()[0];
            let ty = Some(Type::tensor(DType::I64, vec![]));
            let size = add(graph, RegionId::ROOT, "Size", vec![made], ty);
            graph.add_output(RegionId::ROOT, size);
        }
    }

    /// # Errors
    /// The runtime does not take the model.
    pub(super) fn open(&self, runtime: &dyn Runtime) -> Result<Gated> {
        let (folder, session) = probe::open(&self.model, runtime)?;
        let flags = self.model.graph.value(self.flags).name().to_string();
        let (outputs, sizes) = session.outputs().split_at(self.outputs);
        let (outputs, sizes) = (outputs.to_vec(), sizes.to_vec());
        Ok(Gated { session, flags, outputs, sizes, _folder: folder })
    }
}

fn add(
    graph: &mut Graph,
    region: RegionId,
    op: &'static str,
    inputs: Vec<ValueId>,
    ty: Option<Type>,
) -> ValueId {
    let name = graph.fresh_name("gate");
    let inputs = inputs.into_iter().map(Some).collect();
    let node = graph.add_node(region, NewNode::new(OpId::onnx(op), inputs, vec![NewOutput { name, ty }]));
    graph.node(node).outputs()[0]
}

/// A session of it.
pub(super) struct Gated {
    session: Box<dyn Session>,
    /// The name of the input.
    flags: String,
    /// The outputs that the model has by itself.
    pub(super) outputs: Vec<String>,
    sizes: Vec<String>,
    _folder: Scratch,
}

impl Gated {
    /// What the model gives in floats, and how many elements the results of the nodes have.
    ///
    /// # Errors
    /// See [`RunError`].
    pub(super) fn floats(&mut self, feeds: &FeedSet) -> Result<(Vec<RunValue>, Vec<RunValue>), RunError> {
        let names: Vec<String> = self.outputs.iter().chain(&self.sizes).cloned().collect();
        let mut outputs = self.fetch(feeds, None, &names)?;
        let sizes = outputs.split_off(self.outputs.len());
        Ok((outputs, sizes))
    }

    /// What it gives with one node in whole numbers.
    ///
    /// # Errors
    /// See [`RunError`].
    pub(super) fn run(&mut self, feeds: &FeedSet, node: usize) -> Result<Vec<RunValue>, RunError> {
        let names = self.outputs.clone();
        self.fetch(feeds, Some(node), &names)
    }

    fn fetch(
        &mut self,
        feeds: &FeedSet,
        node: Option<usize>,
        names: &[String],
    ) -> Result<Vec<RunValue>, RunError> {
        let flags: Vec<bool> = (0..self.sizes.len()).map(|at| Some(at) == node).collect();
        let flags = RunValue::Tensor(Tensor::vector(&flags));
        let feeds: Vec<_> = feeds.as_feeds().into_iter().chain([(self.flags.as_str(), &flags)]).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.session.run(&feeds, &names)
    }
}
