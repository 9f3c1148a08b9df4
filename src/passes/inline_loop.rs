//! `inline-loop`: a `Loop` that runs once becomes its body, one that never runs what it starts from, a short one its body
//! several times.
//!
//! ```text
//! a, s = Loop<body: (i, v) -> (f(i, v), t)>(1, true, x)   ->   a = f(0, x);  s = Unsqueeze<axes = [0]>(t)
//! a, s = Loop<body>(0, true, x)                           ->   a = x;  s = empty
//! a = Loop<body: (i, v) -> v · W[i]>(2, true, x)          ->   a = (x · W[0]) · W[1]
//! ```
//!
//! Exact. The count is constant, and the condition is constant or left out. A `Loop` runs once too where its body
//! ends it with a constant condition.
//!
//! A body is written several times, 64 at most, where the graph gets no larger by that: nodes that depend on the count
//! and on constants alone are constants then. What is collected is joined by `Concat`.
//!
//! Refused: functions, which hold no constants; a value that two outputs would have to share; what a `Loop` that
//! never runs would have collected, where its shape is not known; and several runs of a body that ends the `Loop` itself,
//! holds bodies, draws random numbers or keeps state.

mod unroll;

use crate::error;
use crate::ir::{Attr, Dim, Graph, Model, Name, NewNode, NewOutput, NodeId, OpId, RegionId, Use, ValueId};
use crate::rewrite::{Context, Exactness, Meta, Pass, PassContext, PassStats, Work, substitute};
use crate::tensor::Tensor;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct InlineLoop;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(InlineLoop)
}

const META: Meta = Meta {
    id: "inline-loop",
    summary: "a Loop that runs once, never or a few times becomes its body, as often as it runs",
    exactness: Exactness::Exact,
    since_opset: 1,
    emits: &[],
};

impl Pass for InlineLoop {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> error::Result<PassStats> {
        let mut stats = PassStats::default();
        let opset = model.opset();
        let Model { graph, opsets, .. } = model;
        let loops: Vec<NodeId> = graph.nodes().filter(|(_, n)| n.op().is("Loop")).map(|(id, _)| id).collect();
        for id in loops {
            // One inside another that never runs has gone with it.
            let Some((body, runs)) = graph.get(id).and_then(|_| trips(graph, id)) else { continue };
            let outputs = match runs {
                Runs::Never => never(graph, id),
                Runs::Once => once(graph, id, body),
                Runs::Times(trips) => {
                    let view = Context { graph, opsets, facts: cx.facts, in_function: false };
                    unroll::plan(&view, id, body, trips).map(|plan| plan.apply(graph))
                }
            };
            match outputs {
                Ok(outputs) => {
                    replace(graph, cx, id, outputs, opset);
                    stats.applied += 1;
                }
                Err(why) => stats.miss(why, || graph.label(id)),
            }
        }
        Ok(stats)
    }
}

/// How often a body runs.
#[derive(Clone, Copy)]
enum Runs {
    Never,
    Once,
    Times(usize),
}

/// The body, and how often it runs; `None` where it may run more often or where nobody can tell.
fn trips(graph: &Graph, id: NodeId) -> Option<(RegionId, Runs)> {
    let node = graph.node(id);
    let Some(Attr::Region(body)) = node.attr("body") else { return None };
    let region = graph.region(*body);
    let carried = node.inputs().len().checked_sub(2)?;
    if region.inputs().len() != 2 + carried
        || region.outputs().len() != 1 + node.outputs().len()
        || node.outputs().len() < carried
    {
        return None;
    }
    let constant = |v: ValueId| graph.const_value(v).filter(|t| t.len() == 1)?.as_int();
    let count = node.input(0).map(constant);
    let goes = node.input(1).map(constant);
    if matches!(count, Some(Some(n)) if n <= 0) || goes == Some(Some(0)) {
        return Some((*body, Runs::Never));
    }
    let starts = goes.is_none_or(|g| g.is_some());
    let ends = region.outputs().next().and_then(constant) == Some(0) && count.is_none_or(|n| n.is_some());
    if starts && (count == Some(Some(1)) || ends) {
        return Some((*body, Runs::Once));
    }
    let trips = usize::try_from(count??).ok().filter(|&n| n <= unroll::MOST_TRIPS)?;
    (starts && goes_on(graph, *body)).then_some((*body, Runs::Times(trips)))
}

