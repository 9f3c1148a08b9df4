//! Nodes: what they compute, from what, with which attributes.

use super::value::Slot;
use super::{Attr, Attribute, Name, OpId, RegionId, Residue, ValueId};
use crate::tensor::Tensor;

/// One node.
#[derive(Clone, Debug)]
pub struct Node {
    pub(super) op: OpId,
    pub(super) overload: Name,
    pub(super) name: Name,
    pub(super) region: RegionId,
    pub(super) order: u64,
    pub(super) inputs: Vec<Option<Slot>>,
    pub(super) outputs: Vec<ValueId>,
    pub(super) attrs: Vec<Attribute>,
    pub(super) residue: Residue,
}

impl Node {
    /// What it computes.
    pub fn op(&self) -> OpId {
        self.op
    }

    /// `NodeProto.overload`: which of several functions of one name it calls; empty for most.
    pub fn overload(&self) -> &Name {
        &self.overload
    }

    /// Its name; often empty, never unique by force.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The region that it is in.
    pub fn region(&self) -> RegionId {
        self.region
    }

    /// The position hint: nodes are written in this order as far as their operands allow.
    pub fn order(&self) -> u64 {
        self.order
    }

    /// The operands; `None` where an optional one is omitted.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = Option<ValueId>> + DoubleEndedIterator + '_ {
        self.inputs.iter().map(|s| s.map(|s| s.value))
    }

    /// One operand; `None` where it is omitted or beyond the last.
    pub fn input(&self, index: usize) -> Option<ValueId> {
        self.inputs.get(index).copied().flatten().map(|s| s.value)
    }

    /// The outputs; one that is omitted has an empty name.
    pub fn outputs(&self) -> &[ValueId] {
        &self.outputs
    }

    /// The attributes in file order.
    pub fn attrs(&self) -> &[Attribute] {
        &self.attrs
    }

    /// The attribute of a name.
    pub fn attr(&self, name: &str) -> Option<&Attr> {
        self.attrs.iter().find(|a| &*a.name == name).map(|a| &a.value)
    }

    /// An integer attribute. `None` where it is absent, of another kind or a reference.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.attr(name)? {
            Attr::Int(v) => Some(*v),
            _ => None,
        }
    }

    /// A float attribute. `None` where it is absent, of another kind or a reference.
    pub fn float(&self, name: &str) -> Option<f32> {
        match self.attr(name)? {
            Attr::Float(v) => Some(*v),
            _ => None,
        }
    }

    /// A list of integers. `None` where it is absent, of another kind or a reference.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.attr(name)? {
            Attr::Ints(v) => Some(v),
            _ => None,
        }
    }

    /// A string attribute that is UTF-8. `None` where it is absent, of another kind or a reference.
    pub fn string(&self, name: &str) -> Option<&str> {
        match self.attr(name)? {
            Attr::String(v) => std::str::from_utf8(v).ok(),
            _ => None,
        }
    }

    /// The nested bodies, in the order of the attributes.
    pub fn regions(&self) -> impl Iterator<Item = RegionId> + '_ {
        self.attrs.iter().flat_map(|a| a.value.regions().iter().copied())
    }

    /// What we carry of its `NodeProto`.
    pub fn residue(&self) -> &Residue {
        &self.residue
    }

    /// The attribute by which a `Constant` states its value; `None` for the sparse form and for a reference.
    pub(super) fn constant_form(&self) -> Option<&Attr> {
        let [attribute] = self.attrs.as_slice() else {
            return None;
        };
        let fits = matches!(
            (&*attribute.name, &attribute.value),
            ("value", Attr::Tensor(_))
                | ("value_float", Attr::Float(_))
                | ("value_int", Attr::Int(_))
                | ("value_floats", Attr::Floats(_))
                | ("value_ints", Attr::Ints(_))
                | ("value_string", Attr::String(_))
                | ("value_strings", Attr::Strings(_))
        );
        (fits && self.op.is("Constant")).then_some(&attribute.value)
    }

    /// The value of a `Constant`.
    pub(super) fn constant(&self) -> Option<Tensor> {
        Some(match self.constant_form()? {
            Attr::Tensor(t) => t.clone(),
            Attr::Float(v) => Tensor::scalar(*v),
            Attr::Int(v) => Tensor::scalar(*v),
            Attr::Floats(v) => Tensor::vector(v),
            Attr::Ints(v) => Tensor::vector(v),
            Attr::String(v) => Tensor::from_strings(&[], [v.clone()]).ok()?,
            Attr::Strings(v) => Tensor::from_strings(&[v.len()], v.clone()).ok()?,
            _ => return None,
        })
    }
}
