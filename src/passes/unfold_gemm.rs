//! `unfold-gemm`: a `Gemm` between reshapes that only flatten and restore its batch becomes `MatMul` and `Add`.
//!
//! ```text
//! Reshape(Gemm(Reshape(x, [-1, k]), w, b), [.., n])   ->   MatMul(x, w) + b
//! ```
//!
//! Reassociates: one sum instead of two. Fires only when the first reshape is proven to keep the last axis and
//! the second to restore all others, the factors are not scaled or transposed, and the summand is left out or one row.
//!
//! Refused: a `Gemm` that is read elsewhere too, and a first reshape that would have to stay without anything
//! else to save.

use crate::ir::{Dim, Node, NodeId, OpId, Truth, ValueId};
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Rule, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct UnfoldGemm;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(UnfoldGemm)
}

const META: Meta = Meta {
    id: "unfold-gemm",
    summary: "a Gemm between reshapes of its batch becomes MatMul and Add",
    exactness: Exactness::Reassociates,
    since_opset: 7,
    emits: &[OpId::onnx("MatMul"), OpId::onnx("Add")],
};

impl Rule for UnfoldGemm {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Reshape")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let restored = cx.node(node);
        let product = restored.input(0).ok_or(Miss::Silent)?;
        let gemm = cx.graph.producer_is(product, "Gemm").ok_or(Miss::Silent)?;
        let n = cx.node(gemm);
        let (Some(flat), Some(w)) = (n.input(0), n.input(1)) else { return Err(Miss::Silent) };
        let flatten =
            cx.graph.producer(flat).map(|f| cx.node(f)).filter(|f| flattens(f)).ok_or(Miss::Silent)?;
        let x = flatten.input(0).ok_or(Miss::Silent)?;

        let float = cx.graph.dtype(x).is_some_and(|d| d.is_float());
        require!(float && plain(cx, gemm), product, "the Gemm scales or transposes, or is not one of floats");
        require!(cx.graph.value(product).uses().len() == 1, product, "the Gemm is read elsewhere too");
        require!(n.region() == restored.region(), product, "the Gemm is in another body");
        let shapes = [x, flat, w, restored.outputs()[0]].map(|v| cx.graph.shape(v));
        let [Some(x_dims), Some(flat_dims), Some(w_dims), Some(y_dims)] = shapes else {
            return Err(Miss::because("a rank is not known", x));
        };
        let restores = x_dims.len() > 2
            && same(x_dims.last(), flat_dims.last())
            && y_dims.len() == x_dims.len()
            && x_dims.iter().zip(y_dims).rev().skip(1).all(|(a, b)| same(Some(a), Some(b)))
            && same(y_dims.last(), w_dims.get(1));
        require!(restores, flat, "the reshapes do more than to flatten and restore the batch");
        let bias = n.input(2);
        require!(bias.is_none_or(|b| is_row(cx, b)), bias, "the summand is not one row");
        let sole = cx.graph.value(flat).uses().len() == 1;
        require!(sole || bias.is_none(), flat, "the first reshape is read elsewhere too");

        let mut patch = Patch::new();
        let product = patch.node("MatMul", [x, w]);
        if let Some(bias) = bias {
            patch.node("Add", [product, bias.into()]);
        }
        Ok(patch)
    }
}

fn flattens(node: &Node) -> bool {
    node.op().is("Reshape") || node.op().is("Flatten")
}

fn plain(cx: &Context<'_>, gemm: NodeId) -> bool {
    let is = |name, want| cx.int(gemm, name) == Some(want);
    let scale = |name| cx.float(gemm, name) == Some(1.0);
    is("transA", 0)
        && is("transB", 0)
        && scale("alpha")
        && (cx.node(gemm).input(2).is_none() || scale("beta"))
}

fn same(a: Option<&Dim>, b: Option<&Dim>) -> bool {
    a.zip(b).is_some_and(|(a, b)| a.same(b) == Truth::Proven)
}

fn is_row(cx: &Context<'_>, bias: ValueId) -> bool {
    let Some(dims) = cx.graph.shape(bias) else { return false };
    dims.len() < 2 || (dims.len() == 2 && dims[0].as_fixed() == Some(1))
}
