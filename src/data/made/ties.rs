//! Symbols that others decide: the sizes of dims that meet in a broadcast, a product or a concatenation.
//!
//! A mask over `total` tokens that is added to scores over `past + new` of them says that `total = past + new`.

use crate::analysis::meetings;
use crate::ir::{Dim, DimExpr, Model};

/// What each such symbol is, in terms of the others; `symbols` in the order in which they may stay free.
pub(super) fn ties(model: &Model, symbols: &[String]) -> Vec<(String, DimExpr)> {
    let mut ties = Ties { symbols, found: Vec::new() };
    for (node, _) in model.graph.nodes() {
        for meeting in meetings(&model.graph, node) {
            if let (Dim::Sym(a), Dim::Sym(b)) = (meeting.a, meeting.b) {
                ties.tie(a, b);
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
