//! How needed shapes can be put together, and what that costs and saves.

use super::needs::Need;
use crate::ir::{Dim, DimExpr, Graph, NodeId, RegionId, ValueId};
use crate::rewrite::Context;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// Needs that are decided together at most.
const MOST_TOGETHER: usize = 512;

/// Needed values for each of which it is tried to leave it as it is.
const MOST_TRIED: usize = 64;

/// Nodes that a vector takes which is there: what computes it stays.
const VECTOR: usize = 2;

/// A way to a part of a shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Piece {
    /// `Shape(x)`.
    Whole(ValueId),
    /// `Shape<start, end>(x)`.
    Part(ValueId, usize, usize),
    /// `Gather(Shape(x), [indices])`.
    Picked(ValueId, Vec<usize>),
    /// `Gather(Shape(x), index)`, rank 0.
    One(ValueId, usize),
    /// A vector that is there.
    Vector(ValueId),
    /// A number that is there, under a dim.
    Lifted(ValueId),
    /// Numbers.
    Numbers(Vec<i64>),
    /// Several, one behind the other.
    Joined(Vec<Piece>),
}

/// What takes the place of each need; `None` where that stays as it is.
pub(super) struct Plan {
    pub(super) pieces: Vec<Option<Piece>>,
}

impl Plan {
    /// All needs built anew, but for those that are better left as they are.
    pub(super) fn best(cx: &Context<'_>, region: RegionId, needs: &[Need]) -> Self {
        let mut plan = Self::of(cx, region, needs);
        let mut values: Vec<ValueId> = needs.iter().map(|need| need.value).collect();
        values.sort_unstable();
        values.dedup();
        if values.len() > MOST_TRIED {
            return plan;
        }
        let mut gain = plan.gain(cx.graph, needs);
        for value in values {
            let before = plan.pieces.clone();
            for (need, piece) in needs.iter().zip(&mut plan.pieces) {
                if need.value == value {
                    *piece = None;
                }
            }
            match plan.gain(cx.graph, needs) {
                better if better > gain => gain = better,
                _ => plan.pieces = before,
            }
        }
        plan
    }

    fn of(cx: &Context<'_>, region: RegionId, needs: &[Need]) -> Self {
        let inputs: Vec<ValueId> = cx.graph.root().inputs().to_vec();
        let pieces = needs.iter().map(|need| Finder::new(cx, region, need, &inputs).best()).collect();
        Self { pieces }
    }

    /// The nodes that go minus those that come.
    pub(super) fn gain(&self, graph: &Graph, needs: &[Need]) -> i64 {
        let mut new = FxHashSet::default();
        let mut kept = FxHashSet::default();
        let mut left: FxHashMap<ValueId, usize> = FxHashMap::default();
        let mut dead = Vec::new();
        for (need, piece) in needs.iter().zip(&self.pieces) {
            if let Some(piece) = piece {
                nodes_of(piece, &mut new, &mut kept);
                drop_use(graph, need.value, &mut left, &mut dead);
            }
        }
        let mut gone: FxHashSet<NodeId> = FxHashSet::default();
        while let Some(value) = dead.pop() {
            let Some(node) = graph.producer(value) else { continue };
            let unread = |v: &ValueId| {
                !kept.contains(v) && left.get(v).copied().unwrap_or_else(|| graph.value(*v).uses().len()) == 0
            };
            if graph.node(node).outputs().iter().all(unread) && gone.insert(node) {
                for read in graph.node(node).inputs().flatten() {
                    drop_use(graph, read, &mut left, &mut dead);
                }
            }
        }
        gone.len() as i64 - new.len() as i64
    }
}

fn drop_use(graph: &Graph, value: ValueId, left: &mut FxHashMap<ValueId, usize>, dead: &mut Vec<ValueId>) {
    let count = left.entry(value).or_insert_with(|| graph.value(value).uses().len());
    *count = count.saturating_sub(1);
    if *count == 0 {
        dead.push(value);
    }
}

