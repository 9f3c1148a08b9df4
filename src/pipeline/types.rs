//! `--keep-shapes`: what was inferred is written into the file.

use crate::analysis::Facts;
use crate::diag::Diags;
use crate::ir::{Def, Graph, Model, ValueId};

/// Declares the inferred type of every inner value that has no declared one; functions, whose types differ from call to
/// call, stay as they are.
pub(super) fn declare(model: &mut Model) {
    Facts::new().infer_model(model, &mut Diags::new());
    let graph = &mut model.graph;
    let values: Vec<ValueId> = graph.value_ids().filter(|&v| is_undeclared(graph, v)).collect();
    for value in values {
        let ty = graph.value(value).ty().cloned();
        graph.set_declared(value, ty);
    }
}

fn is_undeclared(graph: &Graph, value: ValueId) -> bool {
    let value = graph.value(value);
    matches!(value.def(), Def::Output { .. }) && value.declared().is_none() && !value.name().is_empty()
}
