//! `skip-monotone`: what keeps the order of elements is not computed for the position of the largest.
//!
//! ```text
//! ArgMax(Softmax(x)), ArgMin(LogSoftmax(x))   ->   ArgMax(x), ArgMin(x)
//! ```
//!
//! Reassociates: where two elements are so close that rounding makes them one, the first of them was found, and now the
//! larger one is. Infinite elements, of which `Softmax` makes NaN, are compared as they are. `Softmax` and `LogSoftmax`
//! run along the same axis; `Log` and `Sqrt` are of what is proven not to be negative.
//!
//! Refused: `Sigmoid`, `Tanh` and the like, which are flat where elements are large, `Exp` and the least of `Softmax`,
//! which are flat where they are small.

use crate::ir::{NodeId, OpId, ValueId};
use crate::passes::range::Range;
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Rule, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct SkipMonotone;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(SkipMonotone)
}

const META: Meta = Meta {
    id: "skip-monotone",
    summary: "ArgMax and ArgMin of what keeps the order read what was before",
    exactness: Exactness::Reassociates,
    since_opset: 1,
    emits: &[OpId::onnx("ArgMax"), OpId::onnx("ArgMin")],
};

impl Rule for SkipMonotone {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        META.emits
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let n = cx.node(node);
        let value = n.input(0).ok_or(Miss::Silent)?;
        let curve = cx.graph.producer(value).ok_or(Miss::Silent)?;
        let x = cx.node(curve).input(0).ok_or(Miss::Silent)?;
        let at = Some(value);
        match cx.node(curve).op().name {
            _ if !cx.node(curve).op().domain.is_empty() => return Err(Miss::Silent),
            "Softmax" | "LogSoftmax" => {
                let least = n.op().is("ArgMin") && cx.node(curve).op().is("Softmax");
                require!(!least, at, "the least elements may all underflow to 0");
                require!(along(cx, node, curve, x), at, "the operator runs along another axis");
            }
            "Sqrt" | "Log" => {
                let positive = Range::of(cx, x).low >= 0.0;
                require!(positive, at, "an element may be negative");
            }
            _ => return Err(Miss::Silent),
        }
        let mut patch = Patch::new();
        patch.copy(n, [x]);
        Ok(patch)
    }
}

/// Whether both run along one axis, which `Softmax` has shared with all behind it before opset 13.
fn along(cx: &Context<'_>, arg: NodeId, softmax: NodeId, x: ValueId) -> bool {
    let same = || {
        let rank = i64::try_from(cx.graph.rank(x)?).ok()?;
        let front = |node: NodeId| cx.int(node, "axis").map(|a| if a < 0 { a + rank } else { a });
        let (of, at) = (front(softmax)?, front(arg)?);
        Some(of == at && (cx.opset() >= 13 || at + 1 == rank))
    };
    same().unwrap_or(false)
}
