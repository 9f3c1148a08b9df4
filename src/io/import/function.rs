//! `FunctionProto`: a graph that cannot see outside.

use std::mem;

use bytes::Bytes;

use super::{Building, Importer};
use crate::error::{Error, Result};
use crate::ir::{Function, Opsets, RegionId, Residue};
use crate::proto::wire::{Field, Message};

/// The fields of a `FunctionProto`.
#[derive(Default)]
struct Parts<'m> {
    name: &'m str,
    domain: &'m str,
    overload: &'m str,
    inputs: Vec<&'m str>,
    outputs: Vec<&'m str>,
    attributes: Vec<String>,
    defaults: Vec<Message>,
    nodes: Vec<Message>,
    opsets: Vec<Message>,
    residue: Vec<Bytes>,
}

impl<'m> Parts<'m> {
    fn read(message: &'m Message) -> Result<Self> {
        let mut parts = Self::default();
        for field in message.fields() {
            parts.field(&field?)?;
        }
        Ok(parts)
    }

    fn field(&mut self, field: &Field<'m>) -> Result<()> {
        let text = match field.number() {
            4 => return field.text().map(|t| self.inputs.push(t)),
            5 => return field.text().map(|t| self.outputs.push(t)),
            6 => return field.text().map(|t| self.attributes.push(t.to_owned())),
            7 => return field.message().map(|m| self.nodes.push(m)),
            9 => return field.message().map(|m| self.opsets.push(m)),
            11 => return field.message().map(|m| self.defaults.push(m)),
            1 => &mut self.name,
            10 => &mut self.domain,
            13 => &mut self.overload,
            _ => {
                self.residue.push(field.raw());
                return Ok(());
            }
        };
        *text = field.text()?;
        if text.is_empty() {
            self.residue.push(field.raw());
        }
        Ok(())
    }
}

impl Importer {
    /// Reads a function. Domains that it does not import are taken from the model.
    pub(super) fn function(&mut self, message: &Message, model: &Opsets) -> Result<Function> {
        let mut parts = Parts::read(message)?;
        let name = parts.name;
        self.function_of(&mut parts, model).map_err(|e| e.within(name))
    }

    fn function_of(&mut self, parts: &mut Parts<'_>, model: &Opsets) -> Result<Function> {
        let mut residue = mem::take(&mut parts.residue);
        let mut opsets = self.opsets(&parts.opsets, &mut residue)?;
        let mut building = Building::new();
        let scope = building.scopes.open(None);
        for name in &parts.inputs {
            let value = building.graph.add_input(RegionId::ROOT, *name, None);
            self.define(&mut building, scope, name, *name, value)?;
        }
        let defaults = parts.defaults.iter();
        let defaults = defaults.map(|a| self.attribute(&mut building, scope, a)).collect::<Result<_>>()?;
        for node in &parts.nodes {
            self.node(&mut building, RegionId::ROOT, scope, node)?;
        }
        for name in &parts.outputs {
            let value = building.scopes.own(scope, name).ok_or_else(|| {
                Error::new(format!("function output '{name}' is defined nowhere"))
                    .with_help("the model is incomplete; export it again")
            })?;
            building.graph.add_output(RegionId::ROOT, value);
        }
        self.finish(&mut building)?;
        for (domain, version) in model.iter() {
            if opsets.get(domain).is_none() && building.domains.contains(domain) {
                let message = format!(
                    "a function uses the domain '{domain}' without importing it; it takes the model's version {version}"
                );
                self.diags.warn("missing-opset-import", Some(parts.name), message);
                opsets.set(domain, version);
            }
        }
        self.repair_opsets(&mut opsets, &building.domains);
        Ok(Function {
            domain: parts.domain.to_owned(),
            name: parts.name.to_owned(),
            overload: parts.overload.to_owned(),
            graph: building.graph,
            attributes: mem::take(&mut parts.attributes),
            defaults,
            opsets,
            residue: Residue::new(residue),
        })
    }
}
