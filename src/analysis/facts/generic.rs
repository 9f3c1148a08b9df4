//! Element types that follow from the schema alone: an output has the type of the operand that shares its variable.

use crate::analysis::site::Site;
use crate::ir::Type;
use crate::schema::{Param, ParamOption, Schema};
use crate::tensor::DType;

/// Finds the element type of each output, or its whole type where that is no tensor.
pub(super) fn infer(site: &mut Site<'_>) {
    let Some(schema) = site.schema else {
        return;
    };
    for output in 0..site.findings.len() {
        let Some(param) = schema.output(output) else {
            continue;
        };
        if !param.homogeneous && param.option == ParamOption::Variadic {
            continue;
        }
        match shared(site, schema, param).or_else(|| only_one(schema, param)) {
            Some(Type::Tensor(t)) => site.set_dtype(output, t.dtype),
            Some(ty) => site.set_type(output, ty),
            None => {}
        }
    }
}

/// The type of the first operand of the same type variable.
fn shared(site: &Site<'_>, schema: &'static Schema, output: &Param) -> Option<Type> {
    schema.constraint(output.type_name)?;
    (0..site.arity()).find_map(|input| {
        let param = schema.input(input)?;
        (param.type_name == output.type_name && param.homogeneous).then(|| site.ty(input).cloned()).flatten()
    })
}

/// The type, where the schema leaves only one.
fn only_one(schema: &'static Schema, output: &'static Param) -> Option<Type> {
    match schema.allowed_types(output) {
        [one] => parse(one),
        _ => None,
    }
}

fn parse(text: &str) -> Option<Type> {
    let (kind, inner) = text.strip_suffix(')')?.split_once('(')?;
    match kind {
        "tensor" => DType::from_name(inner).map(Type::unranked),
        "seq" => Some(Type::Sequence(Box::new(parse(inner)?))),
        "optional" => Some(Type::Optional(Box::new(parse(inner)?))),
        "map" => {
            let (key, value) = inner.split_once(',')?;
            Some(Type::Map(DType::from_name(key)?, Box::new(parse(value)?)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_types_are_read() {
        let map = Type::Map(DType::I64, Box::new(Type::unranked(DType::F32)));
        assert_eq!(parse("seq(map(int64,tensor(float)))"), Some(Type::Sequence(Box::new(map))));
        assert_eq!(parse("tensor(bfloat16)"), Some(Type::unranked(DType::BF16)));
        assert_eq!(parse("tensor(nothing)"), None);
    }
}
