//! `NodeProto`.

use bytes::Bytes;

use super::scopes::ScopeId;
use super::{Building, Importer};
use crate::error::Result;
use crate::ir::{Name, NewNode, NewOutput, OpId, RegionId, Residue};
use crate::proto::wire::{Field, Message};

/// The fields of a `NodeProto`.
#[derive(Default)]
struct Parts<'m> {
    inputs: Vec<&'m str>,
    outputs: Vec<&'m str>,
    name: &'m str,
    op_type: &'m str,
    domain: &'m str,
    overload: &'m str,
    attributes: Vec<Message>,
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
            1 => return field.text().map(|t| self.inputs.push(t)),
            2 => return field.text().map(|t| self.outputs.push(t)),
            5 => return field.message().map(|m| self.attributes.push(m)),
            3 => &mut self.name,
            4 => &mut self.op_type,
            7 => &mut self.domain,
            8 => &mut self.overload,
            _ => {
                self.residue.push(field.raw());
                return Ok(());
            }
        };
        *text = field.text()?;
        // The IR does not tell an empty text from none, nor the two spellings of the default domain.
        if text.is_empty() || (field.number() == 7 && *text == "ai.onnx") {
            self.residue.push(field.raw());
        }
        Ok(())
    }

    /// How an error names the node.
    fn label(&self) -> &'m str {
        let output = self.outputs.iter().find(|o| !o.is_empty()).copied().unwrap_or_default();
        let names = [self.name, output, self.op_type];
        names.into_iter().find(|s| !s.is_empty()).unwrap_or("a node without a name")
    }
}

impl Importer {
    pub(super) fn node(
        &mut self,
        building: &mut Building,
        region: RegionId,
        scope: ScopeId,
        message: &Message,
    ) -> Result<()> {
        let mut parts = Parts::read(message)?;
        self.add_node(building, region, scope, &mut parts).map_err(|e| e.at(parts.label()))
    }

    fn add_node(
        &mut self,
        building: &mut Building,
        region: RegionId,
        scope: ScopeId,
        parts: &mut Parts<'_>,
    ) -> Result<()> {
        let op = OpId::intern(parts.domain, parts.op_type);
        building.domains.note(op.domain);
        let attrs =
            parts.attributes.iter().map(|a| self.attribute(building, scope, a)).collect::<Result<_>>()?;
        let node = NewNode {
            op,
            overload: parts.overload.into(),
            name: parts.name.into(),
            inputs: vec![None; parts.inputs.len()],
            outputs: parts.outputs.iter().map(|o| NewOutput::named(*o)).collect(),
            attrs,
            order: None,
            residue: Residue::new(std::mem::take(&mut parts.residue)),
        };
        let node = building.graph.add_node(region, node);
        for (index, name) in parts.inputs.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            building.scopes.read(scope, node, index, Name::from(*name));
        }
        for value in building.graph.node(node).outputs().to_vec() {
            let name = building.graph.value(value).name().clone();
            if !name.is_empty() {
                self.define(building, scope, parts.label(), name, value)?;
            }
        }
        Ok(())
    }
}