/// Whether a body never ends its `Loop`, which has let it start.
fn goes_on(graph: &Graph, body: RegionId) -> bool {
    let region = graph.region(body);
    let mut condition = region.outputs().next();
    while let Some(copied) = condition.and_then(|c| graph.producer_is(c, "Identity")) {
        condition = graph.node(copied).input(0);
    }
    let constant = |c| graph.const_value(c)?.as_int();
    condition == region.inputs().get(1).copied() || condition.and_then(constant) == Some(1)
}

/// What an output of a `Loop` becomes.
enum Becomes {
    /// A value that is there.
    Value(ValueId),
    /// Values of each run along a new first axis.
    Stacked(Vec<ValueId>),
    Constant(Tensor),
}

fn carried(graph: &Graph, id: NodeId) -> Result<Vec<ValueId>, String> {
    let given: Option<Vec<ValueId>> = graph.node(id).inputs().skip(2).collect();
    let region = graph.node(id).region();
    let apart = |&o: &ValueId| {
        let returning = graph.value(o).uses().iter().filter_map(|u| match u {
            Use::RegionOutput { region, .. } => Some(*region),
            Use::Operand { .. } => None,
        });
        let returning: Vec<RegionId> = returning.collect();
        returning.is_empty() || returning == [region]
    };
    if !graph.node(id).outputs().iter().all(apart) {
        return Err("two outputs cannot be one value".to_owned());
    }
    given.ok_or_else(|| "a carried value is omitted".to_owned())
}

fn never(graph: &Graph, id: NodeId) -> Result<Vec<Becomes>, String> {
    let mut outputs: Vec<Becomes> = carried(graph, id)?.into_iter().map(Becomes::Value).collect();
    for &output in &graph.node(id).outputs()[outputs.len()..] {
        if graph.value(output).uses().is_empty() {
            outputs.push(Becomes::Constant(Tensor::vector::<i64>(&[])));
            continue;
        }
        let empty = graph.tensor_type(output).and_then(|ty| {
            let each = ty.shape.as_ref()?.get(1..)?;
            let each = each.iter().map(|d| usize::try_from(Dim::as_fixed(d)?).ok());
            let shape: Vec<usize> = std::iter::once(Some(0)).chain(each).collect::<Option<_>>()?;
            Tensor::from_bytes(ty.dtype, &shape, Vec::new()).ok()
        });
        let empty = empty.ok_or("the shape of what is never collected is not known")?;
        outputs.push(Becomes::Constant(empty));
    }
    Ok(outputs)
}

fn once(graph: &mut Graph, id: NodeId, body: RegionId) -> Result<Vec<Becomes>, String> {
    let given = carried(graph, id)?;
    let region = graph.region(body);
    // What the body returns of its inputs is what these stand for.
    let outer = |v: ValueId| match region.inputs().iter().position(|&i| i == v) {
        None => Some(v),
        Some(at) => at.checked_sub(2).map(|i| given[i]),
    };
    let mut outputs = Vec::new();
    for (i, value) in region.outputs().skip(1).enumerate() {
        let value = outer(value).ok_or("the body returns its count or condition")?;
        outputs.push(if i < given.len() { Becomes::Value(value) } else { Becomes::Stacked(vec![value]) });
    }
    unpack(graph, id, body);
    Ok(outputs)
}

