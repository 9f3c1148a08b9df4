//! `AttributeProto`.

use std::mem;

use bytes::Bytes;
use prost::Message as _;

use super::scopes::ScopeId;
use super::{Building, Importer};
use crate::error::{Error, Result};
use crate::io::{tensor, types};
use crate::ir::{Attr, AttrKind, Attribute, RegionId, Residue, SparseTensor, Type};
use crate::proto::wire::{Field, Message};
use crate::tensor::Tensor;

/// Every kind and the field that holds its value.
const KINDS: [(AttrKind, u32); 14] = [
    (AttrKind::Float, 2),
    (AttrKind::Int, 3),
    (AttrKind::String, 4),
    (AttrKind::Tensor, 5),
    (AttrKind::Region, 6),
    (AttrKind::Floats, 7),
    (AttrKind::Ints, 8),
    (AttrKind::Strings, 9),
    (AttrKind::Tensors, 10),
    (AttrKind::Regions, 11),
    (AttrKind::Type, 14),
    (AttrKind::Types, 15),
    (AttrKind::SparseTensor, 22),
    (AttrKind::SparseTensors, 23),
];

/// The field that holds the value of a kind.
pub(in crate::io) fn field_of_kind(kind: AttrKind) -> u32 {
    let entry = KINDS.iter().find(|(k, _)| *k == kind);
    entry.expect("the table holds every kind").1
}

/// The fields of an `AttributeProto`; values stay fields until the kind is known.
#[derive(Default)]
struct Parts<'m> {
    name: &'m str,
    reference: &'m str,
    code: i32,
    values: Vec<Field<'m>>,
    residue: Vec<Bytes>,
}

impl<'m> Parts<'m> {
    fn read(message: &'m Message) -> Result<Self> {
        let mut parts = Self::default();
        for field in message.fields() {
            let field = field?;
            match field.number() {
                1 => parts.name = field.text()?,
                20 => parts.code = field.int32()?,
                21 => {
                    parts.reference = field.text()?;
                    if parts.reference.is_empty() {
                        parts.residue.push(field.raw());
                    }
                }
                number if KINDS.iter().any(|(_, n)| *n == number) => parts.values.push(field),
                _ => parts.residue.push(field.raw()),
            }
        }
        Ok(parts)
    }

    /// The stated kind; where none is stated, as before IR 2, the kind of the value that is there.
    fn kind(&self) -> Result<(AttrKind, u32)> {
        let has_value = |number| self.values.iter().any(|v| v.number() == number);
        let found = KINDS.into_iter().find(|&(kind, number)| match self.code {
            0 => has_value(number),
            code => kind as i32 == code,
        });
        found.ok_or_else(|| {
            let what = match self.code {
                0 => "has neither type nor value".to_owned(),
                code => format!("is of the unknown type {code}"),
            };
            Error::new(format!("attribute '{}' {what}", self.name))
                .with_help("the model is damaged or newer than this version; export it again")
        })
    }
}

impl Importer {
    pub(super) fn attribute(
        &mut self,
        building: &mut Building,
        scope: ScopeId,
        message: &Message,
    ) -> Result<Attribute> {
        let mut parts = Parts::read(message)?;
        let (kind, number) = parts.kind()?;
        if parts.code == 0 {
            let text = "an attribute states no type; it follows from its value";
            self.diags.note("missing-attribute-type", Some(parts.name), text);
        }
        let refers = !parts.reference.is_empty();
        let (values, others): (Vec<_>, Vec<_>) =
            mem::take(&mut parts.values).into_iter().partition(|f| !refers && f.number() == number);
        parts.residue.extend(others.iter().map(Field::raw));
        let value = if refers {
            Attr::Ref(parts.reference.into(), kind)
        } else {
            self.value(building, scope, kind, &values, &mut parts.residue)
                .map_err(|e| e.about(&format!("attribute '{}'", parts.name)))?
        };
        Ok(Attribute { name: parts.name.into(), value, residue: Residue::new(parts.residue) })
    }

