//! Products of whole numbers of eight bits.

use crate::ir::Use;
use crate::passes::unfold::{Formula, shifted};
use crate::require;
use crate::rewrite::{Miss, Ref};
use crate::tensor::DType;

/// Products of two bytes, less their zero points, whose sum single precision holds.
const EXACT: i64 = (1 << 24) / (255 * 255);

pub(super) fn matmul(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (a, b) = (f.operand(0)?, f.operand(1)?);
    let terms = f.shape(a)?.len().checked_sub(1).and_then(|last| f.fixed(a, last));
    may_sum(f, terms)?;
    let zeros = [f.optional(2), f.optional(3)];
    let a = shifted(f, a, zeros[0], &[])?;
    let b = shifted(f, b, zeros[1], &[&[]])?;
    let y = f.op("MatMul", [a, b]);
    Ok(f.cast(y, DType::I32))
}

pub(super) fn conv(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (x, w) = (f.operand(0)?, f.operand(1)?);
    let terms = (1..f.shape(w)?.len()).try_fold(1i64, |all, axis| f.fixed(w, axis)?.checked_mul(all));
    may_sum(f, terms)?;
    let trailing: Vec<i64> = (1..f.shape(w)?.len() as i64).collect();
    let zeros = [f.optional(2), f.optional(3)];
    let x = shifted(f, x, zeros[0], &[])?;
    let w = shifted(f, w, zeros[1], &[&trailing])?;
    let y = f.op("Conv", [x, w]);
    let attrs = ["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"];
    attrs.into_iter().for_each(|name| f.keep(name));
    Ok(f.cast(y, DType::I32))
}

/// Whether sums of so many products are exact, or become floats anyway.
fn may_sum(f: &Formula<'_>, terms: Option<i64>) -> Result<(), Miss> {
    if terms.is_some_and(|terms| terms <= EXACT) {
        return Ok(());
    }
    let graph = f.cx.graph;
    let sums = f.node().outputs()[0];
    let floats = |at: &Use| match *at {
        Use::Operand { node, .. } if f.cx.node(node).op().is("Cast") => {
            graph.dtype(f.cx.node(node).outputs()[0]).is_some_and(|dtype| dtype.is_float())
        }
        _ => false,
    };
    require!(graph.value(sums).uses().iter().all(floats), sums, "sums beyond 2^24 are read as whole numbers");
    Ok(())
}
