//! A target without a table takes what ONNX defines, in the types that ONNX allows.

use super::node::Asked;
use super::{Answer, Target, Verdict, type_word};
use crate::ir::{OpId, Type, shown_domain};
use crate::schema::{Param, Schema};

const SOURCE: &str = "the operator schemas of ONNX";

pub(super) fn answer(target: &Target, node: &Asked<'_>) -> Option<Answer> {
    let op = node.node.op();
    let reason = if !target.domains.iter().any(|d| d == op.domain) {
        format!("{op} is no operator of standard ONNX")
    } else {
        match node.schema {
            None => unknown(op, node.opset),
            Some(schema) if schema.deprecated => format!("{op} is withdrawn since opset {}", schema.since),
            Some(_) => mistyped(node)?,
        }
    };
    let (verdict, source) = (Verdict::Refused, SOURCE.to_owned());
    Some(Answer { verdict, reason, fix: None, source })
}

fn unknown(op: OpId, opset: Option<i64>) -> String {
    match opset {
        Some(opset) => format!("{} {opset} has no operator {}", shown_domain(op.domain), op.name),
        None => format!("{op} is of a domain that the model does not import"),
    }
}

fn mistyped(node: &Asked<'_>) -> Option<String> {
    let schema = node.schema?;
    let params: Vec<&'static Param> = schema.inputs.iter().chain(schema.outputs).collect();
    params.into_iter().find_map(|param| {
        let types = node.values(param.name).into_iter().filter_map(|v| node.graph.value(v).ty());
        let wrong = types.filter(|ty| !allows(schema, param, ty)).find_map(type_word)?;
        Some(format!(
            "{} is {wrong} in '{}', which opset {} does not allow",
            node.node.op(),
            param.name,
            schema.since
        ))
    })
}

fn allows(schema: &'static Schema, param: &'static Param, ty: &Type) -> bool {
    match ty {
        Type::Tensor(tensor) => schema.allows(param, tensor.dtype),
        ty => spelled(ty).is_none_or(|ty| schema.allowed_types(param).contains(&&*ty)),
    }
}

/// A type as the schemas write it.
fn spelled(ty: &Type) -> Option<String> {
    Some(match ty {
        Type::Tensor(t) => format!("tensor({})", t.dtype.name()),
        Type::SparseTensor(t) => format!("sparse_tensor({})", t.dtype.name()),
        Type::Sequence(t) => format!("seq({})", spelled(t)?),
        Type::Optional(t) => format!("optional({})", spelled(t)?),
        Type::Map(key, t) => format!("map({},{})", key.name(), spelled(t)?),
        Type::Opaque { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::schema::lookup;
    use crate::tensor::DType;

    #[test]
    fn types_are_found_as_the_schemas_write_them() {
        let tensor = |dtype| Type::unranked(dtype);
        let sequence = |dtype| Type::Sequence(Box::new(tensor(dtype)));
        let map = |dtype| Type::Map(DType::String, Box::new(tensor(dtype)));
        let cases = [
            ("", "Relu", tensor(DType::F16), tensor(DType::Bool)),
            ("", "SequenceLength", sequence(DType::F16), sequence(DType::F8E4M3FN)),
            ("", "OptionalGetElement", Type::Optional(Box::new(sequence(DType::I64))), map(DType::F32)),
            ("ai.onnx.ml", "DictVectorizer", map(DType::I64), map(DType::I8)),
        ];
        for (domain, op, taken, refused) in cases {
            let schema = lookup(domain, op, 18).unwrap();
            let param = schema.input(0).unwrap();
            assert!(allows(schema, param, &taken) && !allows(schema, param, &refused), "{op}");
        }
    }
}
