//! `fuse-embed-norm`: summed embeddings and the normalization behind them become ONNX Runtime's node for all of it.
//!
//! ```text
//! s = Gather(words, ids) + Gather(positions, places) + Gather(segments, segment_ids)
//! LayerNormalization(s, gamma, beta), s
//!   ->  com.microsoft.EmbedLayerNormalization(ids, segment_ids, words, positions, segments, gamma, beta, , places)
//! ```
//!
//! Reassociates. The summands in any order, segments or none; where the sum is read elsewhere too, it is the node's last
//! result. Places that count from 0 are left out, also as exporters cut them from a longer row, and a constant of one row for
//! each place is the table of positions itself. Indices of 64 bits are cast to 32, which are all that the node takes.
//!
//! ONNX Runtime makes the same node itself while it loads a model. In the file it is for those who run models with its
//! optimizations off or save them for devices; a target's table says whether the pass runs unasked. The node takes no
//! index below 0, which `Gather` counts from the end: it ends with an error there.
//!
//! Refused: summands that are no rows of a table, indices of other ranks than 2, places that are of other lengths, a
//! normalization without a bias, scales that are computed, and what `fuse-skip-norm` refuses of a normalization.

use super::fuse_skip_norm::fits;
use crate::ir::{Dim, NodeId, OpId, ValueId};
use crate::passes::linear::{is_of_channels, same_dims};
use crate::passes::reduction::over_axes;
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Ref, Rule, Work};
use crate::tensor::DType;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseEmbedNorm;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(FuseEmbedNorm)
}

const EMBED: OpId = OpId::microsoft("EmbedLayerNormalization");
/// The result that is the sum.
const SUM: usize = 2;
/// Summands of the largest sum that is looked at.
const MOST: usize = 3;
/// Nodes between indices and what counts them that are followed.
const LONGEST: usize = 8;

const META: Meta = Meta {
    id: "fuse-embed-norm",
    summary: "summed embeddings and their normalization become ONNX Runtime's EmbedLayerNormalization",
    exactness: Exactness::Reassociates,
    since_opset: 11,
    emits: &[EMBED, OpId::onnx("Cast"), OpId::onnx("Unsqueeze")],
};

impl Rule for FuseEmbedNorm {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("LayerNormalization")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let n = cx.node(node);
        let (Some(sum), Some(gamma), [y]) = (n.input(0), n.input(1), n.outputs()) else {
            return Err(Miss::Silent);
        };
        let mut summands = Vec::new();
        flatten(cx, sum, node, 0, &mut summands);
        if !summands.iter().any(|&v| cx.graph.producer_is(v, "Gather").is_some()) || summands.len() < 2 {
            return Err(Miss::Silent);
        }
        fits(cx, node, sum)?;
        let beta = n.input(2).ok_or_else(|| Miss::because("the normalization has no bias", *y))?;
        for vector in [gamma, beta] {
            require!(is_of_channels(cx, vector, sum), vector, "a scale is computed or not one a channel");
            require!(cx.graph.dtype(vector) == cx.graph.dtype(sum), vector, "a scale is of another type");
        }
        let tables = Tables::read(cx, sum, &summands)?;
        let mut patch = Patch::new();
        let mut inputs = tables.emit(cx, &mut patch)?;
        inputs.splice(5..5, [gamma.into(), beta.into()]);
        let summed = cx.graph.value(sum).uses().len() > 1 || cx.graph.is_graph_output(sum);
        let made = patch.node_with_outputs(EMBED, inputs, if summed { SUM as u32 + 1 } else { SUM as u32 });
        patch.set_attr("epsilon", cx.float(node, "epsilon").unwrap_or(1e-5));
        patch.replace(*y, made[0]);
        if summed {
            patch.replace(sum, made[SUM]);
        }
        Ok(patch)
    }
}

/// The summands of a sum; those of sums within, which nothing else reads, are its own.
fn flatten(cx: &Context<'_>, value: ValueId, reader: NodeId, depth: usize, found: &mut Vec<ValueId>) {
    let sum = cx.graph.producer_is(value, "Add").or_else(|| cx.graph.producer_is(value, "Sum"));
    let own = |sum: &NodeId| {
        let here = cx.node(*sum).region() == cx.node(reader).region();
        here && (depth == 0 || cx.graph.value(value).uses().len() == 1)
    };
    match sum.filter(own) {
        Some(sum) if found.len() <= MOST && depth < MOST => {
            cx.node(sum).inputs().flatten().for_each(|v| flatten(cx, v, sum, depth + 1, found));
        }
        _ => found.push(value),
    }
}

