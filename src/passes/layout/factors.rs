//! Where the factors of a value's dims go as it is reshaped and transposed.

use crate::ir::Dim;
use std::collections::VecDeque;

/// For each axis the factors that it is made of, outermost first. An axis of size 1 has none.
pub(in crate::passes) type Axes = Vec<Vec<usize>>;

/// The factors of a value's dims, and how they lie in it after each movement.
#[derive(Clone, Debug)]
pub(in crate::passes) struct Layout {
    /// The size of each factor.
    pub(in crate::passes) sizes: Vec<Dim>,
    /// First the value itself, then what each movement makes of it; all in the same factors.
    frames: Vec<Axes>,
}

impl Layout {
    /// A value of this shape. `None` for one that is empty for sure.
    pub(in crate::passes) fn of(shape: &[Dim]) -> Option<Self> {
        let mut sizes = Vec::new();
        let mut axes = Vec::with_capacity(shape.len());
        for dim in shape {
            match dim.as_fixed() {
                Some(0) => return None,
                Some(1) => axes.push(Vec::new()),
                _ => {
                    axes.push(vec![sizes.len()]);
                    sizes.push(dim.clone());
                }
            }
        }
        Some(Self { sizes, frames: vec![axes] })
    }

    /// How many movements there were.
    pub(in crate::passes) fn now(&self) -> usize {
        self.frames.len() - 1
    }

    /// The value after so many movements.
    pub(in crate::passes) fn frame(&self, at: usize) -> &Axes {
        &self.frames[at]
    }

    /// The value after all movements.
    pub(in crate::passes) fn last(&self) -> &Axes {
        &self.frames[self.now()]
    }

    /// Permutes the axes: output axis `i` is axis `perm[i]`.
    pub(in crate::passes) fn transpose(&mut self, perm: &[usize]) -> Option<()> {
        let axes = self.last();
        if perm.len() != axes.len() {
            return None;
        }
        let moved = perm.iter().map(|&p| axes.get(p).cloned()).collect::<Option<Axes>>()?;
        self.frames.push(moved);
        Some(())
    }

    /// Gives the same elements in the same order another shape. `None` where the factors of the dims do not show.
    pub(in crate::passes) fn reshape(&mut self, to: &[Dim]) -> Option<()> {
        if to.iter().any(|d| d.as_fixed() == Some(0)) {
            return None;
        }
        let mut left: VecDeque<usize> = self.last().iter().flatten().copied().collect();
        let mut axes = Vec::with_capacity(to.len());
        for dim in to {
            axes.push(self.fill(dim, &mut left)?);
        }
        if !left.is_empty() {
            return None;
        }
        self.frames.push(axes);
        Some(())
    }

    /// Takes elements along an axis, which gives axes of these sizes in its place.
    pub(in crate::passes) fn pick(&mut self, axis: usize, dims: &[usize]) -> Option<()> {
        let mut axes = self.last().clone();
        if axis >= axes.len() || dims.contains(&0) {
            return None;
        }
        let mut new = Axes::with_capacity(dims.len());
        for &dim in dims {
            let factor = (dim != 1).then_some(self.sizes.len());
            if factor.is_some() {
                self.sizes.push(Dim::Fixed(u64::try_from(dim).ok()?));
            }
            new.push(factor.into_iter().collect());
        }
        axes.splice(axis..=axis, new);
        self.frames.push(axes);
        Some(())
    }

    /// Takes factors from the front that make up the size.
    fn fill(&mut self, dim: &Dim, left: &mut VecDeque<usize>) -> Option<Vec<usize>> {
        let mut axis = Vec::new();
        let mut missing = dim.clone();
        while missing.as_fixed() != Some(1) {
            let factor = left.pop_front()?;
            let size = self.sizes[factor].clone();
            axis.push(factor);
            if size.same(&missing).is_proven() {
                break;
            }
            if let Some(rest) = quotient(&missing, &size) {
                missing = rest;
            } else {
                let inner = quotient(&size, &missing)?;
                left.push_front(self.split(factor, missing, inner));
                return Some(axis);
            }
        }
        // A factor of 1 is a part of what is before it.
        while left.front().is_some_and(|&f| self.sizes[f].as_fixed() == Some(1)) {
            axis.extend(left.pop_front());
        }
        Some(axis)
    }

    /// Splits a factor in two, everywhere, and gives back the inner one.
    fn split(&mut self, factor: usize, outer: Dim, inner: Dim) -> usize {
        let new = self.sizes.len();
        self.sizes[factor] = outer;
        self.sizes.push(inner);
        for axis in self.frames.iter_mut().flatten() {
            if let Some(at) = axis.iter().position(|&f| f == factor) {
                axis.insert(at + 1, new);
            }
        }
        new
    }
}

/// The quotient, where it is proven to come out even.
fn quotient(whole: &Dim, part: &Dim) -> Option<Dim> {
    let quotient = whole.floor_div(part)?;
    let even = quotient.mul(part)?.same(whole).is_proven() && quotient.as_fixed() != Some(0);
    even.then_some(quotient)
}
