//! Types of values.

use super::Dim;
use crate::tensor::DType;
use std::fmt;

/// Dims, outermost first.
pub type Shape = Vec<Dim>;

/// Element type and, where the rank is known, shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// The element type.
    pub dtype: DType,
    /// `None` where not even the rank is known.
    pub shape: Option<Shape>,
}

/// What `TypeProto` can say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// A dense tensor.
    Tensor(TensorType),
    /// A sparse tensor.
    SparseTensor(TensorType),
    /// A sequence of values of one type.
    Sequence(Box<Type>),
    /// A value that may be absent.
    Optional(Box<Type>),
    /// A map from an integer or string key.
    Map(DType, Box<Type>),
    /// A type known only to its domain.
    Opaque {
        /// The domain that defines it.
        domain: String,
        /// Its name there.
        name: String,
    },
}

impl Type {
    /// A tensor of known dims.
    pub fn tensor(dtype: DType, shape: impl Into<Shape>) -> Self {
        Self::Tensor(TensorType { dtype, shape: Some(shape.into()) })
    }

    /// A tensor of unknown rank.
    pub fn unranked(dtype: DType) -> Self {
        Self::Tensor(TensorType { dtype, shape: None })
    }

    /// Element type and shape of a dense tensor.
    pub fn as_tensor(&self) -> Option<&TensorType> {
        match self {
            Self::Tensor(t) => Some(t),
            _ => None,
        }
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.dtype)?;
        let Some(shape) = &self.shape else {
            return Ok(());
        };
        f.write_str("[")?;
        for (i, dim) in shape.iter().enumerate() {
            write!(f, "{}{dim}", if i > 0 { "," } else { "" })?;
        }
        f.write_str("]")
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tensor(t) => write!(f, "{t}"),
            Self::SparseTensor(t) => write!(f, "sparse_tensor({t})"),
            Self::Sequence(t) => write!(f, "seq({t})"),
            Self::Optional(t) => write!(f, "optional({t})"),
            Self::Map(k, t) => write!(f, "map({k}, {t})"),
            Self::Opaque { domain, name } => write!(f, "opaque({domain}.{name})"),
        }
    }
}
