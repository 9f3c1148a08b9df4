//! `NodeProto`.

use super::Exporter;
use super::fields::Fields;
use crate::error::Result;
use crate::io::rope::Rope;
use crate::ir::NodeId;

impl Exporter<'_> {
    pub(super) fn node(&self, id: NodeId) -> Result<Rope> {
        let node = self.graph.node(id);
        let mut fields = Fields::new(node.residue());
        for input in node.inputs() {
            fields.at(1).text(1, input.map_or("", |v| self.names.get(v)));
        }
        for &output in node.outputs() {
            fields.at(2).text(2, self.names.get(output));
        }
        fields.text(3, node.name());
        fields.text(4, node.op().name);
        for attribute in node.attrs() {
            let attribute = self.attribute(attribute)?;
            fields.at(5).nested(5, attribute);
        }
        fields.text(7, node.op().domain);
        fields.text(8, node.overload());
        Ok(fields.finish())
    }
}
