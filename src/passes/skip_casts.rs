//! `skip-casts`: floats that are whole numbers need not become integers and floats again.
//!
//! ```text
//! Cast<to=T>(Cast<to=integer>(x))   ->   x        where x, of type T, holds only whole numbers
//! ```
//!
//! Whole are what `Round`, `Floor` and `Ceil` give, integers cast to floats, and sums, products, bounds and movements of
//! these: rounding keeps a whole number whole.
//!
//! Reassociates: of what rounds to 0 from below, a zero without its sign becomes one with it. A number that the integer type
//! does not hold is up to the runtime.
//!
//! Refused: numbers that are not known to be whole.

use crate::ir::{NodeId, OpId, ValueId};
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Rule, Work};

/// Nodes above a value that are looked at.
const MOST_NODES: usize = 64;
/// Elements of a constant that are looked at.
const MOST_ELEMENTS: usize = 1 << 12;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct SkipCasts;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(SkipCasts)
}

const META: Meta = Meta {
    id: "skip-casts",
    summary: "Cast to integers and back of whole numbers goes",
    exactness: Exactness::Reassociates,
    since_opset: 6,
    emits: &[],
};

impl Rule for SkipCasts {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Cast")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let n = cx.node(node);
        let (y, between) = (n.outputs()[0], n.input(0).ok_or(Miss::Silent)?);
        let inner = cx.graph.producer_is(between, "Cast").ok_or(Miss::Silent)?;
        let x = cx.node(inner).input(0).ok_or(Miss::Silent)?;
        let (Some(from), Some(integer), Some(to)) =
            (cx.graph.dtype(x), cx.graph.dtype(between), cx.graph.dtype(y))
        else {
            return Err(Miss::Silent);
        };
        let back = from.is_float() && from == to && integer.is_int();
        if !back || cx.node(inner).region() != n.region() || cx.graph.is_graph_output(y) {
            return Err(Miss::Silent);
        }
        require!(Search { cx, left: MOST_NODES }.is_whole(x), x, "the numbers are not known to be whole");
        Ok(Patch::forward(y, x))
    }
}

struct Search<'c, 'g> {
    cx: &'c Context<'g>,
    left: usize,
}

impl Search<'_, '_> {
    fn is_whole(&mut self, value: ValueId) -> bool {
        let graph = self.cx.graph;
        if let Some(tensor) = graph.const_value(value) {
            let numbers = Some(tensor).filter(|t| t.len() <= MOST_ELEMENTS).and_then(|t| t.to_f64s());
            return numbers.is_some_and(|all| all.iter().all(|number| number.fract() == 0.0));
        }
        let Some(node) = graph.producer(value).map(|id| self.cx.node(id)).filter(|_| self.left > 0) else {
            return false;
        };
        self.left -= 1;
        if !node.op().domain.is_empty() {
            return false;
        }
        let read = match node.op().name {
            "Round" | "Floor" | "Ceil" => return true,
            "Cast" => {
                let from = node.input(0).and_then(|x| graph.dtype(x));
                return from.is_some_and(|from| from.is_int());
            }
            "Reshape" | "Transpose" | "Squeeze" | "Unsqueeze" | "Expand" | "Identity" => 0..1,
            "Add" | "Sub" | "Mul" | "MatMul" | "Conv" | "Min" | "Max" => 0..node.inputs().count(),
            "Clip" if self.cx.opset() >= 11 => 0..node.inputs().count(),
            "Where" => 1..3,
            _ => return false,
        };
        let operands: Vec<_> = read.filter_map(|at| node.input(at)).collect();
        !operands.is_empty() && operands.into_iter().all(|operand| self.is_whole(operand))
    }
}
