//! `remove-grid-gather`: a `GatherND` that reads each element at its own place goes.
//!
//! ```text
//! GatherND(x, [b, s] at [b, 1, 1, s])   ->   Unsqueeze(x, {1, 2})
//! GatherND(x, [2, 3] at [2, 3])         ->   Slice(x, :2, :3)
//! GatherND(x, [b, s] at [b, 1, 1, s])   ->   Reshape(Slice(x, :b, :s), [b, 1, 1, s])   where x may be longer
//! ```
//!
//! Exact. Masks are written so where they were given as functions of batch and position. The indices are a `Concat` of
//! coordinates along the last axis: each counts from 0 along an axis of its own, in the order of the axes of `x`, and is
//! a `Range` or constant that is reshaped and expanded. What counts to less than an axis of `x` is a `Slice`.
//!
//! Refused: `batch_dims`, coordinates that are not known to count, an axis of the result along which none counts and
//! which is not known to be 1, and a count of columns that may be negative. What is shorter than the data by a symbol is
//! named by a `Reshape`, from opset 14 on, where nothing lies behind the axes that are counted.

mod count;

use crate::ir::{Dim, NodeId, OpId, ValueId};
use crate::passes::reduction::over_axes;
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Ref, Rule, Work};
use crate::tensor::Tensor;
use count::Count;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct RemoveGridGather;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(RemoveGridGather)
}

const META: Meta = Meta {
    id: "remove-grid-gather",
    summary: "GatherND of each element at its own place goes",
    exactness: Exactness::Exact,
    since_opset: 11,
    emits: &[OpId::onnx("Slice"), OpId::onnx("Unsqueeze"), OpId::onnx("Concat"), OpId::onnx("Reshape")],
};

impl Rule for RemoveGridGather {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("GatherND")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let n = cx.node(node);
        let (data, indices) = (n.input(0).ok_or(Miss::Silent)?, n.input(1).ok_or(Miss::Silent)?);
        let output = n.outputs()[0];
        require!(cx.int(node, "batch_dims").unwrap_or(0) == 0, output, "batches have indices of their own");
        let coordinates = coordinates(cx, indices).ok_or(Miss::Silent)?;
        let unknown = || Miss::because("the coordinates are not known to count", indices);
        let counts: Vec<Count> =
            coordinates.iter().map(|&c| Count::of(cx, c)).collect::<Option<_>>().ok_or_else(unknown)?;
        let grid = grid(cx, coordinates[0]).ok_or_else(unknown)?;
        let places = places(&counts, &grid)
            .ok_or_else(|| Miss::because("the axes do not follow those of the data", indices))?;
        let mut patch = Patch::new();
        let short = short(cx, data, &counts)?;
        let enough = |axis: usize| {
            let size = counts[axis].size.as_fixed();
            let dim = cx.graph.shape(data).and_then(|shape| shape.get(axis));
            size.zip(dim).is_some_and(|(size, dim)| dim.at_least(size).is_proven())
        };
        if short.iter().all(|&axis| enough(axis)) {
            let part = first_of(cx, data, &counts, &short, &mut patch)?;
            let new: Vec<i64> =
                (0..grid.len()).filter(|axis| !places.contains(axis)).map(|axis| axis as i64).collect();
            let result =
                if new.is_empty() { part } else { over_axes(cx, &mut patch, "Unsqueeze", part, &new) };
            patch.replace(output, result);
            return Ok(patch);
        }
        // How much is left of an axis is known by its name only where the shape says so.
        require!(cx.graph.rank(data) == Some(counts.len()), data, "the first of rows cannot be named");
        require!(cx.opset() >= 14, data, "a Reshape before opset 14 takes a size of 0 for a copy");
        let part = first_of(cx, data, &counts, &short, &mut patch)?;
        let sizes: Vec<Ref> = (0..grid.len())
            .map(|axis| match places.iter().position(|&place| place == axis) {
                Some(at) => end(cx, &counts[at], data, &mut patch),
                None => Ok(patch.constant(Tensor::vector(&[1i64]))),
            })
            .collect::<Result<_, _>>()?;
        let sizes = concat(&mut patch, sizes);
        let result = patch.node("Reshape", [part, sizes]);
        patch.set_attr("allowzero", 1i64);
        patch.replace(output, result);
        Ok(patch)
    }
}

