//! Types, both ways: `float[2,N,?]`, `seq(int64[])`, `map(string, float)`.
//!
//! `float` is a scalar and `float[]` a tensor of unknown rank, as ONNX's own parser reads them. A `?` is a size
//! of its own: each becomes a symbol whose name begins with `?`, which no model's own symbol does.

use super::lexer::{Lexer, Literal};
use super::write::quoted_unless_plain;
use crate::error::Result;
use crate::ir::{Dim, Shape, TensorType, Type, is_nameless};
use crate::tensor::DType;

/// Words that begin a type, beside those of element types.
const COMPOUND: [&str; 5] = ["seq", "map", "optional", "sparse_tensor", "opaque"];

/// Whether a word begins a type.
pub(super) fn is_type_word(word: &str) -> bool {
    DType::from_name(word).is_some() || COMPOUND.contains(&word)
}

/// Reads types and numbers the sizes without a name.
#[derive(Debug, Default)]
pub(super) struct TypeReader {
    nameless: u64,
}

impl TypeReader {
    /// A type, if one comes next.
    pub(super) fn optional(&mut self, lexer: &mut Lexer<'_>) -> Result<Option<Type>> {
        match lexer.peek_identifier() {
            Some(word) if is_type_word(word) => self.read(lexer).map(Some),
            _ => Ok(None),
        }
    }

    fn read(&mut self, lexer: &mut Lexer<'_>) -> Result<Type> {
        lexer.nested(|lexer| self.read_one(lexer))
    }

    fn read_one(&mut self, lexer: &mut Lexer<'_>) -> Result<Type> {
        let at = lexer.position();
        let word = lexer.identifier().unwrap_or_default();
        if let Some(dtype) = DType::from_name(word) {
            return Ok(Type::Tensor(TensorType { dtype, shape: self.shape(lexer)? }));
        }
        if !COMPOUND.contains(&word) {
            return Err(lexer.error_at(at, "expected a type"));
        }
        lexer.expect("(")?;
        let ty = match word {
            "seq" => Type::Sequence(Box::new(self.read(lexer)?)),
            "optional" => Type::Optional(Box::new(self.read(lexer)?)),
            "sparse_tensor" => {
                let dtype = element_type(lexer)?;
                Type::SparseTensor(TensorType { dtype, shape: self.shape(lexer)? })
            }
            "map" => {
                let key = element_type(lexer)?;
                lexer.expect(",")?;
                Type::Map(key, Box::new(self.read(lexer)?))
            }
            _ => opaque(lexer)?,
        };
        lexer.expect(")")?;
        Ok(ty)
    }

    fn shape(&mut self, lexer: &mut Lexer<'_>) -> Result<Option<Shape>> {
        if !lexer.eat("[") {
            return Ok(Some(Shape::new()));
        }
        if lexer.eat("]") {
            return Ok(None);
        }
        let mut shape = Shape::new();
        loop {
            shape.push(self.dim(lexer)?);
            if !lexer.eat(",") {
                lexer.expect("]")?;
                return Ok(Some(shape));
            }
        }
    }

    fn dim(&mut self, lexer: &mut Lexer<'_>) -> Result<Dim> {
        if lexer.eat("?") {
            self.nameless += 1;
            return Ok(Dim::nameless(self.nameless));
        }
        let at = lexer.position();
        match lexer.optional_name()? {
            Some(name) if name.is_empty() || is_nameless(&name) => {
                Err(lexer.error_at(at, "no name of a size; one without a name is written as ?"))
            }
            Some(name) => Ok(Dim::symbol(&name)),
            None => match lexer.literal()? {
                Literal::Int(digits) => lexer.number(at, digits).map(Dim::Fixed),
                _ => Err(lexer.error_at(at, "expected a size")),
            },
        }
    }
}

fn element_type(lexer: &mut Lexer<'_>) -> Result<DType> {
    let at = lexer.position();
    let dtype = lexer.identifier().and_then(DType::from_name);
    dtype.ok_or_else(|| lexer.error_at(at, "expected an element type"))
}

