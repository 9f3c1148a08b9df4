//! Products beside themselves in whole numbers, in one graph.
//!
//! A copy of each product that is to be quantized reads the same floats as the product itself, so that each is judged on
//! what it would have been given without all the others.

use super::place::{Place, place};
use super::probe::Probe;
use crate::data::Source;
use crate::error::Result;
use crate::ir::{Model, NewNode, NewOutput, NodeId, RegionId, ValueId};
use crate::runtime::{RunValue, Runtime};
use crate::tensor::DType;

/// A product and its copy.
#[derive(Clone, Copy)]
pub(super) struct Twin {
    /// The product.
    pub(super) node: NodeId,
    /// What it makes.
    pub(super) value: ValueId,
    /// That, less what its copy makes.
    pub(super) loss: ValueId,
}

/// A model with copies of products.
pub(super) struct Twins {
    pub(super) probe: Probe,
    copies: Vec<Place>,
    /// The products.
    pub(super) all: Vec<Twin>,
}

impl Twins {
    /// Of the products among the places.
    pub(super) fn new(model: &Model, places: &[Place]) -> Self {
        let mut new = Self { probe: Probe::new(model), copies: Vec::new(), all: Vec::new() };
        places.iter().filter(|p| !p.weights.is_empty()).for_each(|p| new.copy(p));
        new
    }

    fn copy(&mut self, original: &Place) {
        let graph = self.probe.graph();
        let node = graph.node(original.node);
        let value = node.outputs()[0];
        let (op, inputs, attrs) = (node.op(), node.inputs().collect(), node.attrs().to_vec());
        let output = NewOutput { name: graph.fresh_name("twin"), ty: graph.value(value).ty().cloned() };
        let copy =
            graph.add_node(RegionId::ROOT, NewNode { attrs, ..NewNode::new(op, inputs, vec![output]) });
        let twin = graph.node(copy).outputs()[0];
        self.copies.push(Place { node: copy, ..original.clone() });
        let loss = self.probe.add("Sub", &[value, twin], DType::F32);
        self.all.push(Twin { node: original.node, value, loss });
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
