//! `Loop` and `Scan`: the types of carried values are widened until the body keeps them.

use super::{body, invariant, merge, varies};
use crate::analysis::facts::{Env, Facts, declared};
use crate::analysis::grid::Grid;
use crate::analysis::site::axis;
use crate::ir::{Dim, DimExpr, Graph, NodeId, RegionId, Truth, Type, ValueId};
use crate::tensor::DType;

/// Each round but the last widens; in the last one carried values have no shape, which every body keeps.
const ROUNDS: usize = 6;

/// A body that runs again and again on what it gave.
struct Iteration {
    node: NodeId,
    body: RegionId,
    /// Position of the first carried value among the node's operands, the body's inputs and its outputs.
    operands: usize,
    inputs: usize,
    outputs: usize,
    /// How many values are carried.
    carried: usize,
}

pub(super) fn infer_loop(facts: &mut Facts, graph: &mut Graph, env: &Env<'_>, node: NodeId) -> Option<()> {
    let body = body(graph, node, "body")?;
    let inputs = graph.region(body).inputs().to_vec();
    let carried = graph.node(node).inputs().len().checked_sub(2)?;
    let results: Vec<ValueId> = graph.region(body).outputs().collect();
    if inputs.len() != carried + 2 || results.len() < carried + 1 {
        return None;
    }
    facts.learn(graph, inputs[0], Some(Type::tensor(DType::I64, [])), None);
    // A body runs only where the condition holds.
    let holds = Grid::new(DType::Bool, Vec::new(), vec![Some(DimExpr::constant(1))]);
    facts.learn(graph, inputs[1], Some(Type::tensor(DType::Bool, [])), holds);
    let iteration = Iteration { node, body, operands: 2, inputs: 2, outputs: 1, carried };
    let states = iteration.widen(facts, graph, env)?;
    iteration.hand_out(facts, graph, states);

    let trips = trip_count(facts, graph, node, results[0]);
    let outputs = graph.node(node).outputs().to_vec();
    for (&output, &result) in outputs.iter().skip(carried).zip(results.iter().skip(carried + 1)) {
        let count = trips.clone().unwrap_or_else(|| facts.fresh(output, 0));
        let runs = count.at_least(1) == Truth::Proven;
        let ty = stacked(facts, graph, (output, result), body, (count, 0), runs);
        facts.learn(graph, output, ty, None);
    }
    Some(())
}

/// How often the body runs, where the condition never ends it early.
fn trip_count(facts: &Facts, graph: &Graph, node: NodeId, condition: ValueId) -> Option<Dim> {
    let always = |v: ValueId| {
        facts.grid(v).and_then(Grid::numbers).is_some_and(|n| matches!(n.as_slice(), [n] if *n != 0))
    };
    let node = graph.node(node);
    if !node.input(1).is_none_or(always) || !always(condition) {
        return None;
    }
    match facts.grid(node.input(0)?)?.data.as_slice() {
        [Some(count)] => Dim::from_expr(count.maximum(&DimExpr::constant(0))?),
        _ => None,
    }
}

pub(super) fn infer_scan(facts: &mut Facts, graph: &mut Graph, env: &Env<'_>, node: NodeId) -> Option<()> {
    let body = body(graph, node, "body")?;
    let n = graph.node(node);
    let scanned = usize::try_from(n.int("num_scan_inputs")?).ok()?;
    let carried = n.inputs().len().checked_sub(scanned)?;
    let inputs = graph.region(body).inputs().to_vec();
    let results: Vec<ValueId> = graph.region(body).outputs().collect();
    if inputs.len() != carried + scanned || results.len() < carried {
        return None;
    }
    let axes_in = n.ints("scan_input_axes").unwrap_or_default().to_vec();
    let axes_out = n.ints("scan_output_axes").unwrap_or_default().to_vec();
    let operands: Vec<Option<ValueId>> = n.inputs().collect();
    let mut length = None;
    for (index, &formal) in inputs[carried..].iter().enumerate() {
        let ty =
            operands[carried + index].and_then(|v| graph.value(v).ty()).and_then(Type::as_tensor).cloned();
        let element = ty.map(|mut ty| {
            ty.shape = ty.shape.and_then(|mut shape| {
                let at = axis(axes_in.get(index).copied().unwrap_or(0), shape.len())?;
                length = length.take().or(Some(shape.remove(at)));
                Some(shape)
            });
            Type::Tensor(ty)
        });
        facts.learn(graph, formal, element, None);
    }
    let iteration = Iteration { node, body, operands: 0, inputs: 0, outputs: 0, carried };
    let states = iteration.widen(facts, graph, env)?;
    iteration.hand_out(facts, graph, states);

    let outputs = graph.node(node).outputs().to_vec();
    for (index, (&output, &result)) in outputs.iter().zip(&results).enumerate().skip(carried) {
        let at = axes_out.get(index - carried).copied().unwrap_or(0);
        let count = length.clone().unwrap_or_else(|| facts.fresh(output, 0));
        let ty = stacked(facts, graph, (output, result), body, (count, at), true);
        facts.learn(graph, output, ty, None);
    }
    Some(())
}

