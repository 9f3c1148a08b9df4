//! `ValueInfoProto`: a name, its type and what we carry of it.

use bytes::Bytes;
use prost::Message as _;

use super::{Importer, merged};
use crate::error::{Error, Result};
use crate::io::{shadow, types};
use crate::ir::{Name, Residue, Type};
use crate::proto::TypeProto;
use crate::proto::wire::Message;

/// A value info as read.
pub(super) struct ValueInfo {
    pub(super) name: Name,
    pub(super) ty: Option<Type>,
    pub(super) residue: Residue,
}

impl Importer {
    pub(super) fn value_info(&mut self, message: &Message) -> Result<ValueInfo> {
        let (mut name, mut ty, mut residue) = ("", None, Vec::new());
        for field in message.fields() {
            let field = field?;
            match field.number() {
                1 => name = field.text()?,
                2 => ty = Some(merged(ty, field.message()?)),
                _ => residue.push(field.raw()),
            }
        }
        let ty = match ty {
            Some(encoded) => self.ty(&encoded, &mut residue).map_err(|e| e.at(name))?,
            None => None,
        };
        Ok(ValueInfo { name: name.into(), ty, residue: Residue::new(residue) })
    }

    /// Reads the type of a value info; what the IR's type does not say goes to the residue as a shadow.
    fn ty(&mut self, encoded: &Message, residue: &mut Vec<Bytes>) -> Result<Option<Type>> {
        let ty = self.type_of(encoded)?;
        let would_be = ty.as_ref().map(|t| types::to_proto(t).encode_to_vec());
        if would_be.as_deref() != Some(&encoded.encoded()[..]) {
            residue.push(shadow(2, &encoded.encoded()));
        }
        Ok(ty)
    }

    /// Reads an encoded `TypeProto`.
    pub(super) fn type_of(&mut self, encoded: &Message) -> Result<Option<Type>> {
        let proto = TypeProto::decode(encoded.encoded()).map_err(|e| {
            Error::new(format!("the type at byte {} cannot be read: {e}", encoded.offset()))
                .with_help("the model is damaged; export it again")
        })?;
        Ok(types::from_proto(&proto, &mut self.nameless))
    }
}
