//! A target without a table takes what ONNX defines, in the types that ONNX allows.

use super::node::Seen;
use crate::ir::{OpId, shown_domain};
use crate::schema::Param;
use crate::target::{Answer, Asked, Target, Verdict};
use crate::tensor::DType;

const SOURCE: &str = "the operator schemas of ONNX";

pub(super) fn answer(target: &Target, seen: &Seen<'_>) -> Option<Answer> {
    let op = seen.node.op();
    let reason = if !target.domains.iter().any(|d| d == op.domain) {
        format!("{op} is no operator of standard ONNX")
    } else {
        match seen.schema {
            None => unknown(op, seen.opset),
            Some(schema) if schema.deprecated => format!("{op} is withdrawn since opset {}", schema.since),
            Some(_) => mistyped(seen)?,
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

fn mistyped(seen: &Seen<'_>) -> Option<String> {
    let schema = seen.schema?;
    let params: Vec<&'static Param> = schema.inputs.iter().chain(schema.outputs).collect();
    params.into_iter().find_map(|param| {
        let allowed: Vec<String> = schema.allowed_types(param).iter().map(|t| word(t)).collect();
        let types = seen.types(param.name);
        let wrong = types.into_iter().find(|t| !allowed.contains(t))?;
        Some(format!(
            "{} is {wrong} in '{}', which opset {} does not allow",
            seen.node.op(),
            param.name,
            schema.since
        ))
    })
}

/// A type in ONNX's spelling as [`type_word`] spells it.
fn word(spelled: &str) -> String {
    let mut text = spelled.replace("sparse_tensor(", "sparse(");
    for dtype in DType::ALL {
        text = text.replace(&format!("tensor({})", dtype.name()), dtype.name());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Type;
    use crate::target::type_word;

    #[test]
    fn both_spellings_agree() {
        let seq = Type::Sequence(Box::new(Type::unranked(DType::F16)));
        assert_eq!(type_word(&seq), Some(word("seq(tensor(float16))")));
        assert_eq!(word("tensor(float)"), "float");
        assert_eq!(word("sparse_tensor(int64)"), "sparse(int64)");
    }
}
