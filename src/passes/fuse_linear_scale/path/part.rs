//! A factor of one of several parts of a value: it scales that part alone.

use super::Path;
use crate::ir::{Dim, NodeId, Use, ValueId};
use crate::passes::linear::Channelwise;
use crate::require;
use crate::rewrite::{Miss, Ref};

/// Parts of a value at most.
const MOST_PARTS: usize = 16;

impl Path<'_> {
    /// Scales one output of a `Split`, or what a `Gather` picks beside others.
    pub(super) fn part(
        &mut self,
        node: NodeId,
        value: ValueId,
        reader: NodeId,
        by: &Channelwise,
    ) -> Result<Ref, Miss> {
        let n = self.cx.node(node);
        let whole = n.input(0).ok_or(Miss::Silent)?;
        let producer = self.cx.graph.producer(whole).ok_or(Miss::Silent)?;
        let step = Self::step(self.cx.node(producer).op()).ok_or(Miss::Silent)?;
        require!(self.cx.node(producer).region() == n.region(), whole, "the layer is in another body");
        require!(
            self.cx.graph.value(value).uses().len() == 1,
            value,
            "the layer's result is read elsewhere too"
        );
        require!(n.region() == self.cx.node(reader).region(), value, "the layer is in another body");
        let number = by.as_number().ok_or_else(|| Miss::because("the factor is not one number", value))?;
        let axis = self.axis(node).ok_or(Miss::Silent)?;
        let parts = if n.op().is("Split") { self.split(node, axis) } else { self.picked(node, axis) };
        let parts =
            parts.ok_or_else(|| Miss::because("the parts of the value are not known apart", whole))?;
        let from_end = self.cx.graph.rank(whole).ok_or(Miss::Silent)? - 1 - axis;
        let factors = parts.iter().flat_map(|&(part, size)| {
            std::iter::repeat_n(if part == Some(value) { number } else { 1.0 }, size)
        });
        let factors = Channelwise { values: factors.collect(), from_end };
        let scaled = step(self, producer, whole, &factors)?;
        if n.op().is("Gather") {
            self.patch.replace(whole, scaled);
            return Ok(self.copy_with(node, 0, scaled));
        }
        let inputs: Vec<Ref> = std::iter::once(scaled).chain(n.inputs().skip(1).map(Ref::from)).collect();
        let outputs = self.patch.copy_with_outputs(n, inputs);
        let mut own = Err(Miss::Silent);
        for (&old, new) in n.outputs().iter().zip(outputs) {
            match old == value {
                true => own = Ok(new),
                false => self.patch.replace(old, new),
            }
        }
        own
    }

    fn axis(&self, node: NodeId) -> Option<usize> {
        let rank = i64::try_from(self.cx.graph.rank(self.cx.node(node).input(0)?)?).ok()?;
        let axis = self.cx.int(node, "axis")?;
        usize::try_from(if axis < 0 { axis + rank } else { axis }).ok().filter(|&a| (a as i64) < rank)
    }

    fn size(&self, value: ValueId, axis: usize) -> Option<usize> {
        usize::try_from(self.cx.graph.shape(value)?.get(axis)?.as_fixed()?).ok()
    }

    /// The outputs of a `Split` that alone reads its value, and how far each goes.
    fn split(&self, node: NodeId, axis: usize) -> Option<Vec<(Option<ValueId>, usize)>> {
        let n = self.cx.node(node);
        let alone = self.cx.graph.value(n.input(0)?).uses().len() == 1;
        let parts = n.outputs().iter().map(|&part| Some((Some(part), self.size(part, axis)?)));
        if alone { parts.collect() } else { None }
    }

    /// What is picked of a value by one number each, where this alone is read of it and nothing is picked twice.
    fn picked(&self, node: NodeId, axis: usize) -> Option<Vec<(Option<ValueId>, usize)>> {
        let whole = self.cx.node(node).input(0)?;
        let size = self.size(whole, axis).filter(|&n| n <= MOST_PARTS)?;
        let mut parts = vec![(None, 1); size];
        for reader in self.cx.graph.value(whole).uses() {
            let &Use::Operand { node: gather, index: 0 } = reader else { return None };
            let g = self.cx.node(gather);
            if !g.op().is("Gather") || g.region() != self.cx.node(node).region() || self.axis(gather)? != axis
            {
                return None;
            }
            let index = self.cx.graph.const_value(g.input(1)?).filter(|i| i.len() == 1)?.as_int()?;
            let index = if index < 0 { index.checked_add(i64::try_from(size).ok()?)? } else { index };
            let part = parts.get_mut(usize::try_from(index).ok()?)?;
            if part.0.replace(g.outputs()[0]).is_some() {
                return None;
            }
        }
        Some(parts)
    }
}

/// Numbers along a dim of `to`, which was reshaped from `from`, along the dim of that which it is or is a part of.
pub(super) fn reshaped(by: &Channelwise, from: &[Dim], to: &[Dim]) -> Option<Channelwise> {
    let axis = to.len().checked_sub(1 + by.from_end)?;
    let same = |(a, b): &(&Dim, &Dim)| a.same(b).is_proven();
    let front = from.iter().zip(to).take_while(same).count();
    if axis < front {
        return Some(Channelwise { values: by.values.clone(), from_end: from.len() - 1 - axis });
    }
    let (from, to) = (&from[front..], &to[front..]);
    let back = from.iter().rev().zip(to.iter().rev()).take_while(same).count();
    if by.from_end < back {
        return Some(by.clone());
    }
    let (torn, pieces) = (&from[..from.len() - back], &to[..to.len() - back]);
    let [torn] = torn else { return None };
    let torn = usize::try_from(torn.as_fixed()?).ok()?;
    let behind = pieces[axis - front + 1..]
        .iter()
        .try_fold(1usize, |n, piece| n.checked_mul(usize::try_from(piece.as_fixed()?).ok()?))?;
    let period = by.values.len().checked_mul(behind).filter(|&p| p > 0 && torn.is_multiple_of(p))?;
    let values = (0..torn).map(|at| by.values[at % period / behind]).collect();
    Some(Channelwise { values, from_end: back })
}