/// What a body gives in each run, as one tensor with a new axis `at` of size `count`.
fn stacked(
    facts: &mut Facts,
    graph: &Graph,
    (output, result): (ValueId, ValueId),
    body: RegionId,
    (count, at): (Dim, i64),
    runs: bool,
) -> Option<Type> {
    let element = graph.value(result).ty()?.as_tensor()?.clone();
    let Some(shape) = element.shape else {
        return Some(Type::unranked(element.dtype));
    };
    let at = axis(at, shape.len() + 1)?;
    let mut dims = Vec::with_capacity(shape.len() + 1);
    for (axis, dim) in shape.into_iter().enumerate() {
        // A loop that never runs has no sizes to give.
        let kept = (runs || dim.as_fixed().is_some()) && !varies(facts, graph, &dim, body);
        dims.push(if kept { dim } else { facts.fresh(output, axis + 1) });
    }
    dims.insert(at, count);
    Some(Type::tensor(element.dtype, dims))
}

impl Iteration {
    /// Types of the carried values that hold before and after each run. `None` where the body was not inferred.
    fn widen(&self, facts: &mut Facts, graph: &mut Graph, env: &Env<'_>) -> Option<Vec<Option<Type>>> {
        let formals = graph.region(self.body).inputs()[self.inputs..][..self.carried].to_vec();
        let results: Vec<ValueId> =
            graph.region(self.body).outputs().skip(self.outputs).take(self.carried).collect();
        let mut states: Vec<Option<Type>> = (0..self.carried)
            .map(|i| {
                graph.node(self.node).input(self.operands + i).and_then(|v| graph.value(v).ty().cloned())
            })
            .collect();
        for round in 0..=ROUNDS {
            for (&formal, state) in formals.iter().zip(&states) {
                facts.learn(graph, formal, state.clone(), None);
            }
            if !facts.infer_body(graph, env, self.body) {
                return None;
            }
            let mut kept = true;
            for ((&formal, &result), state) in formals.iter().zip(&results).zip(&mut states) {
                let given = graph.value(result).ty().cloned();
                let wider = merge(facts, state.as_ref(), given.as_ref(), formal)
                    .or_else(|| state.as_ref().and_then(declared::element_type));
                kept &= wider == *state;
                *state = wider;
            }
            if kept || round == ROUNDS {
                break;
            }
            if round + 1 == ROUNDS {
                for state in &mut states {
                    *state = state.as_ref().and_then(declared::element_type);
                }
            }
        }
        Some(states)
    }

    /// The carried values as the node gives them.
    fn hand_out(&self, facts: &mut Facts, graph: &mut Graph, states: Vec<Option<Type>>) {
        let outputs = graph.node(self.node).outputs().to_vec();
        for (output, state) in outputs.into_iter().zip(states) {
            let ty = match state {
                Some(Type::Tensor(t)) => {
                    let shape = t.shape.map(|shape| {
                        let dims = shape.into_iter().enumerate();
                        dims.map(|(axis, d)| {
                            if varies(facts, graph, &d, self.body) { facts.fresh(output, axis) } else { d }
                        })
                        .collect::<Vec<Dim>>()
                    });
                    Some(shape.map_or(Type::unranked(t.dtype), |s| Type::tensor(t.dtype, s)))
                }
                Some(other) => Some(invariant(facts, graph, &other, self.body)),
                None => None,
            };
            facts.learn(graph, output, ty, None);
        }
    }
}
