//! Keys, numbers and field limits, byte by byte.

use super::{Field, MAX_DEPTH, Message};
use crate::error::{Error, Result};

/// How a field's value is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WireType {
    Varint,
    Fixed64,
    Length,
    StartGroup,
    EndGroup,
    Fixed32,
}

/// A position in a message, and where what is read must end.
pub(super) struct Cursor<'m> {
    pub(super) message: &'m Message,
    pub(super) at: usize,
    pub(super) end: usize,
}

impl<'m> Cursor<'m> {
    pub(super) fn varint(&mut self) -> Result<u64> {
        let start = self.at;
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            if self.at >= self.end {
                return Err(self.truncated(start));
            }
            let byte = self.message.field[self.at];
            self.at += 1;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.message.error(start, "a number longer than 64 bits"))
    }

    fn key(&mut self) -> Result<(u32, WireType)> {
        let start = self.at;
        let malformed = |what| Err(self.message.error(start, what));
        let Ok(key) = u32::try_from(self.varint()?) else {
            return malformed("a field number out of range");
        };
        let wire = match key & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::Length,
            3 => WireType::StartGroup,
            4 => WireType::EndGroup,
            5 => WireType::Fixed32,
            _ => return malformed("an unknown wire type"),
        };
        match key >> 3 {
            0 => malformed("field number 0"),
            number => Ok((number, wire)),
        }
    }

    pub(super) fn field(&mut self, group_depth: usize) -> Result<Field<'m>> {
        let start = self.at;
        let (number, wire) = self.key()?;
        let value = self.at;
        let mut varint = 0;
        let size = match wire {
            WireType::Varint => {
                varint = self.varint()?;
                0
            }
            WireType::Fixed64 => 8,
            WireType::Fixed32 => 4,
            WireType::Length => usize::try_from(self.varint()?).map_err(|_| self.truncated(value))?,
            WireType::StartGroup => {
                self.group(number, group_depth)?;
                0
            }
            WireType::EndGroup => {
                return Err(self.message.error(start, "the end of a group that was not begun"));
            }
        };
        let payload = self.at;
        match payload.checked_add(size) {
            Some(end) if end <= self.end => self.at = end,
            _ => return Err(self.truncated(start)),
        }
        Ok(Field { message: self.message, number, wire, varint, start, payload: payload..self.at })
    }

    /// Skips the fields of a group, a form of nesting that ONNX does not use but an unknown field may.
    fn group(&mut self, number: u32, depth: usize) -> Result<()> {
        if depth >= MAX_DEPTH {
            return Err(self.message.error(self.at, "groups nested too deep"));
        }
        loop {
            let start = self.at;
            match self.key()? {
                (inner, WireType::EndGroup) if inner == number => return Ok(()),
                (_, WireType::EndGroup) => return Err(self.message.error(start, "the end of another group")),
                _ => self.at = start,
            }
            self.field(depth + 1)?;
        }
    }

    fn truncated(&self, at: usize) -> Error {
        self.message.error(at, "a field that ends behind its message begins")
    }
}
