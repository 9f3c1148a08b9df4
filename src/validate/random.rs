//! Random operators become inputs that both sides share.
//!
//! Each draws from a pool of samples, a new graph input. What depends on data keeps depending on it, so that the proof
//! covers the graph in front of the operator too:
//!
//! | operator | becomes |
//! |---|---|
//! | RandomNormal, RandomUniform | the pool |
//! | RandomNormalLike, RandomUniformLike | the pool, repeated to the shape of the input |
//! | Bernoulli | `u < p` |
//! | Multinomial | `argmax(logits + g)`, with Gumbel noise `g` (Gumbel 1954: such an index is so distributed) |
//! | Dropout in training | the data times a mask of `0` and `1 / (1 - ratio)` |
//!
//! The two sides are matched by the name of the operator's output or a name that it stands for.

use super::instrument::take_place;
use crate::analysis::Facts;
use crate::data::made::rng::Rng;
use crate::diag::Diags;
use crate::ir::{Dim, Graph, Model, Name, NewNode, NewOutput, Node, NodeId, OpId, RegionId, Type, ValueId};
use crate::runtime::RunValue;
use crate::schema::randomness;
use crate::tensor::{DType, Tensor, element_count};

/// Samples in a pool that is repeated; odd, so that repetitions do not align with rows.
const POOL: usize = 65_537;
/// More samples than this are not drawn for one operator.
const MOST_SAMPLES: usize = 1 << 26;

/// Two models without random operators, and the inputs that both gained.
pub(super) struct Shared {
    pub(super) original: Model,
    pub(super) candidate: Model,
    pub(super) pools: Vec<(String, RunValue)>,
}

/// One random operator of the original.
struct Draw {
    /// Its first output.
    name: Name,
    input: String,
    form: Form,
    pool: Tensor,
}

#[derive(Clone, Copy)]
enum Form {
    /// The pool has the shape of the result.
    Whole,
    /// The result has the shape of the operand.
    Like,
    Bernoulli(DType),
    Multinomial {
        samples: i64,
        dtype: DType,
    },
    Dropout,
}

/// Makes both sides draw the same numbers. `None` where the original draws none.
///
/// # Errors
/// A sentence: an operator whose numbers cannot be shared.
pub(super) fn share(original: &Model, candidate: &Model, seed: u64) -> Result<Option<Shared>, String> {
    let nodes = random_nodes(original)?;
    let others = random_nodes(candidate)?;
    if nodes.is_empty() && others.is_empty() {
        return Ok(None);
    }
    let mut typed = original.clone();
    Facts::new().infer_model(&mut typed, &mut Diags::new());
    let draws =
        nodes.into_iter().map(|node| draw(&typed, node, seed)).collect::<Result<Vec<Draw>, String>>()?;
    Ok(Some(Shared {
        original: with_pools(original, &draws)?,
        candidate: with_pools(candidate, &draws)?,
        pools: draws.into_iter().map(|d| (d.input, RunValue::Tensor(d.pool))).collect(),
    }))
}

fn random_nodes(model: &Model) -> Result<Vec<NodeId>, String> {
    let random = |graph: &Graph, node: &Node, opset: Option<i64>| {
        let op = node.op();
        randomness(op.domain, op.name, opset.unwrap_or(1)).may_hold(
            |i| match node.input(i) {
                None => Some(false),
                Some(v) => graph.const_value(v)?.as_int().map(|n| n != 0),
            },
            |name| node.int(name),
        )
    };
    for function in &model.functions {
        let graph = &function.graph;
        if graph.nodes().any(|(_, n)| random(graph, n, function.opsets.get(n.op().domain))) {
            return Err(format!(
                "the function {} draws random numbers, which two runs cannot share",
                function.name
            ));
        }
    }
    let graph = &model.graph;
    Ok(graph
        .nodes()
        .filter(|(_, n)| random(graph, n, model.opsets.get(n.op().domain)))
        .map(|(id, _)| id)
        .collect())
}

/// How one sample is drawn.
#[derive(Clone, Copy)]
enum Law {
    Normal { mean: f64, scale: f64 },
    Uniform { low: f64, high: f64 },
    Gumbel,
    Keep { ratio: f64 },
}

impl Law {
    fn sample(self, rng: &mut Rng) -> f64 {
        match self {
            Self::Normal { mean, scale } => mean + scale * rng.normal(),
            Self::Uniform { low, high } => low + (high - low) * rng.unit(),
            Self::Gumbel => -(-(1.0 - rng.unit()).ln()).max(f64::MIN_POSITIVE).ln(),
            Self::Keep { ratio } if rng.unit() < ratio => 0.0,
            Self::Keep { ratio } => 1.0 / (1.0 - ratio),
        }
    }

