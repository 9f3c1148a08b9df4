//! What the graph does with an input, and so which numbers mean something.
//!
//! Follows each use through the nodes that keep or move elements (Cast, Reshape, Slice, …), into the bodies of If, Loop
//! and Scan and into functions.

use crate::ir::{Attr, Graph, Model, Node, NodeId, Type, Use, ValueId};
use crate::tensor::DType;
use bytes::Bytes;
use rustc_hash::FxHashSet;

/// What is known of the numbers of one input.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Facts {
    /// They index a dim of this size.
    pub(crate) bound: Option<u64>,
    /// The constants that they are compared with, and the first number beyond.
    pub(crate) compared: Vec<i64>,
    /// One keeps and zero drops.
    pub(crate) mask: bool,
    /// How many elements of something else count.
    pub(crate) length: bool,
    /// They say a shape, an axis or the like.
    pub(crate) role: Option<Role>,
    /// The strings that the graph knows.
    pub(crate) words: Vec<Bytes>,
}

/// An operand that steers an op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The target of a Reshape.
    Reshape,
    /// Dims, repeats, counts.
    Size,
    /// The target of an Expand, which ones leave as it is.
    Expand,
    /// Distinct axes.
    Axes,
    /// Where a Slice begins, and what a Pad adds.
    Zero,
    /// Where a Slice ends.
    End,
    /// By how much a Resize scales.
    Scales,
}

/// Collects the facts of a graph input.
pub(crate) fn facts_of(model: &Model, input: ValueId) -> Facts {
    let mut trace = Trace { model, facts: Facts::default(), seen: FxHashSet::default(), pending: Vec::new() };
    let value = model.graph.value(input);
    let name = value.name().to_ascii_lowercase();
    let whole = dtype_of(&model.graph, input).is_some_and(|d| d.is_int() || d == DType::Bool);
    trace.facts.mask = name.contains("mask");
    trace.facts.length =
        whole && (name.contains("length") || name.ends_with("_len") || name.ends_with("_lens"));
    trace.follow(Place { function: None, value: input, own: true });
    while let Some(place) = trace.pending.pop() {
        trace.uses(place);
    }
    trace.facts.compared.sort_unstable();
    trace.facts.compared.dedup();
    trace.facts
}

struct Trace<'m> {
    model: &'m Model,
    facts: Facts,
    seen: FxHashSet<Place>,
    pending: Vec<Place>,
}

/// A value that the input's numbers reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place {
    /// `None` in the main graph.
    function: Option<usize>,
    value: ValueId,
    /// Whether they are still the input's own numbers, not sums or products of them.
    own: bool,
}

impl Trace<'_> {
    fn graph(&self, function: Option<usize>) -> &Graph {
        match function {
            Some(f) => &self.model.functions[f].graph,
            None => &self.model.graph,
        }
    }

    fn follow(&mut self, place: Place) {
        if self.seen.insert(place) {
            self.pending.push(place);
        }
    }

    fn uses(&mut self, place: Place) {
        let mut uses: Vec<(NodeId, usize)> = Vec::new();
        for u in self.graph(place.function).value(place.value).uses() {
            if let Use::Operand { node, index } = u {
                uses.push((*node, *index as usize));
            }
        }
        uses.sort_unstable();
        for (node, index) in uses {
            self.operand(place, node, index);
        }
    }

    fn operand(&mut self, place: Place, id: NodeId, index: usize) {
        let graph = self.graph(place.function);
        let node = graph.node(id);
        if let Some(callee) = self.callee(node) {
            if let Some(&value) = self.model.functions[callee].graph.root().inputs().get(index) {
                self.follow(Place { function: Some(callee), value, ..place });
            }
            return;
        }
        if let Some(bound) = index_bound(graph, node, index) {
            self.facts.bound = Some(self.facts.bound.map_or(bound, |b| b.min(bound)));
            return;
        }
        if let Some(value) = body_input(graph, node, index) {
            self.follow(Place { value, ..place });
            return;
        }
        let outputs = node.outputs().to_vec();
        let name = node.op().name;
        if place.own {
            self.meaning(place.function, id, index);
        }
        let arithmetic = matches!(name, "Add" | "Sub" | "Mul" | "Div" | "Mod" | "Min" | "Max" | "Sum");
        if keeps_elements(name, index) || arithmetic {
            for value in outputs {
                self.follow(Place { value, own: place.own && !arithmetic, ..place });
            }
        }
    }

    /// What an op says of numbers that are the input's own.
    fn meaning(&mut self, function: Option<usize>, id: NodeId, index: usize) {
        let graph = self.graph(function);
        let node = graph.node(id);
        if let Some(role) = role_of(node, index) {
            self.facts.role.get_or_insert(role);
            return;
        }
        let other = || graph.const_value(node.input(usize::from(index == 0))?)?.as_scalar();
        match node.op().name {
            name @ ("Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual") => {
                if let Some(c) = other().filter(|c| c.abs() < 1e15) {
                    let c = c as i64;
                    self.facts.compared.extend([c, c.saturating_add(1)]);
                    self.facts.compared.extend((name != "Equal").then(|| c.saturating_sub(1)));
                }
            }
            "Sub" if index == 1 && other() == Some(1.0) => self.facts.mask = true,
            "LSTM" | "GRU" | "RNN" | "DynamicQuantizeLSTM" if index == 4 => self.facts.length = true,
            "LabelEncoder" | "CategoryMapper" => {
                let words = keys(node);
                self.facts.words.extend(words);
            }
            _ => {}
        }
    }

    fn callee(&self, node: &Node) -> Option<usize> {
        self.model.functions.iter().position(|f| f.is_called_by(node))
    }
}

