//! Commits a patch, or takes back what it had begun and says why.

use super::patch::{Patch, Ref};
use super::{Meta, Miss, border, cycle};
use crate::analysis::{Env, Facts};
use crate::ir::{
    Def, Graph, Name, NewNode, NewOutput, NodeId, OpId, RegionId, Truth, Use, ValueId, captures,
};
use crate::schema;
use crate::target::{Answer, Asked, Target, Verdict};
use rustc_hash::FxHashSet;

/// Where a patch is to be committed.
pub(super) struct Site<'a> {
    /// What the rule says of itself.
    pub(super) meta: &'a Meta,
    /// The node at which the rule started.
    pub(super) root: NodeId,
    pub(super) env: Env<'a>,
    pub(super) target: &'a Target,
    pub(super) in_function: bool,
}

/// What was added for a patch, so that it can be taken back.
struct Added {
    nodes: Vec<NodeId>,
    constants: Vec<ValueId>,
}

/// Commits the patch and gives back the nodes around it that are worth another visit.
pub(super) fn commit(
    site: &Site<'_>,
    graph: &mut Graph,
    facts: &mut Facts,
    mut patch: Patch,
) -> Result<Vec<NodeId>, Miss> {
    supported(site, &patch)?;
    if patch.replace.is_empty() {
        let root = graph.node(site.root).outputs().first();
        let (Some(&root), Some(last)) = (root, patch.nodes.len().checked_sub(1)) else {
            return Err(Miss::Silent);
        };
        patch.replace.push((root, Ref::New { node: last as u32, output: 0 }));
    }
    closed(graph, &patch)?;
    visible(site, graph, &patch)?;
    cycle::check(graph, &patch)?;

    let added = add(site, graph, facts, &patch);
    let replace = resolve(&patch, graph, &added);
    if let Err(miss) = check(site, graph, facts, &patch, &added, &replace) {
        take_back(graph, added);
        return Err(miss);
    }
    if let Some(body) = patch.splice {
        splice(graph, site.root, body);
    }
    let mut touched = added.nodes.clone();
    for &(old, new) in &replace {
        touched.extend(readers(graph, old));
        border::hand_over(graph, old, new);
        graph.replace_uses(old, new);
        facts.forward(old, new);
    }
    for (old, _) in replace {
        if let Some(producer) = graph.producer(old) {
            touched.extend(sweep(graph, producer));
        } else {
            drop_constant(graph, old);
        }
    }
    for constant in added.constants {
        drop_constant(graph, constant);
    }
    Ok(touched)
}

/// S1: interior values are read only inside the match.
fn closed(graph: &Graph, patch: &Patch) -> Result<(), Miss> {
    let inside: FxHashSet<NodeId> = patch.interior.iter().map(|(n, _)| *n).collect();
    for &(node, shared) in &patch.interior {
        for &output in graph.node(node).outputs().iter().filter(|_| !shared) {
            let replaced = patch.replace.iter().any(|(old, _)| *old == output);
            let leaks = graph
                .value(output)
                .uses()
                .iter()
                .any(|u| !matches!(u, Use::Operand { node, .. } if inside.contains(node)));
            if leaks && !replaced {
                return Err(Miss::because("an inner value is read outside the match", output));
            }
        }
    }
    Ok(())
}

/// S7: the rule holds at the model's opset; new ops exist there and in the target's table.
fn supported(site: &Site<'_>, patch: &Patch) -> Result<(), Miss> {
    for op in patch.nodes.iter().map(|n| n.op) {
        if !site.target.may_add(op) {
            return Err(Miss::because(format!("the target {} gets no {op}", site.target.id), None));
        }
        let version = version(site, op);
        if version.is_some_and(|v| !site.target.runs(op, v)) {
            return Err(Miss::because(
                format!("the target {} takes no {op} at this opset", site.target.id),
                None,
            ));
        }
        match version.and_then(|v| schema::lookup(op.domain, op.name, v)) {
            Some(schema) if !schema.deprecated => {}
            _ => return Err(Miss::because(needs(op, version), None)),
        }
    }
    let (Meta { id, since_opset, .. }, have) = (site.meta, site.env.opsets.get("").unwrap_or(1));
    if have < *since_opset {
        return Err(Miss::because(
            format!("{id} needs opset {since_opset} and the model has {have}: see --opset"),
            None,
        ));
    }
    if site.in_function && !patch.constants.is_empty() {
        return Err(Miss::because("a function cannot hold the new constant", None));
    }
    Ok(())
}

/// The version of an op's domain, imported or to be imported with the op.
fn version(site: &Site<'_>, op: OpId) -> Option<i64> {
    site.env.opsets.get(op.domain).or_else(|| implied_version(op))
}

/// The version of a domain that is imported with its first op.
pub(super) fn implied_version(op: OpId) -> Option<i64> {
    let newest = schema::versions(op.domain, op.name).last()?;
    (!op.domain.is_empty()).then_some(newest.since)
}

