//! Products beside themselves in whole numbers, in one graph.
//!
//! ```text
//! float    x ─ Conv ─ y ─────────── HardSwish ─────── Conv ─ z
//!                     └─ Q ─ DQ ─── HardSwish ─ Q ─ DQ ─ Conv (weights rounded) ─ z'
//! ```
//!
//! A copy of each product that is to be quantized is judged by itself: [`Twins::alone`] on the very floats that the product
//! reads, and beside them each table that rows are looked up in; [`Twins::on_rounded`] on what the floats of the products before it become once they are rounded on the way, as
//! above.

use super::place::{Place, place};
use super::probe::Probe;
use super::responses::readers;
use super::slopes::through;
use crate::data::Source;
use crate::error::Result;
use crate::ir::{Model, NodeId, RegionId, ValueId, topological};
use crate::runtime::{RunValue, Runtime};
use crate::tensor::DType;
use rustc_hash::FxHashMap;

/// Operators whose results have the shape, the order or the chance of what they read.
const MOVED_BY_DATA: [&str; 9] = [
    "Resize",
    "Upsample",
    "Range",
    "Unique",
    "RoiAlign",
    "RandomNormalLike",
    "RandomUniformLike",
    "Bernoulli",
    "Multinomial",
];

/// A node and its copy.
#[derive(Clone, Copy)]
pub(super) struct Twin {
    /// The product, or what looks rows up.
    pub(super) node: NodeId,
    /// What is compared: what it makes, or what becomes of that.
    pub(super) value: ValueId,
    /// That, less the same of its copy.
    pub(super) loss: ValueId,
}

/// A model with copies of products.
pub(super) struct Twins {
    pub(super) probe: Probe,
    copies: Vec<Place>,
    /// What values become once they are rounded.
    rounded: FxHashMap<ValueId, ValueId>,
    /// What is judged.
    pub(super) all: Vec<Twin>,
}

impl Twins {
    fn new(model: &Model) -> Self {
        Self { probe: Probe::new(model), copies: Vec::new(), rounded: FxHashMap::default(), all: Vec::new() }
    }

    /// Of the products and tables among the places, each on floats. Where the result of a product is rounded too and read through one function
    /// alone, what that makes of it is compared.
    pub(super) fn alone(model: &Model, places: &[Place]) -> Self {
        let mut new = Self::new(model);
        for judged in places.iter().filter(|p| !p.weights.is_empty() || p.table.is_some()) {
            let value = model.graph.node(judged.node).outputs()[0];
            let [twin] = new.copy(judged)[..] else { continue };
            let readers = judged.output.map_or_else(Vec::new, |_| readers(&model.graph, value));
            let becomes = readers.last().map_or(value, |&node| model.graph.node(node).outputs()[0]);
            let twin = through(&mut new.probe, &readers, value, twin);
            new.compare(judged.node, becomes, twin);
        }
        new
    }

    /// Of the products among the places, each on rounded floats; their own results are compared as they are.
    ///
    /// # Errors
    /// The graph has a cycle.
    pub(super) fn on_rounded(model: &Model, places: &[Place]) -> Result<Self> {
        let mut new = Self::new(model);
        let by_node: FxHashMap<NodeId, &Place> = places.iter().map(|p| (p.node, p)).collect();
        for node in topological(&model.graph, RegionId::ROOT)? {
            match by_node.get(&node) {
                Some(product) if !product.weights.is_empty() => new.twin(product),
                // Tables that rows are looked up in stay exact: nearly all of a transformer comes after them.
                Some(lookup) if lookup.table.is_some() => {}
                Some(between) => new.follow(between),
                None if new.reads_rounded(node) => new.follow(&Place::nothing(node)),
                None => {}
            }
        }
        Ok(new)
    }

    /// Whether it is to be copied. Nodes with bodies are not, nor such as would make other elements or others in their
    /// place of data that differ: what comes after them reads floats.
    fn reads_rounded(&mut self, node: NodeId) -> bool {
        let rounded = &self.rounded;
        let graph = self.probe.graph();
        let node = graph.node(node);
        let moves = MOVED_BY_DATA.iter().any(|op| node.op().is(op));
        let floats = node.outputs().iter().all(|&v| graph.dtype(v) == Some(DType::F32));
        let whole = node.regions().next().is_none() && floats && !moves;
        whole && node.inputs().flatten().any(|v| rounded.contains_key(&v))
    }

    /// A product beside itself; what follows reads its floats, rounded.
    fn twin(&mut self, product: &Place) {
        let value = self.probe.graph().node(product.node).outputs()[0];
        let output = product.output;
        let [twin] = self.copy(&Place { output: None, ..product.clone() })[..] else { return };
        self.compare(product.node, value, twin);
        if output.is_some() {
            let same = self.probe.add("Identity", &[value], DType::F32);
            let node = self.probe.graph().producer(same).expect("a node was just made for it");
            self.copies.push(Place { output, ..Place::nothing(node) });
            self.rounded.insert(value, same);
        }
    }

    fn compare(&mut self, node: NodeId, value: ValueId, twin: ValueId) {
        let loss = self.probe.add("Sub", &[value, twin], DType::F32);
        self.all.push(Twin { node, value, loss });
    }

    /// What stands between products, on what these make rounded.
    fn follow(&mut self, between: &Place) {
        let before = self.probe.graph().node(between.node).outputs().to_vec();
        let after = self.copy(between);
        self.rounded.extend(before.into_iter().zip(after));
    }

    /// Copies a node, which is placed as it is to be; what the copy makes.
    fn copy(&mut self, original: &Place) -> Vec<ValueId> {
        let node = self.probe.copy(original.node, &self.rounded);
        self.copies.push(Place { node, ..original.clone() });
        self.probe.graph().node(node).outputs().to_vec()
    }

    /// As [`Probe::run`].
    pub(super) fn run(
        mut self,
        source: &Source,
        samples: usize,
        runtime: &dyn Runtime,
        sample: impl FnMut(usize, Vec<RunValue>) -> Result<()>,
    ) -> Result<()> {
        place(self.probe.graph(), &self.copies);
        self.probe.run(source, samples, runtime, sample)
    }
}
