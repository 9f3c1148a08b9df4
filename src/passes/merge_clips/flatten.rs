//! Ops of any number of operands that take each other's result, and constants among the operands.

use crate::ir::{NodeId, ValueId};
use crate::passes::linear::{same_shape, sole_producer};
use crate::rewrite::{Context, Miss, Patch, Ref};
use crate::tensor::Tensor;
use rustc_hash::FxHashSet;

/// Operands of one node at most.
const MOST_OPERANDS: usize = 32;
/// Elements of a constant that is computed.
const MOST_ELEMENTS: usize = 1 << 20;

pub(super) fn merge(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    let n = cx.node(node);
    // Before opset 8 operands do not broadcast.
    if !matches!(n.op().name, "Max" | "Min" | "Sum") || cx.opset() < 8 {
        return Err(Miss::Silent);
    }
    let own: Vec<ValueId> = n.inputs().collect::<Option<_>>().ok_or(Miss::Silent)?;
    let mut all = Vec::new();
    for &value in &own {
        let inner = cx.graph.producer(value).filter(|&p| cx.node(p).op() == n.op());
        match inner {
            Some(inner) if own.len() > 1 && sole_producer(cx, value, node).is_ok() => {
                all.extend(cx.node(inner).inputs().collect::<Option<Vec<_>>>().ok_or(Miss::Silent)?);
            }
            _ => all.push(value),
        }
    }
    if all.len() > MOST_OPERANDS {
        return Err(Miss::Silent);
    }
    let mut patch = Patch::new();
    let mut operands: Vec<Ref> = Vec::new();
    if n.op().is("Sum") {
        operands.extend(all.iter().map(|&v| Ref::from(v)));
    } else {
        let (constants, mut values): (Vec<ValueId>, Vec<ValueId>) =
            all.iter().partition(|&&v| cx.graph.is_const(v));
        let mut seen = FxHashSet::default();
        values.retain(|&v| seen.insert(v));
        operands.extend(values.into_iter().map(Ref::from));
        match joined(cx, node, &constants) {
            Some(tensor) if constants.len() > 1 => operands.push(patch.constant(tensor)),
            _ => operands.extend(constants.into_iter().map(Ref::from)),
        }
    }
    if let [Ref::Old(x)] = operands[..]
        && own.len() > 1
        && same_shape(cx, x, n.outputs()[0])
    {
        return Ok(Patch::forward(n.outputs()[0], x));
    }
    if all == own && operands.len() == own.len() || operands.len() < 2 {
        return Err(Miss::Silent);
    }
    patch.copy(n, operands);
    Ok(patch)
}

/// The largest or smallest of constants that have one shape, or are numbers of no higher rank.
fn joined(cx: &Context<'_>, node: NodeId, constants: &[ValueId]) -> Option<Tensor> {
    let tensors: Vec<Tensor> = constants.iter().map(|&c| cx.graph.const_value(c)).collect::<Option<_>>()?;
    let wide = tensors.iter().max_by_key(|t| (t.len(), t.rank()))?;
    let fits = |t: &Tensor| t.shape() == wide.shape() || (t.len() == 1 && t.rank() <= wide.rank());
    if !tensors.iter().all(fits)
        || wide.len() > MOST_ELEMENTS
        || wide.dtype().is_int() && wide.dtype().bits() > 32
    {
        return None;
    }
    let pick: fn(f64, f64) -> f64 = if cx.node(node).op().is("Max") { f64::max } else { f64::min };
    let mut best = vec![f64::NAN; wide.len()];
    for tensor in &tensors {
        let numbers = tensor.to_f64s()?;
        let at = |i: usize| if numbers.len() == 1 { numbers[0] } else { numbers[i] };
        if numbers.iter().any(|v| v.is_nan()) {
            return None;
        }
        best.iter_mut().enumerate().for_each(|(i, b)| *b = pick(*b, at(i)));
    }
    Tensor::from_f64s(wide.dtype(), wide.shape(), &best).ok()
}
