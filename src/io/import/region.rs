//! `GraphProto`: the main graph and every nested body.

use bytes::Bytes;
use rustc_hash::FxHashSet;

use super::initializers::Initializers;
use super::scopes::ScopeId;
use super::value_info::ValueInfo;
use super::{Building, Importer};
use crate::error::{Error, Result};
use crate::io::export::value_info_message;
use crate::ir::{Def, Graph, Name, RegionId, Residue, ValueId};
use crate::proto::wire::Message;

/// The fields of a `GraphProto`.
#[derive(Default)]
struct Parts {
    name: Name,
    nodes: Vec<Message>,
    initializers: Vec<Message>,
    sparse: Vec<Message>,
    inputs: Vec<Message>,
    outputs: Vec<Message>,
    value_infos: Vec<Message>,
    residue: Vec<Bytes>,
}

/// What is left to do for a region once all names are known.
#[derive(Debug)]
pub(super) struct Returns {
    scope: ScopeId,
    region: RegionId,
    name: Name,
    outputs: Vec<Message>,
    value_infos: Vec<Message>,
    residue: Vec<Bytes>,
}

impl Parts {
    fn read(message: &Message) -> Result<Self> {
        let mut parts = Self::default();
        for field in message.fields() {
            let field = field?;
            match field.number() {
                1 => parts.nodes.push(field.message()?),
                2 => {
                    parts.name = field.text()?.into();
                    if parts.name.is_empty() {
                        parts.residue.push(field.raw());
                    }
                }
                5 => parts.initializers.push(field.message()?),
                11 => parts.inputs.push(field.message()?),
                12 => parts.outputs.push(field.message()?),
                13 => parts.value_infos.push(field.message()?),
                15 => parts.sparse.push(field.message()?),
                _ => parts.residue.push(field.raw()),
            }
        }
        Ok(parts)
    }
}

impl Importer {
    /// Reads a graph into an empty region. Its outputs and operands are connected by [`Importer::connect`].
    pub(super) fn region(
        &mut self,
        building: &mut Building,
        region: RegionId,
        message: &Message,
        parent: Option<ScopeId>,
    ) -> Result<()> {
        let mut parts = Parts::read(message)?;
        let scope = building.scopes.open(parent);
        let mut initializers = self.initializers(&parts.initializers, &mut parts.residue)?;
        for input in &parts.inputs {
            let input = self.value_info(input)?;
            let value = self.input(building, region, &input, &mut initializers, &mut parts.residue);
            building.graph.set_value_residue(value, input.residue);
            self.define(building, scope, &input.name.clone(), input.name, value)?;
        }
        for initializer in initializers.rest() {
            let value = initializer.add(building, region);
            let name = initializer.read.name;
            self.define(building, scope, &name.clone(), name, value)?;
        }
        for sparse in &parts.sparse {
            self.sparse_initializer(building, region, scope, sparse)?;
            parts.residue.push(sparse.field());
        }
        for node in &parts.nodes {
            self.node(building, region, scope, node)?;
        }
        let Parts { name, outputs, value_infos, residue, .. } = parts;
        building.scopes.returns.push(Returns { scope, region, name, outputs, value_infos, residue });
        Ok(())
    }

    /// Adds an input, or the initializer that is listed as one.
    fn input(
        &mut self,
        building: &mut Building,
        region: RegionId,
        info: &ValueInfo,
        initializers: &mut Initializers,
        residue: &mut Vec<Bytes>,
    ) -> ValueId {
        let root = region == RegionId::ROOT;
        let initializer = initializers.take(&info.name);
        if let Some(constant) = initializer.as_ref().filter(|_| root && self.ir_version < 4) {
            let value = constant.add(building, region);
            building.graph.set_listed(value, true);
            building.graph.set_declared(value, info.ty.clone());
            return value;
        }
        let value = building.graph.add_input(region, info.name.clone(), info.ty.clone());
        match initializer {
            Some(default) if root => {
                building.graph.set_input_default(value, default.read.tensor);
                building.graph.set_source(value, default.source);
            }
            Some(idle) => {
                let text = "an initializer has the name of a body's input, which always has a value";
                self.diags.note("unused-initializer", Some(&info.name), text);
                residue.push(idle.field);
            }
            None => {}
        }
        value
    }

    /// Gives a value its name in its region; an error is at the given node or value.
    pub(super) fn define(
        &mut self,
        building: &mut Building,
        scope: ScopeId,
        at: &str,
        name: impl Into<Name>,
        value: ValueId,
    ) -> Result<()> {
        let name = name.into();
        if building.scopes.define(scope, name.clone(), value) {
            return Ok(());
        }
        Err(Error::new(format!("the name '{name}' is defined twice in one graph")).at(at).with_help(
            "each input, initializer and node output needs a name of its own; export the model again",
        ))
    }

    /// Adds the outputs of a region, and the declared types of the values in it.
    pub(super) fn complete_region(&mut self, building: &mut Building, returns: Returns) -> Result<()> {
        let Returns { scope, region, name, outputs, value_infos, mut residue } = returns;
        let mut told = FxHashSet::default();
        let mut returned = Vec::with_capacity(outputs.len());
        for message in &outputs {
            let info = self.value_info(message)?;
            let value =
                building.scopes.find(scope, &info.name).ok_or_else(|| undefined_output(&info.name))?;
            let own = building.scopes.own(scope, &info.name) == Some(value);
            let produced = matches!(building.graph.value(value).def(), Def::Output { .. });
            if own && produced && told.insert(value) {
                building.graph.set_declared(value, info.ty);
                building.graph.set_value_residue(value, info.residue);
            }
            building.graph.add_output(region, value);
            returned.push((value, info.name, message));
        }
        residue.extend(unlike_written(&building.graph, &returned));
        for message in &value_infos {
            let info = self.value_info(message)?;
            let says_something = info.ty.is_some() || !info.residue.is_empty();
            match building.scopes.own(scope, &info.name).filter(|_| says_something) {
                Some(value) if is_inner(building.graph.value(value).def()) && told.insert(value) => {
                    building.graph.set_declared(value, info.ty);
                    building.graph.set_value_residue(value, info.residue);
                }
                _ => residue.push(message.field()),
            }
        }
        building.graph.describe_region(region, name, Residue::new(residue));
        Ok(())
    }
}

/// The entries of outputs that would be written otherwise than they stand. The exporter finds an entry by its name, so
/// for a value that is returned twice either all of its entries are kept or none.
fn unlike_written(graph: &Graph, returned: &[(ValueId, Name, &Message)]) -> Vec<Bytes> {
    let differs = |(value, name, message): &&(ValueId, Name, &Message)| {
        value_info_message(graph.value(*value), name).to_bytes() != message.encoded()
    };
    let unlike: FxHashSet<&Name> = returned.iter().filter(differs).map(|(_, name, _)| name).collect();
    returned.iter().filter(|(_, name, _)| unlike.contains(name)).map(|(_, _, m)| m.field()).collect()
}

fn undefined_output(name: &str) -> Error {
    Error::new("a graph output is defined nowhere: no node, initializer or graph input has this name")
        .at(name)
        .with_help("the model is incomplete; export it again")
}

/// Whether a value info, not the entry of an input or output, declares the value's type.
fn is_inner(def: &Def) -> bool {
    matches!(def, Def::Output { .. } | Def::Initializer { listed: false, .. })
}
