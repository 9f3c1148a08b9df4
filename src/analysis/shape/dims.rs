//! Arithmetic of whole shapes.

use crate::ir::{Dim, DimExpr, Shape};

/// The shape that all broadcast to, as numpy has it. `None` where a size overflows.
pub(super) fn broadcast(shapes: &[&[Dim]]) -> Option<Shape> {
    let rank = shapes.iter().map(|s| s.len()).max()?;
    let mut common = vec![Dim::Fixed(1); rank];
    for shape in shapes {
        for (to, dim) in common[rank - shape.len()..].iter_mut().zip(*shape) {
            *to = to.broadcast(dim)?;
        }
    }
    Some(common)
}

/// The number of elements of a part of a shape.
pub(super) fn product(dims: &[Dim]) -> Option<DimExpr> {
    dims.iter().try_fold(DimExpr::constant(1), |all, d| all.mul(&d.expr()?))
}

/// The number of elements of a part of a shape, as a dim.
pub(super) fn product_dim(dims: &[Dim]) -> Option<Dim> {
    product(dims).and_then(Dim::from_expr)
}

/// A size from an attribute or operand; `None` where it is negative.
pub(super) fn size(n: i64) -> Option<Dim> {
    u64::try_from(n).ok().map(Dim::Fixed)
}

/// `Fixed` dims.
pub(super) fn sizes(list: &[i64]) -> Option<Shape> {
    list.iter().map(|&n| size(n)).collect()
}

/// `dim * by`.
pub(super) fn times(dim: &Dim, by: i64) -> Option<Dim> {
    dim.mul(&size(by)?)
}

/// `dim + by`.
pub(super) fn plus(dim: &Dim, by: i64) -> Option<Dim> {
    Dim::from_expr(dim.expr()?.offset(by)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_broadcast_from_the_right() {
        let (n, one) = (Dim::symbol("n"), Dim::Fixed(1));
        let shape = broadcast(&[&[n.clone(), one], &[Dim::Fixed(3)]]);
        assert_eq!(shape, Some(vec![n, Dim::Fixed(3)]));
    }
}
