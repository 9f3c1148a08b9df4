//! Between which sizes whole numbers lie.

use crate::ir::{DimExpr, ValueId};
use crate::rewrite::Context;
use crate::tensor::DType;

/// Nodes above each other that are looked at; a sum has two ways up.
const DEEPEST: usize = 8;

/// The least and the greatest that an element may be.
struct Bounds {
    low: DimExpr,
    high: DimExpr,
}

/// Whether a comparison of whole numbers holds for all elements, or for none.
pub(super) fn decided(cx: &Context<'_>, comparison: ValueId) -> Option<bool> {
    let node = cx.node(cx.graph.producer(comparison).filter(|&n| cx.node(n).op().domain.is_empty())?);
    let (a, b) = (node.input(0)?, node.input(1)?);
    // Whether the first is to be the larger one, and by how much.
    let (a, b, least) = match node.op().name {
        "GreaterOrEqual" => (a, b, 0),
        "Greater" => (a, b, 1),
        "LessOrEqual" => (b, a, 0),
        "Less" => (b, a, 1),
        _ => return None,
    };
    let (a, b) = (Bounds::of(cx, a, DEEPEST)?, Bounds::of(cx, b, DEEPEST)?);
    if a.low.sub(&b.high)?.at_least(least).is_proven() {
        return Some(true);
    }
    let never = b.low.sub(&a.high)?.at_least(1 - least).is_proven();
    never.then_some(false)
}

impl Bounds {
    fn of(cx: &Context<'_>, value: ValueId, left: usize) -> Option<Self> {
        if !matches!(cx.graph.dtype(value)?, DType::I32 | DType::I64) {
            return None;
        }
        if let Some(bounds) = Self::of_elements(cx, value) {
            return Some(bounds);
        }
        let node = cx.node(cx.graph.producer(value).filter(|_| left > 0)?);
        if !node.op().domain.is_empty() {
            return None;
        }
        let of = |input: usize| Self::of(cx, node.input(input)?, left - 1);
        match node.op().name {
            "Range" => {
                let (start, limit) = (of(0)?, of(1)?);
                let steps = cx.graph.const_value(node.input(2)?)?.as_int()? == 1;
                steps.then_some(Self { low: start.low, high: limit.high.offset(-1)? })
            }
            "Reshape" | "Unsqueeze" | "Squeeze" | "Expand" | "Transpose" | "Slice" | "Identity" => of(0),
            "Add" => {
                let (a, b) = (of(0)?, of(1)?);
                Some(Self { low: a.low.add(&b.low)?, high: a.high.add(&b.high)? })
            }
            "Sub" => {
                let (a, b) = (of(0)?, of(1)?);
                Some(Self { low: a.low.sub(&b.high)?, high: a.high.sub(&b.low)? })
            }
            _ => None,
        }
    }

    fn of_elements(cx: &Context<'_>, value: ValueId) -> Option<Self> {
        let all: Vec<&DimExpr> =
            cx.facts.elements(value)?.iter().map(Option::as_ref).collect::<Option<_>>()?;
        let (first, others) = all.split_first()?;
        others.iter().try_fold(Self { low: (*first).clone(), high: (*first).clone() }, |bounds, e| {
            Some(Self { low: bounds.low.minimum(e)?, high: bounds.high.maximum(e)? })
        })
    }
}
