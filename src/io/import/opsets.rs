//! Opset imports, and those that are missing.

use std::collections::BTreeSet;

use bytes::Bytes;
use prost::Message as _;

use super::Importer;
use crate::error::Result;
use crate::ir::{Opsets, canonical_domain, shown_domain};
use crate::proto::OperatorSetIdProto;
use crate::proto::wire::Message;

/// The newest versions of the standard domains that ONNX Runtime 1.31 knows: what it takes where a model
/// imports other domains but not these (its `Model` constructor).
const NEWEST: [(&str, i64); 2] = [("", 26), ("ai.onnx.ml", 5)];

/// The domains of the ops that a graph uses.
#[derive(Debug, Default)]
pub(super) struct Domains(BTreeSet<&'static str>);

impl Domains {
    pub(super) fn note(&mut self, domain: &'static str) {
        self.0.insert(domain);
    }

    pub(super) fn contains(&self, domain: &str) -> bool {
        self.0.contains(canonical_domain(domain))
    }

    /// Domain, version to take, and what to say of it.
    pub(super) fn missing_from(&self, opsets: &Opsets, ir_version: i64) -> Vec<(&'static str, i64, String)> {
        // Opset imports came with IR 3; older models are of version 1 by the specification.
        let all_are_1 = ir_version < 3 && opsets.iter().next().is_none();
        let missing = self.0.iter().filter(|d| opsets.get(d).is_none());
        missing
            .map(|&domain| {
                let newest = NEWEST.iter().find(|(d, _)| *d == domain).map_or(1, |(_, v)| *v);
                let version = if all_are_1 { 1 } else { newest };
                let shown = shown_domain(domain);
                let message =
                    format!("the domain {shown} is used but not imported; taken as version {version}");
                (domain, version, message)
            })
            .collect()
    }
}

impl Importer {
    /// Reads `opset_import`; what it cannot keep goes to the holder's residue.
    pub(super) fn opsets(&mut self, entries: &[Message], residue: &mut Vec<Bytes>) -> Result<Opsets> {
        let mut opsets = Opsets::new();
        for entry in entries {
            let (mut domain, mut version) = ("", 0);
            for field in entry.fields() {
                let field = field?;
                match field.number() {
                    1 => domain = field.text()?,
                    2 => version = field.int()?,
                    _ => {}
                }
            }
            if opsets.get(domain).is_some_and(|v| v != version) {
                let message =
                    format!("the domain '{domain}' is imported twice; its last version, {version}, is taken");
                self.diags.warn("duplicate-opset-import", None, message);
            }
            opsets.set(domain, version);
            if opset_entry(domain, version).encode_to_vec() != entry.encoded() {
                residue.push(entry.field());
            }
        }
        Ok(opsets)
    }
}

/// The message of one import, as the export writes it.
pub(in crate::io) fn opset_entry(domain: &str, version: i64) -> OperatorSetIdProto {
    let domain = (!domain.is_empty()).then(|| domain.to_owned());
    OperatorSetIdProto { domain, version: Some(version) }
}
