//! `merge-movement`: reshapes and transpositions that follow each other become the fewest that do the same.
//!
//! ```text
//! Reshape(Reshape(x))                       ->   Reshape(x)
//! Transpose(Transpose(x))                   ->   Transpose(x), or x
//! Reshape(Transpose(Reshape(Transpose(x)))) ->   Transpose(Reshape(x)), and the like
//! Transpose(x) that moves only dims of 1    ->   Reshape(x)
//! Reshape(MatMul(Reshape(x), W) + b)        ->   Reshape(MatMul(x, W) + b), and the like
//! op(Transpose(x), Transpose(y))            ->   Transpose(op(x, y))
//! Transpose(Gather(x, i)), Transpose(Gather(x, j))   ->   y = Transpose(x); Gather(y, i), Gather(y, j)
//! ```
//!
//! Exact. `Reshape`, `Flatten`, `Squeeze`, `Unsqueeze` and `Transpose` are movements. A chain of them is followed by the
//! factors of the dims, symbolic ones too, and written anew when that takes fewer nodes.
//!
//! Between movements may lie what does not care where an element is, and is read by the chain alone: elementwise ops of
//! one operand; of two, where the other one is a number, or a constant that can be moved as well; `MatMul` with a
//! matrix, `Gemm`, `LayerNormalization`, `Softmax` and the like over a last axis that stays the last.
//!
//! Elementwise ops and `Concat` of operands that are all moved alike are done before the movement, which is then done
//! once. What is picked by number from one value and then moved alike is picked from the moved value, and a movement
//! before a `Split` goes into those that follow each of its parts.
//!
//! Refused: what would take as many nodes as before, and a shape that cannot be written in numbers with zeros for
//! copied dims and one -1, unless the chain has read it from a value already. For TensorRT, what puts the rows of a product
//! in another order behind it: its compiler lets the product write its result where it is split into heads, as long as
//! rows stay in order (5 layers of Swin's 194). Nor is for TensorRT what constant indices have picked moved in another way:
//! of Swin V2's biases its compiler (RTX 1.7) makes no code then.

use crate::error::Result;
use crate::ir::{Model, NodeId, OpId};
use crate::rewrite::{
    Context, Exactness, Meta, Miss, Pass, PassContext, PassStats, Patch, Rule, Work, settle,
};

mod alike;
mod between;
mod chain;
mod operand;
mod parted;
mod picked;
mod reshapes;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct MergeMovement;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(MergeMovement)
}

const META: Meta = Meta {
    id: "merge-movement",
    summary: "chains of reshapes and transpositions become the shortest ones",
    exactness: Exactness::Exact,
    since_opset: 5,
    emits: &[OpId::onnx("Reshape"), OpId::onnx("Transpose"), OpId::onnx("Squeeze"), OpId::onnx("Unsqueeze")],
};

impl Pass for MergeMovement {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        settle(&[&Merge { placed: cx.target.places_products }], model, cx)
    }
}

/// The rules, as the target's compiler leaves something to gain.
struct Merge {
    /// Whether it places products itself.
    placed: bool,
}

impl Rule for Merge {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        &[]
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> std::result::Result<Patch, Miss> {
        let mut why = Miss::Silent;
        let chain = |cx: &Context<'_>, node| chain::merge(cx, node, self.placed);
        let rules: [&dyn Fn(&Context<'_>, NodeId) -> _; 5] =
            [&reshapes::merge, &chain, &alike::merge, &picked::merge, &parted::merge];
        for rule in rules {
            match rule(cx, node) {
                Err(Miss::Silent) => {}
                Err(miss) => why = miss,
                done => return done,
            }
        }
        Err(why)
    }
}
