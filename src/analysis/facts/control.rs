//! Nodes that hold bodies: what goes in, and what the body makes of it until it no longer changes.

mod iterate;

use super::{Env, Facts, declared, forget_region};
use crate::analysis::grid::Grid;
use crate::ir::{Attr, Dim, Graph, NodeId, RegionId, TensorType, Truth, Type, ValueId};

/// Infers a node that holds bodies; says whether it does.
pub(super) fn infer(facts: &mut Facts, graph: &mut Graph, env: &Env<'_>, node: NodeId) -> bool {
    let n = graph.node(node);
    let bodies: Vec<RegionId> = n.regions().collect();
    if bodies.is_empty() {
        return false;
    }
    for output in n.outputs().to_vec() {
        facts.learn(graph, output, None, None);
    }
    let op = graph.node(node).op();
    let opset = env.opsets.get("").unwrap_or(1);
    let done = match op.name {
        _ if !op.domain.is_empty() => None,
        "If" => branches(facts, graph, env, node),
        "Loop" => iterate::infer_loop(facts, graph, env, node),
        "Scan" if opset >= 9 => iterate::infer_scan(facts, graph, env, node),
        "SequenceMap" => sequence_map(facts, graph, env, node),
        _ => None,
    };
    if done.is_none() {
        for body in bodies {
            forget_region(facts, graph, body);
        }
    }
    done.is_some()
}

fn body(graph: &Graph, node: NodeId, attr: &str) -> Option<RegionId> {
    match graph.node(node).attr(attr)? {
        Attr::Region(region) => Some(*region),
        _ => None,
    }
}

/// Whatever both branches agree on; the one taken where the condition is constant.
fn branches(facts: &mut Facts, graph: &mut Graph, env: &Env<'_>, node: NodeId) -> Option<()> {
    let bodies = [body(graph, node, "then_branch")?, body(graph, node, "else_branch")?];
    for body in bodies {
        facts.infer_body(graph, env, body);
    }
    let condition = graph.node(node).input(0).and_then(|c| facts.grid(c)).and_then(Grid::numbers);
    let taken = match condition.as_deref() {
        Some([0]) => [bodies[1]; 2],
        Some([_]) => [bodies[0]; 2],
        _ => bodies,
    };
    let [yes, no] = taken.map(|b| graph.region(b).outputs().collect::<Vec<_>>());
    for (index, output) in graph.node(node).outputs().to_vec().into_iter().enumerate() {
        let (Some(&a), Some(&b)) = (yes.get(index), no.get(index)) else {
            continue;
        };
        let ty = merge(facts, graph.value(a).ty(), graph.value(b).ty(), output);
        let grid = merge_grids(facts.grid(a), facts.grid(b));
        facts.learn(graph, output, ty, grid);
    }
    Some(())
}

/// The type of each body output becomes that of a sequence.
fn sequence_map(facts: &mut Facts, graph: &mut Graph, env: &Env<'_>, node: NodeId) -> Option<()> {
    let body = body(graph, node, "body")?;
    let operands: Vec<Option<ValueId>> = graph.node(node).inputs().collect();
    for (index, formal) in graph.region(body).inputs().to_vec().into_iter().enumerate() {
        let ty =
            operands.get(index).copied().flatten().and_then(|v| graph.value(v).ty()).map(|ty| match ty {
                Type::Sequence(element) => (**element).clone(),
                other => other.clone(),
            });
        facts.learn(graph, formal, ty, None);
    }
    facts.infer_body(graph, env, body);
    let results: Vec<ValueId> = graph.region(body).outputs().collect();
    for (output, result) in graph.node(node).outputs().to_vec().into_iter().zip(results) {
        let element = graph.value(result).ty().map(|ty| invariant(facts, graph, ty, body));
        facts.learn(graph, output, element.map(|ty| Type::Sequence(Box::new(ty))), None);
    }
    Some(())
}

/// The type without its shape, unless that is the same in each run of the body.
fn invariant(facts: &Facts, graph: &Graph, ty: &Type, body: RegionId) -> Type {
    match ty.as_tensor().and_then(|t| t.shape.as_ref()) {
        Some(shape) if !shape.iter().any(|d| varies(facts, graph, d, body)) => ty.clone(),
        _ => declared::element_type(ty).unwrap_or_else(|| ty.clone()),
    }
}

/// Whether a dim is made of a size that is found out inside the body, anew in each run of it.
fn varies(facts: &Facts, graph: &Graph, dim: &Dim, body: RegionId) -> bool {
    let inside = |name: &str| {
        let home = facts.born.get(name).and_then(|&v| graph.region_of(v));
        home.is_some_and(|home| graph.enclosing(home).any(|r| r == body))
    };
    matches!(dim, Dim::Sym(expr) if expr.mentions(&inside))
}

/// What is true of both types; a dim that differs is a fresh size of `value`.
fn merge(facts: &mut Facts, a: Option<&Type>, b: Option<&Type>, value: ValueId) -> Option<Type> {
    match (a?, b?) {
        (Type::Tensor(a), Type::Tensor(b)) if a.dtype == b.dtype => match (&a.shape, &b.shape) {
            (Some(x), Some(y)) if x.len() == y.len() => {
                let mut merged = Vec::with_capacity(x.len());
                for (axis, (x, y)) in x.iter().zip(y).enumerate() {
                    merged.push(if x.same(y) == Truth::Proven {
                        x.clone()
                    } else {
                        facts.fresh(value, axis)
                    });
                }
                Some(Type::tensor(a.dtype, merged))
            }
            _ => Some(Type::unranked(a.dtype)),
        },
        (a, b) if a == b => Some(a.clone()),
        // Elements of one sequence differ in size, so that no symbol can stand for it.
        (Type::Sequence(a), Type::Sequence(b)) => Some(Type::Sequence(Box::new(same_elements(a, b)?))),
        (Type::Optional(a), Type::Optional(b)) => Some(Type::Optional(Box::new(same_elements(a, b)?))),
        _ => None,
    }
}

fn same_elements(a: &Type, b: &Type) -> Option<Type> {
    match (a, b) {
        (a, b) if a == b => Some(a.clone()),
        (Type::Tensor(TensorType { dtype, .. }), Type::Tensor(other)) if *dtype == other.dtype => {
            Some(Type::unranked(*dtype))
        }
        _ => None,
    }
}

fn merge_grids(a: Option<&Grid>, b: Option<&Grid>) -> Option<Grid> {
    let (a, b) = (a?, b?);
    if a.dtype != b.dtype || a.dims != b.dims {
        return None;
    }
    let data = a.data.iter().zip(&b.data).map(|(a, b)| a.clone().filter(|_| a == b)).collect();
    Grid::new(a.dtype, a.dims.clone(), data)
}
