//! The fields of one message in ascending order, carried ones in their place among our own.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::io::rope::Rope;
use crate::ir::Residue;
use crate::proto::wire::Message;

/// Composes a message. Call [`Fields::at`] with ascending field numbers.
pub(super) struct Fields {
    rope: Rope,
    /// Carried fields by number, in file order within a number.
    carried: VecDeque<(u32, Bytes)>,
}

impl Fields {
    pub(super) fn new(residue: &Residue) -> Self {
        let mut carried = Vec::new();
        for piece in residue.fields() {
            let message = Message::new(piece.clone());
            let fields = message.fields().filter_map(Result::ok);
            carried.extend(fields.map(|field| (field.number(), field.raw())));
        }
        carried.sort_by_key(|(number, _)| *number);
        Self { rope: Rope::new(), carried: carried.into() }
    }

    /// Takes out the carried fields of a number: shadows, or what our own field replaces.
    pub(super) fn take(&mut self, number: u32) -> Vec<Bytes> {
        if self.carried.iter().all(|(n, _)| *n != number) {
            return Vec::new();
        }
        let carried = std::mem::take(&mut self.carried).into_iter();
        let (taken, kept): (VecDeque<_>, _) = carried.partition(|(n, _)| *n == number);
        self.carried = kept;
        taken.into_iter().map(|(_, raw)| raw).collect()
    }

    /// Where to write our own field of a number: behind all carried fields of smaller numbers.
    pub(super) fn at(&mut self, number: u32) -> &mut Rope {
        while self.carried.front().is_some_and(|(n, _)| *n < number) {
            if let Some((_, raw)) = self.carried.pop_front() {
                self.rope.raw(&raw);
            }
        }
        &mut self.rope
    }

    /// Our own text, which replaces a carried one; an empty text is not written.
    pub(super) fn text(&mut self, number: u32, text: &str) {
        if !text.is_empty() {
            self.take(number);
            self.at(number).text(number, text);
        }
    }

    /// The message.
    pub(super) fn finish(mut self) -> Rope {
        self.at(u32::MAX);
        self.rope
    }
}

/// The message in a raw message field.
pub(super) fn payload(raw: &Bytes) -> Option<Message> {
    Message::new(raw.clone()).fields().next()?.ok()?.message().ok()
}

/// The text in field 1 of a raw message field: the name of a value info, the domain of an opset import.
pub(super) fn name_in(raw: &Bytes) -> Option<String> {
    let message = payload(raw)?;
    let mut fields = message.fields().filter_map(Result::ok);
    let name = fields.find(|f| f.number() == 1)?;
    name.text().ok().map(str::to_owned)
}
