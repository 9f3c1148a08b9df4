//! Demands beyond types: ranks, constants, attributes, operands that must be left out.

use super::node::Seen;
use crate::analysis::Facts;
use crate::ir::{Attr, Dim, Graph, Node, NodeId, RegionId, ValueId, topological};
use crate::schema::{AttrDefault, When, latest_opset, randomness};
use crate::target::{Answer, Asked, Limit, Target};
use rustc_hash::FxHashSet;

/// What becomes of a node whose demands are not met.
pub(super) fn answers(
    target: &Target,
    seen: &Seen<'_>,
    facts: &Facts,
    constants: &FxHashSet<ValueId>,
) -> Vec<Answer> {
    let (domain, op) = seen.op();
    let broken = |limit: &&Limit| concerns(limit, seen) && !meets(limit, seen, facts, constants);
    target.limits_of(domain, op).filter(broken).map(|limit| limit.answer(&target.source)).collect()
}

fn concerns(limit: &Limit, seen: &Seen<'_>) -> bool {
    let attrs = limit.when.attr.iter().all(|(name, value)| attr(seen, name).as_ref() == Some(value));
    let ranked = |(of, rank): (&String, &usize)| {
        let values = seen.values(of);
        !values.is_empty() && values.iter().all(|&v| seen.graph.rank(v) == Some(*rank))
    };
    let absent = limit.when.absent.split_whitespace().all(|of| seen.values(of).is_empty());
    attrs && absent && limit.when.rank.iter().all(ranked)
}

fn meets(limit: &Limit, seen: &Seen<'_>, facts: &Facts, constants: &FxHashSet<ValueId>) -> bool {
    let ranks = limit.rank.iter().all(|(of, [least, most])| {
        let within = |v: &ValueId| seen.graph.rank(*v).is_none_or(|rank| (*least..=*most).contains(&rank));
        seen.values(of).iter().all(within)
    });
    let known = |v: &ValueId| {
        constants.contains(v) || seen.graph.is_const(*v) || facts.constant_elements(*v).is_some()
    };
    let constant = limit.constant.split_whitespace().all(|of| seen.inputs(of).iter().all(known));
    let fixed = |v: &ValueId| {
        seen.graph.shape(*v).is_none_or(|shape| shape.iter().all(|d| matches!(d, Dim::Fixed(_))))
    };
    let fixed = limit.fixed.split_whitespace().all(|of| seen.values(of).iter().all(fixed));
    let absent = limit.absent.split_whitespace().all(|of| seen.values(of).is_empty());
    let types = limit.types().all(|(of, set)| seen.types(of).iter().all(|word| set.contains(word)));
    let types =
        types && limit.without().all(|(of, set)| !seen.types(of).iter().any(|word| set.contains(word)));
    let attrs =
        limit.attr.iter().all(|(name, allowed)| attr(seen, name).is_none_or(|v| admitted(&v, allowed)));
    ranks && constant && fixed && absent && types && attrs
}

/// An attribute as the tables write it; what ONNX says that absence means where it is absent.
fn attr(seen: &Seen<'_>, name: &str) -> Option<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let list = |items: &[i64]| items.iter().map(i64::to_string).collect::<Vec<_>>().join(" ");
    match seen.node.attr(name) {
        Some(Attr::Int(v)) => Some(v.to_string()),
        Some(Attr::Float(v)) => Some(v.to_string()),
        Some(Attr::String(v)) => Some(text(v)),
        Some(Attr::Ints(v)) => Some(list(v)),
        Some(_) => None,
        None => match seen.schema?.attr(name)?.default? {
            AttrDefault::Int(v) => Some(v.to_string()),
            AttrDefault::Float(v) => Some(v.to_string()),
            AttrDefault::String(v) => Some(v.to_owned()),
            AttrDefault::Ints(v) => Some(list(v)),
            AttrDefault::Floats(_) | AttrDefault::Strings(_) => None,
        },
    }
}

/// `1*` admits lists of nothing but 1.
fn admitted(value: &str, allowed: &[String]) -> bool {
    allowed.iter().any(|a| match a.strip_suffix('*') {
        Some(each) => value.split_whitespace().all(|v| v == each),
        None => a == value,
    })
}

/// The values that follow from constants alone.
pub(super) fn constants(graph: &Graph) -> FxHashSet<ValueId> {
    let mut found = FxHashSet::default();
    let mut pending = vec![RegionId::ROOT];
    while let Some(region) = pending.pop() {
        let Ok(order) = topological(graph, region) else { continue };
        for id in order {
            pending.extend(graph.node(id).regions());
            if follows(graph, id, &found) {
                found.extend(graph.node(id).outputs());
            }
        }
    }
    found
}

fn is_random(node: &Node) -> bool {
    let op = node.op();
    let newest = latest_opset(op.domain).unwrap_or(1);
    randomness(op.domain, op.name, newest) != When::Never
}

fn follows(graph: &Graph, id: NodeId, found: &FxHashSet<ValueId>) -> bool {
    let node = graph.node(id);
    let constant = |v: ValueId| graph.is_const(v) || found.contains(&v);
    let given =
        node.inputs().flatten().all(constant) && (node.inputs().len() > 0 || node.op().is("Constant"));
    given && node.regions().next().is_none() && !is_random(node)
}
