//! What the file declares of values inside the graph, against what was inferred.

use crate::diag::Diags;
use crate::ir::{Def, Dim, Graph, TensorType, Truth, Type, Use};

/// Remarks on single values; a last one counts the others.
const MAX_REMARKS: usize = 10;

/// The type with all shapes taken out: what is believed of a declaration that nothing supports.
pub(super) fn element_type(ty: &Type) -> Option<Type> {
    match ty {
        Type::Tensor(t) => Some(Type::unranked(t.dtype)),
        Type::SparseTensor(t) => Some(Type::SparseTensor(TensorType { dtype: t.dtype, shape: None })),
        Type::Sequence(t) => Some(Type::Sequence(Box::new(element_type(t)?))),
        Type::Optional(t) => Some(Type::Optional(Box::new(element_type(t)?))),
        Type::Map(key, t) => Some(Type::Map(*key, Box::new(element_type(t)?))),
        Type::Opaque { .. } => Some(ty.clone()),
    }
}

/// Remarks on every declaration that inference contradicts.
pub(super) fn check(graph: &Graph, diags: &mut Diags) {
    let mut wrong = 0;
    for id in graph.value_ids() {
        let value = graph.value(id);
        let (Def::Output { .. }, Some(declared), Some(inferred)) =
            (value.def(), value.declared(), value.ty())
        else {
            continue;
        };
        if !contradicts(declared, inferred) {
            continue;
        }
        wrong += 1;
        if wrong <= MAX_REMARKS {
            let message = format!("the file declares {declared}, and it is {inferred}");
            diags.warn("wrong-declared-shape", Some(value.name()), message);
        }
    }
    if let Some(more) = wrong.checked_sub(MAX_REMARKS + 1) {
        let message = format!("{} more values are not what the file declares", more + 1);
        diags.warn("wrong-declared-shape", None, message);
    }
}

/// Corrects wrong shapes: those of the graph's outputs say what is inferred, those inside the graph nothing any more.
/// A wrong element type stays, and so does what bodies return.
pub(super) fn correct(graph: &mut Graph, diags: &mut Diags) {
    let mut inside = 0;
    for id in graph.value_ids() {
        let value = graph.value(id);
        let (Def::Output { .. }, Some(Type::Tensor(declared)), Some(Type::Tensor(inferred))) =
            (value.def(), value.declared(), value.ty())
        else {
            continue;
        };
        if declared.dtype != inferred.dtype || !shapes_contradict(declared, inferred) {
            continue;
        }
        if graph.is_graph_output(id) {
            let corrected = Type::Tensor(corrected(declared, inferred));
            let message =
                format!("the file declares {declared}, and it is {inferred}: written as {corrected}");
            diags.warn("wrong-output-shape", Some(value.name()), message);
            graph.set_declared(id, Some(corrected));
        } else if !value.uses().iter().any(|u| matches!(u, Use::RegionOutput { .. })) {
            inside += 1;
            graph.set_declared(id, None);
        }
    }
    if inside > 0 {
        let message = format!("{inside} values inside the graph had wrong shapes, which are left out");
        diags.note("wrong-inner-shape", None, message);
    }
}

/// The declared dims that may be true, in place of the others what is inferred.
fn corrected(declared: &TensorType, inferred: &TensorType) -> TensorType {
    let shape = match (&declared.shape, &inferred.shape) {
        (Some(d), Some(i)) if d.len() == i.len() => {
            let dims = d.iter().zip(i);
            Some(dims.map(|(d, i)| if d.same(i) == Truth::Refuted { i.clone() } else { d.clone() }).collect())
        }
        _ => inferred.shape.clone(),
    };
    TensorType { dtype: declared.dtype, shape }
}

fn contradicts(declared: &Type, inferred: &Type) -> bool {
    match (declared, inferred) {
        (Type::Tensor(d), Type::Tensor(i)) | (Type::SparseTensor(d), Type::SparseTensor(i)) => {
            d.dtype != i.dtype || shapes_contradict(d, i)
        }
        (Type::Sequence(d), Type::Sequence(i)) | (Type::Optional(d), Type::Optional(i)) => contradicts(d, i),
        (Type::Map(k, d), Type::Map(l, i)) => k != l || contradicts(d, i),
        (Type::Opaque { .. }, Type::Opaque { .. }) => declared != inferred,
        _ => true,
    }
}

fn shapes_contradict(declared: &TensorType, inferred: &TensorType) -> bool {
    let (Some(d), Some(i)) = (&declared.shape, &inferred.shape) else {
        return false;
    };
    let differ = |(d, i): (&Dim, &Dim)| d.as_fixed().is_some() && d.same(i) == Truth::Refuted;
    d.len() != i.len() || d.iter().zip(i).any(differ)
}
