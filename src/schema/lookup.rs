//! Finding the schema in force, in an index of the sorted table: rewriting asks for little else as often.

use crate::ir::canonical_domain;
use crate::schema::ops::{DOMAINS, OPS, RELEASES};
use crate::schema::types::Schema;
use rustc_hash::FxHashMap;
use std::sync::LazyLock;

/// All versions of each operator, oldest first, by domain and name.
static INDEX: LazyLock<FxHashMap<(&str, &str), &[Schema]>> = LazyLock::new(|| {
    let operators = OPS.chunk_by(|a, b| (a.domain, a.name) == (b.domain, b.name));
    operators.map(|versions| ((versions[0].domain, versions[0].name), versions)).collect()
});

/// The version of an operator that is in force at `opset` of its domain: the newest with `since <= opset`.
///
/// The result may be deprecated there. `None` for an unknown operator and for an opset before its first version.
pub fn lookup(domain: &str, name: &str, opset: i64) -> Option<&'static Schema> {
    versions(domain, name).iter().rev().find(|schema| schema.since <= opset)
}

/// All versions of an operator, oldest first; empty for an unknown one.
pub fn versions(domain: &str, name: &str) -> &'static [Schema] {
    INDEX.get(&(canonical_domain(domain), name)).copied().unwrap_or_default()
}

/// The operators of a domain, each once, sorted; withdrawn ones included.
pub fn names(domain: &str) -> impl Iterator<Item = &'static str> {
    let domain = canonical_domain(domain);
    let first = OPS.partition_point(|s| s.domain < domain);
    let all = &OPS[first..];
    let all = &all[..all.partition_point(|s| s.domain == domain)];
    all.chunk_by(|a, b| a.name == b.name).map(|versions| versions[0].name)
}

/// The domains that have operators, sorted; `ai.onnx` is the empty string.
pub fn domains() -> impl Iterator<Item = &'static str> {
    DOMAINS.iter().map(|&(domain, _, _)| domain)
}

/// The newest opset of a domain that the table knows; `None` for an unknown domain.
pub fn latest_opset(domain: &str) -> Option<i64> {
    let domain = canonical_domain(domain);
    let row = DOMAINS.iter().find(|&&(known, _, _)| known == domain)?;
    Some(row.1)
}