/// Adds the nodes that a piece takes, and the values that it reads.
fn nodes_of(piece: &Piece, new: &mut FxHashSet<Piece>, kept: &mut FxHashSet<ValueId>) {
    match piece {
        Piece::Numbers(_) => return,
        Piece::Vector(value) => {
            kept.insert(*value);
            return;
        }
        Piece::Picked(x, _) | Piece::One(x, _) => {
            new.insert(Piece::Whole(*x));
            kept.insert(*x);
        }
        Piece::Whole(x) | Piece::Part(x, ..) | Piece::Lifted(x) => {
            kept.insert(*x);
        }
        Piece::Joined(parts) => parts.iter().for_each(|p| nodes_of(p, new, kept)),
    }
    new.insert(piece.clone());
}

/// Needs that have nodes in common, or would have, in groups.
pub(super) fn groups(cx: &Context<'_>, region: RegionId, needs: Vec<Need>) -> Vec<Vec<Need>> {
    let plan = Plan::of(cx, region, &needs);
    let mut parent: Vec<usize> = (0..needs.len()).collect();
    let (mut by_node, mut by_piece) = (FxHashMap::default(), FxHashMap::default());
    for (i, need) in needs.iter().enumerate() {
        let (mut new, mut kept) = (FxHashSet::default(), FxHashSet::default());
        if let Some(piece) = &plan.pieces[i] {
            nodes_of(piece, &mut new, &mut kept);
        }
        for &node in &need.behind {
            let first = *by_node.entry(node).or_insert(i);
            join(&mut parent, first, i);
        }
        for piece in new {
            let first = *by_piece.entry(piece).or_insert(i);
            join(&mut parent, first, i);
        }
    }
    let mut groups: BTreeMap<usize, Vec<Need>> = BTreeMap::new();
    for (i, need) in needs.into_iter().enumerate() {
        groups.entry(root(&mut parent, i)).or_default().push(need);
    }
    let split = groups.into_values().flat_map(|group| {
        let parts: Vec<Vec<Need>> = group.chunks(MOST_TOGETHER).map(<[Need]>::to_vec).collect();
        parts
    });
    let mut split: Vec<Vec<Need>> = split.collect();
    split.reverse();
    split
}

fn root(parent: &mut [usize], mut i: usize) -> usize {
    while parent[i] != i {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    i
}

fn join(parent: &mut [usize], a: usize, b: usize) {
    let (a, b) = (root(parent, a), root(parent, b));
    parent[a.max(b)] = a.min(b);
}

/// Looks for the parts of one need.
struct Finder<'a> {
    cx: &'a Context<'a>,
    need: &'a Need,
    /// Values whose dims may be read: graph inputs, and those whose dims are read now.
    sources: Vec<ValueId>,
    region: RegionId,
}

/// Nodes and parts that a prefix of the elements takes, and its last part.
type Best = (usize, usize, Vec<Piece>);

impl<'a> Finder<'a> {
    fn new(cx: &'a Context<'a>, region: RegionId, need: &'a Need, inputs: &[ValueId]) -> Self {
        let mut sources = inputs.to_vec();
        for &node in &need.behind {
            let n = cx.node(node);
            if n.op().is("Shape") {
                sources.extend(n.input(0).filter(|v| !inputs.contains(v)));
            }
        }
        sources.retain(|&v| cx.graph.shape(v).is_some() && cx.graph.is_visible(v, region));
        Self { cx, need, sources, region }
    }

    fn best(&self) -> Option<Piece> {
        let choices = &self.need.choices;
        if self.need.scalar {
            let value = choices.elements.first()?.value.as_ref()?;
            return self.sources.iter().find_map(|&x| Some(Piece::One(x, self.axis(x, value)?)));
        }
        let numbers: Vec<Option<i64>> = choices.elements.iter().map(|e| e.number).collect();
        let spellings = std::iter::once(None).chain(choices.rest.iter().copied().map(Some));
        let found = spellings.filter_map(|rest| {
            let mut numbers = numbers.clone();
            if let Some(at) = rest {
                numbers[at] = Some(-1);
            }
            self.vector(&numbers)
        });
        let (_, _, mut pieces) = found.min_by_key(|(nodes, parts, _)| (*nodes, *parts))?;
        match pieces.len() {
            0 => Some(Piece::Numbers(Vec::new())),
            1 => pieces.pop(),
            _ => Some(Piece::Joined(pieces)),
        }
    }

