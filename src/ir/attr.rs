//! Attributes of nodes.

use super::{Name, RegionId, Residue, Type};
use crate::tensor::Tensor;
use bytes::Bytes;

/// A sparse constant as `SparseTensorProto` has it.
#[derive(Clone, Debug)]
pub struct SparseTensor {
    /// Dims of the dense tensor.
    pub dims: Vec<usize>,
    /// The non-zero elements, rank 1, with the type of the whole.
    pub values: Tensor,
    /// Linear (`[nnz]`) or coordinate (`[nnz, rank]`) `int64` positions.
    pub indices: Tensor,
}

/// The value of an attribute.
#[derive(Clone, Debug)]
pub enum Attr {
    /// One `f32`.
    Float(f32),
    /// One integer.
    Int(i64),
    /// One string, any bytes.
    String(Bytes),
    /// A dense constant.
    Tensor(Tensor),
    /// A nested body.
    Region(RegionId),
    /// A sparse constant.
    SparseTensor(Box<SparseTensor>),
    /// A type.
    Type(Box<Type>),
    /// A list of floats.
    Floats(Vec<f32>),
    /// A list of integers.
    Ints(Vec<i64>),
    /// A list of strings.
    Strings(Vec<Bytes>),
    /// A list of dense constants.
    Tensors(Vec<Tensor>),
    /// A list of nested bodies.
    Regions(Vec<RegionId>),
    /// A list of sparse constants.
    SparseTensors(Vec<SparseTensor>),
    /// A list of types.
    Types(Vec<Type>),
    /// In a function body: the attribute of this name at the call, if given.
    Ref(Name, AttrKind),
}

/// `AttributeProto.AttributeType` without its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the variant of `Attr` of the same name")]
pub enum AttrKind {
    Float = 1,
    Int = 2,
    String = 3,
    Tensor = 4,
    Region = 5,
    Floats = 6,
    Ints = 7,
    Strings = 8,
    Tensors = 9,
    Regions = 10,
    SparseTensor = 11,
    SparseTensors = 12,
    Type = 13,
    Types = 14,
}

/// An attribute with its name and what we carry of it.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// The attribute's name.
    pub name: Name,
    /// Its value.
    pub value: Attr,
    /// Doc string and unknown fields.
    pub residue: Residue,
}

impl Attr {
    /// The kind of this value.
    pub fn kind(&self) -> AttrKind {
        match self {
            Self::Float(_) => AttrKind::Float,
            Self::Int(_) => AttrKind::Int,
            Self::String(_) => AttrKind::String,
            Self::Tensor(_) => AttrKind::Tensor,
            Self::Region(_) => AttrKind::Region,
            Self::SparseTensor(_) => AttrKind::SparseTensor,
            Self::Type(_) => AttrKind::Type,
            Self::Floats(_) => AttrKind::Floats,
            Self::Ints(_) => AttrKind::Ints,
            Self::Strings(_) => AttrKind::Strings,
            Self::Tensors(_) => AttrKind::Tensors,
            Self::Regions(_) => AttrKind::Regions,
            Self::SparseTensors(_) => AttrKind::SparseTensors,
            Self::Types(_) => AttrKind::Types,
            Self::Ref(_, kind) => *kind,
        }
    }

    /// The nested bodies that this attribute holds.
    pub fn regions(&self) -> &[RegionId] {
        match self {
            Self::Region(r) => std::slice::from_ref(r),
            Self::Regions(rs) => rs,
            _ => &[],
        }
    }
}

impl From<i64> for Attr {
    fn from(v: i64) -> Self {
        Self::Int(v)
    }
}

impl From<f32> for Attr {
    fn from(v: f32) -> Self {
        Self::Float(v)
    }
}

impl From<Vec<i64>> for Attr {
    fn from(v: Vec<i64>) -> Self {
        Self::Ints(v)
    }
}

impl From<&'static str> for Attr {
    fn from(v: &'static str) -> Self {
        Self::String(Bytes::from_static(v.as_bytes()))
    }
}

impl From<Tensor> for Attr {
    fn from(v: Tensor) -> Self {
        Self::Tensor(v)
    }
}
