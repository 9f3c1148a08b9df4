//! Kernels for operators that are cheap to fold, most of them shape arithmetic: no runtime is needed for them.
//!
//! Every kernel gives what ONNX Runtime gives, bit for bit, or nothing: what the specification leaves open (division
//! by zero, casts out of range, the sign of the larger of two zeros) is left to the runtime.
//!
//! | file | idea |
//! |---|---|
//! | `layout` | moving elements without looking at them |
//! | `shape` | the same elements under other dims |
//! | `movement` | Transpose, Concat, Slice, Gather, … |
//! | `arithmetic` | elementwise numbers |
//! | `logic` | comparisons, booleans, Where |
//! | `cast` | from one element type to another |
//! | `make` | tensors out of a few numbers |
//! | `reduce` | sums and products of integers |

mod arithmetic;
mod cast;
mod layout;
mod logic;
mod make;
mod movement;
mod reduce;
mod shape;

use crate::ir::{Attr, Node};
use crate::tensor::Tensor;

/// One node on known operands.
pub(super) struct Call<'a> {
    /// The node; its op is of the default domain.
    pub(super) node: &'a Node,
    /// The version of the default domain.
    pub(super) opset: i64,
    /// Its operands; `None` where an optional one is omitted.
    pub(super) inputs: &'a [Option<Tensor>],
    /// Bytes that one result may take.
    pub(super) limit: usize,
}

impl<'a> Call<'a> {
    fn input(&self, index: usize) -> Option<&'a Tensor> {
        self.inputs.get(index)?.as_ref()
    }

    /// An integer attribute with its default. `None` where it is a reference or of another kind.
    fn int_or(&self, attr: &str, default: i64) -> Option<i64> {
        match self.node.attr(attr) {
            None => Some(default),
            Some(Attr::Int(v)) => Some(*v),
            Some(_) => None,
        }
    }

    /// The integers of an input or of the attribute that older opsets have in its place.
    /// `Some(None)` where neither is given.
    fn ints(&self, input: usize, attr: &str) -> Option<Option<Vec<i64>>> {
        match (self.input(input), self.node.attr(attr)) {
            (Some(t), _) => t.to_i64s().map(Some),
            (None, None) => Some(None),
            (None, Some(Attr::Ints(v))) => Some(Some(v.clone())),
            (None, Some(_)) => None,
        }
    }
}

/// The outputs of a node of the default domain, or `None` where there is no kernel for it, for these types or for
/// what the specification leaves open.
pub(super) fn evaluate(call: &Call<'_>) -> Option<Vec<Tensor>> {
    let one = match call.node.op().name {
        "Split" => return movement::split(call),
        "Identity" => call.input(0).cloned(),
        "Shape" => shape::shape(call),
        "Size" => shape::size(call),
        "Reshape" => shape::reshape(call),
        "Squeeze" => shape::squeeze(call),
        "Unsqueeze" => shape::unsqueeze(call),
        "Flatten" => shape::flatten(call),
        "Transpose" => movement::transpose(call),
        "Concat" => movement::concat(call),
        "Slice" => movement::slice(call),
        "Gather" => movement::gather(call),
        "Expand" => movement::expand(call),
        "Tile" => movement::tile(call),
        "Pad" => movement::pad(call),
        "Add" | "Sub" | "Mul" | "Div" | "Mod" | "Min" | "Max" => arithmetic::binary(call),
        "Neg" | "Abs" | "Sign" | "Floor" | "Ceil" | "Sqrt" => arithmetic::unary(call),
        "Equal" | "Less" | "Greater" | "LessOrEqual" | "GreaterOrEqual" => logic::compare(call),
        "And" | "Or" | "Xor" => logic::boolean(call),
        "Not" => logic::not(call),
        "Where" => logic::select(call),
        "Cast" => cast::cast(call),
        "ConstantOfShape" => make::constant_of_shape(call),
        "Range" => make::range(call),
        "NonZero" => make::non_zero(call),
        "ReduceProd" | "ReduceSum" | "ReduceMin" | "ReduceMax" => reduce::reduce(call),
        _ => None,
    };
    Some(vec![one?])
}

#[cfg(test)]
mod tests;
