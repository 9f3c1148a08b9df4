//! V7 and V9 to V11: what the world outside sees, and what the schemas say.

use super::{defect, value_label};
use crate::error::{Error, Result};
use crate::ir::{Graph, Model, Name, Node, NodeId, OpId, Opsets, ValueId, shown_domain};
use crate::schema::{self, Schema};
use rustc_hash::{FxHashMap, FxHashSet};

/// Checks what lies between graphs, functions, imports and schemas.
pub(super) fn verify(model: &Model) -> Result<()> {
    let functions = functions(model)?;
    border(&model.graph)?;
    ops(&model.graph, &model.opsets, &functions)?;
    for function in &model.functions {
        let label = || format!("{}.{}", function.domain, function.name);
        border(&function.graph).map_err(|e| e.at(label()))?;
        // A function that imports nothing of a domain is read with the model's imports.
        let mut opsets = function.opsets.clone();
        for (domain, version) in model.opsets.iter() {
            if opsets.get(domain).is_none() {
                opsets.set(domain, version);
            }
        }
        ops(&function.graph, &opsets, &functions)?;
    }
    Ok(())
}

/// V11. Gives back the ops that functions define.
fn functions(model: &Model) -> Result<FxHashSet<OpId>> {
    let mut seen = FxHashSet::default();
    let mut ops = FxHashSet::default();
    for f in &model.functions {
        let op = OpId::intern(&f.domain, &f.name);
        if !seen.insert((op, f.overload.as_str())) {
            let error = Error::new("two functions have this domain, name and overload (V11)");
            return Err(error.at(op.to_string()).with_help("remove or rename one of them"));
        }
        ops.insert(op);
    }
    Ok(ops)
}

/// V7.
fn border(graph: &Graph) -> Result<()> {
    let mut named: FxHashMap<&Name, ValueId> = FxHashMap::default();
    for value in graph.root().inputs().iter().copied().chain(graph.root().outputs()) {
        let name = graph.value(value).name();
        if name.is_empty() {
            return Err(defect("V7", "an input or output has no name").at(value_label(graph, value)));
        }
        if *named.entry(name).or_insert(value) != value {
            let error = Error::new("two inputs or outputs of the graph have this name (V7)");
            return Err(error.at(name.to_string()).with_help("give each a name of its own"));
        }
    }
    Ok(())
}

/// V9 and V10.
fn ops(graph: &Graph, opsets: &Opsets, functions: &FxHashSet<OpId>) -> Result<()> {
    for (id, node) in graph.nodes().filter(|(_, node)| !functions.contains(&node.op())) {
        let op = node.op();
        match opsets.get(op.domain) {
            Some(version) => {
                if let Some(schema) = binding_schema(op, version) {
                    fits(graph, id, node, schema)?;
                }
            }
            None if schema::versions(op.domain, op.name).is_empty() => {}
            None => {
                let domain = shown_domain(op.domain);
                let error = Error::new(format!("the domain {domain} is used and not imported (V9)"));
                return Err(error.at(graph.label(id)).with_help("add the domain to the opset imports"));
            }
        }
    }
    Ok(())
}

/// The schema that a runtime holds a node to. Contrib ops change with the runtime's release, and a version newer than
/// our table may have widened an op: neither is ours to judge.
fn binding_schema(op: OpId, version: i64) -> Option<&'static Schema> {
    let ours = op.domain != "com.microsoft"
        && schema::latest_opset(op.domain).is_some_and(|latest| version <= latest);
    ours.then(|| schema::lookup(op.domain, op.name, version)).flatten()
}

fn fits(graph: &Graph, id: NodeId, node: &Node, schema: &Schema) -> Result<()> {
    let refuse = |what: String| {
        let error = Error::new(format!("{} of opset {} {what} (V10)", node.op(), schema.since));
        Err(error
            .at(graph.label(id))
            .with_help("ONNX Runtime refuses such a node: correct it where the model is made"))
    };
    let outputs = node.outputs().len();
    if !schema.takes_inputs(node.inputs().len()) {
        return refuse(format!("cannot have {} operands", node.inputs().len()));
    }
    if !schema.gives_outputs(outputs) {
        return refuse(format!("cannot have {outputs} outputs"));
    }
    for known in schema.attrs {
        match node.attr(known.name) {
            Some(given) if known.kind != given.kind() => {
                return refuse(format!("has an attribute '{}' of another kind", known.name));
            }
            None if known.required => return refuse(format!("lacks the attribute '{}'", known.name)),
            _ => {}
        }
    }
    Ok(())
}
