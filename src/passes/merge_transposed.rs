//! `merge-transposed`: a large weight that is stored twice, once transposed, is stored once.
//!
//! ```text
//! e = Gather(W, ids);  y = MatMul(x, V), V = Wᵀ   ->   e = Gather(W, ids);  y = MatMul(x, Transpose(W))
//! ```
//!
//! Reassociates. A language model's table of tokens is often its last weight too, and exporters write both. The
//! `Transpose` costs a runtime nothing that folds constants when it loads a model; `Gemm` gets the other `transB`.
//!
//! Fires for matrices of equal bits, one of them read as the second operand of `MatMul` and `Gemm` alone, that have
//! more bytes than folding may add to the file: the `Transpose` of a smaller one would be folded again.
//!
//! Refused: matrices of bodies and functions, those that a caller may override, and those of one row or column, whose
//! transposition is a `Reshape` and costs no less.

mod compare;

use crate::error::Result;
use crate::ir::{Attr, Def, Graph, Model, NewNode, NewOutput, NodeId, OpId, RegionId, Use, ValueId};
use crate::rewrite::{Exactness, Meta, Pass, PassContext, PassStats, Work};
use crate::tensor::{DType, Data, Tensor};
use rustc_hash::FxHashMap;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct MergeTransposed;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(MergeTransposed)
}

const META: Meta = Meta {
    id: "merge-transposed",
    summary: "of a large weight and its transposition one is stored",
    exactness: Exactness::Reassociates,
    since_opset: 1,
    emits: &[OpId::onnx("Transpose")],
};

impl Pass for MergeTransposed {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        let graph = &mut model.graph;
        let mut groups: FxHashMap<(DType, usize, usize), Vec<ValueId>> = FxHashMap::default();
        let all: Vec<ValueId> = graph.initializers(RegionId::ROOT).collect();
        let mut merged = 0;
        for value in all {
            let Some(key) = key(graph, value, cx.growth_budget) else { continue };
            let group = groups.entry(key).or_default();
            let twin = group.iter().copied().find_map(|other| pair(graph, other, value));
            let Some((kept, dropped)) = twin else {
                group.push(value);
                continue;
            };
            redirect(graph, kept, dropped);
            group.iter_mut().filter(|v| **v == dropped).for_each(|v| *v = kept);
            merged += 1;
        }
        Ok(PassStats::applied(merged))
    }
}

/// Element type, smaller and larger dim of a matrix that is worth a look.
fn key(graph: &Graph, value: ValueId, least: u64) -> Option<(DType, usize, usize)> {
    let tensor = stored(graph, value)?;
    let &[rows, columns] = tensor.shape() else { return None };
    let large = u64::try_from(tensor.byte_len()).is_ok_and(|len| len > least);
    let matrix = rows > 1 && columns > 1;
    let whole = tensor.dtype().bits() >= 8 && tensor.dtype().bits() % 8 == 0;
    (large && matrix && whole && !matches!(tensor.data(), Data::Expr(_)))
        .then(|| (tensor.dtype(), rows.min(columns), rows.max(columns)))
}

fn stored(graph: &Graph, value: ValueId) -> Option<&Tensor> {
    match graph.value(value).def() {
        Def::Initializer { tensor, .. } => Some(tensor),
        _ => None,
    }
}

/// Which of two matrices stays and which goes.
fn pair(graph: &Graph, a: ValueId, b: ValueId) -> Option<(ValueId, ValueId)> {
    let (kept, dropped) = if multiplies(graph, b) {
        (a, b)
    } else if multiplies(graph, a) {
        (b, a)
    } else {
        return None;
    };
    compare::transposed(stored(graph, a)?, stored(graph, b)?).then_some((kept, dropped))
}

/// Whether all that reads the value takes it as the matrix to multiply by.
fn multiplies(graph: &Graph, value: ValueId) -> bool {
    graph.value(value).uses().iter().all(|u| match *u {
        Use::Operand { node, index: 1 } => {
            let n = graph.node(node);
            n.op().is("MatMul") || (n.op().is("Gemm") && !matches!(n.attr("transB"), Some(Attr::Ref(..))))
        }
        _ => false,
    })
}

/// Lets the readers of `dropped` read the transposition of `kept`.
fn redirect(graph: &mut Graph, kept: ValueId, dropped: ValueId) {
    let mut readers: Vec<NodeId> = graph
        .value(dropped)
        .uses()
        .iter()
        .filter_map(|u| match u {
            Use::Operand { node, .. } => Some(*node),
            Use::RegionOutput { .. } => None,
        })
        .collect();
    readers.sort_unstable_by_key(|&n| (graph.node(n).order(), n));
    let mut transposed = None;
    for reader in readers {
        if graph.node(reader).op().is("Gemm") {
            let flipped = i64::from(graph.node(reader).int("transB").unwrap_or(0) == 0);
            graph.set_attr(reader, "transB", flipped);
            graph.set_operand(reader, 1, Some(kept));
            continue;
        }
        let order = graph.node(reader).order();
        let value = *transposed.get_or_insert_with(|| transpose(graph, kept, dropped, order));
        graph.set_operand(reader, 1, Some(value));
    }
    graph.remove_initializer(dropped);
}

fn transpose(graph: &mut Graph, kept: ValueId, dropped: ValueId, order: u64) -> ValueId {
    let name = graph.fresh_name(&format!("{}/{}", graph.value(dropped).name(), META.id));
    let op = NewNode::new(OpId::onnx("Transpose"), vec![Some(kept)], vec![NewOutput::named(name)]);
    let node = NewNode { order: Some(order), ..op.attr("perm", vec![1, 0]) };
    let node = graph.add_node(RegionId::ROOT, node);
    graph.node(node).outputs()[0]
}