/// A single name is the type's; of two the first is the domain.
fn opaque(lexer: &mut Lexer<'_>) -> Result<Type> {
    let first = dotted(lexer)?;
    let second = if lexer.eat(",") { Some(dotted(lexer)?) } else { None };
    Ok(match second {
        Some(name) => Type::Opaque { domain: first, name },
        None => Type::Opaque { domain: String::new(), name: first },
    })
}

fn dotted(lexer: &mut Lexer<'_>) -> Result<String> {
    let mut name = lexer.optional_name()?.unwrap_or_default();
    while lexer.eat(".") {
        name.push('.');
        name.push_str(&lexer.name("a name")?);
    }
    Ok(name)
}

/// The type as the parser reads it.
pub fn type_text(ty: &Type) -> String {
    match ty {
        Type::Tensor(t) => tensor_type_text(t),
        Type::SparseTensor(t) => format!("sparse_tensor({})", tensor_type_text(t)),
        Type::Sequence(t) => format!("seq({})", type_text(t)),
        Type::Optional(t) => format!("optional({})", type_text(t)),
        Type::Map(key, t) => format!("map({key}, {})", type_text(t)),
        Type::Opaque { domain, name } if domain.is_empty() => format!("opaque({})", opaque_text(name)),
        Type::Opaque { domain, name } => format!("opaque({},{})", opaque_text(domain), opaque_text(name)),
    }
}

fn opaque_text(name: &str) -> String {
    if name.is_empty() || name.split('.').all(|part| quoted_unless_plain(part) == part) {
        return name.to_owned();
    }
    quoted_unless_plain(name)
}

fn tensor_type_text(ty: &TensorType) -> String {
    match &ty.shape {
        None => format!("{}[]", ty.dtype),
        Some(dims) if dims.is_empty() => ty.dtype.to_string(),
        Some(dims) => {
            let dims: Vec<String> = dims.iter().map(dim_text).collect();
            format!("{}[{}]", ty.dtype, dims.join(","))
        }
    }
}

fn dim_text(dim: &Dim) -> String {
    match dim {
        Dim::Fixed(size) => size.to_string(),
        _ if dim.is_nameless() => "?".to_owned(),
        Dim::Sym(expr) => match expr.to_string() {
            name if name.is_empty() => "?".to_owned(),
            name => quoted_unless_plain(&name),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<Type> {
        let mut lexer = Lexer::new(text);
        let ty = TypeReader::default().read(&mut lexer)?;
        assert!(lexer.at_end(), "{text}");
        Ok(ty)
    }

    #[test]
    fn types_come_back() {
        for text in [
            "float",
            "float[]",
            "bfloat16[2,N,?,\"N+1\"]",
            "seq(optional(int64[3]))",
            "map(string, seq(float))",
            "sparse_tensor(float6e2m3[2,3])",
            "opaque()",
            "opaque(T)",
            "opaque(a.b,T)",
            "opaque(\"a b\",T)",
        ] {
            assert_eq!(type_text(&read(text).unwrap()), text);
        }
        assert_eq!(read("float").unwrap(), Type::tensor(DType::F32, []));
        assert_eq!(read("float[]").unwrap(), Type::unranked(DType::F32));
    }

    #[test]
    fn sizes_without_a_name_differ() {
        let Type::Tensor(TensorType { shape: Some(dims), .. }) = read("float[?,?]").unwrap() else {
            panic!("a tensor");
        };
        assert_ne!(dims[0], dims[1]);
    }

    #[test]
    fn a_formula_of_a_size_without_a_name_has_none() {
        let size = Dim::nameless(1).add(&Dim::Fixed(2)).unwrap();
        assert_eq!(type_text(&Type::tensor(DType::F32, [Dim::nameless(1), size])), "float[?,?]");
    }

    #[test]
    fn malformed_types_are_errors() {
        let deep = "seq(".repeat(100_000);
        for text in
            ["float[-1]", "float[\"\"]", "float[2", "seq()", "map(float)", "opaque(a,b,c)", "x", &deep]
        {
            assert!(read(text).is_err(), "{text:.20}");
        }
    }
}
