//! A protobuf message composed without copying its payload: chunks of known length, written in order.
//!
//! Nested messages are composed bottom-up, so every length prefix is known before a byte is written. Weights stay slices
//! of the mapped input, or expressions that are evaluated while they stream out.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use prost::encoding::{encode_varint, encoded_len_varint};

use super::out::Out;
use crate::tensor::Expr;

/// Payload shorter than this is copied: a chunk of its own would cost more.
const COPY_BELOW: usize = 1024;

enum Chunk {
    Owned(Vec<u8>),
    Shared(Bytes),
    Lazy(Arc<Expr>, u64),
}

/// An encoded protobuf message, or a part of one, whose large pieces are shared or not yet computed.
#[derive(Default)]
pub(crate) struct Rope {
    chunks: Vec<Chunk>,
    len: u64,
}

impl Rope {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The encoded size in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    fn grow(&mut self, more: u64) {
        self.len = self.len.checked_add(more).expect("the pieces of a rope fit into memory or files");
    }

    /// The owned bytes at the end, to append to.
    fn tail(&mut self) -> &mut Vec<u8> {
        if !matches!(self.chunks.last(), Some(Chunk::Owned(_))) {
            self.chunks.push(Chunk::Owned(Vec::new()));
        }
        match self.chunks.last_mut() {
            Some(Chunk::Owned(tail)) => tail,
            _ => unreachable!("an owned chunk was just pushed"),
        }
    }

    fn varint(&mut self, value: u64) {
        self.grow(encoded_len_varint(value) as u64);
        encode_varint(value, self.tail());
    }

    fn key(&mut self, field: u32, wire: u32) {
        self.varint(u64::from(field << 3 | wire));
    }

    /// Appends encoded fields as they are.
    pub(crate) fn raw(&mut self, bytes: &Bytes) {
        self.grow(bytes.len() as u64);
        if bytes.len() < COPY_BELOW {
            self.tail().extend_from_slice(bytes);
        } else {
            self.chunks.push(Chunk::Shared(bytes.clone()));
        }
    }

    /// Appends all fields of a message without large payload.
    pub(crate) fn fields(&mut self, message: &impl Message) {
        self.grow(message.encoded_len() as u64);
        message.encode_raw(self.tail());
    }

    /// A length-delimited field: `bytes`, `string` or an encoded message.
    pub(crate) fn bytes(&mut self, field: u32, bytes: &Bytes) {
        self.key(field, 2);
        self.varint(bytes.len() as u64);
        self.raw(bytes);
    }

    /// A `string` field.
    pub(crate) fn text(&mut self, field: u32, text: &str) {
        self.key(field, 2);
        self.varint(text.len() as u64);
        self.grow(text.len() as u64);
        self.tail().extend_from_slice(text.as_bytes());
    }

    /// An integer or enum field.
    pub(crate) fn int(&mut self, field: u32, value: i64) {
        self.key(field, 0);
        self.varint(value as u64);
    }

    /// A `float` field.
    pub(crate) fn float(&mut self, field: u32, value: f32) {
        self.key(field, 5);
        self.grow(4);
        self.tail().extend_from_slice(&value.to_le_bytes());
    }

    /// A message field without large payload.
    pub(crate) fn message(&mut self, field: u32, message: &impl Message) {
        self.key(field, 2);
        self.varint(message.encoded_len() as u64);
        self.fields(message);
    }

    /// A message field composed as a rope.
    pub(crate) fn nested(&mut self, field: u32, inner: Rope) {
        self.key(field, 2);
        self.varint(inner.len);
        self.append(inner);
    }

    /// A `bytes` field whose value is computed when it is written; `len` is the expression's size.
    pub(crate) fn lazy(&mut self, field: u32, expr: Arc<Expr>, len: u64) {
        self.key(field, 2);
        self.varint(len);
        self.lazy_payload(expr, len);
    }

    /// Appends a computed payload without a key.
    pub(crate) fn lazy_payload(&mut self, expr: Arc<Expr>, len: u64) {
        self.grow(len);
        self.chunks.push(Chunk::Lazy(expr, len));
    }

    /// Appends zeros up to the next multiple of `alignment`.
    pub(crate) fn pad(&mut self, alignment: u64) {
        let gap = self.len.next_multiple_of(alignment) - self.len;
        self.grow(gap);
        let tail = self.tail();
        tail.resize(tail.len() + gap as usize, 0);
    }

    fn append(&mut self, inner: Rope) {
        self.grow(inner.len);
        for chunk in inner.chunks {
            match chunk {
                Chunk::Owned(bytes) => self.tail().extend_from_slice(&bytes),
                other => self.chunks.push(other),
            }
        }
    }

    /// Writes everything in order; large pieces in one call each.
    ///
    /// # Errors
    /// Whatever `out` returns.
    pub(crate) fn write_to(&self, out: &mut dyn Out) -> io::Result<()> {
        for chunk in &self.chunks {
            match chunk {
                Chunk::Owned(bytes) => out.write_all(bytes)?,
                Chunk::Shared(bytes) => out.write_shared(bytes)?,
                Chunk::Lazy(expr, len) => write_lazy(expr, *len, out)?,
            }
        }
        Ok(())
    }

    /// The encoded message in memory.
    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(usize::try_from(self.len).unwrap_or_default());
        self.write_to(&mut out).expect("writing to memory does not fail");
        out.into()
    }
}

fn write_lazy(expr: &Expr, len: u64, out: &mut dyn Out) -> io::Result<()> {
    let mut written = 0u64;
    expr.stream(&mut |piece| {
        written += piece.len() as u64;
        out.write_all(piece)
    })?;
    if written == len {
        Ok(())
    } else {
        Err(io::Error::other(format!("an expression of {len} bytes gave {written}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::proto::{GraphProto, NodeProto, TensorProto};
    use crate::tensor::Tensor;

    #[test]
    fn composes_what_prost_encodes() {
        let weights = Bytes::from(vec![7u8; 5000]);
        let tensor = TensorProto {
            dims: vec![5000],
            data_type: Some(2),
            raw_data: Some(weights.clone()),
            ..Default::default()
        };
        let node = NodeProto { op_type: Some("Relu".into()), ..Default::default() };
        let graph =
            GraphProto { node: vec![node.clone()], initializer: vec![tensor.clone()], ..Default::default() };

        let mut inner = Rope::new();
        inner.fields(&TensorProto { raw_data: None, ..tensor });
        inner.bytes(9, &weights);
        let mut rope = Rope::new();
        rope.message(1, &node);
        rope.nested(5, inner);
        assert_eq!(rope.len(), graph.encoded_len() as u64);
        assert_eq!(rope.to_bytes(), graph.encode_to_vec());
    }

    #[test]
    fn expressions_are_written_in_place() {
        let half = Tensor::vector(&[1f32, 2.0]);
        let expr = Expr::Concat { axis: 0, parts: vec![half.clone(), half] };
        let mut rope = Rope::new();
        rope.lazy(9, Arc::new(expr), 16);
        let tensor = TensorProto::decode(rope.to_bytes()).unwrap();
        assert_eq!(tensor.raw_data.unwrap(), [1f32, 2., 1., 2.].map(f32::to_le_bytes).concat());
    }

    #[test]
    fn pads_to_the_alignment() {
        let mut rope = Rope::new();
        rope.raw(&Bytes::from_static(b"abc"));
        rope.pad(64);
        assert_eq!((rope.len(), rope.to_bytes().len()), (64, 64));
        rope.pad(64);
        assert_eq!(rope.len(), 64);
    }
}
