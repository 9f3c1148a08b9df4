//! The head of a model or function: `<ir_version: 8, opset_import: ["" : 18], producer_name: "…">`.
//!
//! What the IR has no place for is carried as protobuf fields; those that the syntax knows are read from there.

use super::lexer::Lexer;
use super::write::quoted;
use crate::error::Result;
use crate::ir::{Function, Model, Opsets, Residue};
use crate::proto::{FunctionProto, ModelProto, StringStringEntryProto};
use prost::Message;

/// Of a text that does not say.
pub(super) const DEFAULT_IR_VERSION: i64 = 8;

/// What a head may say.
#[derive(Debug, Default)]
pub(super) struct Header {
    pub(super) ir_version: Option<i64>,
    pub(super) opsets: Opsets,
    pub(super) overload: Option<String>,
    pub(super) domain: Option<String>,
    producer_name: Option<String>,
    producer_version: Option<String>,
    model_version: Option<i64>,
    doc_string: Option<String>,
    metadata: Vec<StringStringEntryProto>,
}

impl Header {
    pub(super) fn model_residue(&self) -> Residue {
        residue(&ModelProto {
            producer_name: self.producer_name.clone(),
            producer_version: self.producer_version.clone(),
            domain: self.domain.clone(),
            model_version: self.model_version,
            doc_string: self.doc_string.clone(),
            metadata_props: self.metadata.clone(),
            ..ModelProto::default()
        })
    }

    pub(super) fn function_residue(&self) -> Residue {
        residue(&FunctionProto { doc_string: self.doc_string.clone(), ..FunctionProto::default() })
    }
}

fn residue(fields: &impl Message) -> Residue {
    let encoded = fields.encode_to_vec();
    Residue::new(if encoded.is_empty() { Vec::new() } else { vec![encoded.into()] })
}

/// The fields of `M` among what is carried; none where they are malformed.
fn carried<M: Message + Default>(residue: &Residue) -> M {
    M::decode(residue.fields().concat().as_slice()).unwrap_or_default()
}

/// A head, if one comes next.
pub(super) fn read(lexer: &mut Lexer<'_>) -> Result<Header> {
    let mut header = Header::default();
    if !lexer.eat("<") || lexer.eat(">") {
        return Ok(header);
    }
    loop {
        let at = lexer.position();
        let key = lexer.identifier().unwrap_or_default();
        lexer.expect(":")?;
        match key {
            "ir_version" => header.ir_version = Some(lexer.int()?),
            "model_version" => header.model_version = Some(lexer.int()?),
            "opset_import" => pairs(lexer, |lexer, domain| {
                header.opsets.set(&domain, lexer.int()?);
                Ok(())
            })?,
            "metadata_props" => pairs(lexer, |lexer, key| {
                header.metadata.push(StringStringEntryProto { key: Some(key), value: Some(lexer.utf8()?) });
                Ok(())
            })?,
            "domain" => header.domain = Some(lexer.utf8()?),
            "overload" => header.overload = Some(lexer.utf8()?),
            "producer_name" => header.producer_name = Some(lexer.utf8()?),
            "producer_version" => header.producer_version = Some(lexer.utf8()?),
            "doc_string" => header.doc_string = Some(lexer.utf8()?),
            _ => return Err(lexer.error_at(at, format!("no '{key}' in the head of a model or function"))),
        }
        if !lexer.eat(",") {
            lexer.expect(">")?;
            return Ok(header);
        }
    }
}

/// `["key" : value, …]`; `value` reads what is behind the colon.
fn pairs(lexer: &mut Lexer<'_>, mut value: impl FnMut(&mut Lexer<'_>, String) -> Result<()>) -> Result<()> {
    lexer.expect("[")?;
    if lexer.eat("]") {
        return Ok(());
    }
    loop {
        let key = lexer.utf8()?;
        lexer.expect(":")?;
        value(lexer, key)?;
        if !lexer.eat(",") {
            return lexer.expect("]");
        }
    }
}

/// The head of a model, one entry a line.
pub(super) fn model_text(model: &Model) -> String {
    let fields: ModelProto = carried(&model.residue);
    let mut lines = vec![format!("ir_version: {}", model.ir_version), opsets_text(&model.opsets)];
    let mut text = |key: &str, value: &Option<String>| {
        lines.extend(value.as_ref().map(|v| format!("{key}: {}", quoted(v.as_bytes()))));
    };
    text("producer_name", &fields.producer_name);
    text("producer_version", &fields.producer_version);
    text("domain", &fields.domain);
    text("doc_string", &fields.doc_string);
    lines.extend(fields.model_version.map(|v| format!("model_version: {v}")));
    if !fields.metadata_props.is_empty() {
        let entry = |e: &StringStringEntryProto| {
            format!("{}: {}", quoted(e.key().as_bytes()), quoted(e.value().as_bytes()))
        };
        let entries: Vec<String> = fields.metadata_props.iter().map(entry).collect();
        lines.push(format!("metadata_props: [{}]", entries.join(", ")));
    }
    head(&lines)
}

/// The head of a function.
pub(super) fn function_text(function: &Function) -> String {
    let fields: FunctionProto = carried(&function.residue);
    let mut lines = vec![format!("domain: {}", quoted(function.domain.as_bytes()))];
    if !function.overload.is_empty() {
        lines.push(format!("overload: {}", quoted(function.overload.as_bytes())));
    }
    lines.push(opsets_text(&function.opsets));
    lines.extend(fields.doc_string.map(|v| format!("doc_string: {}", quoted(v.as_bytes()))));
    head(&lines)
}

fn opsets_text(opsets: &Opsets) -> String {
    let imports: Vec<String> =
        opsets.iter().map(|(domain, version)| format!("{} : {version}", quoted(domain.as_bytes()))).collect();
    format!("opset_import: [{}]", imports.join(", "))
}

fn head(lines: &[String]) -> String {
    format!("<\n    {}\n>\n", lines.join(",\n    "))
}
