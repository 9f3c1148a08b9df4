//! `TypeProto` and `ir::Type`, both ways.
//!
//! A dim without a size gets a symbol of its own, since equal symbols are equal sizes; such a symbol begins with `?`,
//! which no model's own symbol may, and is written as no size again.

use crate::ir::{Dim, TensorType, Type, is_nameless};
use crate::proto::tensor_shape_proto::{Dimension, dimension};
use crate::proto::{TensorShapeProto, TypeProto, type_proto};
use crate::tensor::DType;

use type_proto::Value;

/// Numbers the dims without a size of one model.
#[derive(Debug, Default)]
pub(crate) struct Nameless(u64);

impl Nameless {
    fn dim(&mut self) -> Dim {
        self.0 += 1;
        Dim::nameless(self.0)
    }
}

/// The type that a message says; `None` where it says none, or one with an element type newer than ours.
pub(crate) fn from_proto(proto: &TypeProto, nameless: &mut Nameless) -> Option<Type> {
    let inner = |p: &Option<Box<TypeProto>>, nameless: &mut Nameless| {
        p.as_ref().and_then(|p| from_proto(p, nameless)).map(Box::new)
    };
    Some(match proto.value.as_ref()? {
        Value::TensorType(t) => Type::Tensor(tensor_type(t.elem_type, t.shape.as_ref(), nameless)?),
        Value::SparseTensorType(t) => {
            Type::SparseTensor(tensor_type(t.elem_type, t.shape.as_ref(), nameless)?)
        }
        Value::SequenceType(t) => Type::Sequence(inner(&t.elem_type, nameless)?),
        Value::OptionalType(t) => Type::Optional(inner(&t.elem_type, nameless)?),
        Value::MapType(t) => Type::Map(DType::from_code(t.key_type())?, inner(&t.value_type, nameless)?),
        Value::OpaqueType(t) => Type::Opaque { domain: t.domain().to_owned(), name: t.name().to_owned() },
    })
}

fn tensor_type(
    code: Option<i32>,
    shape: Option<&TensorShapeProto>,
    nameless: &mut Nameless,
) -> Option<TensorType> {
    let dtype = DType::from_code(code.unwrap_or_default())?;
    let shape = shape.map(|s| s.dim.iter().map(|d| dim(d, nameless)).collect());
    Some(TensorType { dtype, shape })
}

fn dim(dim: &Dimension, nameless: &mut Nameless) -> Dim {
    match &dim.value {
        Some(dimension::Value::DimValue(n)) => u64::try_from(*n).map_or_else(|_| nameless.dim(), Dim::Fixed),
        Some(dimension::Value::DimParam(s)) if !s.is_empty() && !is_nameless(s) => Dim::symbol(s),
        _ => nameless.dim(),
    }
}

/// The message of a type.
pub(crate) fn to_proto(ty: &Type) -> TypeProto {
    let inner = |t: &Type| Some(Box::new(to_proto(t)));
    let value = match ty {
        Type::Tensor(t) => {
            Value::TensorType(type_proto::Tensor { elem_type: Some(t.dtype.code()), shape: shape(t) })
        }
        Type::SparseTensor(t) => Value::SparseTensorType(type_proto::SparseTensor {
            elem_type: Some(t.dtype.code()),
            shape: shape(t),
        }),
        Type::Sequence(t) => Value::SequenceType(Box::new(type_proto::Sequence { elem_type: inner(t) })),
        Type::Optional(t) => Value::OptionalType(Box::new(type_proto::Optional { elem_type: inner(t) })),
        Type::Map(key, t) => {
            Value::MapType(Box::new(type_proto::Map { key_type: Some(key.code()), value_type: inner(t) }))
        }
        Type::Opaque { domain, name } => {
            let some = |s: &String| (!s.is_empty()).then(|| s.clone());
            Value::OpaqueType(type_proto::Opaque { domain: some(domain), name: some(name) })
        }
    };
    TypeProto { denotation: None, value: Some(value) }
}

fn shape(ty: &TensorType) -> Option<TensorShapeProto> {
    let dims = ty.shape.as_ref()?;
    Some(TensorShapeProto {
        dim: dims.iter().map(|d| Dimension { denotation: None, value: size(d) }).collect(),
    })
}

fn size(dim: &Dim) -> Option<dimension::Value> {
    match dim {
        Dim::Fixed(n) => i64::try_from(*n).ok().map(dimension::Value::DimValue),
        Dim::Sym(expr) => (!dim.is_nameless()).then(|| dimension::Value::DimParam(expr.to_string())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn types_come_back() {
        let tensor = Type::tensor(DType::F16, [Dim::Fixed(3), Dim::symbol("N")]);
        let types = [
            Type::unranked(DType::String),
            Type::Sequence(Box::new(tensor.clone())),
            Type::Optional(Box::new(Type::Sequence(Box::new(tensor.clone())))),
            Type::Map(DType::I64, Box::new(tensor.clone())),
            Type::Opaque { domain: "d".into(), name: "n".into() },
            tensor,
        ];
        for ty in types {
            assert_eq!(from_proto(&to_proto(&ty), &mut Nameless::default()), Some(ty));
        }
    }

    #[test]
    fn nameless_dims_differ_and_stay_nameless() {
        let dims = vec![
            Dimension::default(),
            Dimension { value: Some(dimension::Value::DimValue(-1)), ..Default::default() },
        ];
        let tensor = type_proto::Tensor { elem_type: Some(1), shape: Some(TensorShapeProto { dim: dims }) };
        let ty = from_proto(
            &TypeProto { value: Some(Value::TensorType(tensor)), ..Default::default() },
            &mut Nameless::default(),
        )
        .unwrap();
        let shape = ty.as_tensor().unwrap().shape.clone().unwrap();
        assert_ne!(shape[0], shape[1]);
        let Some(Value::TensorType(back)) = to_proto(&ty).value else { panic!("a tensor") };
        assert!(back.shape.unwrap().dim.iter().all(|d| d.value.is_none()));
    }
}
