//! Gathers by constants and movements in a row: one `Gather` along one flattened axis.

use super::super::layout::{Axes, FEWEST_BYTES, Known, Layout, Op, plans, realize, shape};
use super::ranges::gather;
use crate::ir::{Dim, NodeId};
use crate::rewrite::{Context, Patch, Ref};
use crate::tensor::Tensor;

/// More indices than this are not written down.
const MOST: u64 = 1 << 16;
/// Chains are followed that far.
const LONGEST: usize = 12;

/// Starts at the last node of the chain.
pub(super) fn merge(cx: &Context<'_>, node: NodeId) -> Option<Patch> {
    let chain = follow(cx, node);
    let gathers = |links: &[NodeId]| links.iter().filter(|&&l| cx.node(l).op().is("Gather")).count();
    if chain.len() < 2 || gathers(&chain) == 0 {
        return None;
    }
    let mut best: Option<(usize, Patch)> = None;
    for length in 2..=chain.len() {
        if gathers(&chain[..length]) == 0 {
            continue;
        }
        if let Some((nodes, patch)) = write(cx, &chain[..length])
            && nodes < length
            && best.as_ref().is_none_or(|(saved, _)| length - nodes > *saved)
        {
            best = Some((length - nodes, patch));
        }
    }
    best.map(|(_, patch)| patch)
}

fn is_link(cx: &Context<'_>, node: NodeId) -> bool {
    let op = cx.node(node).op();
    let moves = ["Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"].iter().any(|name| op.is(name));
    moves && op.domain.is_empty() || gather(cx, node).is_some()
}

/// The chain that ends at the node, which comes first; nothing else reads what is inside.
fn follow(cx: &Context<'_>, node: NodeId) -> Vec<NodeId> {
    let mut chain = Vec::new();
    let mut next = Some(node).filter(|&n| is_link(cx, n));
    while let Some(link) = next.filter(|_| chain.len() < LONGEST) {
        chain.push(link);
        next = cx.node(link).input(0).filter(|&v| cx.graph.value(v).uses().len() == 1).and_then(|v| {
            let producer = cx.graph.producer(v)?;
            (cx.node(producer).region() == cx.node(node).region() && is_link(cx, producer))
                .then_some(producer)
        });
    }
    chain
}

/// The chain as one `Gather` with reshapes around it, and how many nodes that takes.
fn write(cx: &Context<'_>, chain: &[NodeId]) -> Option<(usize, Patch)> {
    let source = cx.node(*chain.last()?).input(0)?;
    let given = cx.graph.shape(source)?;
    let mut layout = Layout::of(given)?;
    for &link in chain.iter().rev() {
        step(cx, link, &mut layout)?;
    }
    let (first, last) = (layout.frame(0), layout.last());
    let (from, to): (Vec<usize>, Vec<usize>) = (first.concat(), last.concat());
    let behind = from.iter().rev().zip(to.iter().rev()).take_while(|(a, b)| a == b).count();
    let (from_end, to_end) = (from.len() - behind, to.len() - behind);
    let ahead = from[..from_end].iter().zip(&to[..to_end]).take_while(|(a, b)| a == b).count();
    let middle = from.get(ahead..from_end)?;
    let bytes = u64::try_from(cx.graph.dtype(source)?.bits() / 8).ok()?;
    let moved = fixed_product(&from[from_end..], &layout.sizes)?.checked_mul(bytes)?;
    if fixed_product(middle, &layout.sizes)? > MOST
        || fixed_product(&to[ahead..to_end], &layout.sizes)? > MOST
        || moved < FEWEST_BYTES
    {
        return None;
    }
    let only = |of: &[usize]| -> Axes {
        let pick = |axis: &Vec<usize>| axis.iter().copied().filter(|f| of.contains(f)).collect::<Vec<_>>();
        last.iter().map(pick).filter(|axis| !axis.is_empty()).collect()
    };
    let (front, back, picked) = (only(&to[..ahead]), only(&to[to_end..]), only(&to[ahead..to_end]));
    let flattened = [front.clone(), vec![middle.to_vec()], back.clone()].concat();
    let before: Axes = if first.iter().any(|axis| axis == middle) { first.clone() } else { flattened };
    let axis = before.iter().position(|axis| axis == middle)?;
    let after: Axes = before[..axis].iter().chain(&picked).chain(&before[axis + 1..]).cloned().collect();

    let indices = simulate(cx, chain, &layout, middle)?;
    let dims: Vec<usize> = shape(&picked, &layout.sizes)?
        .iter()
        .map(|d| usize::try_from(d.as_fixed()?).ok())
        .collect::<Option<_>>()?;
    let lead = ways(cx, given, first, &before, &layout)?;
    let trail = ways(cx, &shape(&after, &layout.sizes)?, &after, last, &layout)?;
    let mut patch = Patch::new();
    let x = lead.iter().fold(Ref::Old(source), |x, op| op.write(cx, &mut patch, x));
    let indices = patch.constant(Tensor::from_slice(&dims, &indices).ok()?);
    let x = patch.node("Gather", [x, indices]);
    patch.set_attr("axis", axis as i64);
    let x = trail.iter().fold(x, |x, op| op.write(cx, &mut patch, x));
    patch.replace(cx.node(chain[0]).outputs()[0], x);
    Some((lead.len() + 1 + trail.len(), patch))
}

