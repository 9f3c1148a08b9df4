//! Model files in and out: mapped, read in place, written as a stream, committed at once.
//!
//! [`load`] maps a file and builds an [`ir::Model`](crate::ir::Model) whose weights are slices of the map; [`save`]
//! composes the message without copying them and writes it beside its place before it is renamed there. What the IR
//! does not model is carried as residue, so that a model that no pass has touched comes back as it was.
//!
//! # Remarks made here
//! `missing-ir-version`, `missing-opset-import`, `duplicate-opset-import`, `missing-attribute-type`,
//! `nodes-out-of-order`, `duplicate-initializer`, `nameless-initializer`, `unused-initializer` on reading;
//! `renamed-values`, `separated-data` on writing.

mod atomic;
mod digest;
mod export;
mod external;
mod import;
mod load;
mod map;
mod order;
mod out;
mod rope;
mod save;
mod tensor;
mod types;

pub(crate) use self::atomic::write_whole;
pub use self::atomic::{Scratch, discard_unfinished};
pub use self::digest::digest;
pub use self::load::{Loaded, load, load_bytes};
pub use self::save::{ExternalData, Staged, WriteOptions, Written, save, stage, to_bytes};
pub use self::tensor::tensor_from_proto;

use std::path::Path;

use bytes::Bytes;
use prost::encoding::encode_varint;

/// The folder of a file.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A message field of a number, for a residue.
fn shadow(number: u32, message: &Bytes) -> Bytes {
    let mut field = Vec::with_capacity(message.len() + 12);
    encode_varint(u64::from(number << 3 | 2), &mut field);
    encode_varint(message.len() as u64, &mut field);
    field.extend_from_slice(message);
    field.into()
}
