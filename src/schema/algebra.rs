//! Which operators commute and associate. No schema states it; read from the operators' definitions in the ONNX
//! specification (`docs/Operators.md`), which are elementwise and, from opset 7 on, broadcast both ways.
//!
//! No contrib operator is listed: those that commute do so over groups of operands (QLinearAdd with its scales).
//! MatMul is not associative over all ranks: a vector operand changes the rank of the product.

use crate::ir::canonical_domain;
use crate::schema::lookup::lookup;

/// Whether a law of algebra holds for an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Law {
    /// It does not.
    Fails,
    /// In exact arithmetic, so for integers; for floats the rounding may differ.
    UpToRounding,
    /// The results compare equal for every type. The sign of a zero and the payload of a NaN may still differ.
    Exact,
}

/// Of each operator that commutes over all its inputs: how more than two of them may be permuted, and how nested ones
/// may be regrouped into others.
const LAWS: [(&str, Law, Law); 13] = [
    ("Add", Law::Exact, Law::UpToRounding),
    ("And", Law::Exact, Law::Exact),
    ("BitwiseAnd", Law::Exact, Law::Exact),
    ("BitwiseOr", Law::Exact, Law::Exact),
    ("BitwiseXor", Law::Exact, Law::Exact),
    ("Equal", Law::Exact, Law::Fails),
    ("Max", Law::Exact, Law::Exact),
    ("Mean", Law::UpToRounding, Law::Fails),
    ("Min", Law::Exact, Law::Exact),
    ("Mul", Law::Exact, Law::UpToRounding),
    ("Or", Law::Exact, Law::Exact),
    ("Sum", Law::UpToRounding, Law::UpToRounding),
    ("Xor", Law::Exact, Law::Exact),
];

/// How the result of an operator at this opset survives any permutation of its `operands` inputs.
///
/// Sum and Mean add one after the other: two operands may be swapped exactly, more only up to rounding.
pub fn commutativity(domain: &str, name: &str, opset: i64, operands: usize) -> Law {
    match laws(domain, name, opset) {
        Some(_) if operands <= 2 => Law::Exact,
        Some((permuted, _)) => permuted,
        None => Law::Fails,
    }
}

/// How the result survives regrouping: `op(op(a, b), c)` against `op(a, op(b, c))`, and for Sum, Max and Min against
/// `op(a, b, c)`.
pub fn associativity(domain: &str, name: &str, opset: i64) -> Law {
    laws(domain, name, opset).map_or(Law::Fails, |(_, regrouped)| regrouped)
}

/// Whether the inputs may be permuted, at least in exact arithmetic; see [`commutativity`].
pub fn is_commutative(domain: &str, name: &str, opset: i64) -> bool {
    laws(domain, name, opset).is_some()
}

/// Whether nested ones may be regrouped, at least in exact arithmetic; see [`associativity`].
pub fn is_associative(domain: &str, name: &str, opset: i64) -> bool {
    associativity(domain, name, opset) != Law::Fails
}

fn laws(domain: &str, name: &str, opset: i64) -> Option<(Law, Law)> {
    if !canonical_domain(domain).is_empty() {
        return None;
    }
    let row = LAWS.binary_search_by(|row| row.0.cmp(name)).ok()?;
    let schema = lookup(domain, name, opset)?;
    // Before opset 7 the attribute `broadcast` stretches the second operand only.
    let one_sided = schema.attr("broadcast").is_some();
    let (_, permuted, regrouped) = LAWS[row];
    (!one_sided).then_some((permuted, regrouped))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::lookup::latest_opset;

    #[test]
    fn rows_are_sorted_and_name_operators() {
        let opset = latest_opset("").unwrap_or(0);
        assert!(LAWS.is_sorted_by(|a, b| a.0 < b.0));
        for (name, ..) in LAWS {
            assert!(lookup("", name, opset).is_some(), "{name}");
        }
    }

    #[test]
    fn operators_without_the_law_fail() {
        for name in ["Sub", "Div", "Pow", "MatMul", "Less", "Concat", "Where", "Nope"] {
            assert!(!is_commutative("", name, 18), "{name}");
            assert!(!is_associative("", name, 18), "{name}");
        }
        assert!(!is_commutative("com.microsoft", "Add", 18));
        assert!(!is_associative("", "Equal", 18) && is_commutative("", "Equal", 18));
        assert!(!is_associative("", "Mean", 18) && is_commutative("", "Mean", 18));
    }

    #[test]
    fn more_than_two_addends_commute_up_to_rounding() {
        assert_eq!(commutativity("ai.onnx", "Sum", 13, 2), Law::Exact);
        assert_eq!(commutativity("", "Sum", 13, 3), Law::UpToRounding);
        assert_eq!(commutativity("", "Max", 13, 3), Law::Exact);
        assert_eq!(associativity("", "Add", 13), Law::UpToRounding);
        assert_eq!(associativity("", "Min", 13), Law::Exact);
    }

    #[test]
    fn one_sided_broadcast_does_not_commute() {
        for name in ["Add", "Mul", "And", "Or", "Xor", "Equal"] {
            assert!(!is_commutative("", name, 6), "{name}");
            assert!(is_commutative("", name, 7), "{name}");
        }
        assert!(is_commutative("", "Sum", 6));
        assert!(!is_commutative("", "BitwiseAnd", 17) && is_commutative("", "BitwiseAnd", 18));
    }
}