fn needs(op: OpId, version: Option<i64>) -> String {
    let since = schema::versions(op.domain, op.name).iter().find(|s| !s.deprecated).map(|s| s.since);
    match (since, version) {
        (Some(since), Some(have)) if since > have => {
            format!("{op} needs opset {since} and the model has {have}: see --opset")
        }
        (_, None) => format!("{op} needs an import of its domain"),
        _ => format!("{op} does not exist at the model's opset"),
    }
}

/// S3: the match and all inputs of the patch are visible in the root's region.
fn visible(site: &Site<'_>, graph: &Graph, patch: &Patch) -> Result<(), Miss> {
    let region = graph.node(site.root).region();
    for value in patch.old_inputs() {
        let inside_splice = patch.splice.is_some() && graph.region_of(value) == patch.splice;
        if !inside_splice && !graph.is_visible(value, region) {
            return Err(Miss::because("an input is not visible here", value));
        }
    }
    Ok(())
}

/// What can only be told of nodes that are there: S7 of their types, S2 and S5.
fn check(
    site: &Site<'_>,
    graph: &Graph,
    facts: &Facts,
    patch: &Patch,
    added: &Added,
    replace: &[(ValueId, ValueId)],
) -> Result<(), Miss> {
    for &node in &added.nodes {
        typed(site, graph, node)?;
        taken(site, graph, facts, node)?;
    }
    for &(old, new) in replace {
        same_type(graph, old, new, patch)?;
        border::check(graph, old, new, patch.splice)?;
    }
    border::check_apart(graph, replace)
}

/// S7: operands and results have element types that the op has at the model's opset.
fn typed(site: &Site<'_>, graph: &Graph, node: NodeId) -> Result<(), Miss> {
    let n = graph.node(node);
    let op = n.op();
    let Some(schema) = version(site, op).and_then(|v| schema::lookup(op.domain, op.name, v)) else {
        return Ok(());
    };
    let inputs = n.inputs().enumerate().filter_map(|(i, v)| Some((v?, schema.input(i)?)));
    let outputs = n.outputs().iter().enumerate().filter_map(|(i, &v)| Some((v, schema.output(i)?)));
    for (value, param) in inputs.chain(outputs) {
        if let Some(dtype) = graph.dtype(value).filter(|&d| !schema.allows(param, d)) {
            return Err(Miss::because(format!("{op} has no {dtype} at this opset"), None));
        }
    }
    Ok(())
}

/// S7: the target's table does not refuse the node for its types, ranks or attributes.
fn taken(site: &Site<'_>, graph: &Graph, facts: &Facts, node: NodeId) -> Result<(), Miss> {
    let asked = Asked::added(graph, node, version(site, graph.node(node).op()));
    let known = |v| graph.is_const(v) || facts.constant_elements(v).is_some();
    let refused = |answer: &Answer| answer.verdict == Verdict::Refused;
    let mut answers = site.target.answer(&asked).into_iter().chain(site.target.unmet(&asked, &known));
    match answers.find(refused) {
        Some(answer) => Err(Miss::because(answer.reason, None)),
        None => Ok(()),
    }
}

/// S2: the new value's type is the old one's, and so is its shape as far as the old one's is known.
fn same_type(graph: &Graph, old: ValueId, new: ValueId, patch: &Patch) -> Result<(), Miss> {
    let (Some(was), Some(is)) = (graph.value(old).ty(), graph.value(new).ty()) else {
        return match (graph.value(old).ty(), graph.value(new).ty()) {
            (None, None) => Ok(()),
            (Some(_), None) => Err(Miss::because("the new value's type is not known", old)),
            _ => Err(Miss::because("the type of the value to replace is not known", old)),
        };
    };
    let (Some(was), Some(is)) = (was.as_tensor(), is.as_tensor()) else {
        return if was == is { Ok(()) } else { Err(Miss::because("the new value has another type", old)) };
    };
    if was.dtype != is.dtype {
        return Err(Miss::because(format!("the new value is {} instead of {}", is.dtype, was.dtype), old));
    }
    match (&was.shape, &is.shape) {
        (Some(a), Some(b)) if a.len() == b.len() => {
            let fits = |truth| truth == Truth::Proven || (patch.sharpens && truth == Truth::Unknown);
            if a.iter().zip(b).all(|(x, y)| fits(x.same(y))) {
                Ok(())
            } else {
                Err(Miss::because("the new value's shape is not proven to be the same", old))
            }
        }
        (Some(_), Some(_)) => Err(Miss::because("the new value has another rank", old)),
        (None, None) => Ok(()),
        // A body returns one of the shapes that its node may return.
        (None, Some(_)) if patch.splice.is_some() || patch.sharpens => Ok(()),
        _ => Err(Miss::because("the new value's shape is not proven to be the same", old)),
    }
}