/// The strings that an encoder knows.
fn keys(node: &Node) -> Vec<Bytes> {
    let lists = node.attrs().iter().filter_map(|a| match &a.value {
        Attr::Strings(s) if a.name.starts_with("keys") || a.name.starts_with("cats") => Some(s.clone()),
        _ => None,
    });
    lists.flatten().collect()
}

fn keeps_elements(name: &str, index: usize) -> bool {
    match name {
        "Concat" | "SequenceConstruct" => true,
        "Where" => index > 0,
        "Cast" | "CastLike" | "Identity" | "Unsqueeze" | "Squeeze" | "Reshape" | "Flatten" | "Transpose"
        | "Expand" => index == 0,
        "Tile" | "Slice" | "Split" | "Pad" | "Clip" | "Gather" | "GatherElements" | "GatherND" | "Relu"
        | "Abs" => index == 0,
        "OptionalGetElement" | "SequenceAt" | "ConcatFromSequence" | "Optional" => index == 0,
        _ => false,
    }
}

/// The size of the dim that operand `index` holds indices of.
fn index_bound(graph: &Graph, node: &Node, index: usize) -> Option<u64> {
    let dim = |operand: usize, axis: i64| {
        let shape = known_shape(graph, node.input(operand)?)?;
        let axis = if axis < 0 { axis + shape.len() as i64 } else { axis };
        *shape.get(usize::try_from(axis).ok()?)?
    };
    match (node.op().name, index) {
        ("Gather" | "GatherElements" | "ScatterElements" | "Scatter", 1) => {
            dim(0, node.int("axis").unwrap_or(0))
        }
        ("GatherND", 1) => dim(0, node.int("batch_dims").unwrap_or(0)),
        ("ScatterND", 1) => dim(0, 0),
        ("GatherBlockQuantized", 1) => dim(0, node.int("gather_axis").unwrap_or(0)),
        ("EmbedLayerNormalization", 0) => dim(2, 0),
        ("EmbedLayerNormalization", 1) => dim(4, 0),
        ("OneHot", 0) => graph.const_value(node.input(1)?)?.as_int().and_then(|d| u64::try_from(d).ok()),
        _ => None,
    }
    .filter(|&n| n > 0)
}

/// The dims of a value as far as they are numbers, through the ops that decompress weights.
fn known_shape(graph: &Graph, value: ValueId) -> Option<Vec<Option<u64>>> {
    if let Some(shape) = graph.shape(value) {
        return Some(shape.iter().map(crate::ir::Dim::as_fixed).collect());
    }
    if let Some(t) = graph.const_value(value) {
        return Some(t.shape().iter().map(|&d| Some(d as u64)).collect());
    }
    let mut at = value;
    // As many steps as any exporter puts between a table and its lookup.
    for _ in 0..8 {
        let node = graph.node(graph.producer(at)?);
        if !matches!(node.op().name, "DequantizeLinear" | "Cast" | "Identity" | "Mul" | "CastLike") {
            return None;
        }
        at = node.input(0)?;
        if let Some(t) = graph.const_value(at) {
            return Some(t.shape().iter().map(|&d| Some(d as u64)).collect());
        }
    }
    None
}

fn body_input(graph: &Graph, node: &Node, index: usize) -> Option<ValueId> {
    if !matches!(node.op().name, "Loop" | "Scan") {
        return None;
    }
    let body = node.regions().next()?;
    // Loop's trip count and condition stand at the same places as the body's iteration number and condition.
    if node.op().name == "Loop" && index < 2 { None } else { graph.region(body).inputs().get(index).copied() }
}

