//! Attributes: `name = value` or `name: kind = value`.

use super::lexer::{Lexer, Literal, is_special_float};
use super::parse::Reader;
use super::scope::Draft;
use super::tensor;
use crate::error::Result;
use crate::ir::{Attr, AttrKind, Attribute, Name, Residue, SparseTensor, Type};

/// Every kind with its word, and the kind of a list of such.
const KINDS: [(AttrKind, &str, AttrKind); 14] = [
    (AttrKind::Float, "float", AttrKind::Floats),
    (AttrKind::Int, "int", AttrKind::Ints),
    (AttrKind::String, "string", AttrKind::Strings),
    (AttrKind::Tensor, "tensor", AttrKind::Tensors),
    (AttrKind::Region, "graph", AttrKind::Regions),
    (AttrKind::SparseTensor, "sparse_tensor", AttrKind::SparseTensors),
    (AttrKind::Type, "type_proto", AttrKind::Types),
    (AttrKind::Floats, "floats", AttrKind::Floats),
    (AttrKind::Ints, "ints", AttrKind::Ints),
    (AttrKind::Strings, "strings", AttrKind::Strings),
    (AttrKind::Tensors, "tensors", AttrKind::Tensors),
    (AttrKind::Regions, "graphs", AttrKind::Regions),
    (AttrKind::SparseTensors, "sparse_tensors", AttrKind::SparseTensors),
    (AttrKind::Types, "type_protos", AttrKind::Types),
];

/// The word of a kind.
pub(super) fn kind_word(kind: AttrKind) -> &'static str {
    KINDS.iter().find(|row| row.0 == kind).map_or("undefined", |row| row.1)
}

/// Whether a kind is one of lists.
pub(super) fn is_list(kind: AttrKind) -> bool {
    list_of(kind) == kind
}

fn list_of(kind: AttrKind) -> AttrKind {
    KINDS.iter().find(|row| row.0 == kind).map_or(kind, |row| row.2)
}

/// `<name = value, …>`, if it comes next.
pub(super) fn read_list(reader: &mut Reader<'_, '_>, draft: &mut Draft) -> Result<Vec<Attribute>> {
    let mut attrs: Vec<Attribute> = Vec::new();
    if !reader.lexer.eat("<") || reader.lexer.eat(">") {
        return Ok(attrs);
    }
    loop {
        let at = reader.lexer.position();
        let name = reader.lexer.name("the name of an attribute")?;
        if attrs.iter().any(|a| *a.name == *name) {
            return Err(reader.lexer.error_at(at, format!("the attribute '{name}' is there twice")));
        }
        attrs.push(read(reader, draft, &name)?);
        if !reader.lexer.eat(",") {
            reader.lexer.expect(">")?;
            return Ok(attrs);
        }
    }
}

/// What follows the name of an attribute.
pub(super) fn read(reader: &mut Reader<'_, '_>, draft: &mut Draft, name: &str) -> Result<Attribute> {
    let mut kind = None;
    if reader.lexer.eat(":") {
        let at = reader.lexer.position();
        let word = reader.lexer.identifier().unwrap_or_default();
        let row = KINDS.iter().find(|row| row.1 == word);
        kind = Some(row.ok_or_else(|| reader.lexer.error_at(at, "expected the kind of an attribute"))?.0);
    }
    reader.lexer.expect("=")?;
    let at = reader.lexer.position();
    let value = if reader.lexer.eat("@") {
        let kind =
            kind.ok_or_else(|| reader.lexer.error_at(at, "a reference needs a kind, as in `a: int = @b`"))?;
        Attr::Ref(reader.lexer.name("the name of an attribute")?.into(), kind)
    } else if reader.lexer.eat("[") {
        list(reader, draft, at, kind)?
    } else {
        single(reader, draft, kind)?
    };
    if kind.is_some_and(|kind| kind != value.kind()) {
        let found = kind_word(value.kind());
        return Err(reader
            .lexer
            .error_at(at, format!("expected a value of the kind stated, found one of {found}")));
    }
    Ok(Attribute { name: Name::from(name), value, residue: Residue::default() })
}