/// What is concatenated along the last axis.
fn coordinates(cx: &Context<'_>, indices: ValueId) -> Option<Vec<ValueId>> {
    let concat = cx.graph.producer_is(indices, "Concat")?;
    let (axis, rank) = (cx.int(concat, "axis")?, i64::try_from(cx.graph.rank(indices)?).ok()?);
    let all: Vec<ValueId> = cx.node(concat).inputs().collect::<Option<_>>()?;
    let single = |&v: &ValueId| cx.graph.shape(v).and_then(<[Dim]>::last) == Some(&Dim::Fixed(1));
    ((axis == -1 || axis == rank - 1) && all.iter().all(single)).then_some(all)
}

/// The dims of a coordinate but the last one.
fn grid(cx: &Context<'_>, coordinate: ValueId) -> Option<Vec<Dim>> {
    cx.graph.shape(coordinate)?.split_last().map(|(_, grid)| grid.to_vec())
}

/// The axis of the grid along which each coordinate counts; the others are 1.
fn places(counts: &[Count], grid: &[Dim]) -> Option<Vec<usize>> {
    let mut places = Vec::new();
    for count in counts {
        let least = places.last().map_or(0, |last| last + 1);
        // What stays at 0 counts along any axis of 1.
        let place = match count.axis {
            Some(axis) => Some(axis),
            None => (least..grid.len()).find(|&axis| grid[axis] == Dim::Fixed(1)),
        };
        places.push(place.filter(|&axis| axis >= least && axis < grid.len())?);
    }
    let rest = grid.iter().enumerate().filter(|(axis, _)| !places.contains(axis));
    rest.into_iter().all(|(_, dim)| *dim == Dim::Fixed(1)).then_some(places)
}

/// The axes of the data along which the coordinates may end before the data does.
fn short(cx: &Context<'_>, data: ValueId, counts: &[Count]) -> Result<Vec<usize>, Miss> {
    let shape = cx.graph.shape(data).filter(|shape| shape.len() >= counts.len());
    let shape = shape.ok_or_else(|| Miss::because("the shape of the data is not known", data))?;
    Ok((0..counts.len()).filter(|&axis| !shape[axis].same(&counts[axis].size).is_proven()).collect())
}

/// The data up to where the coordinates count along these axes.
fn first_of(
    cx: &Context<'_>,
    data: ValueId,
    counts: &[Count],
    axes: &[usize],
    patch: &mut Patch,
) -> Result<Ref, Miss> {
    if axes.is_empty() {
        return Ok(data.into());
    }
    let ends: Vec<Ref> =
        axes.iter().map(|&axis| end(cx, &counts[axis], data, patch)).collect::<Result<_, _>>()?;
    let ends = concat(patch, ends);
    let starts = patch.constant(Tensor::vector(&vec![0i64; axes.len()]));
    let axes: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
    let axes = patch.constant(Tensor::vector(&axes));
    Ok(patch.node("Slice", [data.into(), starts, ends, axes]))
}

fn end(cx: &Context<'_>, count: &Count, data: ValueId, patch: &mut Patch) -> Result<Ref, Miss> {
    count.end(cx, patch).ok_or_else(|| Miss::because("a count may be negative", data))
}

fn concat(patch: &mut Patch, parts: Vec<Ref>) -> Ref {
    if let [part] = parts[..] {
        return part;
    }
    let whole = patch.node("Concat", parts);
    patch.set_attr("axis", 0i64);
    whole
}
