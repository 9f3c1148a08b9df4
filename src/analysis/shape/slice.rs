//! `Slice` and `Pad`.

use super::Rule;
use crate::analysis::grid::{MAX_ELEMENTS, indices};
use crate::analysis::site::{Site, axis};
use crate::ir::{Dim, DimExpr, Shape};

pub(super) const RULES: &[(&str, &str, Rule)] =
    &[("", "Slice", slice), ("", "Pad", pad), ("com.microsoft", "Pad", pad)];

/// Ends from here on mean "to the end", since exporters write the largest number of 32 or 64 bits.
const FAR: i64 = i32::MAX as i64;

/// What is cut out of one axis. Elements that are not known are `None`.
struct Cut {
    axis: usize,
    start: Option<DimExpr>,
    end: Option<DimExpr>,
    step: Option<i64>,
}

fn slice(site: &mut Site<'_>) -> Option<()> {
    let shape = site.shape(0)?;
    let Some(cuts) = cuts(site, shape.len()) else {
        let fresh = site.fresh_shape(0, shape.len());
        site.set_shape(0, fresh);
        return None;
    };
    let mut cut_shape: Shape = shape.to_vec();
    for cut in &cuts {
        let size = cut.size(&shape[cut.axis]);
        cut_shape[cut.axis] = site.dim_or_fresh(size, 0, cut.axis);
    }
    site.set_shape(0, cut_shape);
    slice_elements(site, &cuts)
}

/// `None` where not even the axes are known.
fn cuts(site: &Site<'_>, rank: usize) -> Option<Vec<Cut>> {
    let attribute = |name: &str| {
        let list = site.ints_or_none(name)?;
        Some(list.map(|l| l.iter().map(|&n| Some(DimExpr::constant(n))).collect::<Vec<_>>()))
    };
    let (starts, ends, listed, steps) = if site.schema?.inputs.len() == 1 {
        (attribute("starts")??, attribute("ends")??, site.ints_or_none("axes")?.map(<[i64]>::to_vec), None)
    } else {
        let listed = if site.has(3) { Some(site.numbers(3)?) } else { None };
        let steps = if site.has(4) { Some(site.vector(4)?) } else { None };
        // The axes alone tell which dims stay.
        let unknown = || vec![None; listed.as_ref().map_or(0, Vec::len)];
        (site.vector(1).unwrap_or_else(unknown), site.vector(2).unwrap_or_else(unknown), listed, steps)
    };
    let listed = listed.unwrap_or_else(|| (0..starts.len() as i64).collect());
    if starts.len() != listed.len()
        || ends.len() != listed.len()
        || listed.is_empty() && site.has(1) && site.vector(1).is_none()
    {
        return None;
    }
    let items = listed.iter().zip(starts).zip(ends).enumerate();
    items
        .map(|(i, ((&at, start), end))| {
            let step = match &steps {
                None => Some(1),
                Some(steps) => steps.get(i).cloned().flatten().and_then(|s| s.as_constant()),
            };
            Some(Cut { axis: axis(at, rank)?, start, end, step })
        })
        .collect()
}

impl Cut {
    fn size(&self, dim: &Dim) -> Option<Dim> {
        let n = dim.expr()?;
        let zero = DimExpr::constant(0);
        let size = match self.step? {
            0 => return None,
            step if step > 0 => {
                let start = clamp(self.start.as_ref()?, &n)?;
                let end = clamp(self.end.as_ref()?, &n)?;
                end.sub(&start)?.ceil_div(&DimExpr::constant(step))?
            }
            step => {
                let (start, end) = self.backward(&n)?;
                start.sub(&end)?.ceil_div(&DimExpr::constant(step.checked_neg()?))?
            }
        };
        Dim::from_expr(size.maximum(&zero)?)
    }

    /// The positions that stay of an axis.
    fn picks(&self, size: usize) -> Option<Vec<usize>> {
        let n = DimExpr::constant(i64::try_from(size).ok().filter(|_| size <= MAX_ELEMENTS)?);
        let step = self.step.filter(|s| *s != 0)?;
        let (start, end) = if step > 0 {
            (clamp(self.start.as_ref()?, &n)?, clamp(self.end.as_ref()?, &n)?)
        } else {
            self.backward(&n)?
        };
        let (mut at, end) = (start.as_constant()?, end.as_constant()?);
        let mut picks = Vec::new();
        while if step > 0 { at < end } else { at > end } {
            picks.push(usize::try_from(at).ok().filter(|&i| i < size)?);
            let Some(next) = at.checked_add(step) else { break };
            at = next;
        }
        Some(picks)
    }

    /// Start and end of a cut that runs backward, the end one before the last element.
    fn backward(&self, n: &DimExpr) -> Option<(DimExpr, DimExpr)> {
        let last = n.offset(-1)?;
        let before = DimExpr::constant(-1);
        let start = match self.start.as_ref()? {
            e if e.as_constant().is_some_and(|c| c >= FAR) => last.clone(),
            e if e.as_constant() == Some(-1) || n.as_constant() == Some(0) => last.clone(),
            e if e.is_nonneg() => e.minimum(&last)?,
            // A start before the first element is the first, of an axis that has one.
            e if n.is_positive() => wrapped(e, n)?.minimum(&last)?.maximum(&DimExpr::constant(0))?,
            _ => return None,
        };
        let end = match self.end.as_ref()? {
            e if e.as_constant().is_some_and(|c| c <= -FAR) => before,
            e => wrapped(e, n)?.minimum(&last)?.maximum(&before)?,
        };
        Some((start, end))
    }
}

