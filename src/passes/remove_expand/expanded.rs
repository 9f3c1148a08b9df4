//! An `Expand` of what was expanded.

use super::{broadcast, unexpanded};
use crate::ir::{Dim, NodeId, ValueId};
use crate::passes::linear::same_dims;
use crate::require;
use crate::rewrite::{Context, Miss, Patch, Ref};
use crate::tensor::Tensor;

/// Expands what was there at first, to the second shape or to that of both.
pub(super) fn merge(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    let n = cx.node(node);
    let (Some(inner), Some(second)) = (n.input(0), n.input(1)) else { return Err(Miss::Silent) };
    let x = unexpanded(cx, inner).ok_or(Miss::Silent)?;
    let (Some(from), Some(to)) = (cx.graph.shape(x), cx.graph.shape(n.outputs()[0])) else {
        return Err(Miss::Silent);
    };
    if reaches(cx, from, second, to) {
        return Ok(Patch::op("Expand", [x, second]));
    }
    require!(!cx.in_function, inner, "a function cannot hold the shape of both");
    let sizes = stretched(from, to)
        .ok_or_else(|| Miss::because("the shape of both is not known in numbers", inner))?;
    let mut patch = Patch::new();
    let sizes = patch.constant(Tensor::vector(&sizes));
    patch.node("Expand", [Ref::Old(x), sizes]);
    Ok(patch)
}

/// Whether the elements of a shape operand are enough to stretch one shape to another.
fn reaches(cx: &Context<'_>, from: &[Dim], operand: ValueId, to: &[Dim]) -> bool {
    let reached = || {
        let elements = cx.facts.elements(operand)?.iter();
        let given: Vec<Dim> = elements.map(|e| Dim::from_expr(e.clone()?)).collect::<Option<_>>()?;
        Some(same_dims(&broadcast(&[from, &given])?, to))
    };
    reached().unwrap_or(false)
}

/// The sizes of the dims that are stretched, 1 for those that stay.
fn stretched(from: &[Dim], to: &[Dim]) -> Option<Vec<i64>> {
    let added = to.len().checked_sub(from.len())?;
    let size = |(at, dim): (usize, &Dim)| {
        let have = at.checked_sub(added).map(|at| &from[at]);
        match have.is_some_and(|have| have.same(dim).is_proven()) {
            true => Some(1),
            false => i64::try_from(dim.as_fixed()?).ok(),
        }
    };
    to.iter().enumerate().map(size).collect()
}
