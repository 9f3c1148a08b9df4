//! The shortest way from one order of factors to another.

use super::factors::Axes;
use crate::ir::{Dim, Shape};

/// One movement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::passes) enum Step {
    /// The same elements in the same order under this shape.
    Reshape(Shape),
    /// Output axis `i` is axis `perm[i]`.
    Transpose(Vec<usize>),
}

/// Ways from one arrangement of the factors to another, shortest first. Empty where a size overflows.
pub(in crate::passes) fn plans(from: &Axes, to: &Axes, sizes: &[Dim]) -> Vec<Vec<Step>> {
    let (source, wanted): (Vec<usize>, Vec<usize>) = (flat(from), flat(to));
    if source == wanted {
        if from == to {
            return vec![Vec::new()];
        }
        return shape(to, sizes).map(|s| vec![Step::Reshape(s)]).into_iter().collect();
    }
    if let Some(perm) = permutation(from, to) {
        return vec![vec![Step::Transpose(perm)]];
    }
    let ways = [from_axes(from, to, sizes), to_axes(from, to, sizes), by_blocks(from, to, sizes)];
    ways.into_iter().flatten().collect()
}

/// The shape of an arrangement.
pub(in crate::passes) fn shape(axes: &Axes, sizes: &[Dim]) -> Option<Shape> {
    axes.iter().map(|axis| product(axis, sizes)).collect()
}

fn product(axis: &[usize], sizes: &[Dim]) -> Option<Dim> {
    axis.iter().try_fold(Dim::Fixed(1), |size, &factor| size.mul(&sizes[factor]))
}

fn flat(axes: &Axes) -> Vec<usize> {
    axes.iter().flatten().copied().collect()
}

/// Each axis as it is, only elsewhere. Axes of size 1 keep their order.
fn permutation(from: &Axes, to: &Axes) -> Option<Vec<usize>> {
    if from.len() != to.len() {
        return None;
    }
    let mut ones = from.iter().enumerate().filter(|(_, axis)| axis.is_empty()).map(|(at, _)| at);
    to.iter()
        .map(|axis| if axis.is_empty() { ones.next() } else { from.iter().position(|a| a == axis) })
        .collect()
}

/// The axes in the order in which their factors lie in `flat`, those of size 1 first. `None` where one is torn.
fn order(axes: &Axes, flat: &[usize]) -> Option<Vec<usize>> {
    let mut order = Vec::with_capacity(axes.len());
    for (at, axis) in axes.iter().enumerate() {
        let place = match axis.first() {
            None => None,
            Some(first) => {
                let start = flat.iter().position(|f| f == first)?;
                (flat.get(start..start + axis.len())? == axis.as_slice()).then_some(Some(start))?
            }
        };
        order.push((place, at));
    }
    order.sort_unstable();
    Some(order.into_iter().map(|(_, at)| at).collect())
}

/// No axis of `from` is torn: transpose, then reshape.
fn from_axes(from: &Axes, to: &Axes, sizes: &[Dim]) -> Option<Vec<Step>> {
    let perm = order(from, &flat(to))?;
    Some(vec![Step::Transpose(perm), Step::Reshape(shape(to, sizes)?)])
}

/// Each axis of `to` lies together in `from`: reshape, then transpose.
fn to_axes(from: &Axes, to: &Axes, sizes: &[Dim]) -> Option<Vec<Step>> {
    let order = order(to, &flat(from))?;
    let between: Axes = order.iter().map(|&at| to[at].clone()).collect();
    let mut perm = vec![0; order.len()];
    order.iter().enumerate().for_each(|(position, &at)| perm[at] = position);
    Some(vec![Step::Reshape(shape(&between, sizes)?), Step::Transpose(perm)])
}

/// Split into what moves together, transpose, and join.
fn by_blocks(from: &Axes, to: &Axes, sizes: &[Dim]) -> Option<Vec<Step>> {
    let source = flat(from);
    let mut blocks: Axes = Vec::new();
    for factor in flat(to) {
        let at = source.iter().position(|&f| f == factor)?;
        match blocks.last_mut() {
            Some(block) if at > 0 && block.last() == Some(&source[at - 1]) => block.push(factor),
            _ => blocks.push(vec![factor]),
        }
    }
    let order = order(&blocks, &source)?;
    let between: Axes = order.iter().map(|&at| blocks[at].clone()).collect();
    let mut perm = vec![0; order.len()];
    order.iter().enumerate().for_each(|(position, &at)| perm[at] = position);
    Some(vec![
        Step::Reshape(shape(&between, sizes)?),
        Step::Transpose(perm),
        Step::Reshape(shape(to, sizes)?),
    ])
}