    /// The law of an operator by its attributes; `None` for one that is not known.
    fn of(graph: &Graph, node: &Node) -> Option<Self> {
        let number = |name: &str, default: f32| f64::from(node.float(name).unwrap_or(default));
        Some(match node.op().name {
            "RandomNormal" | "RandomNormalLike" => {
                Self::Normal { mean: number("mean", 0.0), scale: number("scale", 1.0) }
            }
            "RandomUniform" | "RandomUniformLike" => {
                Self::Uniform { low: number("low", 0.0), high: number("high", 1.0) }
            }
            "Bernoulli" => Self::Uniform { low: 0.0, high: 1.0 },
            "Multinomial" => Self::Gumbel,
            "Dropout" => {
                let ratio = match node.input(1) {
                    Some(v) => graph.const_value(v)?.as_scalar()?,
                    None => number("ratio", 0.5),
                };
                Self::Keep { ratio }
            }
            _ => return None,
        })
    }
}

fn draw(model: &Model, id: NodeId, seed: u64) -> Result<Draw, String> {
    let graph = &model.graph;
    let node = graph.node(id);
    let refuse = |why: &str| format!("the random operator {} {why}", graph.label(id));
    let law =
        Law::of(graph, node).ok_or_else(|| refuse("draws numbers in a way that two runs cannot share"))?;
    let named = node.int("dtype").and_then(|d| DType::from_code(i32::try_from(d).ok()?));
    let of_operand = || {
        let known = node.input(0).and_then(|v| graph.dtype(v));
        known.ok_or_else(|| refuse("has an input of unknown element type"))
    };
    let (form, dtype) = match node.op().name {
        "RandomNormal" | "RandomUniform" => (Form::Whole, named.unwrap_or(DType::F32)),
        "RandomNormalLike" | "RandomUniformLike" => (Form::Like, named.map_or_else(of_operand, Ok)?),
        "Bernoulli" => (Form::Bernoulli(named.map_or_else(of_operand, Ok)?), DType::F32),
        "Multinomial" => {
            let samples = node.int("sample_size").unwrap_or(1);
            (Form::Multinomial { samples, dtype: named.unwrap_or(DType::I32) }, DType::F32)
        }
        _ => (Form::Dropout, of_operand()?),
    };
    let shape = match form {
        Form::Whole => whole_shape(node).ok_or_else(|| refuse("has no shape"))?,
        _ => vec![POOL],
    };
    let name = graph.value(node.outputs()[0]).name().clone();
    let pool = pool(law, dtype, &shape, &mut Rng::new(seed, &name))
        .ok_or_else(|| refuse("draws too many numbers, or such of an unusual type"))?;
    Ok(Draw { input: format!("{name}/samples"), name, form, pool })
}

fn whole_shape(node: &Node) -> Option<Vec<usize>> {
    node.ints("shape")?.iter().map(|&d| usize::try_from(d).ok()).collect()
}

fn pool(law: Law, dtype: DType, shape: &[usize], rng: &mut Rng) -> Option<Tensor> {
    let count = element_count(shape).filter(|&n| n <= MOST_SAMPLES)?;
    let values: Vec<f64> = (0..count).map(|_| law.sample(rng)).collect();
    Tensor::from_f64s(dtype, shape, &values).ok()
}

fn with_pools(model: &Model, draws: &[Draw]) -> Result<Model, String> {
    let mut copy = model.clone();
    let mut inputs = Vec::new();
    for draw in draws {
        let dims: Vec<Dim> = draw.pool.shape().iter().map(|&d| Dim::Fixed(d as u64)).collect();
        let ty = Type::tensor(draw.pool.dtype(), dims);
        inputs.push(copy.graph.add_input(RegionId::ROOT, draw.input.as_str(), Some(ty)));
    }
    for node in random_nodes(model)? {
        let output = copy.graph.value(copy.graph.node(node).outputs()[0]);
        let stands_for = |name: &Name| output.name() == name || output.origins().contains(name);
        let Some(at) = draws.iter().position(|d| stands_for(&d.name)) else {
            return Err(format!(
                "the random operator {} has no counterpart in the original",
                copy.graph.label(node)
            ));
        };
        if !matches!(draws[at].form, Form::Whole) && model.opset() < 11 {
            return Err(format!(
                "the random operator {} is older than opset 11, so its numbers cannot be shared",
                copy.graph.label(node)
            ));
        }
        replace(&mut copy.graph, node, inputs[at], draws[at].form);
    }
    Ok(copy)
}

fn replace(graph: &mut Graph, id: NodeId, pool: ValueId, form: Form) {
    let region = graph.node(id).region();
    let operand = graph.node(id).input(0);
    let outputs = graph.node(id).outputs().to_vec();
    let mut build = Build { graph, region };
    let new = match (form, operand) {
        (Form::Whole, _) | (_, None) => build.op("Identity", &[pool]),
        (Form::Like, Some(x)) => build.like(pool, x),
        (Form::Bernoulli(dtype), Some(p)) => {
            let u = build.like(pool, p);
            let p = build.cast(p, DType::F32);
            let hit = build.op("Less", &[u, p]);
            build.cast(hit, dtype)
        }
        (Form::Multinomial { samples, dtype }, Some(logits)) => {
            build.multinomial(pool, logits, samples, dtype)
        }
        (Form::Dropout, Some(x)) => {
            let mask = build.like(pool, x);
            if let Some(&kept) = outputs.get(1).filter(|&&v| !build.graph.value(v).uses().is_empty()) {
                let kept_now = build.cast(mask, DType::Bool);
                take_place(build.graph, kept, kept_now);
            }
            build.op("Mul", &[x, mask])
        }
    };
    take_place(graph, outputs[0], new);
    graph.remove_node(id);
}