fn role_of(node: &Node, index: usize) -> Option<Role> {
    Some(match (node.op().name, index) {
        ("Reshape", 1) => Role::Reshape,
        ("Expand", 1) => Role::Expand,
        ("ConstantOfShape", 0) | ("Tile" | "TopK" | "Upsample", 1) | ("Range" | "Loop" | "OneHot", _) => {
            Role::Size
        }
        ("Unsqueeze" | "Squeeze", 1) | ("Slice", 3) | ("CumSum", 1) => Role::Axes,
        (name, 1) if name.starts_with("Reduce") => Role::Axes,
        ("Slice" | "Pad", 1) => Role::Zero,
        ("Slice", 2) => Role::End,
        ("Slice", 4) => Role::Size,
        ("Resize", _) if index > 0 && index == node.inputs().len().max(2) - 1 && index < 3 => Role::Scales,
        ("Resize", 2) => Role::Scales,
        ("Resize", 3) => Role::Size,
        _ => return None,
    })
}

/// The element type of a graph input, inside its sequence or optional.
pub(crate) fn dtype_of(graph: &Graph, value: ValueId) -> Option<DType> {
    let mut ty = graph.value(value).ty().or(graph.value(value).declared())?;
    loop {
        match ty {
            Type::Tensor(t) | Type::SparseTensor(t) => return Some(t.dtype),
            Type::Sequence(inner) | Type::Optional(inner) | Type::Map(_, inner) => ty = inner,
            Type::Opaque { .. } => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ir::{Dim, NewNode, NewOutput, OpId, RegionId};
    use crate::tensor::Tensor;

    const ROOT: RegionId = RegionId::ROOT;

    fn model(dtype: DType) -> (Model, ValueId) {
        let mut model = Model::new(17);
        let input = model.graph.add_input(ROOT, "x", Some(Type::tensor(dtype, [Dim::symbol("n")])));
        (model, input)
    }

    fn op(m: &mut Model, region: RegionId, op: &'static str, inputs: &[ValueId]) -> ValueId {
        let name = m.graph.fresh_name(op);
        let inputs = inputs.iter().copied().map(Some).collect();
        let node =
            m.graph.add_node(region, NewNode::new(OpId::onnx(op), inputs, vec![NewOutput::named(name)]));
        m.graph.node(node).outputs()[0]
    }

    #[test]
    fn indices_stay_in_the_table_also_behind_casts_and_inside_bodies() {
        let (mut m, x) = model(DType::I64);
        let table = m.graph.add_initializer(ROOT, "t", Tensor::from_slice(&[30, 2], &[0f32; 60]).unwrap());
        let small = m.graph.add_initializer(ROOT, "s", Tensor::from_slice(&[7, 2], &[0i8; 14]).unwrap());
        let wide = op(&mut m, ROOT, "DequantizeLinear", &[small]);
        let cast = op(&mut m, ROOT, "Cast", &[x]);
        let wrapped = op(&mut m, ROOT, "Mul", &[cast, cast]);
        op(&mut m, ROOT, "Gather", &[table, wrapped]);
        assert_eq!(facts_of(&m, x).bound, Some(30));
        let body = m.graph.add_region();
        let inner = op(&mut m, body, "Gather", &[wide, cast]);
        m.graph.add_output(body, inner);
        let condition = m.graph.add_initializer(ROOT, "c", Tensor::scalar(true));
        let branch = NewNode::new(OpId::onnx("If"), vec![Some(condition)], vec![NewOutput::named("y")]);
        m.graph.add_node(ROOT, branch.attr("then_branch", Attr::Region(body)));
        assert_eq!(facts_of(&m, x).bound, Some(7));
    }

    #[test]
    fn comparisons_masks_lengths_and_roles() {
        let (mut m, x) = model(DType::I64);
        let rate = m.graph.add_initializer(ROOT, "r", Tensor::scalar(16000i64));
        op(&mut m, ROOT, "Equal", &[x, rate]);
        assert_eq!(facts_of(&m, x).compared, [16000, 16001]);

        let (mut m, x) = model(DType::I64);
        let one = m.graph.add_initializer(ROOT, "one", Tensor::scalar(1f32));
        let cast = op(&mut m, ROOT, "Cast", &[x]);
        op(&mut m, ROOT, "Sub", &[one, cast]);
        assert!(facts_of(&m, x).mask);

        let (mut m, x) = model(DType::I64);
        let data = m.graph.add_initializer(ROOT, "d", Tensor::scalar(1f32));
        op(&mut m, ROOT, "Reshape", &[data, x]);
        let facts = facts_of(&m, x);
        assert_eq!((facts.role, facts.mask, facts.length), (Some(Role::Reshape), false, false));

        let mut m = Model::new(17);
        let l = m.graph.add_input(ROOT, "input_lengths", Some(Type::tensor(DType::I64, [Dim::Fixed(1)])));
        assert!(facts_of(&m, l).length);
    }
}
