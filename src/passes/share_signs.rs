//! `share-signs`: negations of parts, before a factor that several products share, are done to the factor once.
//!
//! ```text
//! Concat(-b, a) · s,  Concat(-d, c) · s,  ...   ->   t = s · [-1 1];  Concat(b, a) · t,  Concat(d, c) · t,  ...
//! ```
//!
//! Exact: a sign is a sign wherever it stands. Such are rotary position embeddings, whose sine all layers read.
//!
//! Fires where more than one `Neg` goes. The products are of one body, the same parts of the same sizes, known numbers, are
//! negated in each, and nothing else reads what is negated or joined.
//!
//! Refused: functions, which hold no constants.

use crate::ir::{NodeId, OpId, Use, ValueId};
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Ref, Rule, Work};
use crate::tensor::Tensor;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct ShareSigns;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(ShareSigns)
}

const META: Meta = Meta {
    id: "share-signs",
    summary: "negations of parts before a factor that several products share are done to the factor once",
    exactness: Exactness::Exact,
    since_opset: 7,
    emits: &[OpId::onnx("Concat"), OpId::onnx("Mul")],
};

/// Elements that are joined along the axis at most.
const MOST: usize = 1 << 16;

impl Rule for ShareSigns {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Concat")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let first = Joined::read(cx, node).ok_or(Miss::Silent)?;
        let inside = |product: NodeId| cx.node(product).region() == cx.node(node).region();
        let alike = |product| {
            Joined::of(cx, product, first.factor).filter(|j| inside(j.product) && j.is_like(&first))
        };
        let products = cx.graph.value(first.factor).uses().iter().filter_map(|u| match *u {
            Use::Operand { node: product, .. } => Some(product),
            Use::RegionOutput { .. } => None,
        });
        let all: Vec<Joined> = products.filter_map(alike).collect();
        require!(all.iter().map(Joined::negations).sum::<usize>() > 1, first.factor, "only one Neg would go");
        require!(!cx.in_function, first.factor, "a function cannot hold the signs");
        let mut patch = Patch::new();
        let signs = patch.constant(first.signs(cx).ok_or(Miss::Silent)?);
        let factor = patch.node("Mul", [Ref::Old(first.factor), signs]);
        for joined in all {
            let parts: Vec<ValueId> = joined.parts.iter().map(|part| part.value).collect();
            let whole = patch.node("Concat", parts);
            patch.set_attr("axis", -1 - joined.from_end as i64);
            let product = patch.node("Mul", [whole, factor]);
            patch.replace(cx.node(joined.product).outputs()[0], product);
        }
        Ok(patch)
    }
}

/// One operand of a `Concat`, without its sign.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Part {
    value: ValueId,
    negated: bool,
    size: usize,
}

/// A `Concat` that alone is read by a product, some parts of which are negated.
struct Joined {
    parts: Vec<Part>,
    /// The axis, counted from the last one.
    from_end: usize,
    product: NodeId,
    factor: ValueId,
}

impl Joined {
    fn read(cx: &Context<'_>, concat: NodeId) -> Option<Self> {
        let n = cx.node(concat);
        let whole = n.outputs()[0];
        let &[Use::Operand { node: product, .. }] = cx.graph.value(whole).uses() else { return None };
        let p = cx.node(product);
        if !p.op().is("Mul") || p.region() != n.region() || cx.opset() < META.since_opset {
            return None;
        }
        let factor = p.inputs().flatten().find(|&v| v != whole)?;
        let rank = cx.graph.rank(whole)?;
        let axis = cx.int(concat, "axis")?;
        let from_front = if axis < 0 { axis.checked_add(i64::try_from(rank).ok()?)? } else { axis };
        let axis = usize::try_from(from_front).ok().filter(|&a| a < rank)?;
        let parts: Option<Vec<Part>> = n.inputs().map(|v| part(cx, concat, v?, axis)).collect();
        let joined = Self { parts: parts?, from_end: rank - 1 - axis, product, factor };
        (joined.negations() > 0).then_some(joined)
    }

    /// The one that a product multiplies with a factor.
    fn of(cx: &Context<'_>, product: NodeId, factor: ValueId) -> Option<Self> {
        let other = cx.node(product).inputs().flatten().find(|&v| v != factor)?;
        let concat = cx.graph.producer_is(other, "Concat")?;
        Self::read(cx, concat).filter(|j| (j.product, j.factor) == (product, factor))
    }

    fn is_like(&self, other: &Self) -> bool {
        let signs = |j: &Self| j.parts.iter().map(|p| (p.negated, p.size)).collect::<Vec<_>>();
        self.from_end == other.from_end && signs(self) == signs(other)
    }

    fn negations(&self) -> usize {
        self.parts.iter().filter(|p| p.negated).count()
    }

    fn signs(&self, cx: &Context<'_>) -> Option<Tensor> {
        let dtype = cx.graph.dtype(self.factor).filter(|d| d.is_float())?;
        let sign = |p: &Part| std::iter::repeat_n(if p.negated { -1.0 } else { 1.0 }, p.size);
        let signs: Vec<f64> = self.parts.iter().flat_map(sign).collect();
        let mut shape = vec![1; self.from_end + 1];
        shape[0] = signs.len();
        Tensor::from_f64s(dtype, &shape, &signs).ok()
    }
}

fn part(cx: &Context<'_>, concat: NodeId, value: ValueId, axis: usize) -> Option<Part> {
    let size = usize::try_from(cx.graph.shape(value)?.get(axis)?.as_fixed()?).ok().filter(|&n| n <= MOST)?;
    let own = cx.graph.value(value).uses().len() == 1;
    let neg = cx.graph.producer_is(value, "Neg").filter(|&n| cx.node(n).region() == cx.node(concat).region());
    Some(match neg.filter(|_| own) {
        Some(neg) => Part { value: cx.node(neg).input(0)?, negated: true, size },
        None => Part { value, negated: false, size },
    })
}
