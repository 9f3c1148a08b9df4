//! Values that count from 0 along one axis.

use crate::ir::{Dim, ValueId};
use crate::passes::reduction::over_axes;
use crate::rewrite::{Context, Patch, Ref};
use crate::tensor::{DType, Tensor};

/// Movements between a coordinate and what counts.
const MOST_NODES: usize = 8;

/// What a value counts, along which axis.
#[derive(Clone, Debug)]
pub(super) struct Count {
    /// `None` where it is 0 everywhere.
    pub(super) axis: Option<usize>,
    /// Elements along the axis.
    pub(super) size: Dim,
    /// Where a `Range` ends.
    limit: Option<ValueId>,
}

impl Count {
    /// `None` where it is not known to count, and the same along all other axes.
    pub(super) fn of(cx: &Context<'_>, value: ValueId) -> Option<Self> {
        Self::behind(cx, value, MOST_NODES)
    }

    fn behind(cx: &Context<'_>, value: ValueId, left: usize) -> Option<Self> {
        if let Some(constant) = cx.graph.const_value(value) {
            return Self::constant(&constant);
        }
        let node = cx.node(cx.graph.producer(value)?);
        if !node.op().domain.is_empty() || left == 0 {
            return None;
        }
        let shape = cx.graph.shape(value)?;
        if node.op().name == "Range" {
            let number = |at: usize| cx.graph.const_value(node.input(at)?)?.as_int();
            let counts = number(0) == Some(0) && number(2) == Some(1);
            return counts.then(|| Self { axis: Some(0), size: shape[0].clone(), limit: node.input(1) });
        }
        let inner = Self::behind(cx, node.input(0)?, left - 1)?;
        let Some(axis) = inner.axis else { return is_movement(node.op().name).then_some(inner) };
        let axis = match node.op().name {
            "Reshape" | "Unsqueeze" | "Squeeze" => moved(axis, cx.graph.shape(node.input(0)?)?, shape)?,
            "Expand" => axis + shape.len().checked_sub(cx.graph.rank(node.input(0)?)?)?,
            _ => return None,
        };
        shape[axis].same(&inner.size).is_proven().then_some(Self { axis: Some(axis), ..inner })
    }

    fn constant(tensor: &Tensor) -> Option<Self> {
        let dims: Vec<Dim> = tensor.shape().iter().map(|&n| Dim::Fixed(n as u64)).collect();
        let numbers = tensor.to_i64s()?;
        if !numbers.is_empty() && numbers.iter().all(|&n| n == 0) {
            return Some(Self { axis: None, size: Dim::Fixed(1), limit: None });
        }
        let counts = numbers.iter().enumerate().all(|(at, &n)| i64::try_from(at) == Ok(n));
        match long_axes(&dims)[..] {
            [axis] if counts => Some(Self { axis: Some(axis), size: dims[axis].clone(), limit: None }),
            _ => None,
        }
    }

    /// How many it counts, `[1]`; `None` where it may be less than none.
    pub(super) fn end(&self, cx: &Context<'_>, patch: &mut Patch) -> Option<Ref> {
        if let Some(size) = self.size.as_fixed() {
            return Some(patch.constant(Tensor::vector(&[i64::try_from(size).ok()?])));
        }
        let limit = self.limit.filter(|&v| cx.graph.dtype(v) == Some(DType::I64))?;
        let [Some(number)] = cx.facts.elements(limit)? else { return None };
        number.is_nonneg().then(|| over_axes(cx, patch, "Unsqueeze", limit, &[0]))
    }
}

fn is_movement(op: &str) -> bool {
    matches!(op, "Reshape" | "Unsqueeze" | "Squeeze" | "Expand")
}

/// The axes that are not known to be 1.
fn long_axes(shape: &[Dim]) -> Vec<usize> {
    (0..shape.len()).filter(|&axis| shape[axis] != Dim::Fixed(1)).collect()
}

/// Where an axis is after dims of 1 came or went.
fn moved(axis: usize, from: &[Dim], to: &[Dim]) -> Option<usize> {
    let (old, new) = (long_axes(from), long_axes(to));
    let same =
        old.len() == new.len() && old.iter().zip(&new).all(|(&a, &b)| from[a].same(&to[b]).is_proven());
    let nth = old.iter().position(|&a| a == axis).filter(|_| same)?;
    Some(new[nth])
}
