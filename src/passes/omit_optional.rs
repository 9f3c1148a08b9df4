//! `omit-optional`: optional outputs that nobody reads are left out, and optional operands that say the default.
//!
//! ```text
//! y, indices = MaxPool(x); indices unread   ->   y = MaxPool(x)
//! _, h, c = LSTM(x, w, r, b, , zeros)       ->   _, h = LSTM(x, w, r, b)
//! Slice(x, starts, ends, [0, 1], [1, 1])    ->   Slice(x, starts, ends)
//! ```
//!
//! Exact. Beside omitted operands at the end of any node's list these are left out:
//!
//! | op | operand | when |
//! |---|---|---|
//! | `Clip` | bounds | the lowest and the highest number of the type |
//! | `Slice` | steps, axes | all 1; all axes in order |
//! | `Pad` | value, axes | 0, or any where the mode takes none; all axes in order |
//! | `Resize` | roi, scales | the mode of coordinates takes no roi; empty |
//! | `LSTM`, `GRU`, `RNN` | initial state, lengths | zeros, of whatever shape is computed; the length of the sequence |
//! | `Trilu` | diagonal | 0 |
//!
//! Refused: outputs by which an op chooses what it does (`BatchNormalization` before opset 14 or in training,
//! `Attention`), and whatever the opset at hand does not call optional.

mod inputs;
mod outputs;

use crate::analysis::Facts;
use crate::error::Result;
use crate::ir::{Graph, Model, NodeId, Opsets};
use crate::rewrite::{Context, Exactness, Meta, Pass, PassContext, PassStats, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct OmitOptional;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(OmitOptional)
}

const META: Meta = Meta {
    id: "omit-optional",
    summary: "optional outputs that nobody reads and operands that say the default are left out",
    exactness: Exactness::Exact,
    since_opset: 1,
    emits: &[],
};

impl Pass for OmitOptional {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        let mut omitted = omit(&mut model.graph, &model.opsets, cx.facts, false);
        for function in &mut model.functions {
            omitted += omit(&mut function.graph, &function.opsets, &Facts::new(), true);
        }
        Ok(PassStats::applied(omitted))
    }
}

/// What is left out of one node.
struct Omissions {
    inputs: Vec<usize>,
    /// Operands that stay listed.
    inputs_left: usize,
    outputs: Vec<usize>,
    /// Outputs that stay listed.
    outputs_left: usize,
}

/// Leaves out what may be, and gives back of how many nodes.
fn omit(graph: &mut Graph, opsets: &Opsets, facts: &Facts, in_function: bool) -> usize {
    let nodes: Vec<NodeId> = graph.nodes().map(|(id, _)| id).collect();
    let mut changed = 0;
    for id in nodes {
        let omissions = omissions(&Context { graph, opsets, facts, in_function }, id);
        let node = graph.node(id);
        let (inputs, outputs) = (node.inputs().len(), node.outputs().to_vec());
        let nothing = omissions.inputs.is_empty() && omissions.outputs.is_empty();
        if nothing && (omissions.inputs_left, omissions.outputs_left) == (inputs, outputs.len()) {
            continue;
        }
        changed += 1;
        omissions.inputs.into_iter().for_each(|i| graph.set_operand(id, i, None));
        omissions.outputs.into_iter().for_each(|i| graph.rename(outputs[i], ""));
        graph.truncate_operands(id, omissions.inputs_left);
        graph.truncate_outputs(id, omissions.outputs_left);
    }
    changed
}

fn omissions(cx: &Context<'_>, id: NodeId) -> Omissions {
    let (node, schema) = (cx.node(id), cx.schema(id));
    let inputs = inputs::defaults(cx, id);
    let outputs = outputs::unread(cx, id);
    let given = |i: &usize| node.input(*i).is_some() && !inputs.contains(i);
    let named = |i: &usize| !is_omitted(cx.graph, node.outputs()[*i]) && !outputs.contains(i);
    let least = schema.map_or((0, node.outputs().len()), |s| (s.min_inputs as usize, s.min_outputs as usize));
    let left = |all: usize, last: Option<usize>, least: usize| last.map_or(0, |l| l + 1).max(least.min(all));
    Omissions {
        inputs_left: left(node.inputs().len(), (0..node.inputs().len()).rev().find(given), least.0),
        outputs_left: left(node.outputs().len(), (0..node.outputs().len()).rev().find(named), least.1),
        inputs,
        outputs,
    }
}

fn is_omitted(graph: &Graph, output: crate::ir::ValueId) -> bool {
    let value = graph.value(output);
    value.name().is_empty() && value.uses().is_empty()
}