/// Rows of a table, by indices.
#[derive(Clone, Copy)]
struct Rows {
    table: ValueId,
    ids: ValueId,
}

/// What is summed.
struct Tables {
    words: Rows,
    segments: Option<Rows>,
    positions: Positions,
}

/// The table of positions, and where in it.
enum Positions {
    /// The first rows, in order.
    Counted(ValueId),
    /// As above; the table is a constant that has one row for each place, under dims of 1.
    Constant(ValueId),
    /// By indices.
    Given(Rows),
}

impl Tables {
    fn read(cx: &Context<'_>, sum: ValueId, summands: &[ValueId]) -> Result<Self, Miss> {
        require!(summands.len() <= MOST, sum, "there are more than three summands");
        let Some([batch, length, width]) = cx.graph.shape(sum) else {
            return Err(Miss::because("the sum is not of rank 3", sum));
        };
        let ids_of_all = [batch.clone(), length.clone()];
        let (mut whole, mut positions) = (Vec::new(), None);
        for &summand in summands {
            let found = match rows(cx, summand, width) {
                Some(rows) if is_counted(cx, rows.ids, length) || is_cut(cx, rows.ids, length).is_some() => {
                    Positions::Counted(rows.table)
                }
                Some(rows) if cx.graph.shape(rows.ids).is_some_and(|dims| same_dims(dims, &ids_of_all)) => {
                    whole.push(rows);
                    continue;
                }
                Some(rows) if is_of_length(cx, rows.ids, length) => Positions::Given(rows),
                None if is_row_of_each(cx, summand, [length, width]) => Positions::Constant(summand),
                _ => return Err(Miss::because("a summand is no row of a table for each index", summand)),
            };
            require!(positions.replace(found).is_none(), summand, "two summands are positions");
        }
        let last = |whole: &mut Vec<Rows>| whole.pop().map(Positions::Given);
        let positions = positions.or_else(|| last(&mut whole)).ok_or(Miss::Silent)?;
        match whole[..] {
            [words] => Ok(Self { words, segments: None, positions }),
            [words, segments] => Ok(Self { words, segments: Some(segments), positions }),
            _ => Err(Miss::Silent),
        }
    }

    /// The operands of the node but for scale and bias, which come before the last two.
    fn emit(&self, cx: &Context<'_>, patch: &mut Patch) -> Result<Vec<Ref>, Miss> {
        let ids = narrow(cx, patch, self.words.ids);
        let segment_ids = self.segments.map_or(Ref::Omitted, |rows| narrow(cx, patch, rows.ids));
        let positions = match &self.positions {
            Positions::Counted(table) => (*table).into(),
            Positions::Given(rows) => rows.table.into(),
            Positions::Constant(table) if cx.graph.rank(*table) == Some(2) => (*table).into(),
            Positions::Constant(table) => {
                let tensor = cx.graph.const_value(*table).ok_or(Miss::Silent)?;
                require!(
                    cx.graph.value(*table).uses().len() == 1,
                    *table,
                    "the positions are read elsewhere too"
                );
                let (outer, rows) = tensor.shape().split_at(tensor.rank() - 2);
                require!(outer.iter().all(|&d| d == 1), *table, "the positions differ from row to row");
                patch.constant(tensor.reshaped(rows).map_err(|_| Miss::Silent)?)
            }
        };
        let segments = self.segments.map_or(Ref::Omitted, |rows| rows.table.into());
        let mut inputs = vec![ids, segment_ids, self.words.table.into(), positions, segments];
        if let Positions::Given(rows) = self.positions {
            let places = in_rows(cx, patch, rows.ids);
            inputs.extend([Ref::Omitted, places]);
        }
        Ok(inputs)
    }
}

/// A `Gather` of rows of this width.
fn rows(cx: &Context<'_>, value: ValueId, width: &Dim) -> Option<Rows> {
    let gather = cx.graph.producer_is(value, "Gather")?;
    let n = cx.node(gather);
    let (table, ids) = (n.input(0)?, n.input(1)?);
    let fits = matches!(cx.graph.shape(table)?, [_, size] if size.same(width).is_proven());
    let integers = matches!(cx.graph.dtype(ids)?, DType::I32 | DType::I64);
    // Gather counts these from the end, the node refuses them.
    let negative = cx.graph.is_const(ids) && cx.constant_ints(ids)?.iter().any(|&id| id < 0);
    (fits && integers && !negative && matches!(cx.int(gather, "axis")?, 0 | -2))
        .then_some(Rows { table, ids })
}