    fn value(
        &mut self,
        building: &mut Building,
        scope: ScopeId,
        kind: AttrKind,
        fields: &[Field<'_>],
        residue: &mut Vec<Bytes>,
    ) -> Result<Attr> {
        let last = fields.last();
        Ok(match kind {
            AttrKind::Float => Attr::Float(last.map_or(Ok(0.0), Field::float)?),
            AttrKind::Int => Attr::Int(last.map_or(Ok(0), Field::int)?),
            AttrKind::String => Attr::String(last.map_or(Ok(Bytes::new()), Field::bytes)?),
            AttrKind::Floats => Attr::Floats(floats(fields)?),
            AttrKind::Ints => Attr::Ints(ints(fields)?),
            AttrKind::Strings => Attr::Strings(fields.iter().map(Field::bytes).collect::<Result<_>>()?),
            AttrKind::Tensor => Attr::Tensor(one(self.tensors(fields, residue)?)?),
            AttrKind::Tensors => Attr::Tensors(self.tensors(fields, residue)?),
            AttrKind::SparseTensor => {
                Attr::SparseTensor(Box::new(one(self.sparse_tensors(fields, residue)?)?))
            }
            AttrKind::SparseTensors => Attr::SparseTensors(self.sparse_tensors(fields, residue)?),
            AttrKind::Type => Attr::Type(Box::new(one(self.types(fields, residue)?)?)),
            AttrKind::Types => Attr::Types(self.types(fields, residue)?),
            AttrKind::Region => Attr::Region(one(self.bodies(building, scope, fields)?)?),
            AttrKind::Regions => Attr::Regions(self.bodies(building, scope, fields)?),
        })
    }

    fn tensors(&mut self, fields: &[Field<'_>], residue: &mut Vec<Bytes>) -> Result<Vec<Tensor>> {
        let mut tensors = Vec::with_capacity(fields.len());
        let mut plain = true;
        for field in fields {
            let read = tensor::read(&field.message()?, &mut self.files)?;
            plain &= read.plain;
            tensors.push(read.tensor);
        }
        if !plain {
            shadow_all(fields, residue);
        }
        Ok(tensors)
    }

    fn sparse_tensors(
        &mut self,
        fields: &[Field<'_>],
        residue: &mut Vec<Bytes>,
    ) -> Result<Vec<SparseTensor>> {
        shadow_all(fields, residue);
        fields.iter().map(|f| Ok(tensor::read_sparse(&f.message()?, &mut self.files)?.1)).collect()
    }

    fn types(&mut self, fields: &[Field<'_>], residue: &mut Vec<Bytes>) -> Result<Vec<Type>> {
        let mut read = Vec::with_capacity(fields.len());
        let mut plain = true;
        for field in fields {
            let message = field.message()?;
            let ty = self.type_of(&message)?.ok_or_else(|| {
                Error::new("a type of an unknown kind")
                    .with_help("the model is newer than this version, or damaged")
            })?;
            plain &= types::to_proto(&ty).encode_to_vec() == message.encoded();
            read.push(ty);
        }
        if !plain {
            shadow_all(fields, residue);
        }
        Ok(read)
    }

    fn bodies(
        &mut self,
        building: &mut Building,
        scope: ScopeId,
        fields: &[Field<'_>],
    ) -> Result<Vec<RegionId>> {
        let mut bodies = Vec::with_capacity(fields.len());
        for field in fields {
            let region = building.graph.add_region();
            self.region(building, region, &field.message()?, Some(scope))?;
            bodies.push(region);
        }
        Ok(bodies)
    }
}

/// Keeps the messages of all values of an attribute.
fn shadow_all(fields: &[Field<'_>], residue: &mut Vec<Bytes>) {
    residue.extend(fields.iter().map(Field::raw));
}

fn one<T>(mut values: Vec<T>) -> Result<T> {
    let missing = || Error::new("the value is missing").with_help("the model is damaged; export it again");
    values.pop().ok_or_else(missing)
}

fn ints(fields: &[Field<'_>]) -> Result<Vec<i64>> {
    let mut numbers = Vec::new();
    for field in fields {
        field.varints(&mut numbers)?;
    }
    Ok(numbers.into_iter().map(|n| n as i64).collect())
}

fn floats(fields: &[Field<'_>]) -> Result<Vec<f32>> {
    let mut floats = Vec::new();
    for field in fields {
        let bytes = field.fixed(4)?;
        floats.extend(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
    }
    Ok(floats)
}
