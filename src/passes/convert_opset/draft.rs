//! A node as it is to be after the conversion, decided without touching the graph.

use super::edit::Edit;
use crate::ir::{Attr, Dim, Graph, Node, NodeId, ValueId};
use crate::schema::Schema;
use crate::tensor::{DType, Tensor};
use std::collections::BTreeMap;

/// An operand of a draft.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    /// An optional one that is not given.
    Omitted,
    /// A value of the graph.
    Value(ValueId),
    /// A constant to be added, with the last part of its name.
    New(&'static str, Tensor),
}

/// Why a step is refused: one clause without a full stop.
pub(super) type Refused = String;

/// The changes to one node.
#[derive(Clone, Debug)]
pub(super) struct Draft<'g> {
    /// The graph that holds the node.
    pub(super) graph: &'g Graph,
    /// The node.
    pub(super) id: NodeId,
    /// What it computes by now.
    pub(super) op: &'static str,
    /// The opset that the conversion ends at.
    pub(super) to: i64,
    /// Whether every scale is known to be one or more: what `Upsample` demands.
    pub(super) upscales: bool,
    inputs: Vec<Operand>,
    outputs: usize,
    attrs: BTreeMap<&'static str, Option<Attr>>,
    flatten: Option<i64>,
    changed: bool,
}

impl<'g> Draft<'g> {
    pub(super) fn new(graph: &'g Graph, id: NodeId, to: i64) -> Self {
        let node = graph.node(id);
        Self {
            graph,
            id,
            op: node.op().name,
            to,
            upscales: false,
            inputs: node.inputs().map(|v| v.map_or(Operand::Omitted, Operand::Value)).collect(),
            outputs: node.outputs().len(),
            attrs: BTreeMap::new(),
            flatten: None,
            changed: false,
        }
    }

    /// What is to be written; `None` where nothing changes.
    pub(super) fn finish(self) -> Option<Edit> {
        let Self { id, op, inputs, outputs, attrs, flatten, changed, to, .. } = self;
        changed.then_some(Edit { id, op, inputs, outputs, attrs, flatten, allow_zero: to >= 14 })
    }