/// Gives every reader of the `Loop` what it reads now, and removes it.
fn replace(graph: &mut Graph, cx: &mut PassContext<'_>, id: NodeId, outputs: Vec<Becomes>, opset: i64) {
    let old = graph.node(id).outputs().to_vec();
    for (old, becomes) in old.into_iter().zip(outputs) {
        if graph.value(old).uses().is_empty() {
            continue;
        }
        let new = match becomes {
            Becomes::Value(value) => value,
            Becomes::Constant(tensor) => {
                let name = named_after(graph, old);
                graph.add_initializer(graph.node(id).region(), name, tensor)
            }
            Becomes::Stacked(values) => stack(graph, id, old, values, opset),
        };
        if substitute(graph, cx.facts, old, new).is_err() {
            let alias =
                add(graph, id, old, NewNode::new(OpId::onnx("Identity"), vec![Some(new)], Vec::new()));
            substitute(graph, cx.facts, old, alias).expect("a value of its own may be returned once");
        }
    }
    graph.remove_node(id);
}

fn named_after(graph: &mut Graph, old: ValueId) -> Name {
    let base = format!("{}/{}", graph.value(old).name(), META.id);
    graph.fresh_name(&base)
}

/// Adds a node of one output in front of the `Loop`.
fn add(graph: &mut Graph, id: NodeId, old: ValueId, new: NewNode) -> ValueId {
    let name = named_after(graph, old);
    let (region, order) = (graph.node(id).region(), Some(graph.node(id).order()));
    let node = graph.add_node(region, NewNode { order, outputs: vec![NewOutput::named(name)], ..new });
    graph.node(node).outputs()[0]
}

/// Each value under a new first axis, joined along it.
fn stack(graph: &mut Graph, id: NodeId, old: ValueId, values: Vec<ValueId>, opset: i64) -> ValueId {
    let axes = (opset >= 13).then(|| {
        let name = named_after(graph, old);
        graph.add_initializer(graph.node(id).region(), name, Tensor::vector(&[0i64]))
    });
    let rows: Vec<Option<ValueId>> = values
        .into_iter()
        .map(|value| {
            let inputs = std::iter::once(value).chain(axes).map(Some).collect();
            let unsqueeze = NewNode::new(OpId::onnx("Unsqueeze"), inputs, Vec::new());
            let unsqueeze = if axes.is_some() { unsqueeze } else { unsqueeze.attr("axes", vec![0]) };
            Some(add(graph, id, old, unsqueeze))
        })
        .collect();
    match rows[..] {
        [Some(row)] => row,
        _ => add(graph, id, old, NewNode::new(OpId::onnx("Concat"), rows, Vec::new()).attr("axis", 0)),
    }
}

/// Moves the body to where the `Loop` is, with its inputs replaced.
fn unpack(graph: &mut Graph, id: NodeId, body: RegionId) {
    let (region, order) = (graph.node(id).region(), graph.node(id).order());
    let inputs = graph.region(body).inputs().to_vec();
    let mut given: Vec<Option<ValueId>> = graph.node(id).inputs().collect();
    for (index, constant) in [Tensor::scalar(0i64), Tensor::scalar(true)].into_iter().enumerate() {
        let read = !graph.value(inputs[index]).uses().is_empty();
        given[index] = read.then(|| given_by_loop(graph, region, inputs[index], constant));
    }
    for (&input, value) in inputs.iter().zip(given) {
        if let Some(value) = value {
            graph.replace_uses(input, value);
        }
    }
    let mut nodes: Vec<(u64, NodeId)> = graph.nodes_in(body).map(|(id, n)| (n.order(), id)).collect();
    nodes.sort_unstable();
    let constants: Vec<ValueId> = graph.initializers(body).collect();
    constants.into_iter().for_each(|c| graph.hoist_initializer(c, region));
    nodes.into_iter().for_each(|(_, n)| graph.move_node(n, region, order));
    // What the body returns is returned in its place.
    let returned = graph.region(body).outputs().len();
    for index in (0..returned).rev() {
        graph.remove_region_output(body, index);
    }
}

/// The constant that a `Loop` gives a body for its count or condition.
fn given_by_loop(graph: &mut Graph, region: RegionId, input: ValueId, constant: Tensor) -> ValueId {
    let vector = graph.rank(input) == Some(1);
    let constant =
        if vector { constant.reshaped(&[1]).expect("one element is one element") } else { constant };
    let name = named_after(graph, input);
    graph.add_initializer(region, name, constant)
}
