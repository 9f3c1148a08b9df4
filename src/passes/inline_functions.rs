//! `inline-functions`: a call of one of the model's own functions becomes the nodes of the function.
//!
//! ```text
//! y = local.f<alpha = 2>(x)   ->   y = LeakyRelu<alpha = 2>(x)
//! f<alpha>(a) => (b) { b = LeakyRelu<alpha: @alpha>(a) }
//! ```
//!
//! Exact. In the main graph and in bodies of `If`, `Loop` and `Scan`; functions that call functions are
//! opened one after the other. Attributes come from the call, else from the function's defaults, else
//! they are left out. Constants of a function are stored once for all its calls. Only then do other
//! passes see through the call; a function that nobody calls any more goes with `remove-dead`.
//!
//! Refused, and left as it is: a function that calls itself; one that needs another opset than the
//! model's, where the two differ in an op of the function; a function of the name of an op that ONNX
//! or ONNX Runtime defines, which may have a kernel; a body passed as attribute; an omitted operand
//! that a body returns; and calls whose copies would make the file larger than folding may.

mod callees;
mod copy;

use crate::error::Result;
use crate::ir::{Graph, Model, NewNode, NewOutput, NodeId, OpId, ValueId};
use crate::rewrite::{Exactness, Meta, Pass, PassContext, PassStats, Work, substitute};
use callees::Callees;
use copy::{Constants, copy};
use std::collections::BTreeMap;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct InlineFunctions;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(InlineFunctions)
}

const META: Meta = Meta {
    id: "inline-functions",
    summary: "calls of model functions become the nodes of the function",
    exactness: Exactness::Exact,
    since_opset: 1,
    emits: &[],
};

impl Pass for InlineFunctions {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        let mut stats = PassStats::default();
        if model.functions.is_empty() {
            return Ok(stats);
        }
        let callees = Callees::of(model);
        let mut constants = Constants::default();
        loop {
            let mut opened = 0;
            let mut refused = Vec::new();
            for (index, calls) in calls(model) {
                let (calls, not): (Vec<_>, Vec<_>) = calls
                    .into_iter()
                    .map(|c| (c, callees.refusal(index, c, model)))
                    .partition(|(_, r)| r.is_none());
                refused.extend(not.into_iter().filter_map(|(call, why)| Some((call, why?))));
                let growth = callees.growth(index, calls.len());
                if growth > cx.growth_budget {
                    let why = "the copies of the function would make the file larger than folding may";
                    refused.extend(calls.into_iter().map(|(call, _)| (call, why.to_owned())));
                    continue;
                }
                cx.growth_budget -= growth;
                opened += calls.len();
                for (call, _) in calls {
                    callees.import(index, &mut model.opsets);
                    open(model, cx, index, call, &mut constants)?;
                }
            }
            stats.applied += opened;
            if opened == 0 {
                refused.into_iter().for_each(|(call, why)| stats.miss(why, || model.graph.label(call)));
                return Ok(stats);
            }
        }
    }
}

/// The calls in the main graph and its bodies, by the index of the function.
fn calls(model: &Model) -> BTreeMap<usize, Vec<NodeId>> {
    let mut calls: BTreeMap<usize, Vec<NodeId>> = BTreeMap::new();
    for (id, node) in model.graph.nodes() {
        if let Some(index) = model.functions.iter().position(|f| f.is_called_by(node)) {
            calls.entry(index).or_default().push(id);
        }
    }
    calls
}

/// Puts a function's nodes in the place of a call.
fn open(
    model: &mut Model,
    cx: &mut PassContext<'_>,
    index: usize,
    call: NodeId,
    constants: &mut Constants,
) -> Result<()> {
    let Model { graph, functions, .. } = model;
    let copied = copy(&functions[index], index, graph, call, constants)?;
    let mut named: Vec<ValueId> = Vec::new();
    for (old, new) in graph.node(call).outputs().to_vec().into_iter().zip(copied.returned) {
        let name = graph.value(old).name().clone();
        let declared = graph.value(old).declared().cloned();
        let own = graph.producer(new).is_some_and(|n| copied.nodes.contains(&n)) && !named.contains(&new);
        let new = if substitute(graph, cx.facts, old, new).is_ok() {
            new
        } else {
            alias(graph, cx, call, old, new)
        };
        if own && !name.is_empty() {
            graph.rename(new, name);
            named.push(new);
        }
        if own && declared.is_some() {
            graph.set_declared(new, declared);
        }
    }
    graph.remove_node(call);
    Ok(())
}

/// An `Identity` where a graph or body returns what the function has not made for it alone.
fn alias(graph: &mut Graph, cx: &mut PassContext<'_>, call: NodeId, old: ValueId, new: ValueId) -> ValueId {
    let name = graph.fresh_name(&format!("{}/{}", graph.value(old).name(), META.id));
    let identity = NewNode::new(OpId::onnx("Identity"), vec![Some(new)], vec![NewOutput::named(name)]);
    let order = Some(graph.node(call).order());
    let node = graph.add_node(graph.node(call).region(), NewNode { order, ..identity });
    let alias = graph.node(node).outputs()[0];
    substitute(graph, cx.facts, old, alias).expect("a value of its own may be returned once");
    alias
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::analysis::{Facts, verify};
    use crate::diag::Diags;
    use crate::rewrite::OpsetRequest;
    use crate::target::Target;
    use crate::text::{PrintOptions, parse_model, print_model};

    fn inlined(text: &str) -> String {
        let mut model = parse_model(text).unwrap();
        let mut facts = Facts::new();
        facts.infer_model(&mut model, &mut Diags::new());
        let mut cx = PassContext {
            facts: &mut facts,
            diags: &mut Diags::new(),
            runtime: None,
            growth_budget: 1000,
            opset: OpsetRequest::Keep,
            target: &Target::named("onnx").unwrap(),
            changes_left: u64::MAX,
        };
        assert!(InlineFunctions.run(&mut model, &mut cx).unwrap().applied > 0);
        verify(&model).unwrap();
        model.functions.clear();
        print_model(&model, PrintOptions::default())
    }

    /// ONNX Runtime does not load such functions, so that no fixture can hold them.
    #[test]
    fn what_a_graph_returns_is_its_own_value() {
        let text = inlined(
            "<ir_version: 8, opset_import: [\"\" : 18, \"local\" : 1]>
             g (float[2] x) => (float[2] y, float[2] z, float[2] w) { y, z, w, u = local.f (x) }
             <domain: \"local\", opset_import: [\"\" : 18]>
             f (a) => (a, b, b, a) { b = Relu (a) }",
        );
        for line in ["y = Identity (x)", "z = Relu (x)", "w = Identity (z)"] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert_eq!(text.matches(" = ").count(), 3, "{text}");
    }
}
