//! `AttributeProto`.

use bytes::Bytes;
use prost::Message as _;

use super::fields::{Fields, payload};
use super::tensor::{Place, means, means_sparse, sparse, tensor};
use super::{Exporter, means_type};
use crate::error::Result;
use crate::io::import::field_of_kind;
use crate::io::rope::Rope;
use crate::io::types;
use crate::ir::{Attr, AttrKind, Attribute, SparseTensor, Type};
use crate::proto::wire::Message;
use crate::tensor::{Data, Tensor};

impl Exporter<'_> {
    pub(super) fn attribute(&self, attribute: &Attribute) -> Result<Rope> {
        let mut fields = Fields::new(&attribute.residue);
        fields.at(1).text(1, &attribute.name);
        let kind = attribute.value.kind();
        let number = field_of_kind(kind);
        // Sparse values have a larger field number than the type.
        if number < 20 {
            self.value(&mut fields, number, &attribute.value)?;
        }
        fields.at(20).int(20, kind as i64);
        if let Attr::Ref(name, _) = &attribute.value {
            fields.text(21, name);
        }
        if number > 20 {
            self.value(&mut fields, number, &attribute.value)?;
        }
        Ok(fields.finish())
    }

    fn value(&self, fields: &mut Fields, number: u32, value: &Attr) -> Result<()> {
        if matches!(value, Attr::Ref(..)) {
            return Ok(());
        }
        let shadows = fields.take(number);
        let rope = fields.at(number);
        match value {
            Attr::Float(v) => rope.float(number, *v),
            Attr::Int(v) => rope.int(number, *v),
            Attr::String(v) => rope.bytes(number, v),
            Attr::Floats(vs) => vs.iter().for_each(|v| rope.float(number, *v)),
            Attr::Ints(vs) => vs.iter().for_each(|v| rope.int(number, *v)),
            Attr::Strings(vs) => vs.iter().for_each(|v| rope.bytes(number, v)),
            Attr::Tensor(t) => self.tensors(rope, number, std::slice::from_ref(t), &shadows),
            Attr::Tensors(ts) => self.tensors(rope, number, ts, &shadows),
            Attr::SparseTensor(t) => sparse_tensors(rope, number, std::slice::from_ref(&**t), &shadows),
            Attr::SparseTensors(ts) => sparse_tensors(rope, number, ts, &shadows),
            Attr::Type(t) => type_list(rope, number, std::slice::from_ref(&**t), &shadows),
            Attr::Types(ts) => type_list(rope, number, ts, &shadows),
            Attr::Region(_) | Attr::Regions(_) => {
                for &body in value.regions() {
                    rope.nested(number, self.region(body)?);
                }
            }
            Attr::Ref(..) => {}
        }
        Ok(())
    }

    fn tensors(&self, rope: &mut Rope, number: u32, tensors: &[Tensor], shadows: &[Bytes]) {
        let shadows = shadows_of(tensors, shadows);
        for (value, shadow) in tensors.iter().zip(shadows) {
            let original = shadow.as_ref().map(Message::encoded);
            let source = original.as_ref();
            let kept = match (value.data(), &shadow) {
                (Data::External(_), _) => self.placement.keeps_references.then_some(source).flatten(),
                (_, Some(message)) if means(message, value) => source,
                _ => None,
            };
            match (kept, value.data()) {
                (Some(source), _) => rope.bytes(number, source),
                (None, Data::External(e)) if self.placement.keeps_references => {
                    let place = Place::External { location: &e.location, offset: e.range.start as u64 };
                    rope.nested(number, tensor("", value, source, &place));
                }
                _ => rope.nested(number, tensor("", value, source, &Place::Inline)),
            }
        }
    }
}

/// The original message of each value, where there is one for every value.
fn shadows_of<T>(values: &[T], shadows: &[Bytes]) -> Vec<Option<Message>> {
    if shadows.len() == values.len() {
        shadows.iter().map(payload).collect()
    } else {
        vec![None; values.len()]
    }
}

fn sparse_tensors(rope: &mut Rope, number: u32, values: &[SparseTensor], shadows: &[Bytes]) {
    for (value, shadow) in values.iter().zip(shadows_of(values, shadows)) {
        match shadow.filter(|m| means_sparse(m, value)) {
            Some(message) => rope.bytes(number, &message.encoded()),
            None => rope.nested(number, sparse(value)),
        }
    }
}

fn type_list(rope: &mut Rope, number: u32, values: &[Type], shadows: &[Bytes]) {
    for (value, shadow) in values.iter().zip(shadows_of(values, shadows)) {
        let own = types::to_proto(value);
        match shadow.filter(|m| means_type(m, Some(value))) {
            Some(message) => rope.bytes(number, &message.encoded()),
            None => rope.bytes(number, &own.encode_to_vec().into()),
        }
    }
}

/// The attribute of a `Constant` node that holds a tensor.
pub(super) fn constant_value(value: &Tensor) -> Rope {
    let mut rope = Rope::new();
    rope.text(1, "value");
    rope.nested(5, tensor("", value, None, &Place::Inline));
    rope.int(20, AttrKind::Tensor as i64);
    rope
}
