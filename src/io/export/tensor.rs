//! `TensorProto` and `SparseTensorProto`, weights shared with where they came from.

use bytes::Bytes;

use super::fields::Fields;
use crate::io::external::ExternalFiles;
use crate::io::rope::Rope;
use crate::io::tensor::{read, read_sparse};
use crate::ir::{Residue, SparseTensor};
use crate::proto::StringStringEntryProto;
use crate::proto::wire::Message;
use crate::tensor::{Data, Tensor};

/// Where a tensor's data are written.
pub(super) enum Place<'p> {
    /// In the message.
    Inline,
    /// In a data file.
    External {
        /// Relative to the model's folder.
        location: &'p str,
        /// In bytes.
        offset: u64,
    },
}

/// Fields of `TensorProto` that say what the tensor is; all others are carried.
const OWN: [u32; 12] = [1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14];

/// Composes a tensor. What `source`, its original message, says beside the tensor itself is carried over.
pub(super) fn tensor(name: &str, tensor: &Tensor, source: Option<&Bytes>, place: &Place<'_>) -> Rope {
    let mut fields = Fields::new(&carried(source));
    for &dim in tensor.shape() {
        fields.at(1).int(1, dim as i64);
    }
    fields.at(2).int(2, tensor.dtype().code().into());
    for string in tensor.strings().unwrap_or_default() {
        fields.at(6).bytes(6, string);
    }
    fields.text(8, name);
    match place {
        Place::External { location, offset } => {
            let entries = [
                ("location", (*location).to_owned()),
                ("offset", offset.to_string()),
                ("length", tensor.byte_len().to_string()),
            ];
            for (key, value) in entries {
                let entry = StringStringEntryProto { key: Some(key.into()), value: Some(value) };
                fields.at(13).message(13, &entry);
            }
            fields.at(14).int(14, 1);
        }
        Place::Inline => match tensor.data() {
            Data::Bytes(bytes) => fields.at(9).bytes(9, bytes),
            Data::External(e) => fields.at(9).bytes(9, &e.file.slice(e.range.clone())),
            Data::Expr(expr) => fields.at(9).lazy(9, expr.clone(), tensor.byte_len() as u64),
            Data::Strings(_) => {}
        },
    }
    fields.finish()
}

fn carried(source: Option<&Bytes>) -> Residue {
    let Some(source) = source else {
        return Residue::default();
    };
    let message = Message::new(source.clone());
    let fields = message.fields().filter_map(Result::ok);
    Residue::new(fields.filter(|f| !OWN.contains(&f.number())).map(|f| f.raw()).collect())
}

/// The name in an encoded tensor.
pub(super) fn name_of(source: &Bytes) -> Option<String> {
    let message = Message::new(source.clone());
    let name = message.fields().filter_map(Result::ok).filter(|f| f.number() == 8).last()?;
    name.text().ok().map(str::to_owned)
}

/// Composes a sparse tensor.
pub(super) fn sparse(value: &SparseTensor) -> Rope {
    let mut rope = Rope::new();
    rope.nested(1, tensor("", &value.values, None, &Place::Inline));
    rope.nested(2, tensor("", &value.indices, None, &Place::Inline));
    for &dim in &value.dims {
        rope.int(3, dim as i64);
    }
    rope
}

/// Whether an encoded tensor means `tensor`. One in an external file never does: where it lies may have changed.
pub(super) fn means(source: &Message, tensor: &Tensor) -> bool {
    let read = read(source, &mut ExternalFiles::beside(None));
    read.is_ok_and(|read| same(&read.tensor, tensor))
}

/// Whether an encoded sparse tensor means `value`.
pub(super) fn means_sparse(source: &Message, value: &SparseTensor) -> bool {
    let read = read_sparse(source, &mut ExternalFiles::beside(None));
    read.is_ok_and(|(_, read)| {
        read.dims == value.dims && same(&read.values, &value.values) && same(&read.indices, &value.indices)
    })
}

fn same(a: &Tensor, b: &Tensor) -> bool {
    let in_place = match (a.data(), b.data()) {
        (Data::Bytes(x), Data::Bytes(y)) => x.as_ptr() == y.as_ptr() && x.len() == y.len(),
        _ => false,
    };
    if in_place { a.dtype() == b.dtype() && a.shape() == b.shape() } else { a.same_bits(b) }
}