/// Whether indices are one for each place, the same in all rows.
fn is_of_length(cx: &Context<'_>, ids: ValueId, length: &Dim) -> bool {
    match cx.graph.shape(ids) {
        Some([places]) => places.same(length).is_proven(),
        Some([one, places]) => one.as_fixed() == Some(1) && places.same(length).is_proven(),
        _ => false,
    }
}

/// Whether a constant has one row for each place.
fn is_row_of_each(cx: &Context<'_>, value: ValueId, [length, width]: [&Dim; 2]) -> bool {
    let shape = cx.graph.shape(value);
    let ends = matches!(shape, Some([.., l, w]) if l.same(length).is_proven() && w.same(width).is_proven());
    cx.graph.is_const(value) && ends
}

/// Whether indices are 0, 1, … along their last axis, which has this length.
fn is_counted(cx: &Context<'_>, ids: ValueId, length: &Dim) -> bool {
    let Some([.., places]) = cx.graph.shape(ids) else { return false };
    if !places.same(length).is_proven() {
        return false;
    }
    if let Some(numbers) = cx.graph.is_const(ids).then(|| cx.constant_ints(ids)).flatten() {
        let row = length.as_fixed().and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0);
        return row.is_some_and(|row| {
            numbers.chunks(row).all(|row| row.iter().enumerate().all(|(i, &n)| n == i as i64))
        });
    }
    let mut whole = ids;
    for _ in 0..LONGEST {
        match passed_on(cx, whole, length) {
            Some(before) => whole = before,
            None => break,
        }
    }
    cx.graph.producer_is(whole, "Range").is_some_and(|range| {
        let n = cx.node(range);
        let is = |at: usize, want: i64| {
            n.input(at).and_then(|v| cx.graph.const_value(v)?.as_int()).is_some_and(|have| have == want)
        };
        is(0, 0) && is(2, 1)
    })
}

/// What a value repeats: the same whole numbers along a last axis of this length.
fn passed_on(cx: &Context<'_>, value: ValueId, length: &Dim) -> Option<ValueId> {
    let n = cx.node(cx.graph.producer(value)?);
    let before = n.input(0)?;
    let wide = |v| matches!(cx.graph.dtype(v), Some(DType::I32 | DType::I64));
    let op = n.op();
    let keeps = op.is("Expand") || op.is("Identity") || op.is("Unsqueeze") || op.is("Cast");
    let along = cx.graph.shape(before)?.last()?.same(length).is_proven();
    (keeps && along && wide(value) && wide(before)).then_some(before)
}

/// Proves that indices are the first of 0, 1, … by a length: where that many are not there, no sum would hold them.
fn is_cut(cx: &Context<'_>, ids: ValueId, length: &Dim) -> Option<()> {
    let n = cx.node(cx.graph.producer_is(ids, "Slice")?);
    let whole = n.input(0)?;
    let shape = cx.graph.shape(whole)?;
    let most = shape.last()?;
    let ints = |at: usize| n.input(at).map_or(Some(vec![]), |v| cx.constant_ints(v));
    let [Some(end)] = cx.facts.elements(n.input(2)?)? else { return None };
    let last = [vec![-1], vec![shape.len() as i64 - 1]].contains(&ints(3)?);
    let plain = ints(1)? == [0] && last && (ints(4)?.is_empty() || ints(4)? == [1]);
    // One would be there for every place.
    let several = most.as_fixed().is_some_and(|n| n > 1);
    let fits = plain && several && is_counted(cx, whole, most) && Dim::Sym(end.clone()) == *length;
    fits.then_some(())
}

/// Indices in 32 bits.
fn narrow(cx: &Context<'_>, patch: &mut Patch, ids: ValueId) -> Ref {
    if cx.graph.dtype(ids) == Some(DType::I32) {
        return ids.into();
    }
    let narrow = patch.node("Cast", [ids]);
    patch.set_attr("to", i64::from(DType::I32.code()));
    narrow
}

/// Places as rows, in 32 bits.
fn in_rows(cx: &Context<'_>, patch: &mut Patch, places: ValueId) -> Ref {
    let narrow = narrow(cx, patch, places);
    if cx.graph.rank(places) != Some(1) {
        return narrow;
    }
    over_axes(cx, patch, "Unsqueeze", narrow, &[0])
}