/// The lowest IR version of an ONNX release that has this opset of `ai.onnx` or `ai.onnx.ml`.
///
/// `None` for other domains, which are tied to no IR version, and for an opset newer than the table.
pub fn min_ir_version(domain: &str, opset: i64) -> Option<i64> {
    let domain = canonical_domain(domain);
    let row = RELEASES.iter().find(|&&(_, onnx, ml)| match domain {
        "" => onnx >= opset,
        "ai.onnx.ml" => ml >= opset,
        _ => false,
    })?;
    Some(row.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ir::AttrKind;
    use crate::schema::types::{AttrDefault, ParamOption};

    fn since(name: &str, opset: i64) -> Option<i64> {
        lookup("", name, opset).map(|s| s.since)
    }

    #[test]
    fn counts_are_those_the_generator_printed() {
        for (domain, latest, count) in DOMAINS {
            assert!(count > 0 && latest > 0, "{domain}");
            assert_eq!(OPS.iter().filter(|s| s.domain == domain).count(), count);
        }
        assert_eq!(DOMAINS.iter().map(|row| row.2).sum::<usize>(), OPS.len());
        for domain in ["", "ai.onnx.ml", "com.microsoft"] {
            assert!(domains().any(|d| d == domain));
        }
    }

    #[test]
    fn names_are_those_of_the_domain() {
        let all: Vec<_> = names("ai.onnx").collect();
        assert!(all.contains(&"Add") && all.contains(&"Scatter") && !all.contains(&"FusedMatMul"));
        assert!(all.is_sorted_by(|a, b| a < b));
        assert_eq!(names("zzz").count(), 0);
    }

    #[test]
    fn table_is_sorted_without_repeats() {
        assert!(
            OPS.windows(2)
                .all(|w| { (w[0].domain, w[0].name, w[0].since) < (w[1].domain, w[1].name, w[1].since) })
        );
        assert!(RELEASES.is_sorted());
    }

    #[test]
    fn every_lookup_gives_the_newest_version_not_after_the_opset() {
        let mut found = 0;
        for schema in &OPS {
            let all = versions(schema.domain, schema.name);
            for opset in 0..=latest_opset(schema.domain).unwrap() {
                let want = all.iter().filter(|s| s.since <= opset).max_by_key(|s| s.since);
                let got = lookup(schema.domain, schema.name, opset);
                assert_eq!(got, want, "{} at {opset}", schema.name);
                found += usize::from(got.is_some_and(|s| s.since <= opset));
            }
        }
        assert!(found > OPS.len());
    }

    #[test]
    fn versions_follow_the_specification() {
        assert_eq!(since("LayerNormalization", 16), None);
        assert_eq!(since("LayerNormalization", 17), Some(17));
        assert_eq!(since("LayerNormalization", 28), Some(17));
        assert_eq!(since("Gelu", 19), None);
        assert_eq!(since("Gelu", 20), Some(20));
        assert_eq!(since("Add", 12), Some(7));
        assert!(!lookup("", "Upsample", 9).unwrap().deprecated);
        assert!(lookup("", "Upsample", 10).unwrap().deprecated);
        assert_eq!(lookup("ai.onnx", "Add", 13), lookup("", "Add", 13));
        assert_eq!(versions("ai.onnx", "Upsample").len(), 4);
        assert_eq!(lookup("", "FusedMatMul", 21), None);
        assert_eq!(lookup("com.microsoft", "FusedMatMul", 1).unwrap().since, 1);
        assert_eq!(lookup("zzz", "Zzz", 1), None);
        assert_eq!(lookup("", "", i64::MIN), None);
        assert!(versions("", "Zzz").is_empty());
    }

    #[test]
    fn parameters_and_attributes_follow_the_specification() {
        let old = lookup("", "ReduceSum", 11).unwrap();
        let new = lookup("", "ReduceSum", 13).unwrap();
        assert_eq!(old.attr("axes").unwrap().kind, AttrKind::Ints);
        assert!(old.takes_inputs(1) && !old.takes_inputs(2));
        assert!(new.attr("axes").is_none());
        assert_eq!(new.input(1).unwrap().name, "axes");
        assert_eq!(new.input(1).unwrap().option, ParamOption::Optional);
        assert!(lookup("", "Cast", 13).unwrap().attr("to").unwrap().required);
        for (opset, axis) in [(11, 1), (13, -1)] {
            let softmax = lookup("", "Softmax", opset).unwrap();
            let default = softmax.attr("axis").unwrap().default;
            assert_eq!(default, Some(AttrDefault::Int(axis)));
        }
        let epsilon = lookup("", "LayerNormalization", 17).unwrap().attr("epsilon").unwrap();
        assert_eq!(epsilon.default, Some(AttrDefault::Float(1e-5)));
    }

    #[test]
    fn variadic_parameters_stand_for_all_that_follow() {
        let concat = lookup("", "Concat", 13).unwrap();
        assert_eq!(concat.max_inputs, u32::MAX);
        assert!(concat.takes_inputs(100_000) && !concat.takes_inputs(0));
        assert_eq!(concat.input(7), concat.input(0));
        assert_eq!(concat.output(1), None);
        assert!(!lookup("", "Loop", 16).unwrap().input(2).unwrap().homogeneous);
    }

    #[test]
    fn types_are_those_of_the_constraint_or_the_concrete_one() {
        let reshape = lookup("", "Reshape", 14).unwrap();
        let data = reshape.allowed_types(reshape.input(0).unwrap());
        assert!(data.contains(&"tensor(bfloat16)") && data.is_sorted());
        let shape = reshape.allowed_types(reshape.input(1).unwrap());
        assert_eq!(shape, ["tensor(int64)"]);
    }

    #[test]
    fn every_schema_is_consistent() {
        for schema in &OPS {
            let sides = [
                (schema.inputs, schema.min_inputs, schema.max_inputs),
                (schema.outputs, schema.min_outputs, schema.max_outputs),
            ];
            for (params, min, max) in sides {
                let variadic = params.iter().position(|p| p.option == ParamOption::Variadic);
                assert!(variadic.is_none_or(|at| at + 1 == params.len()), "{schema:?}");
                assert_eq!(variadic.is_some(), max == u32::MAX, "{schema:?}");
                assert!(min <= max, "{schema:?}");
                for param in params {
                    assert!(!schema.allowed_types(param).is_empty());
                    let known = schema.constraint(param.type_name).is_some();
                    assert!(known || param.type_name.ends_with(')'), "{schema:?}");
                }
            }
            assert!(schema.attrs.is_sorted_by(|a, b| a.name < b.name));
        }
    }

    #[test]
    fn ir_version_of_an_opset() {
        assert_eq!(min_ir_version("", 8), Some(3));
        assert_eq!(min_ir_version("", 20), Some(9));
        assert_eq!(min_ir_version("ai.onnx.ml", 2), Some(6));
        assert_eq!(min_ir_version("", latest_opset("").unwrap() + 1), None);
        assert_eq!(min_ir_version("com.microsoft", 1), None);
    }
}
