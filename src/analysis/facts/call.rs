//! Calls of a model's own functions: the body is inferred for the operands of this call, in a copy.

use super::{Env, Facts, MAX_NESTING};
use crate::ir::{Attr, Dim, DimExpr, Function, Graph, Node, NodeId, RegionId, Type, ValueId};
use rustc_hash::FxHashMap;

/// Infers a call; says whether the node is one.
pub(super) fn infer(facts: &mut Facts, graph: &mut Graph, env: &Env<'_>, node: NodeId) -> bool {
    let Some((index, function)) = callee(graph.node(node), env.functions) else {
        return false;
    };
    let outputs = graph.node(node).outputs().to_vec();
    let cost = 1 + function.graph.len() as u64;
    // A function that calls itself would never end.
    if facts.callers.contains(&index) || facts.nesting >= MAX_NESTING || !facts.spend(cost) {
        for output in outputs {
            facts.learn(graph, output, None, None);
        }
        return true;
    }
    let mut body = specialized(function, graph.node(node));
    let mut inner = Facts {
        callers: [facts.callers.as_slice(), &[index]].concat(),
        nesting: facts.nesting + 1,
        spent: facts.spent,
        ..Facts::new()
    };
    let inputs = body.root().inputs().to_vec();
    for (index, formal) in inputs.into_iter().enumerate() {
        let Some(actual) = graph.node(node).input(index) else {
            continue;
        };
        body.set_type(formal, graph.value(actual).ty().cloned());
        if let Some(grid) = facts.grid(actual) {
            inner.grids.insert(formal, grid.clone());
        }
    }
    let env = Env { opsets: &function.opsets, functions: env.functions };
    inner.infer_region(&mut body, &env, RegionId::ROOT);
    facts.spent = inner.spent;

    let results: Vec<ValueId> = body.root().outputs().collect();
    let mut names = Names { inner: &inner, known: FxHashMap::default() };
    for (index, &output) in outputs.iter().enumerate() {
        let result = results.get(index);
        let ty = result.and_then(|&r| body.value(r).ty()).map(|ty| names.outside(ty, facts, output));
        let grid = result.and_then(|&r| inner.grid(r)).cloned().map(|mut grid| {
            for element in &mut grid.data {
                *element = element.take().and_then(|e| names.expr(&e));
            }
            grid
        });
        facts.learn(graph, output, ty, grid);
    }
    true
}

fn callee<'f>(node: &Node, functions: &'f [Function]) -> Option<(usize, &'f Function)> {
    functions.iter().enumerate().find(|(_, f)| f.is_called_by(node))
}

/// The body with the attributes of a call put in.
fn specialized(function: &Function, call: &Node) -> Graph {
    let mut body = function.graph.clone();
    let mut changes = Vec::new();
    for (id, node) in body.nodes() {
        for attribute in node.attrs() {
            if let Attr::Ref(name, _) = &attribute.value {
                let default = function.defaults.iter().find(|d| d.name == *name).map(|d| &d.value);
                changes.push((id, attribute.name.clone(), call.attr(name).or(default).cloned()));
            }
        }
    }
    for (node, name, value) in changes {
        match value {
            Some(value) if value.regions().is_empty() => body.set_attr(node, &name, value),
            // A body of the caller's graph means nothing here; the reference stays and is not understood.
            Some(_) => {}
            None => {
                body.remove_attr(node, &name);
            }
        }
    }
    body
}

/// Symbols made inside a call, under the names that they get outside.
struct Names<'a> {
    inner: &'a Facts,
    known: FxHashMap<String, DimExpr>,
}

impl Names<'_> {
    fn outside(&mut self, ty: &Type, facts: &mut Facts, output: ValueId) -> Type {
        match ty {
            Type::Tensor(t) => {
                let Some(shape) = &t.shape else {
                    return ty.clone();
                };
                let dims: Vec<Dim> =
                    shape.iter().enumerate().map(|(axis, d)| self.dim(d, axis, facts, output)).collect();
                Type::tensor(t.dtype, dims)
            }
            _ => super::declared::element_type(ty).unwrap_or_else(|| ty.clone()),
        }
    }

    fn dim(&mut self, dim: &Dim, axis: usize, facts: &mut Facts, output: ValueId) -> Dim {
        let Dim::Sym(expr) = dim else {
            return dim.clone();
        };
        if let Some(name) = expr.as_symbol()
            && self.inner.born.contains_key(name)
            && !self.known.contains_key(name)
        {
            let fresh = facts.fresh(output, axis);
            if let Dim::Sym(fresh) = &fresh {
                self.known.insert(name.to_owned(), fresh.clone());
            }
            return fresh;
        }
        self.expr(expr).and_then(Dim::from_expr).unwrap_or_else(|| facts.fresh(output, axis))
    }

    /// `None` where a symbol has no name outside.
    fn expr(&self, expr: &DimExpr) -> Option<DimExpr> {
        let unnamed = |name: &str| self.inner.born.contains_key(name) && !self.known.contains_key(name);
        if expr.mentions(&unnamed) { None } else { expr.substitute(&|name| self.known.get(name).cloned()) }
    }
}
