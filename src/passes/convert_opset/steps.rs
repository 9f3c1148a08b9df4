//! The versions of an op between two opsets, and how a node gets over each.
//!
//! A step needs nothing where the schemas say so: the same attributes and operands, types only widened.
//! Where the newer version adds an attribute or an optional operand, [`NEUTRAL`] must say that leaving it out
//! means what the older version did. Every other step needs an adapter, or is refused.

use super::adapters::adapter;
use super::draft::{Draft, Refused};
use super::edit::Edit;
use crate::ir::{Graph, NodeId};
use crate::schema::{Param, ParamOption, Schema, lookup, versions};

/// Versions whose additions, left out, leave the older meaning. Source: the ONNX operator specification.
const NEUTRAL: &[(&str, &[i64])] = &[
    ("ArgMax", &[12]),
    ("ArgMin", &[12]),
    ("Attention", &[24, 25]),
    ("AveragePool", &[10, 19]),
    ("Cast", &[19, 24]),
    ("CastLike", &[19, 24]),
    ("Constant", &[11, 12]),
    ("DepthToSpace", &[11]),
    ("DequantizeLinear", &[13, 21, 23]),
    ("GRU", &[14]),
    ("GatherND", &[12]),
    ("LSTM", &[14]),
    ("LpPool", &[18]),
    ("MaxPool", &[8, 10]),
    ("Pad", &[18]),
    ("QuantizeLinear", &[13, 21, 23]),
    ("RNN", &[14]),
    ("Reshape", &[14]),
    ("Resize", &[18]),
    ("ScatterElements", &[16]),
    ("ScatterND", &[16]),
    ("Shape", &[15]),
    ("TopK", &[11]),
];

/// The step that a node cannot take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The node.
    pub(super) node: NodeId,
    /// The opset that it cannot reach.
    pub(super) since: i64,
    /// One clause without a full stop.
    pub(super) reason: String,
}

/// Decides how a node of the default domain gets from one opset to a higher one; `None` where nothing is to be done.
pub(super) fn plan(graph: &Graph, id: NodeId, from: i64, to: i64) -> Result<Option<Edit>, Refusal> {
    let refused = |since, reason: Refused| Refusal { node: id, since, reason };
    let mut draft = Draft::new(graph, id, to);
    let mut at = from;
    let mut older = lookup("", draft.op, at)
        .ok_or_else(|| refused(from + 1, format!("no op of that name is known at opset {from}")))?;
    while let Some(newer) = versions("", draft.op).iter().find(|s| s.since > at && s.since <= to) {
        at = newer.since;
        step(&mut draft, older, newer).map_err(|reason| refused(at, reason))?;
        older = lookup("", draft.op, at)
            .ok_or_else(|| refused(at, format!("opset {at} has no '{}'", draft.op)))?;
    }
    Ok(draft.finish())
}

fn step(draft: &mut Draft<'_>, older: &'static Schema, newer: &'static Schema) -> Result<(), Refused> {
    match adapter(newer.name, newer.since) {
        Some(adapt) => adapt(draft),
        None if newer.deprecated => Err(format!("opset {} has withdrawn it", newer.since)),
        None if !widens(older, newer) => Err(format!("version {} changes what it means", newer.since)),
        None => draft.types_fit(older, newer),
    }
}

/// Whether every node of the older version means the same in the newer one, apart from types.
fn widens(older: &Schema, newer: &Schema) -> bool {
    let attrs_stay = older.attrs.iter().all(|a| {
        newer
            .attr(a.name)
            .is_some_and(|b| (a.kind, a.default) == (b.kind, b.default) && (a.required || !b.required))
    });
    let adds = newer.attrs.len() > older.attrs.len()
        || newer.inputs.len() > older.inputs.len()
        || newer.outputs.len() > older.outputs.len();
    let neutral = NEUTRAL.iter().any(|(name, since)| *name == newer.name && since.contains(&newer.since));
    attrs_stay
        && params_widen(older.inputs, newer.inputs)
        && params_widen(older.outputs, newer.outputs)
        && (!adds || neutral)
}

fn params_widen(older: &[Param], newer: &[Param]) -> bool {
    let added = newer.get(older.len()..);
    added.is_some_and(|added| added.iter().all(|p| p.option == ParamOption::Optional))
        && older.iter().zip(newer).all(|(a, b)| {
            let option = a.option == b.option
                || (a.option == ParamOption::Single && b.option == ParamOption::Optional);
            option && a.homogeneous == b.homogeneous
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{latest_opset, names};

    /// Steps with neither a compatible schema nor an adapter, up to the newest opset that we write.
    #[test]
    fn every_step_from_9_to_26_is_known() {
        assert!(latest_opset("") >= Some(26));
        let mut steps = 0;
        let mut unknown = Vec::new();
        for opset in 10..=26 {
            let changed = names("").filter_map(|op| versions("", op).iter().find(|s| s.since == opset));
            for newer in changed {
                let Some(older) = lookup("", newer.name, opset - 1) else { continue };
                steps += 1;
                if adapter(newer.name, newer.since).is_none() && !widens(older, newer) {
                    unknown.push((newer.name, newer.since));
                }
            }
        }
        assert!(steps > 200, "{steps}");
        assert_eq!(unknown, []);
    }

    #[test]
    fn no_entry_is_idle() {
        for (op, since) in NEUTRAL {
            for &since in *since {
                let older = lookup("", op, since - 1).expect("an older version");
                let newer = lookup("", op, since).expect("the version");
                assert_eq!(newer.since, since, "{op}");
                assert!(older.since < since && widens(older, newer), "{op} {since}");
            }
        }
    }
}
