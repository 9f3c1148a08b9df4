//! What follows from the ranks that one branch returns, as far as rank arithmetic goes.

use crate::ir::{Attr, Node, NodeId, RegionId, Use, ValueId};
use crate::rewrite::Context;
use rustc_hash::FxHashMap;

/// Nodes looked at for one branch.
const MOST_NODES: usize = 64;

/// Bodies that a value is followed into.
const MOST_DEPTH: usize = 4;

/// What is known of a value once a branch is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Rank(usize),
    /// A vector of this many elements: what `Shape` returns.
    Length(usize),
    Number(i64),
    Truth(bool),
}

/// The rank that an op demands is not the one that it gets.
struct Failure;

/// Whether the model can only fail after this branch of the node.
pub(super) fn fails(cx: &Context<'_>, node: NodeId, branch: RegionId) -> bool {
    let mut known = FxHashMap::default();
    let returned: Vec<ValueId> = cx.graph.region(branch).outputs().collect();
    for (&output, value) in cx.node(node).outputs().iter().zip(returned) {
        if let Some(rank) = cx.graph.rank(value) {
            known.insert(output, Known::Rank(rank));
        }
    }
    Assumption { cx, region: cx.node(node).region(), known }.leads_to_failure()
}

struct Assumption<'a> {
    cx: &'a Context<'a>,
    region: RegionId,
    known: FxHashMap<ValueId, Known>,
}

impl Assumption<'_> {
    fn leads_to_failure(&mut self) -> bool {
        let mut pending: Vec<ValueId> = self.known.keys().copied().collect();
        pending.sort_unstable();
        let mut looked = 0;
        while let Some(value) = pending.pop() {
            for u in self.cx.graph.value(value).uses() {
                let Use::Operand { node, .. } = *u else { continue };
                let n = self.cx.node(node);
                looked += 1;
                if looked > MOST_NODES {
                    return false;
                }
                if n.region() != self.region {
                    continue;
                }
                for (index, &output) in n.outputs().iter().enumerate() {
                    match self.result(node, index, 0) {
                        Err(Failure) => return true,
                        Ok(Some(new)) if self.known.insert(output, new).is_none() => pending.push(output),
                        Ok(_) => {}
                    }
                }
            }
        }
        false
    }

    fn of(&self, n: &Node, index: usize) -> Option<Known> {
        self.known.get(&n.input(index)?).copied()
    }

    fn rank(&self, n: &Node, index: usize) -> Option<usize> {
        match self.of(n, index) {
            Some(Known::Rank(rank)) => Some(rank),
            _ => None,
        }
    }

    /// What a node returns; nothing where it is not known.
    fn result(&self, node: NodeId, output: usize, depth: usize) -> Result<Option<Known>, Failure> {
        let n = self.cx.node(node);
        if !n.op().domain.is_empty() {
            return Ok(None);
        }
        let axes = || self.cx.ints(node, 1, "axes").flatten().map(|axes| axes.len());
        match n.op().name {
            "Identity" | "Relu" | "Sigmoid" | "Tanh" | "Cast" | "Neg" | "Sqrt" => {
                Ok(self.of(n, 0).filter(same_rank))
            }
            "Unsqueeze" => Ok(self.rank(n, 0).zip(axes()).map(|(rank, new)| Known::Rank(rank + new))),
            "Squeeze" => match self.rank(n, 0).zip(axes()) {
                Some((rank, gone)) => rank.checked_sub(gone).map(|r| Some(Known::Rank(r))).ok_or(Failure),
                None => Ok(None),
            },
            "Shape" if n.attrs().is_empty() => Ok(self.rank(n, 0).map(Known::Length)),
            "Size" => Ok(match self.of(n, 0) {
                Some(Known::Length(length)) => i64::try_from(length).ok().map(Known::Number),
                _ => None,
            }),
            "Equal" => Ok(self.number(n, 0).zip(self.number(n, 1)).map(|(a, b)| Known::Truth(a == b))),
            "Not" => Ok(match self.of(n, 0) {
                Some(Known::Truth(truth)) => Some(Known::Truth(!truth)),
                _ => None,
            }),
            "If" => self.branch(n, output, depth),
            "LSTM" | "GRU" | "RNN" => self.demand(n, 0, Some(3)),
            "Conv" | "ConvTranspose" => {
                let weight = n.input(1).and_then(|w| self.cx.graph.rank(w));
                self.demand(n, 0, weight)
            }
            _ => Ok(None),
        }
    }

    fn demand(&self, n: &Node, index: usize, rank: Option<usize>) -> Result<Option<Known>, Failure> {
        match (self.rank(n, index), rank) {
            (Some(have), Some(want)) if have != want => Err(Failure),
            _ => Ok(None),
        }
    }

    fn number(&self, n: &Node, index: usize) -> Option<i64> {
        match self.of(n, index) {
            Some(Known::Number(number)) => Some(number),
            _ => self.cx.graph.const_value(n.input(index)?).filter(|t| t.len() == 1)?.as_int(),
        }
    }

    /// What an `If` of known condition returns.
    fn branch(&self, n: &Node, output: usize, depth: usize) -> Result<Option<Known>, Failure> {
        let Some(Known::Truth(truth)) = self.of(n, 0) else { return Ok(None) };
        let Some(Attr::Region(body)) = n.attr(if truth { "then_branch" } else { "else_branch" }) else {
            return Ok(None);
        };
        let Some(value) = self.cx.graph.region(*body).outputs().nth(output) else { return Ok(None) };
        self.inside(value, depth + 1)
    }

    fn inside(&self, value: ValueId, depth: usize) -> Result<Option<Known>, Failure> {
        if let Some(&known) = self.known.get(&value) {
            return Ok(Some(known));
        }
        match self.cx.graph.producer(value) {
            Some(node) if depth <= MOST_DEPTH => {
                let index = self.cx.node(node).outputs().iter().position(|&o| o == value).unwrap_or(0);
                self.result(node, index, depth + 1)
            }
            _ => Ok(None),
        }
    }
}

fn same_rank(known: &Known) -> bool {
    matches!(known, Known::Rank(_))
}
