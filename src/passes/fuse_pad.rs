//! `fuse-pad`: a `Pad` goes into the pads of the convolution or pool that alone reads it.
//!
//! ```text
//! Conv(Pad(x, p))                          ->   Conv<pads += p>(x)
//! AveragePool(Pad(x, p))                   ->   AveragePool<pads += p, count_include_pad=1>(x)
//! MaxPool(Pad(x, p, -inf))                 ->   MaxPool<pads += p>(x)
//! MaxPool(Pad(Relu(x), p))                 ->   MaxPool<pads += p>(Relu(x))
//! ```
//!
//! Reassociates: the pads are no longer summed up, which may turn the sign of a zero. The pads are constants, none is
//! negative, and batch and channels get none. `Conv`, `ConvInteger` without a zero point and `AveragePool` take the
//! constant 0, `MaxPool` minus infinity, or any number below which `x` is proven not to go. An `AveragePool` either has no pads of its own or counts them already. Pools round their size down, and their pads stay
//! below the size of the window.
//!
//! `auto_pad` is worked out for layers that move by one.
//!
//! Refused: a `Pad` that is read elsewhere too, other modes, and a layer whose pads depend on sizes.

use crate::ir::{NodeId, OpId};
use crate::passes::padding;
use crate::passes::range::Range;
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Ref, Rule, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FusePad;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(FusePad)
}

const META: Meta = Meta {
    id: "fuse-pad",
    summary: "Pad goes into the pads of Conv, AveragePool or MaxPool",
    exactness: Exactness::Reassociates,
    since_opset: 7,
    emits: &[OpId::onnx("Conv"), OpId::onnx("ConvInteger"), OpId::onnx("AveragePool"), OpId::onnx("MaxPool")],
};

impl Rule for FusePad {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        META.emits
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let n = cx.node(node);
        let padded = n.input(0).ok_or(Miss::Silent)?;
        let pad = cx
            .graph
            .producer(padded)
            .filter(|&p| cx.node(p).op() == OpId::onnx("Pad"))
            .ok_or(Miss::Silent)?;
        require!(cx.graph.value(padded).uses().len() == 1, padded, "the Pad is read elsewhere too");
        require!(cx.node(pad).region() == n.region(), padded, "the Pad is in another body");
        let rank = cx.graph.rank(padded).filter(|&r| r > 2).ok_or(Miss::Silent)?;
        let added = spatial_pads(cx, pad, rank)
            .ok_or_else(|| Miss::because("the Pad is not one of constants over the last axes", padded))?;
        let own = own_pads(cx, node, rank - 2)
            .ok_or_else(|| Miss::because("the layer computes its pads", n.outputs()[0]))?;
        require!(fills_alike(cx, node, pad), padded, "the Pad fills in another number than the layer would");
        let pads: Option<Vec<i64>> = own.iter().zip(&added).map(|(a, b)| a.checked_add(*b)).collect();
        let pads = pads.ok_or(Miss::Silent)?;
        let pool = matches!(n.op().name, "AveragePool" | "MaxPool");
        if pool {
            require!(n.outputs().len() == 1, n.outputs()[0], "the pool gives indices too");
            require!(
                fits_pool(cx, node, &pads),
                n.outputs()[0],
                "the pool rounds up or would see nothing but pads"
            );
        }
        let counts = n.op().is("AveragePool");
        let counted = own.iter().all(|&p| p == 0) || cx.int(node, "count_include_pad") == Some(1);
        require!(!counts || counted, n.outputs()[0], "the pool has pads of its own that it does not count");

        let inputs =
            std::iter::once(Ref::from(cx.node(pad).input(0))).chain(n.inputs().skip(1).map(Ref::from));
        let mut patch = Patch::new();
        patch.copy(n, inputs);
        patch.drop_attr("auto_pad");
        patch.reset_attr("pads", pads);
        if counts {
            patch.reset_attr("count_include_pad", 1i64);
        }
        Ok(patch)
    }
}

/// The pads of the last axes, begins first. `None` where others get any, one is negative or unknown.
fn spatial_pads(cx: &Context<'_>, pad: NodeId, rank: usize) -> Option<Vec<i64>> {
    if padding::mode(cx, pad) != "constant" {
        return None;
    }
    let pads = padding::amounts(cx, pad).filter(|p| p.len() == 2 * rank)?;
    let outside = [pads[0], pads[1], pads[rank], pads[rank + 1]];
    if outside.iter().any(|&p| p != 0) || pads.iter().any(|&p| p < 0) {
        return None;
    }
    Some([&pads[2..rank], &pads[rank + 2..]].concat())
}

/// The layer's own pads, begins first.
fn own_pads(cx: &Context<'_>, node: NodeId, spatial: usize) -> Option<Vec<i64>> {
    let n = cx.node(node);
    match n.string("auto_pad") {
        Some("VALID") => return Some(vec![0; 2 * spatial]),
        None | Some("NOTSET" | "") => {}
        Some(mode) => return same_pads(cx, node, spatial, mode == "SAME_UPPER"),
    }
    let own = n.ints("pads").map_or_else(|| vec![0; 2 * spatial], <[i64]>::to_vec);
    (own.len() == 2 * spatial).then_some(own)
}

/// What `auto_pad` comes to where it depends on no size.
fn same_pads(cx: &Context<'_>, node: NodeId, spatial: usize, more_behind: bool) -> Option<Vec<i64>> {
    let n = cx.node(node);
    let ints = |name: &str| n.ints(name).map_or_else(|| vec![1; spatial], <[i64]>::to_vec);
    let window = match n.ints("kernel_shape") {
        Some(window) => window.to_vec(),
        None => {
            let weight = cx.graph.shape(n.input(1)?)?.get(2..)?;
            weight.iter().map(|d| i64::try_from(d.as_fixed()?).ok()).collect::<Option<_>>()?
        }
    };
    if window.len() != spatial || ints("strides").iter().any(|&s| s != 1) {
        return None;
    }
    let wide: Option<Vec<i64>> =
        window.iter().zip(ints("dilations")).map(|(k, d)| k.checked_sub(1)?.checked_mul(d)).collect();
    let (less, more): (Vec<i64>, Vec<i64>) = wide?.iter().map(|w| (w / 2, w - w / 2)).unzip();
    Some(if more_behind { [less, more].concat() } else { [more, less].concat() })
}

/// Whether the layer, with these pads as its own, sees the same numbers there, or none that matter.
fn fills_alike(cx: &Context<'_>, layer: NodeId, pad: NodeId) -> bool {
    let Some(filled) = padding::filled(cx, pad) else { return false };
    match (cx.node(layer).op().name, cx.node(pad).input(0)) {
        ("MaxPool", Some(x)) => filled <= Range::of(cx, x).low,
        ("ConvInteger", _) => filled == 0.0 && cx.node(layer).input(2).is_none(),
        _ => filled == 0.0 && filled.is_sign_positive(),
    }
}

fn fits_pool(cx: &Context<'_>, node: NodeId, pads: &[i64]) -> bool {
    let window = cx.node(node).ints("kernel_shape").unwrap_or(&[]);
    let below = pads.len() == 2 * window.len() && pads.iter().zip(window.iter().cycle()).all(|(p, w)| p < w);
    below && cx.int(node, "ceil_mode").unwrap_or(0) == 0
}
