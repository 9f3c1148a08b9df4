//! `declare-shapes`: the inferred types of inner values are written into the file.
//!
//! ```text
//! x: float[N,3], y = Relu(x), z = Tanh(y)   ->   y: float[N,3] y = Relu(x), z = Tanh(y)
//! ```
//!
//! Exact: no node changes. What a file declares of a value already stays as it is, unless it says less. Functions, whose
//! types differ from call to call, declare none.
//!
//! No runtime needs them, so they are declared by name only (`--enable declare-shapes`): for tools that read them, and
//! because ONNX Runtime plans its memory by fixed shapes. Where values then lie is luck: sessions of ten models took 0.98
//! to 1.04 of the time (1.31.1). `--tune` tries that on the machine at hand.

use crate::error::Result;
use crate::ir::{Def, Dim, Graph, Model, TensorType, Type, ValueId};
use crate::rewrite::{Exactness, Meta, Pass, PassContext, PassStats, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct DeclareShapes;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(DeclareShapes)
}

const META: Meta = Meta {
    id: "declare-shapes",
    summary: "types and shapes of inner values are written into the file",
    exactness: Exactness::Exact,
    since_opset: 1,
    emits: &[],
};

impl Pass for DeclareShapes {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, _: &mut PassContext<'_>) -> Result<PassStats> {
        let graph = &mut model.graph;
        let values: Vec<ValueId> = graph.value_ids().filter(|&v| is_sharper(graph, v)).collect();
        for &value in &values {
            let ty = graph.value(value).ty().cloned();
            graph.set_declared(value, ty);
        }
        Ok(PassStats::applied(values.len()))
    }
}

/// Whether more is known of a value than is declared. Outputs of the graph are as their callers know them (S5).
fn is_sharper(graph: &Graph, id: ValueId) -> bool {
    let value = graph.value(id);
    let is_inner = matches!(value.def(), Def::Output { .. }) && !graph.is_graph_output(id);
    let says_more = match (value.declared(), value.ty()) {
        (None, inferred) => inferred.is_some(),
        (Some(Type::Tensor(declared)), Some(Type::Tensor(inferred))) => sharpens(inferred, declared),
        _ => false,
    };
    is_inner && says_more && !value.name().is_empty()
}

/// Whether a type is another with a shape, or with fixed dims, where that has none.
fn sharpens(inferred: &TensorType, declared: &TensorType) -> bool {
    let known = |dims: &[Dim]| dims.iter().filter(|d| d.as_fixed().is_some()).count();
    inferred.dtype == declared.dtype
        && match (&inferred.shape, &declared.shape) {
            (Some(_), None) => true,
            (Some(inferred), Some(declared)) => {
                inferred.len() == declared.len() && known(inferred) > known(declared)
            }
            (None, _) => false,
        }
}