fn ways(cx: &Context<'_>, given: &[Dim], from: &Axes, to: &Axes, layout: &Layout) -> Option<Vec<Op>> {
    plans(from, to, &layout.sizes).iter().find_map(|plan| realize(cx, given, plan, &Known::new()))
}

fn fixed_product(factors: &[usize], sizes: &[Dim]) -> Option<u64> {
    factors.iter().try_fold(1u64, |n, &f| n.checked_mul(sizes[f].as_fixed()?))
}

fn step(cx: &Context<'_>, link: NodeId, layout: &mut Layout) -> Option<()> {
    let n = cx.node(link);
    let out = cx.graph.shape(n.outputs()[0])?;
    if let Some((axis, _, dims)) = gather(cx, link) {
        return layout.pick(axis, &dims);
    }
    match n.op().is("Transpose") {
        true => layout.transpose(&cx.permutation(link)?),
        false => layout.reshape(out),
    }
}

/// For each element of the result along the middle, which one of the source it is.
fn simulate(cx: &Context<'_>, chain: &[NodeId], layout: &Layout, middle: &[usize]) -> Option<Vec<i64>> {
    let last = layout.last().concat();
    let outer = |f: &usize| {
        !middle.contains(f) && layout.frame(0).iter().flatten().any(|g| g == f) && last.contains(f)
    };
    let dims_at = |frame: usize| -> Option<Vec<usize>> {
        let size = |axis: &Vec<usize>| {
            let inner: Vec<usize> = axis.iter().copied().filter(|f| !outer(f)).collect();
            usize::try_from(fixed_product(&inner, &layout.sizes)?).ok()
        };
        layout.frame(frame).iter().map(size).collect()
    };
    let count = i64::try_from(fixed_product(middle, &layout.sizes)?).ok()?;
    let mut data: Vec<i64> = (0..count).collect();
    for (frame, &link) in chain.iter().rev().enumerate() {
        let dims = dims_at(frame)?;
        if let Some((axis, list, _)) = gather(cx, link) {
            let inner: usize = dims[axis + 1..].iter().product();
            let block = dims[axis].checked_mul(inner)?;
            let rows = data.chunks(block).flat_map(|rows| list.iter().map(move |&i| (rows, i)));
            let taken: Option<Vec<&[i64]>> = rows
                .map(|(rows, i)| {
                    let start = usize::try_from(i).ok()?.checked_mul(inner)?;
                    rows.get(start..start.checked_add(inner)?)
                })
                .collect();
            let taken = taken?;
            if taken.len().checked_mul(inner)? as u64 > MOST {
                return None;
            }
            data = taken.concat();
        } else if cx.node(link).op().is("Transpose") {
            data = turned(&data, &dims, &cx.permutation(link)?);
        }
    }
    Some(data)
}

/// The elements in the order of the permuted dims.
fn turned(data: &[i64], dims: &[usize], perm: &[usize]) -> Vec<i64> {
    let mut strides = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis];
    }
    let mut at = vec![0; dims.len()];
    let mut out = Vec::with_capacity(data.len());
    for _ in 0..data.len() {
        out.push(data[perm.iter().zip(&at).map(|(&p, &i)| strides[p] * i).sum::<usize>()]);
        for axis in (0..at.len()).rev() {
            at[axis] += 1;
            if at[axis] < dims[perm[axis]] {
                break;
            }
            at[axis] = 0;
        }
    }
    out
}