/// One value that is no list.
fn single(reader: &mut Reader<'_, '_>, draft: &mut Draft, kind: Option<AttrKind>) -> Result<Attr> {
    let at = reader.lexer.position();
    if let Some(ty) = reader.types.optional(reader.lexer)? {
        return typed(reader.lexer, at, ty);
    }
    if let Some(name) = body_name(reader.lexer)? {
        let body = draft.graph.add_region();
        reader.lexer.enter()?;
        reader.graph(draft, body, &name)?;
        reader.lexer.leave();
        return Ok(Attr::Region(body));
    }
    Ok(match (reader.lexer.literal()?, kind) {
        (Literal::Int(digits), Some(AttrKind::Float)) | (Literal::Float(digits), _) => {
            Attr::Float(reader.lexer.finite(at, digits)?)
        }
        (Literal::Int(digits), _) => Attr::Int(reader.lexer.number(at, digits)?),
        (Literal::Text(text), _) => Attr::String(text.into()),
    })
}

/// A type by itself, or the tensor whose type it is.
fn typed(lexer: &mut Lexer<'_>, at: usize, ty: Type) -> Result<Attr> {
    match &ty {
        Type::SparseTensor(_) if lexer.eat("(") => sparse_tensor(lexer, at, &ty),
        _ if tensor::values_are_next(lexer) => tensor::read_after_type(lexer, at, &ty).map(Attr::Tensor),
        _ => Ok(Attr::Type(Box::new(ty))),
    }
}

/// The positions and values of a sparse tensor, behind the parenthesis.
fn sparse_tensor(lexer: &mut Lexer<'_>, at: usize, ty: &Type) -> Result<Attr> {
    let dims = tensor::sizes(lexer, at, ty)?;
    let indices = tensor::read_typed(lexer)?;
    lexer.expect(",")?;
    let values = tensor::read_typed(lexer)?;
    lexer.expect(")")?;
    Ok(Attr::SparseTensor(Box::new(SparseTensor { dims, values, indices })))
}

/// The name of a body, where the parenthesis of its inputs follows.
fn body_name(lexer: &mut Lexer<'_>) -> Result<Option<String>> {
    let mut ahead = lexer.clone();
    if ahead.peek_identifier().is_some_and(is_special_float) {
        return Ok(None);
    }
    // A quoted name is a string unless the parenthesis shows that it names a body.
    if ahead.peek() == Some(b'"') && ahead.literal().is_ok() && ahead.peek() != Some(b'(') {
        return Ok(None);
    }
    lexer.optional_name()
}

/// The values of a list, behind the bracket.
fn list(reader: &mut Reader<'_, '_>, draft: &mut Draft, at: usize, kind: Option<AttrKind>) -> Result<Attr> {
    let element = kind.and_then(|kind| KINDS.iter().find(|row| row.2 == kind)).map(|row| row.0);
    let mut items = Vec::new();
    if !reader.lexer.eat("]") {
        loop {
            items.push(single(reader, draft, element)?);
            if !reader.lexer.eat(",") {
                reader.lexer.expect("]")?;
                break;
            }
        }
    }
    let fractions = items.iter().any(|item| item.kind() == AttrKind::Float);
    let first = if fractions { Some(AttrKind::Float) } else { items.first().map(Attr::kind) };
    let Some(kind) = kind.or(first.map(list_of)) else {
        return Err(reader.lexer.error_at(at, "an empty list needs a kind, as in `a: ints = []`"));
    };
    collect(items, kind).ok_or_else(|| {
        reader.lexer.error_at(at, format!("the values do not make a list of the kind '{}'", kind_word(kind)))
    })
}

fn collect(items: Vec<Attr>, kind: AttrKind) -> Option<Attr> {
    macro_rules! all {
        ($($pattern:pat => $value:expr),*) => {
            items.into_iter().map(|item| match item { $($pattern => Some($value),)* _ => None }).collect::<Option<_>>()?
        };
    }
    Some(match kind {
        AttrKind::Floats => Attr::Floats(all!(Attr::Float(v) => v, Attr::Int(v) => v as f32)),
        AttrKind::Ints => Attr::Ints(all!(Attr::Int(v) => v)),
        AttrKind::Strings => Attr::Strings(all!(Attr::String(v) => v)),
        AttrKind::Tensors => Attr::Tensors(all!(Attr::Tensor(v) => v)),
        AttrKind::Regions => Attr::Regions(all!(Attr::Region(v) => v)),
        AttrKind::SparseTensors => Attr::SparseTensors(all!(Attr::SparseTensor(v) => *v)),
        AttrKind::Types => Attr::Types(all!(Attr::Type(v) => *v)),
        _ => return None,
    })
}
