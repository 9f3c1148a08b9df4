//! `GraphProto`: the main graph and every nested body.

use bytes::Bytes;
use rustc_hash::{FxHashMap, FxHashSet};

use super::attribute::constant_value;
use super::fields::{Fields, name_in, payload};
use super::tensor::{Place, name_of, tensor};
use super::{Exporter, value_info_message};
use crate::error::Result;
use crate::io::rope::Rope;
use crate::ir::{Attr, Def, Name, NodeId, RegionId, ValueId};
use crate::proto::wire::Message;
use crate::tensor::{Data, Tensor};

impl Exporter<'_> {
    pub(super) fn region(&self, id: RegionId) -> Result<Rope> {
        let region = self.graph.region(id);
        let mut fields = Fields::new(region.residue());
        let sparse = self.sparse_initializers(id, fields.take(15));
        for &value in &self.written_as_nodes(id) {
            fields.at(1).nested(1, self.constant(value));
        }
        let elsewhere: FxHashSet<NodeId> = sparse.iter().map(|(node, _)| *node).collect();
        for &node in self.order.nodes(id).iter().filter(|n| !elsewhere.contains(n)) {
            fields.at(1).nested(1, self.node(node)?);
        }
        fields.text(2, region.name());
        self.initializers(&mut fields, id);
        for value in self.inputs(id) {
            fields.at(11).nested(11, self.value_info(value));
        }
        self.outputs(&mut fields, id);
        self.value_infos(&mut fields, id);
        for (_, raw) in &sparse {
            fields.at(15).raw(raw);
        }
        Ok(fields.finish())
    }

    fn value_info(&self, value: ValueId) -> Rope {
        value_info_message(self.graph.value(value), self.names.get(value))
    }

    /// The `Constant` nodes that were sparse initializers and still are what they were.
    fn sparse_initializers(&self, region: RegionId, messages: Vec<Bytes>) -> Vec<(NodeId, Bytes)> {
        if messages.is_empty() {
            return Vec::new();
        }
        let nodes = self.order.nodes(region).iter().copied();
        let nodes: FxHashMap<&str, NodeId> =
            nodes.filter_map(|n| Some((&**self.sparse_constant(n)?, n))).collect();
        let found = messages.into_iter().filter_map(|raw| {
            let values = payload(&raw)?;
            let values = values.fields().filter_map(Result::ok).find(|f| f.number() == 1)?.message().ok()?;
            let name = name_of(&values.encoded())?;
            Some((*nodes.get(name.as_str())?, raw))
        });
        found.collect()
    }

    /// The name that a `Constant` of a sparse tensor gives.
    fn sparse_constant(&self, node: NodeId) -> Option<&Name> {
        let node = self.graph.node(node);
        let is_sparse =
            node.op().is("Constant") && matches!(node.attr("sparse_value"), Some(Attr::SparseTensor(_)));
        node.outputs().first().filter(|_| is_sparse).map(|&v| self.names.get(v))
    }

    /// Initializers that have no place of their own: in functions, and new ones in bodies of models older than IR 4,
    /// whose initializers must be inputs.
    pub(super) fn written_as_nodes(&self, region: RegionId) -> Vec<ValueId> {
        let in_old_body = self.ir_version < 4 && region != RegionId::ROOT;
        let as_node =
            |&v: &ValueId| self.is_function || (in_old_body && self.graph.value(v).source().is_none());
        self.graph.initializers(region).filter(as_node).collect()
    }

    /// A `Constant` node that gives an initializer's value.
    pub(super) fn constant(&self, value: ValueId) -> Rope {
        let mut rope = Rope::new();
        rope.text(2, self.names.get(value));
        rope.text(4, "Constant");
        if let Def::Initializer { tensor, .. } = self.graph.value(value).def() {
            rope.nested(5, constant_value(tensor));
        }
        rope
    }

    fn initializers(&self, fields: &mut Fields, region: RegionId) {
        let as_nodes: FxHashSet<ValueId> = self.written_as_nodes(region).into_iter().collect();
        let mut values: Vec<ValueId> =
            self.graph.initializers(region).filter(|v| !as_nodes.contains(v)).collect();
        let defaults = self.graph.region(region).inputs().iter().copied();
        let defaults: Vec<ValueId> = defaults.filter(|&v| self.default_of(v).is_some()).collect();
        values.splice(0..0, defaults);
        for value in values {
            if let Some(tensor) = self.constant_of(value) {
                self.initializer(fields.at(5), value, tensor);
            }
        }
    }

    fn default_of(&self, value: ValueId) -> Option<&Tensor> {
        match self.graph.value(value).def() {
            Def::Input { default, .. } => default.as_ref(),
            _ => None,
        }
    }

    fn constant_of(&self, value: ValueId) -> Option<&Tensor> {
        match self.graph.value(value).def() {
            Def::Initializer { tensor, .. } => Some(tensor),
            _ => self.default_of(value),
        }
    }

    fn initializer(&self, rope: &mut Rope, value: ValueId, data: &Tensor) {
        let name = self.names.get(value);
        let source = self.graph.value(value).source();
        let unchanged = source.filter(|s| name_of(s).as_deref() == Some(&**name));
        if let Some(&offset) = self.placement.offsets.get(&value) {
            let place = Place::External { location: &self.placement.location, offset };
            return rope.nested(5, tensor(name, data, source, &place));
        }
        match (data.data(), unchanged) {
            (Data::External(_), Some(raw)) if self.placement.keeps_references => rope.bytes(5, raw),
            (Data::External(e), _) if self.placement.keeps_references => {
                let place = Place::External { location: &e.location, offset: e.range.start as u64 };
                rope.nested(5, tensor(name, data, source, &place));
            }
            (Data::External(_), _) | (_, None) => rope.nested(5, tensor(name, data, source, &Place::Inline)),
            (_, Some(raw)) => rope.bytes(5, raw),
        }
    }

    /// The inputs in order, with the initializers that an old model lists among them where they stood.
    fn inputs(&self, region: RegionId) -> Vec<ValueId> {
        let is_listed = |&v: &ValueId| match self.graph.value(v).def() {
            Def::Initializer { listed, .. } => *listed || self.graph.value(v).source().is_none(),
            _ => false,
        };
        let mut listed = Vec::new();
        if region == RegionId::ROOT && self.ir_version < 4 && !self.is_function {
            listed.extend(self.graph.initializers(region).filter(is_listed));
            listed.sort_unstable();
        }
        let mut listed = listed.into_iter().peekable();
        let mut inputs = Vec::new();
        for &input in self.graph.region(region).inputs() {
            while let Some(before) = listed.next_if(|l| *l < input) {
                inputs.push(before);
            }
            inputs.push(input);
        }
        inputs.extend(listed);
        inputs
    }

    fn outputs(&self, fields: &mut Fields, region: RegionId) {
        let mut shadows: Vec<(String, Bytes)> =
            fields.take(12).into_iter().filter_map(|raw| Some((name_in(&raw)?, raw))).collect();
        for value in self.graph.region(region).outputs() {
            let name = self.names.get(value);
            match shadows.iter().position(|(n, _)| **n == **name) {
                Some(at) => fields.at(12).raw(&shadows.remove(at).1),
                None => fields.at(12).nested(12, self.value_info(value)),
            }
        }
    }

    /// Declared types of inner values, and value infos that were about something else.
    fn value_infos(&self, fields: &mut Fields, region: RegionId) {
        let returned: FxHashSet<ValueId> = self.graph.region(region).outputs().collect();
        let mut inner: Vec<ValueId> =
            self.graph.initializers(region).filter(|&v| !self.is_listed(v)).collect();
        for &node in self.order.nodes(region) {
            inner.extend(self.graph.node(node).outputs());
        }
        inner.retain(|v| !returned.contains(v));
        let told = |&&v: &&ValueId| {
            let value = self.graph.value(v);
            // What is omitted has no name, and nothing to tell.
            !value.name().is_empty() && (value.declared().is_some() || !value.residue().is_empty())
        };
        let extras = fields.take(13);
        for &value in inner.iter().filter(told) {
            fields.at(13).nested(13, self.value_info(value));
        }
        if !extras.is_empty() {
            let names: FxHashSet<&str> = inner.iter().map(|&v| &**self.names.get(v)).collect();
            let is_stale =
                |raw: &Bytes| name_in(raw).is_some_and(|n| names.contains(n.as_str()) && says_type(raw));
            for raw in extras.iter().filter(|raw| !is_stale(raw)) {
                fields.at(13).raw(raw);
            }
        }
    }

    fn is_listed(&self, value: ValueId) -> bool {
        matches!(self.graph.value(value).def(), Def::Initializer { listed: true, .. })
    }
}

/// Whether a value info has a type.
fn says_type(raw: &Bytes) -> bool {
    let has_type = |m: Message| m.fields().filter_map(Result::ok).any(|f| f.number() == 2);
    payload(raw).is_some_and(has_type)
}
