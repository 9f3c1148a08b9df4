//! The protobuf wire format, read in place: fields in file order, payload as slices of the file.
//!
//! Nothing is copied and payload is not touched, so reading is linear in the number of fields. Every error says at
//! which byte of the file.

mod cursor;

use std::ops::Range;

use bytes::Bytes;

use self::cursor::{Cursor, WireType};
use crate::error::{Error, Result};

/// Messages nested deeper than this are refused, as by every protobuf library with its default limit.
pub const MAX_DEPTH: usize = 100;

/// An encoded message: a slice of a file.
#[derive(Clone, Debug)]
pub struct Message {
    /// The field that holds the message, key included; the message alone where no field holds it.
    field: Bytes,
    /// Where in `field` the message begins.
    start: usize,
    /// Where in the file `field` begins.
    offset: usize,
    depth: usize,
}

impl Message {
    /// The outermost message of a file.
    pub fn new(file: Bytes) -> Self {
        Self { field: file, start: 0, offset: 0, depth: 0 }
    }

    /// The encoded fields.
    pub fn encoded(&self) -> Bytes {
        self.field.slice(self.start..)
    }

    /// The field that holds the message, key included.
    pub fn field(&self) -> Bytes {
        self.field.clone()
    }

    /// The position of the message in its file.
    pub fn offset(&self) -> usize {
        self.offset + self.start
    }

    /// The fields in file order. After the first error there are no more.
    pub fn fields(&self) -> Fields<'_> {
        Fields { message: self, at: self.start }
    }

    /// The two parts of a message field that occurs twice: by the rules of protobuf they are merged.
    pub fn merged(&self, later: &Message) -> Message {
        let bytes = [&self.field[self.start..], &later.field[later.start..]].concat();
        Self { field: bytes.into(), start: 0, offset: self.offset(), depth: self.depth }
    }

    fn error(&self, at: usize, what: &str) -> Error {
        Error::new(format!("not a valid ONNX file: {what} at byte {}", self.offset.saturating_add(at)))
            .with_help("the file is truncated, damaged or no ONNX model; fetch or export it again")
    }
}

/// One field of a message.
#[derive(Clone, Debug)]
pub struct Field<'m> {
    message: &'m Message,
    number: u32,
    wire: WireType,
    /// The value of a varint.
    varint: u64,
    start: usize,
    payload: Range<usize>,
}

impl<'m> Field<'m> {
    /// The field number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Key and value as they stand in the file.
    pub fn raw(&self) -> Bytes {
        self.message.field.slice(self.start..self.payload.end)
    }

    fn expect(&self, wire: WireType) -> Result<()> {
        if self.wire == wire {
            return Ok(());
        }
        let what = format!("field {} is encoded as {:?} instead of {wire:?}", self.number, self.wire);
        Err(self.message.error(self.start, &what))
    }

    /// A `uint64` or `bool`.
    ///
    /// # Errors
    /// The field is encoded as another kind of value; so for all accessors.
    pub fn uint(&self) -> Result<u64> {
        self.expect(WireType::Varint).map(|()| self.varint)
    }

    /// An `int64`.
    ///
    /// # Errors
    /// See [`Field::uint`].
    pub fn int(&self) -> Result<i64> {
        self.uint().map(|v| v as i64)
    }

    /// An `int32` or enum; as everywhere in protobuf the upper half of a longer number is ignored.
    ///
    /// # Errors
    /// See [`Field::uint`].
    pub fn int32(&self) -> Result<i32> {
        self.uint().map(|v| v as i32)
    }

    /// A `float`.
    ///
    /// # Errors
    /// See [`Field::uint`].
    pub fn float(&self) -> Result<f32> {
        self.expect(WireType::Fixed32)?;
        let bytes = self.payload_bytes().try_into().expect("a fixed32 has 4 bytes");
        Ok(f32::from_le_bytes(bytes))
    }

    /// A `bytes` field, a slice of the file.
    ///
    /// # Errors
    /// See [`Field::uint`].
    pub fn bytes(&self) -> Result<Bytes> {
        self.expect(WireType::Length)?;
        Ok(self.message.field.slice(self.payload.clone()))
    }

    /// A `string` field.
    ///
    /// # Errors
    /// It is not UTF-8; and see [`Field::uint`].
    pub fn text(&self) -> Result<&'m str> {
        self.expect(WireType::Length)?;
        std::str::from_utf8(self.payload_bytes()).map_err(|_| {
            self.message
                .error(self.payload.start, &format!("text that is not UTF-8 in field {}", self.number))
        })
    }

    /// A nested message.
    ///
    /// # Errors
    /// It is nested deeper than [`MAX_DEPTH`]; and see [`Field::uint`].
    pub fn message(&self) -> Result<Message> {
        self.expect(WireType::Length)?;
        let depth = self.message.depth + 1;
        let offset = self.message.offset + self.start;
        if depth > MAX_DEPTH {
            return Err(Error::new(format!(
                "messages are nested deeper than {MAX_DEPTH} levels at byte {offset}"
            ))
            .with_help("no protobuf library reads such a model; flatten its nested bodies"));
        }
        Ok(Message { field: self.raw(), start: self.payload.start - self.start, offset, depth })
    }

    /// Appends the numbers of a repeated varint field, packed or not.
    ///
    /// # Errors
    /// A packed number is malformed; and see [`Field::uint`].
    pub fn varints(&self, out: &mut Vec<u64>) -> Result<()> {
        if self.wire == WireType::Varint {
            out.push(self.varint);
            return Ok(());
        }
        self.expect(WireType::Length)?;
        let mut cursor = Cursor { message: self.message, at: self.payload.start, end: self.payload.end };
        while cursor.at < cursor.end {
            out.push(cursor.varint()?);
        }
        Ok(())
    }

    /// Little-endian numbers of `width` bytes (4 or 8) of a repeated fixed-width field, packed or not.
    ///
    /// # Errors
    /// The packed length is no multiple of the width; and see [`Field::uint`].
    pub fn fixed(&self, width: usize) -> Result<Bytes> {
        let single = if width == 4 { WireType::Fixed32 } else { WireType::Fixed64 };
        if self.wire != single {
            self.expect(WireType::Length)?;
        }
        if !self.payload.len().is_multiple_of(width) {
            let what = format!("a list of {width}-byte numbers of {} bytes", self.payload.len());
            return Err(self.message.error(self.payload.start, &what));
        }
        Ok(self.message.field.slice(self.payload.clone()))
    }

    fn payload_bytes(&self) -> &'m [u8] {
        &self.message.field[self.payload.clone()]
    }
}

