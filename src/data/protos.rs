//! Files of an ONNX `test_data_set_*`: one `TensorProto`, `SequenceProto` or `OptionalProto` each; which, the type of
//! the model's input says.

use crate::error::{Error, Result};
use crate::io::tensor_from_proto;
use crate::ir::Type;
use crate::proto::{MapProto, OptionalProto, SequenceProto, TensorProto};
use crate::runtime::RunValue;
use crate::tensor::Tensor;
use bytes::Bytes;
use prost::Message;
use std::path::Path;

/// `elem_type` of a sequence or optional: the code of what is inside.
const TENSOR: i32 = 1;
const SEQUENCE: i32 = 3;
const MAP: i32 = 4;
const OPTIONAL: i32 = 5;

/// Reads the value of an input of this type; of an unknown type, a tensor.
pub(super) fn read_file(path: &Path, ty: Option<&Type>) -> Result<RunValue> {
    let bytes: Bytes = std::fs::read(path).map_err(|e| Error::from(e).in_file(path))?.into();
    read(bytes, ty).map_err(|e| e.in_file(path))
}

fn read(bytes: Bytes, ty: Option<&Type>) -> Result<RunValue> {
    match ty {
        Some(Type::Sequence(_)) => sequence(&decode(bytes)?).map(RunValue::Sequence),
        Some(Type::Optional(_)) => optional(&decode(bytes)?),
        Some(Type::Map(..)) => map(&decode(bytes)?),
        Some(Type::SparseTensor(_) | Type::Opaque { .. }) => {
            Err(Error::new("a value of a type that no runtime takes as input"))
        }
        Some(Type::Tensor(_)) | None => tensor(&decode(bytes)?).map(RunValue::Tensor),
    }
}

fn decode<M: Message + Default>(bytes: Bytes) -> Result<M> {
    M::decode(bytes).map_err(|e| Error::new(format!("not the message that the model's input wants: {e}")))
}

fn tensor(proto: &TensorProto) -> Result<Tensor> {
    tensor_from_proto(proto).map(|(_, tensor)| tensor)
}

fn sequence(proto: &SequenceProto) -> Result<Vec<RunValue>> {
    let tensors = || proto.tensor_values.iter().map(|t| tensor(t).map(RunValue::Tensor));
    match proto.elem_type.unwrap_or_default() {
        SEQUENCE => proto.sequence_values.iter().map(|s| sequence(s).map(RunValue::Sequence)).collect(),
        MAP => proto.map_values.iter().map(map).collect(),
        OPTIONAL => proto.optional_values.iter().map(optional).collect(),
        _ => tensors().collect(),
    }
}

fn optional(proto: &OptionalProto) -> Result<RunValue> {
    let inside = match proto.elem_type.unwrap_or_default() {
        TENSOR => proto.tensor_value.as_ref().map(|t| tensor(t).map(RunValue::Tensor)),
        SEQUENCE => proto.sequence_value.as_ref().map(|s| sequence(s).map(RunValue::Sequence)),
        MAP => proto.map_value.as_ref().map(map),
        OPTIONAL => proto.optional_value.as_deref().map(optional),
        _ => None,
    };
    Ok(RunValue::Optional(inside.transpose()?.map(Box::new)))
}

fn map(proto: &MapProto) -> Result<RunValue> {
    let keys = if proto.string_keys.is_empty() {
        Tensor::vector(&proto.keys)
    } else {
        Tensor::from_strings(&[proto.string_keys.len()], proto.string_keys.clone())?
    };
    let values = proto.values.as_ref().map(|v| v.tensor_values.as_slice()).unwrap_or_default();
    let scalars: Vec<Tensor> = values.iter().map(tensor).collect::<Result<_>>()?;
    let misfit = || Error::new("a map whose values are not one number for each key");
    let bytes: Vec<Bytes> = scalars
        .iter()
        .map(|t| (t.len() == 1).then(|| t.bytes()).flatten())
        .collect::<Option<_>>()
        .ok_or_else(misfit)?;
    let dtype = scalars.first().map(Tensor::dtype).ok_or_else(misfit)?;
    if scalars.len() != keys.len() || scalars.iter().any(|t| t.dtype() != dtype) {
        return Err(misfit());
    }
    Ok(RunValue::Map(keys, Tensor::from_bytes(dtype, &[scalars.len()], bytes.concat())?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tensor::DType;

    fn one(v: f32) -> TensorProto {
        TensorProto { dims: vec![1], data_type: Some(1), float_data: vec![v], ..Default::default() }
    }

    #[test]
    fn the_input_type_says_which_message_it_is() {
        let float = Type::unranked(DType::F32);
        let got = read(one(2.0).encode_to_vec().into(), Some(&float)).unwrap();
        assert!(matches!(got, RunValue::Tensor(t) if t.as_scalar() == Some(2.0)));

        let seq = SequenceProto {
            elem_type: Some(TENSOR),
            tensor_values: vec![one(1.0), one(3.0)],
            ..Default::default()
        };
        let ty = Type::Sequence(Box::new(float.clone()));
        assert!(
            matches!(read(seq.encode_to_vec().into(), Some(&ty)).unwrap(), RunValue::Sequence(s) if s.len() == 2)
        );

        let ty = Type::Optional(Box::new(ty));
        let full =
            OptionalProto { elem_type: Some(SEQUENCE), sequence_value: Some(seq), ..Default::default() };
        assert!(matches!(read(full.encode_to_vec().into(), Some(&ty)).unwrap(), RunValue::Optional(Some(_))));
        assert!(matches!(read(Bytes::new(), Some(&ty)).unwrap(), RunValue::Optional(None)));
    }

    #[test]
    fn maps_have_a_value_for_each_key() {
        let values =
            SequenceProto { elem_type: Some(TENSOR), tensor_values: vec![one(5.0)], ..Default::default() };
        let mut proto = MapProto { keys: vec![7], values: Some(values), ..Default::default() };
        assert!(
            matches!(map(&proto).unwrap(), RunValue::Map(k, v) if k.as_int() == Some(7) && v.as_scalar() == Some(5.0))
        );
        proto.keys.push(8);
        assert!(map(&proto).is_err());
    }
}
