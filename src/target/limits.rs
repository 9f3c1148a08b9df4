//! Demands beyond types: ranks, constants, attributes, operands that must be left out.

use super::node::Asked;
use super::{Answer, Limit, Target};
use crate::ir::{Attr, Dim, ValueId};
use crate::schema::AttrDefault;

impl Target {
    /// What becomes of a node whose demands beyond op, version and types are not met. `known` tells of a value whether it
    /// is known when the model is built.
    pub fn unmet(&self, node: &Asked<'_>, known: &dyn Fn(ValueId) -> bool) -> Vec<Answer> {
        let (domain, op) = node.op();
        let broken = |limit: &&Limit| concerns(limit, node) && !meets(limit, node, known);
        self.limits_of(domain, op).filter(broken).map(|limit| limit.answer(&self.source)).collect()
    }
}

fn concerns(limit: &Limit, node: &Asked<'_>) -> bool {
    let attrs = limit.when.attr.iter().all(|(name, value)| attr(node, name).as_ref() == Some(value));
    let ranked = |(of, rank): (&String, &usize)| {
        let values = node.values(of);
        !values.is_empty() && values.iter().all(|&v| node.graph.rank(v) == Some(*rank))
    };
    let absent = limit.when.absent.split_whitespace().all(|of| node.values(of).is_empty());
    let present = limit.when.present.split_whitespace().all(|of| !node.values(of).is_empty());
    let inside = limit.when.body_of.as_deref().is_none_or(|op| node.is_in_body_of(op));
    attrs && absent && present && inside && limit.when.rank.iter().all(ranked)
}

fn meets(limit: &Limit, node: &Asked<'_>, known: &dyn Fn(ValueId) -> bool) -> bool {
    let ranks = limit.rank.iter().all(|(of, [least, most])| {
        let within = |v: &ValueId| node.graph.rank(*v).is_none_or(|rank| (*least..=*most).contains(&rank));
        node.values(of).iter().all(within)
    });
    let constant = limit.constant.split_whitespace().all(|of| node.inputs(of).into_iter().all(known));
    let fixed = |v: &ValueId| {
        node.graph.shape(*v).is_none_or(|shape| shape.iter().all(|d| matches!(d, Dim::Fixed(_))))
    };
    let fixed = limit.fixed.split_whitespace().all(|of| node.values(of).iter().all(fixed));
    let absent = limit.absent.split_whitespace().all(|of| node.values(of).is_empty());
    let present = limit.present.split_whitespace().all(|of| !node.values(of).is_empty());
    let types = limit.types().all(|(of, set)| node.types(of).iter().all(|word| set.contains(word)));
    let types =
        types && limit.without().all(|(of, set)| !node.types(of).iter().any(|word| set.contains(word)));
    let attrs =
        limit.attr.iter().all(|(name, allowed)| attr(node, name).is_none_or(|v| admitted(&v, allowed)));
    let words = limit.words.iter().all(|(name, words)| node.node.attr(name).is_none_or(|v| holds(v, words)));
    let repeated = limit.repeated.split_whitespace().all(|name| node.node.attr(name).is_none_or(repeats));
    ranks && constant && fixed && absent && present && types && attrs && words && repeated
}

/// An attribute as the tables write it; what ONNX says that absence means where it is absent.
fn attr(node: &Asked<'_>, name: &str) -> Option<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let list = |items: &[i64]| items.iter().map(i64::to_string).collect::<Vec<_>>().join(" ");
    match node.node.attr(name) {
        Some(Attr::Int(v)) => Some(v.to_string()),
        Some(Attr::Float(v)) => Some(v.to_string()),
        Some(Attr::String(v)) => Some(text(v)),
        Some(Attr::Ints(v)) => Some(list(v)),
        Some(_) => None,
        None => match node.schema?.attr(name)?.default? {
            AttrDefault::Int(v) => Some(v.to_string()),
            AttrDefault::Float(v) => Some(v.to_string()),
            AttrDefault::String(v) => Some(v.to_owned()),
            AttrDefault::Ints(v) => Some(list(v)),
            AttrDefault::Floats(_) | AttrDefault::Strings(_) => None,
        },
    }
}

/// Whether a list of strings has none but these words.
fn holds(list: &Attr, words: &str) -> bool {
    let known = |item: &[u8]| words.split_whitespace().any(|word| word.as_bytes() == item);
    match list {
        Attr::Strings(items) => items.iter().all(|item| known(item)),
        _ => true,
    }
}

/// Whether a list of an even length is one twice; of others nothing is known.
fn repeats(list: &Attr) -> bool {
    fn twice<T: PartialEq>(items: &[T]) -> bool {
        let (first, second) = items.split_at(items.len() / 2);
        first.len() != second.len() || first == second
    }
    match list {
        Attr::Strings(items) => twice(items),
        Attr::Floats(items) => twice(items),
        _ => true,
    }
}

/// `1*` admits lists of nothing but 1.
fn admitted(value: &str, allowed: &[String]) -> bool {
    allowed.iter().any(|a| match a.strip_suffix('*') {
        Some(each) => value.split_whitespace().all(|v| v == each),
        None => a == value,
    })
}
