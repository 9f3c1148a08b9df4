//! Small numbers about values of a model, computed in the graph itself.
//!
//! A copy of the model gets nodes that reduce values, and returns what they reduce to: of a value of any size nothing but
//! that leaves the runtime.

use crate::data::Source as Samples;
use crate::error::{Error, Result};
use crate::io::{self, ExternalData, Scratch, WriteOptions};
use crate::ir::{Attr, Graph, Model, NewNode, NewOutput, NodeId, OpId, RegionId, Type, ValueId};
use crate::runtime::{Optimization, RunError, RunValue, Runtime, Session, SessionOptions, Source};
use crate::tensor::{DType, Element, Tensor};
use rustc_hash::FxHashMap;
use std::path::Path;

/// A model that tells numbers about itself. Its opset is at least 13.
pub(super) struct Probe {
    model: Model,
    told: Vec<String>,
}

impl Probe {
    pub(super) fn new(model: &Model) -> Self {
        Self { model: model.clone(), told: Vec::new() }
    }

    /// The graph that nodes are added to; ids are those of the original.
    pub(super) fn graph(&mut self) -> &mut Graph {
        &mut self.model.graph
    }

    /// Adds an operator with one result.
    pub(super) fn add(&mut self, op: &'static str, inputs: &[ValueId], dtype: DType) -> ValueId {
        let inputs = inputs.iter().copied().map(Some).collect();
        self.node(NewNode::new(OpId::onnx(op), inputs, vec![]), dtype)
    }

    /// Adds a reduction of floats over axes, or over all where none is named; reduced dims go.
    pub(super) fn reduce(&mut self, op: &'static str, value: ValueId, axes: &[i64]) -> ValueId {
        let mut node = NewNode::new(OpId::onnx(op), vec![Some(value)], vec![]).attr("keepdims", 0i64);
        // Sums take their axes as an operand since opset 13, all others since 18.
        if axes.is_empty() {
        } else if op == "ReduceSum" || self.model.opset() >= 18 {
            node.inputs.push(Some(self.constant(axes)));
        } else {
            node = node.attr("axes", axes.to_vec());
        }
        self.node(node, DType::F32)
    }

    fn node(&mut self, mut node: NewNode, dtype: DType) -> ValueId {
        let graph = &mut self.model.graph;
        node.outputs = vec![NewOutput { name: graph.fresh_name("told"), ty: Some(Type::unranked(dtype)) }];
        let node = graph.add_node(RegionId::ROOT, node);
        graph.node(node).outputs()[0]
    }

    /// Adds a node once more, that reads other values instead of some. It has no bodies.
    pub(super) fn copy(&mut self, node: NodeId, instead: &FxHashMap<ValueId, ValueId>) -> NodeId {
        let graph = &mut self.model.graph;
        let n = graph.node(node);
        let (op, attrs) = (n.op(), n.attrs().to_vec());
        let inputs = n.inputs().map(|v| v.map(|v| instead.get(&v).copied().unwrap_or(v))).collect();
        let made = n.outputs().iter().map(|&v| graph.value(v));
        let made: Vec<_> = made.map(|value| (value.name().is_empty(), value.ty().cloned())).collect();
        let output = |(omitted, ty)| match omitted {
            true => NewOutput::default(),
            false => NewOutput { name: graph.fresh_name("copy"), ty },
        };
        let outputs = made.into_iter().map(output).collect();
        graph.add_node(RegionId::ROOT, NewNode { attrs, ..NewNode::new(op, inputs, outputs) })
    }

    /// Adds an operator of floats with attributes and one result.
    pub(super) fn with_attrs(
        &mut self,
        op: &'static str,
        inputs: &[ValueId],
        attrs: Vec<(&str, Attr)>,
    ) -> ValueId {
        let inputs = inputs.iter().copied().map(Some).collect();
        let node = NewNode::new(OpId::onnx(op), inputs, vec![]);
        let node = attrs.into_iter().fold(node, |node, (name, value)| node.attr(name, value));
        self.node(node, DType::F32)
    }

    /// Adds a vector of constants.
    pub(super) fn constant<T: Element>(&mut self, numbers: &[T]) -> ValueId {
        self.tensor(Tensor::vector(numbers))
    }

    /// Adds a constant.
    pub(super) fn tensor(&mut self, tensor: Tensor) -> ValueId {
        let name = self.model.graph.fresh_name("told");
        self.model.graph.add_initializer(RegionId::ROOT, name, tensor)
    }

    /// Asks for a value of every sample.
    pub(super) fn tell(&mut self, value: ValueId) {
        self.model.graph.add_output(RegionId::ROOT, value);
        self.told.push(self.model.graph.value(value).name().to_string());
    }

    /// Runs the first samples; each gives the values that were asked for, in the order in which they were.
    ///
    /// # Errors
    /// A sample cannot be read, or the model does not run on it.
    pub(super) fn run(
        self,
        source: &Samples,
        samples: usize,
        runtime: &dyn Runtime,
        mut sample: impl FnMut(usize, Vec<RunValue>) -> Result<()>,
    ) -> Result<()> {
        if self.told.is_empty() {
            return Ok(());
        }
        let (_folder, mut session) = open(&self.model, runtime)?;
        let names: Vec<&str> = self.told.iter().map(String::as_str).collect();
        for at in 0..samples.min(source.len()) {
            let feeds = source.sample(at)?;
            let failed = |e: RunError| e.into_error().about(&format!("sample '{}'", feeds.label));
            sample(at, session.run(&feeds.as_feeds(), &names).map_err(failed)?)?;
        }
        Ok(())
    }
}

/// A session of a model that is written aside, with what goes when that is over.
///
/// # Errors
/// It cannot be written, or the runtime does not take it.
pub(super) fn open(model: &Model, runtime: &dyn Runtime) -> Result<(Scratch, Box<dyn Session>)> {
    let folder = Scratch::beside(Path::new("-"))?;
    let file = folder.path().join("model.onnx");
    let separate = WriteOptions { external_data: ExternalData::Separate, source: None };
    io::save(model, &file, &separate)?;
    // What is measured is the rounding, not the kernels of this machine.
    let options = SessionOptions { threads: 1, optimize: Optimization::Basic, ..SessionOptions::default() };
    let session = runtime.session(&Source::file(file), &options).map_err(RunError::into_error)?;
    Ok((folder, session))
}

/// The numbers of a value that was told.
///
/// # Errors
/// It is of another type.
pub(super) fn numbers<T: Element>(value: &RunValue) -> Result<Vec<T>> {
    let numbers = match value {
        RunValue::Tensor(tensor) => tensor.to_vec::<T>(),
        _ => None,
    };
    numbers.ok_or_else(|| Error::new("what a node tells of itself is not of the type that it should be"))
}
