//! `remove-sequences`: tensors go where they are used instead of through a sequence or an optional.
//!
//! ```text
//! SequenceAt(SequenceConstruct(a, b), 1)                    ->   b
//! SequenceLength(SequenceConstruct(a, b))                   ->   2
//! ConcatFromSequence(SequenceInsert(SequenceConstruct(a), b)) ->   Concat(a, b)
//! SequenceAt(SplitToSequence(x), 0), ...                    ->   Split(x)
//! SequenceAt(SplitToSequence<keepdims=0>(x), 1)             ->   Gather(x, 1)
//! OptionalGetElement(Optional(x)), OptionalHasElement(x)    ->   x, true
//! ```
//!
//! Exact. Positions are constants, and so are the sizes of what is split.
//!
//! Refused: a sequence that a body or the caller gets, one of unknown length, and positions outside of it.

mod elements;
mod split;

use crate::ir::{NodeId, OpId, ValueId};
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Rule, Work};
use crate::tensor::Tensor;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct RemoveSequences;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(RemoveSequences)
}

const META: Meta = Meta {
    id: "remove-sequences",
    summary: "tensors go where they are used instead of through sequences and optionals",
    exactness: Exactness::Exact,
    since_opset: 11,
    emits: &[OpId::onnx("Concat"), OpId::onnx("Gather"), OpId::onnx("Split")],
};

impl Rule for RemoveSequences {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[
            OpId::onnx("SequenceAt"),
            OpId::onnx("SequenceLength"),
            OpId::onnx("ConcatFromSequence"),
            OpId::onnx("SplitToSequence"),
            OpId::onnx("OptionalGetElement"),
            OpId::onnx("OptionalHasElement"),
        ];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let mut patch = direct(cx, node)?;
        patch.sharpen();
        Ok(patch)
    }
}

/// The node without the sequence.
fn direct(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    let n = cx.node(node);
    let (y, given) = (n.outputs()[0], n.input(0));
    match n.op().name {
        "SplitToSequence" => split::merge(cx, node),
        "OptionalGetElement" => {
            let given = given.ok_or(Miss::Silent)?;
            Ok(Patch::forward(y, held(cx, given).unwrap_or(given)))
        }
        "OptionalHasElement" => {
            let given = given.ok_or(Miss::Silent)?;
            let tensor = cx.graph.tensor_type(given).is_some();
            require!(tensor || held(cx, given).is_some(), given, "the optional may be empty");
            Ok(constant(y, Tensor::scalar(true)))
        }
        "SequenceAt" => {
            let elements = elements::of(cx, given.ok_or(Miss::Silent)?)?;
            let at = elements::position(cx, n.input(1), elements.len())?;
            let element = elements.get(at).ok_or(Miss::Silent)?;
            Ok(Patch::forward(y, *element))
        }
        "SequenceLength" => {
            let length = elements::of(cx, given.ok_or(Miss::Silent)?)?.len();
            Ok(constant(y, Tensor::scalar(length as i64)))
        }
        _ => {
            let elements = elements::of(cx, given.ok_or(Miss::Silent)?)?;
            require!(cx.int(node, "new_axis") == Some(0), y, "the elements are stacked");
            require!(!elements.is_empty(), y, "the sequence is empty");
            let axis = cx.int(node, "axis").ok_or(Miss::Silent)?;
            Ok(Patch::op("Concat", elements).attr("axis", axis))
        }
    }
}

/// What an `Optional` holds.
fn held(cx: &Context<'_>, optional: ValueId) -> Option<ValueId> {
    cx.node(cx.graph.producer_is(optional, "Optional")?).input(0)
}

fn constant(old: ValueId, tensor: Tensor) -> Patch {
    let mut patch = Patch::new();
    let constant = patch.constant(tensor);
    patch.replace(old, constant);
    patch
}