struct Build<'g> {
    graph: &'g mut Graph,
    region: RegionId,
}

impl Build<'_> {
    fn node(&mut self, mut node: NewNode) -> ValueId {
        node.outputs = vec![NewOutput::named(self.graph.fresh_name("shared"))];
        let id = self.graph.add_node(self.region, node);
        self.graph.node(id).outputs()[0]
    }

    fn op(&mut self, name: &'static str, inputs: &[ValueId]) -> ValueId {
        self.node(NewNode::new(OpId::onnx(name), inputs.iter().copied().map(Some).collect(), vec![]))
    }

    fn cast(&mut self, x: ValueId, to: DType) -> ValueId {
        self.node(NewNode::new(OpId::onnx("Cast"), vec![Some(x)], vec![]).attr("to", i64::from(to.code())))
    }

    fn constant(&mut self, tensor: Tensor) -> ValueId {
        self.node(NewNode::new(OpId::onnx("Constant"), vec![], vec![]).attr("value", tensor))
    }

    /// The pool, repeated, in the shape of `x`.
    fn like(&mut self, pool: ValueId, x: ValueId) -> ValueId {
        let (zero, one) = (self.constant(Tensor::scalar(0i64)), self.constant(Tensor::scalar(1i64)));
        let length = self.constant(Tensor::scalar(POOL as i64));
        let size = self.op("Size", &[x]);
        let positions = self.op("Range", &[zero, size, one]);
        let positions = self.op("Mod", &[positions, length]);
        let flat = self.op("Gather", &[pool, positions]);
        let shape = self.op("Shape", &[x]);
        self.op("Reshape", &[flat, shape])
    }

    fn multinomial(&mut self, pool: ValueId, logits: ValueId, samples: i64, dtype: DType) -> ValueId {
        let apart = self.constant(Tensor::vector(&[0i64, 1, -1]));
        let rows = self.constant(Tensor::vector(&[1i64, samples, 1]));
        let logits = self.cast(logits, DType::F32);
        let logits = self.op("Reshape", &[logits, apart]);
        let logits = self.op("Expand", &[logits, rows]);
        let noise = self.like(pool, logits);
        let score = self.op("Add", &[logits, noise]);
        let best = NewNode::new(OpId::onnx("ArgMax"), vec![Some(score)], vec![]);
        let best = self.node(best.attr("axis", 2i64).attr("keepdims", 0i64));
        self.cast(best, dtype)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn model(op: &'static str, opset: i64, output: &str) -> Model {
        let mut m = Model::new(opset);
        let x = m.graph.add_input(RegionId::ROOT, "x", Some(Type::tensor(DType::F32, [Dim::symbol("n")])));
        let node = NewNode::new(OpId::onnx(op), vec![Some(x)], vec![NewOutput::named(output)]);
        let id = m.graph.add_node(RegionId::ROOT, node);
        let y = m.graph.node(id).outputs()[0];
        m.graph.add_output(RegionId::ROOT, y);
        m
    }

    #[test]
    fn both_sides_lose_the_operator_and_gain_the_same_input() {
        for op in ["RandomNormalLike", "RandomUniformLike", "Bernoulli"] {
            let shared = share(&model(op, 15, "y"), &model(op, 18, "y"), 0).unwrap().unwrap();
            for side in [&shared.original, &shared.candidate] {
                assert!(side.graph.nodes().all(|(_, n)| !n.op().is(op)));
                let names: Vec<&str> =
                    side.graph.root().inputs().iter().map(|&v| &**side.graph.value(v).name()).collect();
                assert_eq!(names, ["x", "y/samples"]);
                let outputs: Vec<&str> =
                    side.graph.root().outputs().map(|v| &**side.graph.value(v).name()).collect();
                assert_eq!(outputs, ["y"]);
            }
            assert_eq!(shared.pools.len(), 1);
        }
    }

    #[test]
    fn what_cannot_be_shared_is_refused() {
        assert!(share(&model("Relu", 15, "y"), &model("Relu", 15, "y"), 0).unwrap().is_none());
        assert!(share(&model("RandomNormalLike", 10, "y"), &model("RandomNormalLike", 10, "y"), 0).is_err());
        let other = share(&model("RandomNormalLike", 15, "y"), &model("RandomNormalLike", 15, "z"), 0);
        assert!(other.err().unwrap().contains("counterpart"));
    }
}
