//! Writing what was decided for one node.

use super::draft::Operand;
use crate::ir::{
    Attr, Dim, Graph, Name, NewNode, NewOutput, Node, NodeId, OpId, RegionId, Residue, TensorType, Type,
    ValueId,
};
use crate::tensor::{DType, Tensor};
use std::collections::BTreeMap;

/// What is to be written of a draft.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub(super) id: NodeId,
    pub(super) op: &'static str,
    pub(super) inputs: Vec<Operand>,
    pub(super) outputs: usize,
    pub(super) attrs: BTreeMap<&'static str, Option<Attr>>,
    pub(super) flatten: Option<i64>,
    pub(super) allow_zero: bool,
}

impl Edit {
    /// Writes the changes; gives back the nodes whose outputs have no type yet, in topological order.
    ///
    /// A function cannot hold initializers: its constants become nodes.
    pub(super) fn apply(self, graph: &mut Graph, in_function: bool) -> Vec<NodeId> {
        let node = graph.node(self.id);
        let (region, order) = (node.region(), node.order());
        let base = base_name(graph, node);
        if graph.node(self.id).op().name != self.op {
            graph.set_op(self.id, OpId::onnx(self.op));
        }
        for (name, value) in self.attrs {
            match value {
                Some(value) => graph.set_attr(self.id, name, value),
                None => {
                    graph.remove_attr(self.id, name);
                }
            }
        }
        graph.truncate_operands(self.id, self.inputs.len());
        for (index, operand) in self.inputs.into_iter().enumerate() {
            let value = match operand {
                Operand::Omitted => None,
                Operand::Value(v) => Some(v),
                Operand::New(label, tensor) => {
                    let name = graph.fresh_name(&format!("{base}/{label}"));
                    Some(add_constant(graph, region, order, in_function, name, tensor))
                }
            };
            if index >= graph.node(self.id).inputs().len() {
                graph.push_operand(self.id, value);
            } else if graph.node(self.id).input(index) != value {
                graph.set_operand(self.id, index, value);
            }
        }
        graph.truncate_outputs(self.id, self.outputs);
        match self.flatten {
            Some(axis) => flatten_around(graph, self.id, axis, self.allow_zero, in_function),
            None => Vec::new(),
        }
    }
}

/// What names of new values begin with: the node's first output, which is unique.
fn base_name(graph: &Graph, node: &Node) -> Name {
    let output = node.outputs().first().map(|&o| graph.value(o).name().clone());
    output.filter(|n| !n.is_empty()).unwrap_or_else(|| node.name().clone())
}

fn add_constant(
    graph: &mut Graph,
    region: RegionId,
    order: u64,
    in_function: bool,
    name: Name,
    tensor: Tensor,
) -> ValueId {
    if !in_function {
        return graph.add_initializer(region, name, tensor);
    }
    let mut new = NewNode::new(OpId::onnx("Constant"), Vec::new(), vec![NewOutput::named(name)]);
    new.order = Some(order);
    let id = graph.add_node(region, new.attr("value", tensor));
    graph.node(id).outputs()[0]
}

/// `y = op(x)` becomes `y = Reshape(op(Flatten(x)), Shape(x))`; gives back the nodes whose outputs need a type.
fn flatten_around(
    graph: &mut Graph,
    id: NodeId,
    axis: i64,
    allow_zero: bool,
    in_function: bool,
) -> Vec<NodeId> {
    let (region, order) = (graph.node(id).region(), graph.node(id).order());
    let (Some(x), Some(&y)) = (graph.node(id).input(0), graph.node(id).outputs().first()) else {
        return Vec::new();
    };
    let name = graph.value(y).name().clone();
    let matrix = graph.dtype(x).map(Type::unranked);
    let unary = |op| NewNode::new(OpId::onnx(op), vec![Some(x)], Vec::new());
    let flat = add_between(graph, id, unary("Flatten").attr("axis", axis), "flat_input", matrix.clone());
    graph.set_operand(id, 0, Some(flat));

    let dims = graph.tensor_type(x).and_then(fixed_dims);
    let copies_zeros = dims.is_none();
    let shape = match dims {
        Some(dims) => {
            let name = graph.fresh_name(&format!("{name}/shape"));
            add_constant(graph, region, order, in_function, name, Tensor::vector(&dims))
        }
        None => add_between(graph, id, unary("Shape"), "shape", Some(shape_type(graph.rank(x)))),
    };
    let mut reshape = NewNode::new(OpId::onnx("Reshape"), vec![Some(y), Some(shape)], Vec::new());
    if copies_zeros && allow_zero {
        reshape = reshape.attr("allowzero", 1);
    }
    let ty = graph.value(y).ty().cloned();
    let new = add_between(graph, id, reshape, "shaped", ty);
    take_over(graph, y, new, &name);
    graph.set_type(y, matrix);
    let typed = graph.value(new).ty().is_some();
    let last = if typed { None } else { graph.producer(new) };
    let before = [flat, shape].into_iter().filter_map(|v| graph.producer(v));
    before.chain([id]).chain(last).collect()
}

/// Adds a node of one output beside another one.
fn add_between(
    graph: &mut Graph,
    beside: NodeId,
    mut new: NewNode,
    label: &str,
    ty: Option<Type>,
) -> ValueId {
    let neighbour = graph.node(beside);
    let (region, base) = (neighbour.region(), base_name(graph, neighbour));
    new.order = Some(neighbour.order());
    new.outputs = vec![NewOutput { name: graph.fresh_name(&format!("{base}/{label}")), ty }];
    let id = graph.add_node(region, new);
    graph.node(id).outputs()[0]
}

fn shape_type(rank: Option<usize>) -> Type {
    match rank {
        Some(rank) => Type::tensor(DType::I64, vec![Dim::Fixed(rank as u64)]),
        None => Type::unranked(DType::I64),
    }
}

/// Positive dims of a shape that is wholly known.
fn fixed_dims(ty: &TensorType) -> Option<Vec<i64>> {
    let dims = ty.shape.as_ref()?.iter();
    dims.map(|d| d.as_fixed().and_then(|n| i64::try_from(n).ok()).filter(|&n| n > 0)).collect()
}

/// Gives `new`, which is computed from `old`, the name, the readers and the declaration of `old`.
fn take_over(graph: &mut Graph, old: ValueId, new: ValueId, name: &Name) {
    let reader = graph.producer(new).expect("the new value was made by a node just now");
    graph.replace_uses(old, new);
    graph.set_operand(reader, 0, Some(old));
    let declared = graph.value(old).declared().cloned();
    graph.set_declared(new, declared);
    let residue = graph.value(old).residue().clone();
    graph.set_value_residue(new, residue);
    graph.set_declared(old, None);
    graph.set_value_residue(old, Residue::default());
    let inner = graph.fresh_name(&format!("{name}/flat_output"));
    graph.rename(old, inner);
    graph.rename(new, name.clone());
}
