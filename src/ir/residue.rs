//! What we carry without understanding it.

use bytes::Bytes;

/// Protobuf fields, tags included, that the IR has no place for: doc strings, metadata, training info,
/// fields newer than our `.proto`. Written back behind the message's own fields, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Residue(Option<Box<[Bytes]>>);

impl Residue {
    /// Fields in wire format, each piece one or more whole fields.
    pub fn new(fields: Vec<Bytes>) -> Self {
        Self((!fields.is_empty()).then(|| fields.into()))
    }

    /// The fields, in file order.
    pub fn fields(&self) -> &[Bytes] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether there is nothing to carry.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}
