//! What is known of the model's functions: whether they may be opened, and what a copy costs.

use crate::ir::{Attr, Function, Graph, Model, NodeId, Opsets, RegionId, Use, ValueId, shown_domain};
use crate::schema;

/// Bytes of a node and of an attribute beside names and tensors.
const FRAME: u64 = 16;

/// The functions of a model, in its order.
pub(super) struct Callees(Vec<Callee>);

struct Callee {
    /// Why no call of it may be opened.
    refusal: Option<String>,
    /// Bytes that a copy takes in a file, constants apart.
    size: u64,
    /// Imports that its nodes need and the model has not.
    imports: Vec<(String, i64)>,
}

impl Callees {
    pub(super) fn of(model: &Model) -> Self {
        let reaches = reaches(model);
        let callee = |(index, function): (usize, &Function)| {
            let (imports, refusal) = match imports(model, function) {
                Ok(imports) => (imports, None),
                Err(why) => (Vec::new(), Some(why)),
            };
            let calls_itself = reaches[index].contains(&index);
            let refusal = refusal.or_else(|| calls_itself.then(|| "the function calls itself".to_owned()));
            Callee {
                refusal: refusal.or_else(|| known(model, function)),
                size: size(&function.graph),
                imports,
            }
        };
        Self(model.functions.iter().enumerate().map(callee).collect())
    }

    /// Why this call may not be opened.
    pub(super) fn refusal(&self, index: usize, call: NodeId, model: &Model) -> Option<String> {
        self.0[index].refusal.clone().or_else(|| call_refusal(model, &model.functions[index], call))
    }

    /// Bytes that so many copies in place of one function take.
    pub(super) fn growth(&self, index: usize, calls: usize) -> u64 {
        self.0[index].size.saturating_mul(calls.saturating_sub(1) as u64)
    }

    pub(super) fn import(&self, index: usize, opsets: &mut Opsets) {
        self.0[index].imports.iter().for_each(|(domain, version)| opsets.set(domain, *version));
    }
}

/// For each function those that its calls lead to.
fn reaches(model: &Model) -> Vec<Vec<usize>> {
    let direct: Vec<Vec<usize>> = model
        .functions
        .iter()
        .map(|f| {
            let calls =
                f.graph.nodes().filter_map(|(_, n)| model.functions.iter().position(|g| g.is_called_by(n)));
            let mut calls: Vec<usize> = calls.collect();
            calls.sort_unstable();
            calls.dedup();
            calls
        })
        .collect();
    let all = |start: &Vec<usize>| {
        let mut seen = vec![false; direct.len()];
        let mut pending = start.clone();
        while let Some(next) = pending.pop() {
            if !std::mem::replace(&mut seen[next], true) {
                pending.extend(&direct[next]);
            }
        }
        (0..seen.len()).filter(|&i| seen[i]).collect()
    };
    direct.iter().map(all).collect()
}

/// The imports that the model lacks, or the op that means something else in the model's opset.
fn imports(model: &Model, function: &Function) -> Result<Vec<(String, i64)>, String> {
    let mut missing: Vec<(String, i64)> = Vec::new();
    for (_, node) in function.graph.nodes() {
        let op = node.op();
        let (ours, theirs) = (model.opsets.get(op.domain), function.opsets.get(op.domain));
        let local = model.functions.iter().any(|f| f.is_called_by(node));
        match (ours, theirs) {
            (None, None) if local => missing.push((op.domain.to_owned(), 1)),
            (None, Some(version)) => missing.push((op.domain.to_owned(), version)),
            (Some(ours), Some(theirs)) if ours != theirs && !local => {
                let since = |version| schema::lookup(op.domain, op.name, version).map(|s| s.since);
                if since(ours).is_none() || since(ours) != since(theirs) {
                    let domain = shown_domain(op.domain);
                    return Err(format!(
                        "the function's {op} of opset {theirs} of {domain} is another one in the model"
                    ));
                }
            }
            _ => {}
        }
    }
    missing.sort();
    missing.dedup_by(|later, first| later.0 == first.0);
    Ok(missing)
}

/// A function that stands for an op which a runtime may know better.
fn known(model: &Model, function: &Function) -> Option<String> {
    let version = model.opsets.get(&function.domain).unwrap_or(i64::MAX);
    let known = schema::lookup(&function.domain, &function.name, version).is_some();
    known.then(|| "the function stands for an op that a runtime may have".to_owned())
}

fn call_refusal(model: &Model, function: &Function, call: NodeId) -> Option<String> {
    let node = model.graph.node(call);
    let root = function.graph.root();
    if node.inputs().len() > root.inputs().len() || node.outputs().len() > root.outputs().len() {
        return Some("the call has more operands or outputs than the function".to_owned());
    }
    let bodies = node.regions().next().is_some()
        || function.defaults.iter().any(|d| !d.value.regions().is_empty())
        || node.attrs().iter().any(|a| matches!(a.value, Attr::Ref(..)));
    if bodies {
        return Some("the call passes a body as attribute".to_owned());
    }
    let omitted = |i: usize| node.input(i).is_none();
    for (i, &formal) in root.inputs().iter().enumerate().filter(|(i, _)| omitted(*i)) {
        let returned = |u: &Use| match u {
            Use::RegionOutput { region: RegionId::ROOT, index } => (*index as usize) < node.outputs().len(),
            Use::RegionOutput { .. } => true,
            Use::Operand { .. } => false,
        };
        if function.graph.value(formal).uses().iter().any(returned) {
            return Some(format!("a body returns operand {i}, which the call omits"));
        }
    }
    let twice = |&output: &ValueId| {
        let uses = model.graph.value(output).uses().iter();
        uses.filter(|u| matches!(u, Use::RegionOutput { .. })).count() > 1
    };
    node.outputs().iter().any(twice).then(|| "two outputs cannot be one value".to_owned())
}

/// Bytes that the nodes take in a file, `Constant`s of the outermost region apart: these are stored once.
fn size(graph: &Graph) -> u64 {
    let mut size = 0;
    for (_, node) in graph.nodes() {
        if node.region() == RegionId::ROOT && node.outputs().first().is_some_and(|&v| graph.is_const(v)) {
            continue;
        }
        let names = node.inputs().flatten().chain(node.outputs().iter().copied());
        size += FRAME + node.op().name.len() as u64;
        size += names.map(|v| 2 + graph.value(v).name().len() as u64).sum::<u64>();
        size += node.attrs().iter().map(|a| FRAME + a.name.len() as u64 + data(&a.value)).sum::<u64>();
    }
    let inner = graph.region_ids().filter(|&r| r != RegionId::ROOT);
    let constants = inner.flat_map(|r| graph.initializers(r).collect::<Vec<_>>());
    size + constants.filter_map(|v| graph.const_value(v)).map(|t| FRAME + t.byte_len() as u64).sum::<u64>()
}

fn data(value: &Attr) -> u64 {
    match value {
        Attr::Tensor(t) => t.byte_len() as u64,
        Attr::String(s) => s.len() as u64,
        Attr::Ints(v) => 4 * v.len() as u64,
        Attr::Floats(v) => 4 * v.len() as u64,
        Attr::Strings(v) => v.iter().map(|s| 2 + s.len() as u64).sum(),
        Attr::Tensors(v) => v.iter().map(|t| t.byte_len() as u64).sum(),
        _ => 8,
    }
}
