//! Which operators draw random numbers, and which are more than a function of their inputs and attributes.
//!
//! Hand-written: the schema's own flag also covers every operator with a body, and ONNX Runtime has none. An operator
//! with a body (If, Loop, Scan, BeamSearch) is as random and as stateful as the body; the caller looks into it.

use crate::ir::canonical_domain;
use crate::schema::lookup::lookup;

/// When an operator has an effect. The forms that depend on the node hold unless the node is known to rule them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// No node of it.
    Never,
    /// Each node of it.
    Always,
    /// A node whose scalar boolean input at this index is true; an absent one is false.
    InputTrue(usize),
    /// A node whose integer attribute is zero; an absent one is zero.
    AttrZero(&'static str),
    /// A node whose integer attribute is not zero; an absent one is zero.
    AttrNonZero(&'static str),
}

impl When {
    /// Whether a node may have the effect.
    ///
    /// `input(i)` is the constant value of its boolean input `i`: `Some(false)` if absent, `None` if not known.
    /// `attr(name)` is its integer attribute, `None` if absent.
    pub fn may_hold(
        self,
        input: impl FnOnce(usize) -> Option<bool>,
        attr: impl FnOnce(&str) -> Option<i64>,
    ) -> bool {
        match self {
            When::Never => false,
            When::Always => true,
            When::InputTrue(index) => input(index) != Some(false),
            When::AttrZero(name) => attr(name).unwrap_or(0) == 0,
            When::AttrNonZero(name) => attr(name).unwrap_or(0) != 0,
        }
    }
}

/// When an operator at this opset draws random numbers. A `seed` attribute changes nothing: the specification does not
/// say which numbers a seed gives, so no two runtimes agree.
///
/// Sources: ONNX `docs/Operators.md`; ONNX Runtime `docs/ContribOperators.md`.
pub fn randomness(domain: &str, name: &str, opset: i64) -> When {
    match (canonical_domain(domain), name) {
        ("", "Bernoulli" | "Multinomial") => When::Always,
        ("", "RandomNormal" | "RandomNormalLike") => When::Always,
        ("", "RandomUniform" | "RandomUniformLike") => When::Always,
        ("", "Dropout") => dropout(opset),
        ("com.microsoft", "Sampling") => When::Always,
        ("com.microsoft", "BitmaskDropout") => When::InputTrue(2),
        ("com.microsoft", "BiasDropout" | "BitmaskBiasDropout") => When::InputTrue(4),
        _ => When::Never,
    }
}

/// Before opset 7 the attribute `is_test` decides; from 7 to 11 Dropout is for inference only; from 12 on the input
/// `training_mode` decides.
fn dropout(opset: i64) -> When {
    let Some(schema) = lookup("", "Dropout", opset) else {
        return When::Never;
    };
    if schema.attr("is_test").is_some() {
        return When::AttrZero("is_test");
    }
    let training = schema.inputs.iter().position(|p| p.name == "training_mode");
    training.map_or(When::Never, When::InputTrue)
}

/// When a node is more than a function of its inputs and attributes: it writes into a buffer that it was given, or
/// runs something that the model does not show. Such a node is not folded, merged, matched as interior or moved.
///
/// Sources: ONNX Runtime `docs/ContribOperators.md`, where the cache outputs are aliases of the cache inputs and
/// `past_present_share_buffer` makes them so; `EPContext` and `Snpe` hold a compiled blob. `Gradient` differentiates
/// the part of the graph between the values that its attributes name (ONNX `docs/Operators.md`).
pub fn statefulness(domain: &str, name: &str) -> When {
    match (canonical_domain(domain), name) {
        ("ai.onnx.preview.training", "Gradient") => When::Always,
        ("com.microsoft", "EPContext" | "Snpe") => When::Always,
        ("com.microsoft", "PagedAttention" | "SparsePagedAttention") => When::Always,
        ("com.microsoft", "SparseAttention") => When::Always,
        ("com.microsoft", "Attention" | "QAttention") => SHARED_CACHE,
        ("com.microsoft", "DecoderMaskedMultiHeadAttention") => SHARED_CACHE,
        ("com.microsoft", "DecoderMaskedSelfAttention") => SHARED_CACHE,
        _ => When::Never,
    }
}

const SHARED_CACHE: When = When::AttrNonZero("past_present_share_buffer");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::schema::lookup::{latest_opset, versions};
    use crate::schema::ops::OPS;

    #[test]
    fn conditions_name_inputs_and_attributes_that_exist() {
        let mut conditions = 0;
        for schema in &OPS {
            let effects = [
                randomness(schema.domain, schema.name, schema.since),
                statefulness(schema.domain, schema.name),
            ];
            for effect in effects {
                conditions += usize::from(effect != When::Never);
                match effect {
                    When::InputTrue(at) => assert_eq!(schema.inputs[at].name, "training_mode"),
                    When::AttrZero(name) | When::AttrNonZero(name) => {
                        assert!(schema.attr(name).is_some(), "{}", schema.name);
                    }
                    When::Never | When::Always => {}
                }
            }
        }
        assert!(conditions > 20, "{conditions}");
    }

    #[test]
    fn every_listed_operator_is_in_the_table() {
        let random = ["RandomNormal", "RandomNormalLike", "RandomUniform"];
        for name in random.iter().chain(&["RandomUniformLike", "Multinomial", "Bernoulli"]) {
            assert!(!versions("", name).is_empty(), "{name}");
            assert_eq!(randomness("ai.onnx", name, 22), When::Always);
        }
        for name in ["Sampling", "BitmaskDropout", "BiasDropout", "BitmaskBiasDropout"] {
            assert_ne!(randomness("com.microsoft", name, 1), When::Never);
        }
        let stateful = OPS.iter().filter(|s| statefulness(s.domain, s.name) != When::Never).count();
        assert_eq!(stateful, 10);
    }

    #[test]
    fn dropout_is_random_in_training_only() {
        let known = |value| randomness("", "Dropout", 13).may_hold(|_| value, |_| None);
        assert_eq!([known(Some(false)), known(Some(true)), known(None)], [false, true, true]);
        assert_eq!(randomness("", "Dropout", 10), When::Never);
        let old = randomness("", "Dropout", 6);
        assert!(old.may_hold(|_| None, |_| None) && !old.may_hold(|_| None, |_| Some(1)));
    }

    #[test]
    fn ordinary_operators_have_no_effect() {
        let opset = latest_opset("").unwrap();
        for name in ["Add", "Loop", "BatchNormalization", "Attention", "Unknown"] {
            assert_eq!(randomness("", name, opset), When::Never);
            assert_eq!(statefulness("", name), When::Never);
        }
    }
}