    /// The cheapest parts that make up all elements.
    fn vector(&self, numbers: &[Option<i64>]) -> Option<Best> {
        let count = numbers.len();
        let mut best: Vec<Option<Best>> = vec![None; count + 1];
        best[0] = Some((0, 0, Vec::new()));
        for from in 0..count {
            let Some((nodes, parts, before)) = best[from].clone() else { continue };
            for (to, known) in best.iter_mut().enumerate().skip(from + 1) {
                for (cost, piece) in self.parts(numbers, from, to) {
                    let key = (nodes + cost, parts + 1);
                    if known.as_ref().is_none_or(|(n, p, _)| key < (*n, *p)) {
                        *known = Some((key.0, key.1, [before.as_slice(), &[piece]].concat()));
                    }
                }
            }
        }
        let (nodes, parts, pieces) = best.pop()??;
        Some((nodes + usize::from(parts > 1), parts, pieces))
    }

    fn parts(&self, numbers: &[Option<i64>], from: usize, to: usize) -> Vec<(usize, Piece)> {
        let mut found = Vec::new();
        if let Some(list) = numbers[from..to].iter().copied().collect::<Option<Vec<i64>>>() {
            found.push((0, Piece::Numbers(list)));
        }
        let values: Option<Vec<&DimExpr>> =
            self.need.choices.elements[from..to].iter().map(|e| e.value.as_ref()).collect();
        let Some(values) = values else { return found };
        if values.iter().all(|e| e.as_constant().is_some()) {
            return found;
        }
        for &x in &self.sources {
            let Some(axes) = self.axes(x, &values) else { continue };
            let rank = self.cx.graph.rank(x).unwrap_or(0);
            let run = axes.windows(2).all(|w| w[0] + 1 == w[1]);
            found.push(if run && axes.len() == rank {
                (1, Piece::Whole(x))
            } else if run && self.cx.opset() >= 15 {
                (1, Piece::Part(x, axes[0], axes[0] + axes.len()))
            } else {
                (2, Piece::Picked(x, axes))
            });
        }
        found.extend(self.existing(&values));
        found
    }

    /// The axes of `x` that have these sizes: one behind the other where that is possible.
    fn axes(&self, x: ValueId, values: &[&DimExpr]) -> Option<Vec<usize>> {
        let shape = self.cx.graph.shape(x)?;
        let is = |dim: &Dim, value: &DimExpr| dim.expr().as_ref() == Some(value);
        let run = shape.windows(values.len()).position(|w| w.iter().zip(values).all(|(d, v)| is(d, v)));
        match run {
            Some(start) => Some((start..start + values.len()).collect()),
            None => values.iter().map(|v| self.axis(x, v)).collect(),
        }
    }

    fn axis(&self, x: ValueId, value: &DimExpr) -> Option<usize> {
        self.cx.graph.shape(x)?.iter().position(|d| d.expr().as_ref() == Some(value))
    }

    /// A value behind the need that has these elements already and is no longer than them.
    fn existing(&self, values: &[&DimExpr]) -> Option<(usize, Piece)> {
        let outputs = self.need.behind.iter().flat_map(|&node| self.cx.node(node).outputs());
        let mut found = None;
        for &value in outputs.filter(|&&v| v != self.need.value && self.cx.graph.is_visible(v, self.region)) {
            let Some(elements) = self.cx.facts.elements(value) else { continue };
            let equal = elements.len() == values.len()
                && elements.iter().zip(values).all(|(a, b)| a.as_ref() == Some(b));
            match self.cx.graph.rank(value) {
                Some(1) if equal => return Some((VECTOR, Piece::Vector(value))),
                Some(0) if equal => found = Some((VECTOR + 1, Piece::Lifted(value))),
                _ => {}
            }
        }
        found
    }
}
