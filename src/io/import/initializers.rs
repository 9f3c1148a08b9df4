//! `GraphProto.initializer` and `sparse_initializer`.

use std::collections::BTreeMap;

use bytes::Bytes;
use rustc_hash::FxHashMap;

use super::scopes::ScopeId;
use super::{Building, Importer};
use crate::error::Result;
use crate::io::tensor::{self, ReadTensor};
use crate::ir::{Attr, Attribute, Name, NewNode, NewOutput, OpId, RegionId, Residue, ValueId};
use crate::proto::wire::Message;

/// A dense initializer and the message that it was read from.
pub(super) struct Initializer {
    pub(super) read: ReadTensor,
    pub(super) source: Bytes,
    /// The message as a field of its graph.
    pub(super) field: Bytes,
}

/// Initializers by place in the file, and their places by name.
#[derive(Default)]
pub(super) struct Initializers {
    unread: BTreeMap<usize, Initializer>,
    places: FxHashMap<String, usize>,
}

impl Initializers {
    /// Takes out the one of a name.
    pub(super) fn take(&mut self, name: &str) -> Option<Initializer> {
        self.unread.remove(self.places.get(name)?)
    }

    /// Those not taken, in file order.
    pub(super) fn rest(self) -> impl Iterator<Item = Initializer> {
        self.unread.into_values()
    }
}

impl Initializer {
    /// Adds it to a region.
    pub(super) fn add(&self, building: &mut Building, region: RegionId) -> ValueId {
        let graph = &mut building.graph;
        let value = graph.add_initializer(region, self.read.name.as_str(), self.read.tensor.clone());
        graph.set_source(value, self.source.clone());
        value
    }
}

impl Importer {
    /// Reads the dense initializers. Of several of one name ONNX Runtime takes the last; so do we.
    pub(super) fn initializers(
        &mut self,
        messages: &[Message],
        residue: &mut Vec<Bytes>,
    ) -> Result<Initializers> {
        let mut found = Initializers::default();
        for (place, message) in messages.iter().enumerate() {
            let read = tensor::read(message, &mut self.files)?;
            if read.name.is_empty() {
                let text = "an initializer without a name, which nothing can read, is carried along";
                self.diags.note("nameless-initializer", None, text);
                residue.push(message.field());
                continue;
            }
            if let Some(earlier) = found.places.insert(read.name.clone(), place) {
                let text = "two initializers have this name; the last is taken";
                self.diags.warn("duplicate-initializer", Some(&read.name), text);
                found.unread.remove(&earlier);
            }
            found
                .unread
                .insert(place, Initializer { read, source: message.encoded(), field: message.field() });
        }
        Ok(found)
    }

    /// A sparse initializer is a `Constant` node in the IR; its message, in the region's residue, tells the export.
    pub(super) fn sparse_initializer(
        &mut self,
        building: &mut Building,
        region: RegionId,
        scope: ScopeId,
        message: &Message,
    ) -> Result<()> {
        let (name, sparse) = tensor::read_sparse(message, &mut self.files)?;
        let name: Name = name.into();
        let output = NewOutput::named(name.clone());
        let mut node = NewNode::new(OpId::onnx("Constant"), vec![], vec![output]);
        let value = Attr::SparseTensor(Box::new(sparse));
        node.attrs.push(Attribute { name: "sparse_value".into(), value, residue: Residue::default() });
        let node = building.graph.add_node(region, node);
        let value = building.graph.node(node).outputs()[0];
        self.define(building, scope, &name.clone(), name, value)
    }
}
