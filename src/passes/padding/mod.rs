//! What a `Pad` adds, in whichever form its opset has it.

use crate::ir::NodeId;
use crate::rewrite::Context;

/// The pads of all axes, begins first. `None` where they are not known, or the rank is not.
pub(super) fn amounts(cx: &Context<'_>, pad: NodeId) -> Option<Vec<i64>> {
    let n = cx.node(pad);
    let rank = cx.graph.rank(n.input(0)?)?;
    let given = cx.ints(pad, 1, "pads")??;
    let axes: Vec<usize> = match n.input(3) {
        None => (0..rank).collect(),
        Some(axes) => {
            let whole = i64::try_from(rank).ok()?;
            let front = |a: i64| usize::try_from(if a < 0 { a + whole } else { a }).ok();
            cx.constant_ints(axes)?.into_iter().map(front).collect::<Option<_>>()?
        }
    };
    if given.len() != 2 * axes.len() {
        return None;
    }
    let mut pads = vec![0; 2 * rank];
    for (i, &axis) in axes.iter().enumerate() {
        *pads[..rank].get_mut(axis)? = given[i];
        pads[axis + rank] = given[i + axes.len()];
    }
    Some(pads)
}

/// What the pads are filled with: a number, or elements of the operand.
pub(super) fn mode<'g>(cx: &Context<'g>, pad: NodeId) -> &'g str {
    cx.node(pad).string("mode").unwrap_or("constant")
}

/// The number that fills the pads.
pub(super) fn filled(cx: &Context<'_>, pad: NodeId) -> Option<f64> {
    let n = cx.node(pad);
    match n.input(2) {
        Some(value) => cx.graph.const_value(value)?.as_scalar(),
        None if cx.opset() < 11 => n.float("value").map_or(Some(0.0), |v| Some(f64::from(v))),
        None => Some(0.0),
    }
}