fn add(site: &Site<'_>, graph: &mut Graph, facts: &mut Facts, patch: &Patch) -> Added {
    let root = graph.node(site.root);
    let (region, order) = (root.region(), root.order());
    let base = graph.value(root.outputs()[0]).name().clone();
    let mut added = Added { nodes: Vec::new(), constants: Vec::new() };
    for tensor in &patch.constants {
        let name = graph.fresh_name(&format!("{base}/{}/constant", site.meta.id));
        added.constants.push(graph.add_initializer(region, name, tensor.clone()));
    }
    for (i, node) in patch.nodes.iter().enumerate() {
        let inputs = node.inputs.iter().map(|r| lookup(*r, graph, &added)).collect();
        let outputs = (0..node.outputs)
            .map(|output| NewOutput::named(output_name(site, graph, patch, i as u32, output, &base)))
            .collect();
        let new = NewNode {
            attrs: node.attrs.clone(),
            order: Some(order),
            ..NewNode::new(node.op, inputs, outputs)
        };
        let id = graph.add_node(region, new);
        facts.infer_node(graph, &site.env, id);
        added.nodes.push(id);
    }
    added
}

/// A value that replaces another is called after it and the pass; others after the root.
fn output_name(
    site: &Site<'_>,
    graph: &mut Graph,
    patch: &Patch,
    node: u32,
    output: u32,
    base: &Name,
) -> Name {
    let this = Ref::New { node, output };
    let replaced = patch.replace.iter().find(|(_, new)| *new == this);
    let after = replaced.map_or(base.clone(), |(old, _)| graph.value(*old).name().clone());
    graph.fresh_name(&format!("{after}/{}", site.meta.id))
}

fn lookup(r: Ref, graph: &Graph, added: &Added) -> Option<ValueId> {
    match r {
        Ref::Old(v) => Some(v),
        Ref::New { node, output } => Some(graph.node(added.nodes[node as usize]).outputs()[output as usize]),
        Ref::Constant(i) => Some(added.constants[i as usize]),
        Ref::Omitted => None,
    }
}

fn resolve(patch: &Patch, graph: &Graph, added: &Added) -> Vec<(ValueId, ValueId)> {
    patch.replace.iter().filter_map(|&(old, new)| Some((old, lookup(new, graph, added)?))).collect()
}

fn take_back(graph: &mut Graph, added: Added) {
    added.nodes.into_iter().rev().for_each(|n| graph.remove_node(n));
    added.constants.into_iter().for_each(|c| graph.remove_initializer(c));
}

/// Moves a body's nodes and initializers to where the node that holds it is.
fn splice(graph: &mut Graph, root: NodeId, body: RegionId) {
    let (region, order) = (graph.node(root).region(), graph.node(root).order());
    let mut nodes: Vec<(u64, NodeId)> = graph.nodes_in(body).map(|(id, n)| (n.order(), id)).collect();
    nodes.sort_unstable();
    let constants: Vec<ValueId> = graph.initializers(body).collect();
    constants.into_iter().for_each(|c| graph.hoist_initializer(c, region));
    nodes.into_iter().for_each(|(_, n)| graph.move_node(n, region, order));
}

fn readers(graph: &Graph, value: ValueId) -> Vec<NodeId> {
    let nodes = graph.value(value).uses().iter().filter_map(|u| match u {
        Use::Operand { node, .. } => Some(*node),
        Use::RegionOutput { .. } => None,
    });
    nodes.collect()
}

/// Whether a node is there for more than what it returns.
pub(crate) fn keeps_state(graph: &Graph, node: NodeId) -> bool {
    let n = graph.node(node);
    schema::statefulness(n.op().domain, n.op().name).may_hold(|_| None, |name| n.int(name))
}

/// S6: removes the node if nothing reads it, and then what only it had read; gives back the producers left behind,
/// among them those that keep state.
pub(crate) fn sweep(graph: &mut Graph, node: NodeId) -> Vec<NodeId> {
    let mut pending = vec![node];
    let mut left = Vec::new();
    while let Some(id) = pending.pop() {
        let Some(n) = graph.get(id) else { continue };
        if n.outputs().iter().any(|&o| !graph.value(o).uses().is_empty()) {
            left.push(id);
            continue;
        }
        let mut read: Vec<ValueId> = n.inputs().flatten().collect();
        read.extend(captures(graph, id));
        graph.remove_node(id);
        for value in read {
            match graph.producer(value) {
                Some(producer) if keeps_state(graph, producer) => left.push(producer),
                Some(producer) => pending.push(producer),
                None => drop_constant(graph, value),
            }
        }
    }
    left.retain(|&n| graph.get(n).is_some());
    left
}

fn drop_constant(graph: &mut Graph, value: ValueId) {
    let v = graph.value(value);
    if v.uses().is_empty() && matches!(v.def(), Def::Initializer { .. }) {
        graph.remove_initializer(value);
    }
}
