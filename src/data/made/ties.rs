//! Symbols that others decide: the sizes of dims that meet in a broadcast, a product or a concatenation.
//!
//! A mask over `total` tokens that is added to scores over `past + new` of them says that `total = past + new`. Constants
//! of the length at which a model was traced say what that length is, though 1 may do as well.

use crate::ir::{Dim, DimExpr, Graph, Model, NodeId};

/// Larger numbers are the length of a table rather than that of an input.
const MOST: u64 = 4096;

/// What each such symbol is, in terms of the others, and of numbers too where those are to count; `symbols` in the order in
/// which they may stay free.
pub(super) fn ties(model: &Model, symbols: &[String], numbers: bool) -> Vec<(String, DimExpr)> {
    let mut ties = Ties { symbols, found: Vec::new() };
    for (node, _) in model.graph.nodes() {
        for (a, b) in meetings(&model.graph, node) {
            let counts = |dim: &Dim| dim.as_fixed().is_none_or(|n| numbers && (2..=MOST).contains(&n));
            if let (true, Some(a), Some(b)) = (counts(a) && counts(b), a.expr(), b.expr()) {
                ties.tie(&a, &b);
            }
        }
    }
    ties.found
}

struct Ties<'a> {
    symbols: &'a [String],
    found: Vec<(String, DimExpr)>,
}

impl Ties<'_> {
    fn tie(&mut self, a: &DimExpr, b: &DimExpr) {
        let known = |e: &DimExpr| !e.mentions(&|name| !self.symbols.iter().any(|s| s == name));
        let (Some(a), Some(b)) = (self.resolved(a), self.resolved(b)) else { return };
        if a == b || !known(&a) || !known(&b) {
            return;
        }
        let solved = self.symbols.iter().rev().find_map(|s| Some((s, solve(&a, &b, s)?)));
        let Some((symbol, is)) = solved else { return };
        for (_, other) in &mut self.found {
            let new = other.substitute(&|name| (name == symbol).then(|| is.clone()));
            *other = new.unwrap_or_else(|| other.clone());
        }
        self.found.push((symbol.clone(), is));
    }

    fn resolved(&self, expr: &DimExpr) -> Option<DimExpr> {
        expr.substitute(&|name| self.found.iter().find(|(s, _)| s == name).map(|(_, e)| e.clone()))
    }
}

/// What a symbol must be for two sizes to be equal, where only one of them has it, as a plain summand.
fn solve(a: &DimExpr, b: &DimExpr, symbol: &str) -> Option<DimExpr> {
    let mentions = |e: &DimExpr| e.mentions(&|name| name == symbol);
    let (with, other) = match (mentions(a), mentions(b)) {
        (true, false) => (a, b),
        (false, true) => (b, a),
        _ => return None,
    };
    let is = DimExpr::symbol(symbol).add(other)?.sub(with)?;
    (!mentions(&is)).then_some(is)
}

/// Pairs of sizes that a node wants to be equal, unless one of them is 1.
fn meetings(graph: &Graph, node: NodeId) -> Vec<(&Dim, &Dim)> {
    let n = graph.node(node);
    if !n.op().domain.is_empty() {
        return Vec::new();
    }
    let shapes: Vec<&[Dim]> = n.inputs().flatten().filter_map(|v| graph.shape(v)).collect();
    let Some((first, others)) = shapes.split_first() else { return Vec::new() };
    match n.op().name {
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Where" | "And" | "Or" | "Equal" | "Less" | "Greater"
        | "Sum" | "Min" | "Max" => others.iter().flat_map(|other| from_the_last(first, other)).collect(),
        "MatMul" => {
            let [other] = others else { return Vec::new() };
            let (Some((batch, _)), Some((other_batch, _))) =
                (first.split_last_chunk::<2>(), other.split_last_chunk::<2>())
            else {
                return Vec::new();
            };
            let inner = first.last().zip(other.get(other_batch.len()));
            from_the_last(batch, other_batch).chain(inner).collect()
        }
        "Concat" => {
            let axis = n.int("axis").unwrap_or(0);
            let axis = if axis < 0 { axis.saturating_add(first.len() as i64) } else { axis };
            let beside = |(at, _): &(usize, _)| i64::try_from(*at) != Ok(axis);
            let alike = others.iter().filter(|o| o.len() == first.len());
            alike
                .flat_map(|o| first.iter().zip(*o).enumerate().filter(beside).map(|(_, pair)| pair))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn from_the_last<'a>(a: &'a [Dim], b: &'a [Dim]) -> impl Iterator<Item = (&'a Dim, &'a Dim)> {
    a.iter().rev().zip(b.iter().rev())
}