    fn node(&self) -> &'g Node {
        self.graph.node(self.id)
    }

    fn attr(&self, name: &str) -> Result<Option<&Attr>, Refused> {
        let attr = match self.attrs.get(name) {
            Some(edited) => edited.as_ref(),
            None => self.node().attr(name),
        };
        match attr {
            Some(Attr::Ref(..)) => Err(format!("'{name}' is given by the caller of the function")),
            other => Ok(other),
        }
    }

    pub(super) fn int(&self, name: &str) -> Result<Option<i64>, Refused> {
        match self.attr(name)? {
            None => Ok(None),
            Some(Attr::Int(v)) => Ok(Some(*v)),
            Some(_) => Err(format!("'{name}' is no integer")),
        }
    }

    pub(super) fn float(&self, name: &str) -> Result<Option<f32>, Refused> {
        match self.attr(name)? {
            None => Ok(None),
            Some(Attr::Float(v)) => Ok(Some(*v)),
            Some(_) => Err(format!("'{name}' is no float")),
        }
    }

    pub(super) fn ints(&self, name: &str) -> Result<Option<Vec<i64>>, Refused> {
        match self.attr(name)? {
            None => Ok(None),
            Some(Attr::Ints(v)) => Ok(Some(v.clone())),
            Some(_) => Err(format!("'{name}' is no list of integers")),
        }
    }

    pub(super) fn floats(&self, name: &str) -> Result<Option<Vec<f32>>, Refused> {
        match self.attr(name)? {
            None => Ok(None),
            Some(Attr::Floats(v)) => Ok(Some(v.clone())),
            Some(_) => Err(format!("'{name}' is no list of floats")),
        }
    }

    /// The text of an attribute, or what its absence means.
    pub(super) fn text(&self, name: &str, default: &str) -> Result<String, Refused> {
        match self.attr(name)? {
            None => Ok(default.to_owned()),
            Some(Attr::String(v)) => {
                String::from_utf8(v.to_vec()).map_err(|_| format!("'{name}' is no UTF-8 text"))
            }
            Some(_) => Err(format!("'{name}' is no text")),
        }
    }

    pub(super) fn set(&mut self, name: &'static str, value: impl Into<Attr>) {
        self.changed = true;
        self.attrs.insert(name, Some(value.into()));
    }

    pub(super) fn drop_attr(&mut self, name: &'static str) {
        if matches!(self.attr(name), Ok(None)) {
            return;
        }
        self.changed = true;
        self.attrs.insert(name, None);
    }

    pub(super) fn rename(&mut self, op: &'static str) {
        self.changed = true;
        self.op = op;
    }

    /// Makes the operand at `index` another one; those between are omitted.
    pub(super) fn put(&mut self, index: usize, operand: Operand) {
        self.changed = true;
        while self.inputs.len() <= index {
            self.inputs.push(Operand::Omitted);
        }
        self.inputs[index] = operand;
    }

    /// Inserts an operand before the one at `index`.
    pub(super) fn insert(&mut self, index: usize, operand: Operand) {
        self.changed = true;
        self.inputs.insert(index.min(self.inputs.len()), operand);
    }

    /// Gives the operand at `index` as a constant vector of `int64`.
    pub(super) fn put_ints(&mut self, index: usize, name: &'static str, values: &[i64]) {
        self.put(index, Operand::New(name, Tensor::vector(values)));
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    pub(super) fn has(&self, index: usize) -> bool {
        !matches!(self.inputs.get(index), None | Some(Operand::Omitted))
    }

    /// The constant that an operand is.
    pub(super) fn constant(&self, index: usize) -> Option<Tensor> {
        match self.inputs.get(index)? {
            Operand::Omitted => None,
            Operand::Value(v) => self.graph.const_value(*v),
            Operand::New(_, tensor) => Some(tensor.clone()),
        }
    }

    pub(super) fn dtype(&self, index: usize) -> Option<DType> {
        match self.inputs.get(index)? {
            Operand::Omitted => None,
            Operand::Value(v) => self.graph.dtype(*v),
            Operand::New(_, tensor) => Some(tensor.dtype()),
        }
    }

    pub(super) fn shape(&self, index: usize) -> Option<&'g [Dim]> {
        match self.inputs.get(index)? {
            Operand::Value(v) => self.graph.shape(*v),
            _ => None,
        }
    }

    /// Leaves only the first output.
    pub(super) fn keep_first_output(&mut self) -> Result<(), Refused> {
        let rest = self.node().outputs().get(1..self.outputs).unwrap_or_default();
        if let Some(read) = rest.iter().map(|&o| self.graph.value(o)).find(|o| !o.uses().is_empty()) {
            return Err(format!("its output '{}' has no equal in the newer version", read.name()));
        }
        if self.outputs > 1 {
            self.changed = true;
            self.outputs = 1;
        }
        Ok(())
    }

    /// Runs the node on the operand flattened to a matrix at `axis`.
    pub(super) fn flatten(&mut self, axis: i64) {
        self.changed = true;
        self.flatten = Some(axis);
    }

    /// Whether the node gives no value of a type that `newer` has lost.
    pub(super) fn types_fit(&self, older: &'static Schema, newer: &'static Schema) -> Result<(), Refused> {
        let node = self.node();
        let inputs = (0..self.inputs.len()).filter_map(|i| match &self.inputs[i] {
            Operand::Value(v) => Some((*v, older.input(i)?, newer.input(i)?)),
            _ => None,
        });
        let outputs = node.outputs()[..self.outputs]
            .iter()
            .enumerate()
            .filter_map(|(i, &v)| Some((v, older.output(i)?, newer.output(i)?)));
        for (value, before, after) in inputs.chain(outputs) {
            let (old, new) = (older.allowed_types(before), newer.allowed_types(after));
            if old.iter().all(|t| new.contains(t)) {
                continue;
            }
            if !self.graph.dtype(value).is_some_and(|d| newer.allows(after, d)) {
                let name = self.graph.value(value).name();
                return Err(format!("'{name}' may be of a type that version {} has lost", newer.since));
            }
        }
        Ok(())
    }
}
