//! One rule an op: the shapes of its outputs and the elements of small ones, from its operands.
//!
//! A rule is a function of a [`Site`]. It says what it knows and stops, by `?`, where it cannot tell; element types
//! that follow from the schema are there before it begins. Each family of ops is a file with a table of its rules.

mod attention;
mod contrib;
mod dims;
mod elements;
mod elementwise;
mod expand;
mod fused;
mod gather;
mod image;
mod learning;
mod movement;
mod normalize;
mod pool;
mod product;
mod quantize;
mod random;
mod recurrent;
mod reduce;
mod reshape;
mod resize;
mod same;
mod sequence;
mod shape_of;
mod signal;
mod slice;
mod text;
mod training;
mod window;

use super::site::Site;
use crate::ir::OpId;
use rustc_hash::FxHashMap;
use std::sync::LazyLock;

/// Finds out about the outputs of one node; `None` where it stops early.
pub(super) type Rule = fn(&mut Site<'_>) -> Option<()>;

/// Rules of one family: domain, op, rule.
type Family = &'static [(&'static str, &'static str, Rule)];

const FAMILIES: [Family; 26] = [
    attention::RULES,
    contrib::RULES,
    elementwise::RULES,
    expand::RULES,
    fused::RULES,
    gather::RULES,
    image::RULES,
    learning::RULES,
    movement::RULES,
    normalize::RULES,
    pool::RULES,
    product::RULES,
    quantize::RULES,
    random::RULES,
    recurrent::RULES,
    reduce::RULES,
    reshape::RULES,
    resize::RULES,
    same::RULES,
    sequence::RULES,
    shape_of::RULES,
    signal::RULES,
    slice::RULES,
    text::RULES,
    training::RULES,
    window::RULES,
];

static TABLE: LazyLock<FxHashMap<OpId, Rule>> = LazyLock::new(|| {
    let rows = FAMILIES.iter().flat_map(|family| family.iter());
    rows.map(|&(domain, name, rule)| (OpId { domain, name }, rule)).collect()
});

/// The rule of an op; `None` for one whose shape nobody knows.
pub(super) fn rule(op: OpId) -> Option<Rule> {
    TABLE.get(&op).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    /// ONNX Runtime's own in the default domain.
    const FOREIGN: &str = "SimplifiedLayerNormalization";

    #[test]
    fn every_rule_is_of_an_op_and_no_op_has_two() {
        let rows = FAMILIES.iter().map(|f| f.len()).sum::<usize>();
        assert_eq!(TABLE.len(), rows);
        for op in TABLE.keys().filter(|op| !op.is(FOREIGN)) {
            assert!(!schema::versions(op.domain, op.name).is_empty(), "{op}");
        }
    }

    /// Nodes with bodies are inferred apart; `Gradient` depends on the graph around it.
    #[test]
    fn every_standard_op_has_a_rule() {
        let apart = ["If", "Loop", "Scan", "SequenceMap"];
        let newest = schema::latest_opset("").expect("the default domain has operators");
        let mut known = 0;
        for name in schema::names("") {
            if schema::lookup("", name, newest).is_some() && !apart.contains(&name) {
                assert!(rule(OpId::onnx(name)).is_some(), "{name}");
                known += 1;
            }
        }
        assert!(known > 190, "{known}");
    }
}
