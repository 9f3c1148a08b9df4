//! An encoded model becomes an [`ir::Model`](crate::ir::Model).
//!
//! Every message is read in place. Fields that the IR has no place for become the [`Residue`] of what they stood on;
//! so do *shadows*: the original message of a part whose own writing would come out differently (a type with
//! denotations, a tensor with a name, an opset entry with an unknown field). The export writes a shadow instead of its
//! own message as long as both mean the same.

mod attribute;
mod function;
mod initializers;
mod node;
mod opsets;
mod region;
mod scopes;
mod value_info;

use bytes::Bytes;

use self::opsets::Domains;
use self::scopes::Scopes;
use super::external::ExternalFiles;
use super::order::Order;
use super::types::Nameless;
use crate::diag::Diags;
use crate::error::{Error, Result};
use crate::ir::{Graph, Model, Opsets, RegionId, Residue};
use crate::proto::wire::Message;

pub(super) use self::attribute::field_of_kind;
pub(super) use self::opsets::opset_entry;

/// What reading a model needs to know and finds out.
struct Importer {
    files: ExternalFiles,
    diags: Diags,
    nameless: Nameless,
    ir_version: i64,
}

/// A graph being read: its names and the domains of its nodes.
struct Building {
    graph: Graph,
    scopes: Scopes,
    domains: Domains,
}

impl Building {
    fn new() -> Self {
        Self { graph: Graph::new(), scopes: Scopes::default(), domains: Domains::default() }
    }
}

/// The fields of a `ModelProto` that the IR has a place for.
#[derive(Default)]
struct Parts {
    ir_version: Option<i64>,
    graph: Option<Message>,
    opsets: Vec<Message>,
    functions: Vec<Message>,
    residue: Vec<Bytes>,
}

impl Parts {
    fn read(message: &Message) -> Result<Self> {
        let mut parts = Self::default();
        for field in message.fields() {
            let field = field?;
            match field.number() {
                1 => parts.ir_version = Some(field.int()?),
                7 => parts.graph = Some(merged(parts.graph, field.message()?)),
                8 => parts.opsets.push(field.message()?),
                25 => parts.functions.push(field.message()?),
                _ => parts.residue.push(field.raw()),
            }
        }
        Ok(parts)
    }
}

/// Reads an encoded `ModelProto`.
///
/// # Errors
/// The bytes are no model, or the model contradicts itself; the error names node or tensor.
pub(super) fn model(bytes: Bytes, files: ExternalFiles) -> Result<(Model, Diags)> {
    let parts = Parts::read(&Message::new(bytes))?;
    let graph_message = parts.graph.ok_or_else(|| {
        Error::new("not an ONNX model: it has no graph")
            .with_help("give a .onnx file that holds a ModelProto")
    })?;
    let ir_version = parts.ir_version.unwrap_or(ASSUMED_IR_VERSION);
    let mut importer = Importer { files, diags: Diags::new(), nameless: Nameless::default(), ir_version };
    if parts.ir_version.is_none() {
        let message = format!("the model states no IR version; taken as {ASSUMED_IR_VERSION}");
        importer.diags.warn("missing-ir-version", None, message);
    }
    let mut residue = parts.residue;
    let mut opsets = importer.opsets(&parts.opsets, &mut residue)?;
    let mut building = Building::new();
    importer.region(&mut building, RegionId::ROOT, &graph_message, None)?;
    importer.finish(&mut building)?;
    importer.repair_opsets(&mut opsets, &building.domains);
    let functions = parts.functions.iter().map(|f| importer.function(f, &opsets)).collect::<Result<_>>()?;
    let residue = Residue::new(residue);
    let model = Model { graph: building.graph, functions, opsets, ir_version, residue };
    Ok((model, importer.diags))
}

/// The oldest version in which an initializer need not be a graph input too.
const ASSUMED_IR_VERSION: i64 = 4;

impl Importer {
    /// Connects readers and values, and checks that the nodes can be ordered.
    fn finish(&mut self, building: &mut Building) -> Result<()> {
        self.connect(building)?;
        if Order::of(&building.graph)?.reordered {
            let message = "nodes stood before what they read; they are written in order";
            self.diags.note("nodes-out-of-order", None, message);
        }
        Ok(())
    }

    fn repair_opsets(&mut self, opsets: &mut Opsets, used: &Domains) {
        for (domain, version, message) in used.missing_from(opsets, self.ir_version) {
            self.diags.warn("missing-opset-import", None, message);
            opsets.set(domain, version);
        }
    }
}

fn merged(earlier: Option<Message>, later: Message) -> Message {
    match earlier {
        Some(earlier) => earlier.merged(&later),
        None => later,
    }
}
