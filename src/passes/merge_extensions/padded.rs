//! A `Pad` of a `Pad`.

use crate::ir::NodeId;
use crate::passes::linear::sole_producer;
use crate::passes::padding::{amounts, filled, mode};
use crate::require;
use crate::rewrite::{Context, Miss, Patch, Ref};
use crate::tensor::Tensor;

/// Pads once by both amounts.
pub(super) fn merge(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    let n = cx.node(node);
    let value = n.input(0).ok_or(Miss::Silent)?;
    let inner = cx.graph.producer_is(value, "Pad").ok_or(Miss::Silent)?;
    sole_producer(cx, value, node)?;
    let mode = mode(cx, node);
    require!(mode == self::mode(cx, inner), value, "the two pad in different modes");
    let (Some(first), Some(second)) = (amounts(cx, inner), amounts(cx, node)) else {
        return Err(Miss::because("the pads are not known in numbers", value));
    };
    let pads = match mode {
        "constant" => {
            require!(fill_alike(cx, node, inner), value, "the two fill in different numbers");
            added(&first, &second)
        }
        "edge" => added(&first, &second),
        "reflect" | "wrap" => beside(&first, &second),
        _ => None,
    };
    let pads = pads.ok_or_else(|| Miss::because("the pads do not add up", value))?;
    let x = Ref::from(cx.node(inner).input(0));
    let mut patch = Patch::new();
    if cx.opset() < 11 {
        patch.copy(n, [x]);
        patch.reset_attr("pads", pads);
        return Ok(patch);
    }
    let mut inputs = vec![x, patch.constant(Tensor::vector(&pads))];
    inputs.extend(n.input(2).map(Ref::Old));
    patch.copy(n, inputs);
    Ok(patch)
}

fn fill_alike(cx: &Context<'_>, a: NodeId, b: NodeId) -> bool {
    if let (Some(v), Some(w)) = (cx.node(a).input(2), cx.node(b).input(2)) {
        let constants = || Some((cx.graph.const_value(v)?, cx.graph.const_value(w)?));
        return v == w || constants().is_some_and(|(v, w)| v.same_bits(&w));
    }
    let bits = |pad| filled(cx, pad).map(f64::to_bits);
    bits(a).is_some() && bits(a) == bits(b)
}

/// The sums of both, where none is negative and the first ones take nothing away.
fn added(first: &[i64], second: &[i64]) -> Option<Vec<i64>> {
    let sum = |(a, b): (&i64, &i64)| a.checked_add(*b).filter(|&sum| *a >= 0 && sum >= 0);
    if first.len() == second.len() { first.iter().zip(second).map(sum).collect() } else { None }
}

/// The pads of both, where none is negative and no axis has some of both.
fn beside(first: &[i64], second: &[i64]) -> Option<Vec<i64>> {
    let rank = first.len() / 2;
    let pads = |of: &[i64], axis: usize| of[axis] != 0 || of[axis + rank] != 0;
    let sums = added(first, second)?;
    let apart = (0..rank).all(|axis| !pads(first, axis) || !pads(second, axis));
    (apart && second.iter().all(|&p| p >= 0)).then_some(sums)
}
