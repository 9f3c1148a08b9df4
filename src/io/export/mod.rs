//! An [`ir::Model`](crate::ir::Model) becomes an encoded `ModelProto`.
//!
//! Fields are written in ascending order, as every protobuf library does, with what was carried in its place, and
//! initializers as they stood in the file. A model that no pass has touched therefore comes back as it was.

mod attribute;
mod fields;
mod node;
mod region;
mod tensor;

use prost::Message as _;
use rustc_hash::FxHashMap;

use self::fields::{Fields, name_in, payload};
use super::import::opset_entry;
use super::order::Order;
use super::rope::Rope;
use super::types::{self, Nameless};
use crate::error::Result;
use crate::ir::{Def, Function, Graph, Model, Names, Opsets, RegionId, Type, Value, ValueId};
use crate::proto::wire::Message;
use crate::proto::{OperatorSetIdProto, TypeProto};

/// Where the data of the main graph's initializers go.
#[derive(Debug, Default)]
pub(super) struct Placement {
    /// Offsets in the new data file; initializers that are not here stay in the message or where they are.
    pub(super) offsets: FxHashMap<ValueId, u64>,
    /// The new data file, relative to the model's folder.
    pub(super) location: String,
    /// Whether external data that is not in the new file stays in the file that it came from.
    pub(super) keeps_references: bool,
}

/// What writing one graph needs to know.
struct Exporter<'m> {
    graph: &'m Graph,
    order: Order,
    names: Names,
    ir_version: i64,
    is_function: bool,
    placement: &'m Placement,
}

/// An encoded model and how many values had to be renamed in it.
pub(super) struct Exported {
    pub(super) rope: Rope,
    pub(super) renamed: usize,
}

/// Composes a model.
///
/// # Errors
/// The graph has a cycle.
pub(super) fn model(model: &Model, placement: &Placement) -> Result<Exported> {
    let main = Exporter::new(&model.graph, model.ir_version, false, placement)?;
    let mut renamed = main.names.renamed();
    let mut fields = Fields::new(&model.residue);
    fields.take(1);
    fields.at(1).int(1, model.ir_version);
    fields.take(7);
    let graph = main.region(RegionId::ROOT)?;
    fields.at(7).nested(7, graph);
    opsets(&mut fields, 8, &model.opsets);
    let inline = Placement::default();
    for function in &model.functions {
        let exporter = Exporter::new(&function.graph, model.ir_version, true, &inline)?;
        renamed += exporter.names.renamed();
        fields.at(25).nested(25, exporter.function(function)?);
    }
    Ok(Exported { rope: fields.finish(), renamed })
}

impl<'m> Exporter<'m> {
    fn new(graph: &'m Graph, ir_version: i64, is_function: bool, placement: &'m Placement) -> Result<Self> {
        let order = Order::of(graph)?;
        Ok(Self { graph, order, names: Names::of(graph), ir_version, is_function, placement })
    }

    fn function(&self, function: &Function) -> Result<Rope> {
        let root = self.graph.root();
        let mut fields = Fields::new(&function.residue);
        fields.text(1, &function.name);
        for &input in root.inputs() {
            fields.at(4).text(4, self.names.get(input));
        }
        for output in root.outputs() {
            fields.at(5).text(5, self.names.get(output));
        }
        for attribute in &function.attributes {
            fields.at(6).text(6, attribute);
        }
        for value in self.written_as_nodes(RegionId::ROOT) {
            fields.at(7).nested(7, self.constant(value));
        }
        for &node in self.order.nodes(RegionId::ROOT) {
            fields.at(7).nested(7, self.node(node)?);
        }
        opsets(&mut fields, 9, &function.opsets);
        fields.text(10, &function.domain);
        for attribute in &function.defaults {
            fields.at(11).nested(11, self.attribute(attribute)?);
        }
        fields.text(13, &function.overload);
        Ok(fields.finish())
    }
}

/// Writes opset imports, each as it stood where it still says the same.
fn opsets(fields: &mut Fields, number: u32, opsets: &Opsets) {
    let shadows = fields.take(number);
    for (domain, version) in opsets.iter() {
        let own = opset_entry(domain, version);
        let says_this = |raw: &&bytes::Bytes| {
            let domain_matches = name_in(raw).unwrap_or_default() == domain;
            let entry = payload(raw).and_then(|m| OperatorSetIdProto::decode(m.encoded()).ok());
            domain_matches && entry.is_some_and(|e| e.version() == version)
        };
        match shadows.iter().find(says_this) {
            Some(raw) => fields.at(number).raw(raw),
            None => fields.at(number).message(number, &own),
        }
    }
}

/// Composes the `ValueInfoProto` of a value: what the file declares, else what is known.
pub(super) fn value_info_message(value: &Value, name: &str) -> Rope {
    let is_border = !matches!(value.def(), Def::Output { .. });
    let known = value.ty().filter(|_| is_border || value.residue().is_empty());
    let ty = value.declared().or(known);
    let mut fields = Fields::new(value.residue());
    fields.text(1, name);
    let shadow = fields.take(2).pop();
    match (shadow, ty) {
        (Some(raw), ty) if payload(&raw).is_some_and(|m| means_type(&m, ty)) => fields.at(2).raw(&raw),
        (_, Some(ty)) => fields.at(2).message(2, &types::to_proto(ty)),
        (_, None) => {}
    }
    fields.finish()
}

/// Whether an encoded type means `ty`; dims without a size are all alike here.
fn means_type(encoded: &Message, ty: Option<&Type>) -> bool {
    let Ok(proto) = TypeProto::decode(encoded.encoded()) else {
        return false;
    };
    let read = types::from_proto(&proto, &mut Nameless::default());
    read.as_ref().map(types::to_proto) == ty.map(types::to_proto)
}
