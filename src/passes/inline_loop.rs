//! `inline-loop`: a `Loop` that runs once becomes its body, one that never runs what it starts from.
//!
//! ```text
//! a, s = Loop<body: (i, v) -> (f(i, v), t)>(1, true, x)   ->   a = f(0, x);  s = Unsqueeze<axes = [0]>(t)
//! a, s = Loop<body>(0, true, x)                           ->   a = x;  s = empty
//! ```
//!
//! Exact. The count is constant, and the condition is constant or left out. A `Loop` runs once too where its body
//! ends it with a constant condition.
//!
//! Refused: functions, which hold no constants; a value that two outputs would have to share; and what a `Loop` that
//! never runs would have collected, where its shape is not known.

use crate::error;
use crate::ir::{Attr, Dim, Graph, Model, Name, NewNode, NewOutput, NodeId, OpId, RegionId, Use, ValueId};
use crate::rewrite::{Exactness, Meta, Pass, PassContext, PassStats, Work, substitute};
use crate::tensor::{DType, Tensor};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct InlineLoop;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(InlineLoop)
}

const META: Meta = Meta {
    id: "inline-loop",
    summary: "a Loop that runs once becomes its body, one that never runs what it starts from",
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
        let graph = &mut model.graph;
        let loops: Vec<NodeId> = graph.nodes().filter(|(_, n)| n.op().is("Loop")).map(|(id, _)| id).collect();
        for id in loops {
            // One inside another that never runs has gone with it.
            let Some((body, runs)) = graph.get(id).and_then(|_| trips(graph, id)) else { continue };
            let plan = if runs { once(graph, id, body) } else { never(graph, id) };
            match plan {
                Ok(plan) => {
                    plan.apply(graph, cx, id, opset);
                    stats.applied += 1;
                }
                Err(why) => stats.miss(why, || graph.label(id)),
            }
        }
        Ok(stats)
    }
}

/// The body, and whether it runs once; `None` where it may run more often or where nobody can tell.
fn trips(graph: &Graph, id: NodeId) -> Option<(RegionId, bool)> {
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
        return Some((*body, false));
    }
    let starts = goes.is_none_or(|g| g.is_some());
    let ends = region.outputs().next().and_then(constant) == Some(0) && count.is_none_or(|n| n.is_some());
    (starts && (count == Some(Some(1)) || ends)).then_some((*body, true))
}

/// What the outputs of a `Loop` become, and the body that takes its place.
struct Plan {
    body: Option<RegionId>,
    outputs: Vec<Becomes>,
}

enum Becomes {
    /// A value that is there.
    Value(ValueId),
    /// A value with a new first axis.
    Stacked(ValueId),
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

fn never(graph: &Graph, id: NodeId) -> Result<Plan, String> {
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
    Ok(Plan { body: None, outputs })
}

fn once(graph: &Graph, id: NodeId, body: RegionId) -> Result<Plan, String> {
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
        outputs.push(if i < given.len() { Becomes::Value(value) } else { Becomes::Stacked(value) });
    }
    Ok(Plan { body: Some(body), outputs })
}

impl Plan {
    fn apply(self, graph: &mut Graph, cx: &mut PassContext<'_>, id: NodeId, opset: i64) {
        if let Some(body) = self.body {
            unpack(graph, id, body);
        }
        let outputs = graph.node(id).outputs().to_vec();
        for (old, becomes) in outputs.into_iter().zip(self.outputs) {
            if graph.value(old).uses().is_empty() {
                continue;
            }
            let new = match becomes {
                Becomes::Value(value) => value,
                Becomes::Constant(tensor) => {
                    let name = named_after(graph, old);
                    graph.add_initializer(graph.node(id).region(), name, tensor)
                }
                Becomes::Stacked(value) => stack(graph, id, old, value, opset),
            };
            if substitute(graph, cx.facts, old, new).is_err() {
                let alias =
                    add(graph, id, old, NewNode::new(OpId::onnx("Identity"), vec![Some(new)], Vec::new()));
                substitute(graph, cx.facts, old, alias).expect("a value of its own may be returned once");
            }
        }
        graph.remove_node(id);
    }
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

fn stack(graph: &mut Graph, id: NodeId, old: ValueId, value: ValueId, opset: i64) -> ValueId {
    let unsqueeze = |inputs| NewNode::new(OpId::onnx("Unsqueeze"), inputs, Vec::new());
    if opset < 13 {
        return add(graph, id, old, unsqueeze(vec![Some(value)]).attr("axes", vec![0]));
    }
    let name = named_after(graph, old);
    let axes = graph.add_initializer(graph.node(id).region(), name, Tensor::vector(&[0i64]));
    add(graph, id, old, unsqueeze(vec![Some(value), Some(axes)]))
}

/// Moves the body to where the `Loop` is, with its inputs replaced.
fn unpack(graph: &mut Graph, id: NodeId, body: RegionId) {
    let (region, order) = (graph.node(id).region(), graph.node(id).order());
    let inputs = graph.region(body).inputs().to_vec();
    let mut given: Vec<Option<ValueId>> = graph.node(id).inputs().collect();
    for (index, constant) in [Tensor::scalar(0i64), truth()].into_iter().enumerate() {
        let one = graph.rank(inputs[index]) == Some(1);
        let constant =
            if one { constant.reshaped(&[1]).expect("one element is one element") } else { constant };
        given[index] = (!graph.value(inputs[index]).uses().is_empty()).then(|| {
            let name = named_after(graph, inputs[index]);
            graph.add_initializer(region, name, constant)
        });
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

fn truth() -> Tensor {
    Tensor::from_bytes(DType::Bool, &[], vec![1u8]).expect("a byte is a truth value")
}