/// Iterates over the fields of a message.
#[derive(Debug)]
pub struct Fields<'m> {
    message: &'m Message,
    at: usize,
}

impl<'m> Iterator for Fields<'m> {
    type Item = Result<Field<'m>>;

    fn next(&mut self) -> Option<Self::Item> {
        let end = self.message.field.len();
        if self.at >= end {
            return None;
        }
        let mut cursor = Cursor { message: self.message, at: self.at, end };
        let field = cursor.field(0);
        self.at = if field.is_ok() { cursor.at } else { end };
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::proto::{ModelProto, NodeProto, TensorProto};
    use prost::Message as _;

    fn numbers(bytes: &[u8]) -> Result<Vec<u32>> {
        Message::new(Bytes::copy_from_slice(bytes)).fields().map(|f| f.map(|f| f.number())).collect()
    }

    #[test]
    fn reads_what_prost_writes() {
        let tensor = TensorProto {
            dims: vec![300, 2],
            data_type: Some(1),
            float_data: vec![1.5, -2.0],
            ..Default::default()
        };
        let message = Message::new(tensor.encode_to_vec().into());
        let (mut dims, mut floats) = (Vec::new(), Bytes::new());
        for field in message.fields().map(Result::unwrap) {
            match field.number() {
                1 => field.varints(&mut dims).unwrap(),
                4 => floats = field.fixed(4).unwrap(),
                _ => assert_eq!(field.int32().unwrap(), 1),
            }
        }
        assert_eq!(dims, [300, 2]);
        assert_eq!(floats, [1.5f32, -2.0].map(f32::to_le_bytes).concat());
    }

    #[test]
    fn malformed_fields_are_errors_with_their_place() {
        let bad: [(&[u8], &str); 8] = [
            (&[0x0a], "byte 1"),
            (&[0x0a, 5, 1], "byte 0"),
            (&[0x08, 0x80], "byte 1"),
            (&[0x07, 0], "wire type"),
            (&[0x00, 0], "field number 0"),
            (&[0x0c], "not begun"),
            (&[0x0b, 0x14], "another group"),
            (&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], "64 bits"),
        ];
        for (bytes, says) in bad {
            let error = numbers(bytes).unwrap_err();
            assert!(error.message().contains(says), "{bytes:?}: {error}");
        }
        assert_eq!(numbers(&[0x0b, 0x10, 1, 0x0c, 0x10, 2]).unwrap(), [1, 2]);
    }

    #[test]
    fn groups_and_messages_nest_to_a_limit() {
        let mut groups = vec![0x0b; 200];
        groups.extend([0x0c; 200]);
        assert!(numbers(&groups).unwrap_err().message().contains("deep"));

        let mut bytes = Bytes::new();
        for _ in 0..MAX_DEPTH + 1 {
            let mut outer = vec![0x0a];
            prost::encoding::encode_varint(bytes.len() as u64, &mut outer);
            outer.extend_from_slice(&bytes);
            bytes = outer.into();
        }
        let mut message = Message::new(bytes);
        let error = loop {
            let field = message.fields().next().unwrap().unwrap();
            match field.message() {
                Ok(inner) => message = inner,
                Err(e) => break e,
            }
        };
        assert!(error.message().contains("nested deeper"), "{error}");
    }

    #[test]
    fn a_field_of_the_wrong_kind_or_text_is_an_error() {
        let node = NodeProto { name: Some("é".into()), ..Default::default() };
        let mut bytes = node.encode_to_vec();
        let message = Message::new(bytes.clone().into());
        let field = message.fields().next().unwrap().unwrap();
        assert_eq!(field.text().unwrap(), "é");
        assert!(field.int().is_err());
        *bytes.last_mut().unwrap() = 0xff;
        let message = Message::new(bytes.into());
        let error = message.fields().next().unwrap().unwrap().text().unwrap_err();
        assert!(error.message().contains("UTF-8"), "{error}");
    }

    #[test]
    fn parts_of_a_message_merge() {
        let one = ModelProto { ir_version: Some(7), ..Default::default() };
        let two = ModelProto { domain: Some("d".into()), ..Default::default() };
        let merged =
            Message::new(one.encode_to_vec().into()).merged(&Message::new(two.encode_to_vec().into()));
        let merged = ModelProto::decode(merged.encoded()).unwrap();
        assert_eq!((merged.ir_version, merged.domain.as_deref()), (Some(7), Some("d")));
    }
}
