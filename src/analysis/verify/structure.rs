//! V1 to V6 and V8: how nodes, values and regions hang together.

use super::{defect, value_label};
use crate::error::Result;
use crate::ir::{Def, Dim, Graph, NodeId, RegionId, Type, Use, ValueId, topological};

/// Checks one graph; `held` are the bodies that something other than a node holds.
pub(super) fn verify(graph: &Graph, held: &[RegionId]) -> Result<()> {
    nodes(graph)?;
    bodies(graph, held)?;
    definitions(graph)?;
    uses(graph)?;
    graph.region_ids().try_for_each(|region| topological(graph, region).map(|_| ()))
}

/// V3.
fn nodes(graph: &Graph) -> Result<()> {
    let mut listed = vec![0u32; graph.node_bound()];
    for region in graph.region_ids() {
        graph.nodes_in(region).for_each(|(id, _)| listed[id.index()] += 1);
    }
    match graph.nodes().find(|(id, _)| listed[id.index()] != 1) {
        None => Ok(()),
        Some((id, _)) => {
            let message = format!("the node is listed {} times by its region", listed[id.index()]);
            Err(defect("V3", message).at(graph.label(id)))
        }
    }
}

/// V4.
fn bodies(graph: &Graph, held: &[RegionId]) -> Result<()> {
    let mut holders: Vec<(RegionId, Option<NodeId>)> = held.iter().map(|&body| (body, None)).collect();
    for (id, node) in graph.nodes() {
        holders.extend(node.regions().map(|body| (body, Some(id))));
    }
    holders.push((RegionId::ROOT, None));
    holders.sort_unstable();
    let live: Vec<RegionId> = graph.region_ids().collect();
    if holders.iter().map(|(body, _)| *body).ne(live.iter().copied()) {
        return Err(defect("V4", "a body is held by no node, or by more than one"));
    }
    let depth = |body| graph.enclosing(body).take(live.len() + 1).count();
    let wrong = holders.into_iter().find(|&(body, holder)| graph.region(body).parent() != holder);
    match wrong {
        None if live.iter().any(|&body| depth(body) > live.len()) => {
            Err(defect("V4", "a body is inside itself"))
        }
        None => Ok(()),
        Some((_, Some(holder))) => {
            Err(defect("V4", "a body calls another node its parent").at(graph.label(holder)))
        }
        Some((body, None)) => Err(defect("V4", "a graph by itself has a parent").at(format!("{body:?}"))),
    }
}

/// V2 and V8.
fn definitions(graph: &Graph) -> Result<()> {
    let mut seen = vec![0u32; graph.value_bound()];
    let mut note = |value: ValueId, fits: bool| {
        seen[value.index()] += 1;
        if fits && seen[value.index()] == 1 {
            return Ok(());
        }
        let message = "the value is not, or not only, where its definition says";
        Err(defect("V2", message).at(value_label(graph, value)))
    };
    for region in graph.region_ids() {
        for &value in graph.region(region).inputs() {
            let def = graph.value(value).def();
            note(value, matches!(def, Def::Input { region: home, .. } if *home == region))?;
        }
        for value in graph.initializers(region) {
            note(value, true)?;
        }
    }
    for (id, node) in graph.nodes() {
        for (at, &value) in node.outputs().iter().enumerate() {
            let def = graph.value(value).def();
            note(value, matches!(def, Def::Output { node, index } if *node == id && *index as usize == at))?;
        }
    }
    for value in graph.value_ids() {
        let is_dead = matches!(graph.value(value).def(), Def::Dead);
        if is_dead != (seen[value.index()] == 0) {
            let message = "the value is not where its definition says";
            return Err(defect("V2", message).at(value_label(graph, value)));
        }
        constant(graph, value)?;
    }
    Ok(())
}

/// V8.
fn constant(graph: &Graph, value: ValueId) -> Result<()> {
    let Def::Initializer { tensor, .. } = graph.value(value).def() else { return Ok(()) };
    let fits = match graph.value(value).ty() {
        Some(Type::Tensor(ty)) => {
            let dims = tensor.shape().iter().map(|&d| Dim::Fixed(d as u64));
            ty.dtype == tensor.dtype() && ty.shape.iter().flatten().cloned().eq(dims) && ty.shape.is_some()
        }
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let known = graph.value(value).ty().map_or_else(|| "nothing".to_owned(), Type::to_string);
    let message = format!("the constant is {tensor:?} and its type is {known}");
    Err(defect("V8", message).at(value_label(graph, value)))
}

/// V1, V5 and the second half of V2.
fn uses(graph: &Graph) -> Result<()> {
    let mut read = vec![0; graph.value_bound()];
    for (id, node) in graph.nodes() {
        for value in node.inputs().flatten() {
            read[value.index()] += 1;
            visible(graph, value, node.region()).map_err(|e| e.at(graph.label(id)))?;
        }
    }
    for region in graph.region_ids() {
        for value in graph.region(region).outputs() {
            read[value.index()] += 1;
            visible(graph, value, region).map_err(|e| e.at(value_label(graph, value)))?;
        }
    }
    for value in graph.value_ids() {
        let mut recorded = graph.value(value).uses().to_vec();
        recorded.sort_unstable();
        let distinct = recorded.windows(2).all(|pair| pair[0] != pair[1]);
        // Records that are distinct, true and as many as there are readings are those of the readings.
        if !distinct
            || recorded.len() != read[value.index()]
            || !recorded.iter().all(|&u| is_read(graph, value, u))
        {
            let message = format!("{} uses are recorded of {}", recorded.len(), read[value.index()]);
            return Err(defect("V1", message).at(value_label(graph, value)));
        }
    }
    Ok(())
}

fn is_read(graph: &Graph, value: ValueId, u: Use) -> bool {
    match u {
        Use::Operand { node, index } => {
            graph.get(node).is_some_and(|node| node.input(index as usize) == Some(value))
        }
        Use::RegionOutput { region, index } => {
            graph.get_region(region).is_some_and(|r| r.outputs().nth(index as usize) == Some(value))
        }
    }
}

fn visible(graph: &Graph, value: ValueId, region: RegionId) -> Result<()> {
    if graph.region_of(value).is_none() {
        return Err(defect("V2", format!("'{}' is read, its producer is gone", value_label(graph, value))));
    }
    if graph.is_visible(value, region) {
        return Ok(());
    }
    let message = format!("'{}' is read outside the body in which it is defined", value_label(graph, value));
    Err(defect("V5", message))
}