/// A bound counted from the start. `None` where its sign is not known.
fn wrapped(bound: &DimExpr, n: &DimExpr) -> Option<DimExpr> {
    let shifted = bound.add(n)?;
    if bound.is_nonneg() {
        Some(bound.clone())
    } else if shifted.as_constant() == Some(0) {
        // The whole axis counted back, however long it is.
        Some(shifted)
    } else if !bound.neg()?.is_positive() {
        None
    } else {
        Some(shifted)
    }
}

/// A bound between 0 and `n`.
fn clamp(bound: &DimExpr, n: &DimExpr) -> Option<DimExpr> {
    match bound.as_constant() {
        Some(c) if c >= FAR => Some(n.clone()),
        Some(c) if c <= -FAR => Some(DimExpr::constant(0)),
        _ => wrapped(bound, n)?.minimum(n)?.maximum(&DimExpr::constant(0)),
    }
}

/// Cuts at known places of a tensor whose dims are numbers.
fn slice_elements(site: &mut Site<'_>, cuts: &[Cut]) -> Option<()> {
    let grid = site.grid(0)?;
    let mut picks: Vec<Vec<usize>> = grid.dims.iter().map(|&d| (0..d.min(MAX_ELEMENTS)).collect()).collect();
    for cut in cuts {
        let size = grid.dims.get(cut.axis).copied()?;
        *picks.get_mut(cut.axis)? = cut.picks(size)?;
    }
    let dims: Vec<usize> = picks.iter().map(Vec::len).collect();
    let data = indices(&dims).into_iter().map(|index| {
        let source: Vec<usize> = index.iter().zip(&picks).map(|(&i, picks)| picks[i]).collect();
        grid.at(&source).cloned()
    });
    let data = data.collect();
    site.set_elements(dims, data);
    Some(())
}

fn pad(site: &mut Site<'_>) -> Option<()> {
    let shape = site.shape(0)?;
    let rank = shape.len();
    let pads: Option<Vec<Option<DimExpr>>> = if site.schema?.inputs.len() == 1 {
        let attr = if site.schema?.attr("paddings").is_some() { "paddings" } else { "pads" };
        site.ints_or_none(attr)?.map(|l| l.iter().map(|&n| Some(DimExpr::constant(n))).collect())
    } else {
        site.vector(1)
    };
    let at: Option<Vec<usize>> = if site.has(3) {
        site.numbers(3).and_then(|list| list.iter().map(|&a| axis(a, rank)).collect())
    } else {
        Some((0..rank).collect())
    };
    let (Some(pads), Some(at)) = (pads, at) else {
        let fresh = site.fresh_shape(0, rank);
        site.set_shape(0, fresh);
        return None;
    };
    if pads.len() != 2 * at.len() {
        return None;
    }
    let mut padded = shape.to_vec();
    for (i, &axis) in at.iter().enumerate() {
        let size = match (&pads[i], &pads[i + at.len()]) {
            (Some(before), Some(after)) => {
                shape[axis].expr().and_then(|n| n.add(before)?.add(after)).and_then(Dim::from_expr)
            }
            _ => None,
        };
        padded[axis] = site.dim_or_fresh(size, 0, axis);
    }
    site.set_shape(0, padded);
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn size(start: i64, end: i64, step: i64, dim: &Dim) -> String {
        let number = |n| Some(DimExpr::constant(n));
        let cut = Cut { axis: 0, start: number(start), end: number(end), step: Some(step) };
        cut.size(dim).unwrap().to_string()
    }

    #[test]
    fn bounds_are_clamped() {
        let n = Dim::symbol("n");
        assert_eq!(size(0, i64::MAX, 1, &n), "n");
        assert_eq!(size(0, -1, 1, &n), "max(n - 1, 0)");
        assert_eq!(size(0, 2, 1, &n), "min(n, 2)");
        assert_eq!(size(-1, i64::MIN, -1, &n), "n");
        assert_eq!(size(1, 100, 3, &Dim::Fixed(9)), "3");
        assert_eq!(size(5, 1, 1, &Dim::Fixed(9)), "0");
        assert_eq!(size(-1, 2, -2, &Dim::Fixed(9)), "3");
        assert_eq!(size(-100, -200, -1, &Dim::Fixed(9)), "1");
        assert_eq!(size(-100, -200, -1, &Dim::Fixed(0)), "0");
        assert_eq!(size(3, i64::MIN, -1, &Dim::Fixed(0)), "0");
        let number = |n| Some(DimExpr::constant(n));
        let maybe_empty = Cut { axis: 0, start: number(-2), end: number(i64::MIN), step: Some(-1) };
        assert_eq!(maybe_empty.size(&n), None);
        let minus = DimExpr::symbol("n").neg();
        let last = Cut { axis: 0, start: minus, end: Some(DimExpr::constant(i64::MAX)), step: Some(1) };
        assert_eq!(last.size(&n), Some(n));
    }
}
