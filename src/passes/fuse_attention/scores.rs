//! What a product of attention weights and values is computed of.

use super::fold::{self, Fold};
use super::operand::Operand;
use super::weights::Weights;
use super::window;
use crate::ir::{NodeId, ValueId};
use crate::passes::linear::same_dims;
use crate::require;
use crate::rewrite::{Context, Miss};
use crate::tensor::DType;

/// Nodes between the product of queries and keys and its `Softmax` that are looked through.
const LONGEST: usize = 12;
/// A number to which scores may be added without a trace.
const NOTHING: f64 = -1e20;

/// All that the formula reads.
#[derive(Clone)]
pub(super) struct Formula {
    /// What the last product returns.
    pub(super) output: ValueId,
    /// What the first product returns.
    pub(super) product: ValueId,
    pub(super) query: Operand,
    pub(super) key: Operand,
    pub(super) value: Operand,
    /// What happens to the product before the `Softmax`; its scale is that of the operands too.
    pub(super) way: Way,
    /// Whether a row without any key gives 0.
    pub(super) guarded: bool,
    /// Whether the `Softmax` of half precision is computed in `float`.
    pub(super) in_float: bool,
    pub(super) dtype: DType,
}

/// What keeps queries from keys.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mask {
    /// What is added to the product.
    Added(ValueId),
    /// Where the product is kept, or with `not` is not kept, and what stands there otherwise.
    Kept { condition: ValueId, not: bool, otherwise: f64 },
}

impl Mask {
    /// What it reads.
    pub(super) fn value(self) -> ValueId {
        match self {
            Self::Added(value) | Self::Kept { condition: value, .. } => value,
        }
    }

    /// The same of another value.
    pub(super) fn with_value(self, value: ValueId) -> Self {
        match self {
            Self::Added(_) => Self::Added(value),
            Self::Kept { not, otherwise, .. } => Self::Kept { condition: value, not, otherwise },
        }
    }
}

/// What is found on the way from the `Softmax` to the product.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) scale: f64,
    /// What each head's product is multiplied with besides, `[heads, 1, 1]` or `[1, heads, 1, 1]`.
    pub(super) head_scales: Option<ValueId>,
    /// The `c` of `c * tanh(scores / c)`, which masks are added to.
    pub(super) softcap: Option<f64>,
    pub(super) masks: Vec<Mask>,
    /// Masks whose heads are among their batches.
    pub(super) batch_masks: Vec<Mask>,
    /// Where batches hold windows or heads that are seen apart.
    pub(super) fold: Option<Fold>,
    /// Where there is a mask for each window.
    pub(super) window_mask: Option<ValueId>,
}

impl Way {
    /// Of scores that nothing has happened to.
    fn start() -> Self {
        Self {
            scale: 1.0,
            head_scales: None,
            softcap: None,
            masks: Vec::new(),
            batch_masks: Vec::new(),
            fold: None,
            window_mask: None,
        }
    }

    /// Without factors and bounds, which would count for masks too.
    fn is_plain(&self) -> bool {
        self.scale == 1.0 && self.softcap.is_none() && self.head_scales.is_none()
    }

    /// A mask of scores of this rank.
    fn mask(&mut self, mask: Mask, rank: Option<usize>) {
        if rank == Some(3) { self.batch_masks.push(mask) } else { self.masks.push(mask) }
    }
}

impl Formula {
    /// Reads the formula that ends at this `MatMul`.
    pub(super) fn read(cx: &Context<'_>, node: NodeId) -> Result<Self, Miss> {
        // Functions keep no types.
        if cx.in_function {
            return Err(Miss::Silent);
        }
        let n = cx.node(node);
        let (Some(weights), Some(value)) = (n.input(0), n.input(1)) else { return Err(Miss::Silent) };
        let output = n.outputs()[0];
        let Weights { softmax, scores, guarded, in_float } = Weights::read(cx, weights)?;
        let rank = cx.graph.rank(weights).filter(|&rank| rank == 3 || rank == 4);
        let (Some(rank), true) = (rank, rank == cx.graph.rank(value)) else {
            return Err(Miss::because("the weights or the values have neither rank 3 nor 4", weights));
        };
        let axis = cx.int(softmax, "axis");
        require!(
            axis == Some(-1) || axis == Some(rank as i64 - 1),
            weights,
            "the Softmax does not run along the keys"
        );
        let (product, way) = follow(cx, scores, Way::start(), LONGEST)?;
        let multiply = cx.node(cx.graph.producer(product).ok_or(Miss::Silent)?);
        let (Some(q), Some(k)) = (multiply.input(0), multiply.input(1)) else { return Err(Miss::Silent) };
        require!(cx.graph.rank(q) == Some(rank), product, "the product and the weights have not one rank");
        require!(rank == 4 || !guarded, weights, "rows without a number give 0, of heads among batches");
        require!(
            multiply.region() == n.region(),
            product,
            "the product of queries and keys is in another body"
        );
        let (query, of_query) = Operand::queries(cx, q);
        let (key, of_key) = Operand::keys(cx, k);
        let scale = way.scale * of_query * of_key * way.softcap.unwrap_or(1.0);
        require!(is_positive(scale), product, "the scale is not positive");
        let dtype = cx.graph.dtype(product).ok_or(Miss::Silent)?;
        let taken = matches!(dtype, DType::F32 | DType::F16 | DType::BF16);
        require!(taken && cx.graph.dtype(output) == Some(dtype), product, "the type is none of attention's");
        let formula = Self {
            output,
            product,
            query,
            key,
            value: Operand::values(cx, value),
            way: Way { scale, ..way },
            guarded,
            in_float,
            dtype,
        };
        formula.fits(cx)?;
        Ok(formula.with_heads_of_masks(cx))
    }

    /// With masks that are repeated for heads among batches read before that.
    fn with_heads_of_masks(mut self, cx: &Context<'_>) -> Self {
        let Some(fold::Unfolded { fold, masks, batch_masks }) =
            fold::unfolded(cx, self.product, self.way.fold, &self.way.batch_masks)
        else {
            return self;
        };
        self.way.fold = Some(fold);
        self.way.masks.extend(masks);
        self.way.batch_masks = batch_masks;
        self
    }

    /// Whether batches and heads are the same on all sides.
    fn fits(&self, cx: &Context<'_>) -> Result<(), Miss> {
        let shape = |operand: &Operand| {
            let at = operand.base;
            operand.shape(cx).ok_or_else(|| Miss::because("the shape of an operand is not known", at))
        };
        let (q, k, v) = (shape(&self.query)?, shape(&self.key)?, shape(&self.value)?);
        require!(
            k[2].same(&v[2]).is_proven(),
            self.value.base,
            "keys and values are not proven to be as many"
        );
        for (other, at) in [(&k, self.key.base), (&v, self.value.base)] {
            let same = same_dims(&q[..2], &other[..2]);
            require!(same, at, "batches or heads are not proven to be as many as the queries'");
        }
        Ok(())
    }
}

/// Whether an attribute can hold the number, and it is above 0.
fn is_positive(number: f64) -> bool {
    let stored = number as f32;
    stored > 0.0 && stored.is_finite()
}

/// Goes from what is under the `Softmax` to the product of queries and keys.
fn follow(cx: &Context<'_>, at: ValueId, way: Way, left: usize) -> Result<(ValueId, Way), Miss> {
    let node = cx.graph.producer(at).filter(|_| cx.graph.value(at).uses().len() == 1);
    let node = node.ok_or_else(|| Miss::because("the scores are read elsewhere or made by no node", at))?;
    if cx.node(node).op().is("MatMul") {
        let ranks: Vec<Option<usize>> = cx.node(node).inputs().flatten().map(|v| cx.graph.rank(v)).collect();
        let batched = matches!(ranks[..], [Some(3), Some(3)] | [Some(4), Some(4)]);
        require!(batched, at, "the queries or the keys have neither rank 3 nor 4");
        return Ok((at, way));
    }
    require!(left > 0, at, "the product of queries and keys is too far away");
    let mut refused = None;
    for (next, way) in steps(cx, node, way)? {
        match follow(cx, next, way, left - 1) {
            Ok(found) => return Ok(found),
            Err(miss) => drop(refused.get_or_insert(miss)),
        }
    }
    Err(refused.unwrap_or(Miss::Silent))
}

/// Past one node: both operands of a sum may lead to the product.
fn steps(cx: &Context<'_>, node: NodeId, mut way: Way) -> Result<Vec<(ValueId, Way)>, Miss> {
    let n = cx.node(node);
    let output = n.outputs()[0];
    let stands = || Miss::because(format!("{} stands between the product and its Softmax", n.op()), output);
    let op = if n.op().domain.is_empty() { n.op().name } else { "" };
    require!(
        !matches!(op, "Add" | "Where") || way.is_plain(),
        output,
        "the product is scaled or bounded after its mask"
    );
    let next = match op {
        "Mul" | "Div" => {
            if let Some((rest, factor)) = scaled(cx, node) {
                way.scale *= factor;
                rest
            } else {
                let (rest, scales) = scaled_heads(cx, node).ok_or_else(stands)?;
                require!(way.head_scales.is_none(), output, "heads are scaled twice");
                way.head_scales = Some(scales);
                rest
            }
        }
        "Tanh" if way.softcap.is_none() && way.head_scales.is_none() => {
            require!(is_positive(way.scale), output, "the bound of the scores is not positive");
            way.softcap = Some(std::mem::replace(&mut way.scale, 1.0));
            n.input(0).ok_or(Miss::Silent)?
        }
        "Add" => return summands(cx, node, &way),
        "Where" => {
            let (scores, mask) = filled(cx, node).ok_or_else(stands)?;
            way.mask(mask, cx.graph.rank(output));
            scores
        }
        "Reshape" => reshaped(cx, node, &mut way)?,
        _ => return Err(stands()),
    };
    Ok(vec![(next, way)])
}

/// The scores before their heads or windows are seen apart, or put among batches again.
fn reshaped(cx: &Context<'_>, reshape: NodeId, way: &mut Way) -> Result<ValueId, Miss> {
    let n = cx.node(reshape);
    let (output, input) = (n.outputs()[0], n.input(0).ok_or(Miss::Silent)?);
    match (cx.graph.rank(input), cx.graph.rank(output), way.fold) {
        (Some(4), Some(3), None) => {
            let fold = Fold::of_heads(cx, output, input);
            way.fold =
                Some(fold.ok_or_else(|| Miss::because("heads are not known to be among batches", output))?);
            Ok(input)
        }
        (Some(3), Some(4), Some(fold)) => {
            let same = Fold::of_heads(cx, input, output) == Some(fold);
            require!(same, output, "heads are seen apart in another way than they are put among batches");
            Ok(input)
        }
        (_, _, None) => {
            require!(way.is_plain(), output, "the product is scaled or bounded after its mask");
            let (fold, mask, scores) = window::read(cx, reshape)?;
            (way.fold, way.window_mask) = (Some(fold), Some(mask));
            Ok(scores)
        }
        _ => Err(Miss::because("a Reshape stands between the product and its Softmax", output)),
    }
}

/// Each operand of a sum that may be the scores, the other one taken for a mask.
fn summands(cx: &Context<'_>, sum: NodeId, way: &Way) -> Result<Vec<(ValueId, Way)>, Miss> {
    let n = cx.node(sum);
    let (Some(a), Some(b)) = (n.input(0), n.input(1)) else { return Err(Miss::Silent) };
    let output = n.outputs()[0];
    let mut found = Vec::new();
    for (scores, mask) in [(a, b), (b, a)] {
        if cx.graph.producer(scores).is_some() && is_as_large(cx, scores, output) {
            let mut way = way.clone();
            way.mask(Mask::Added(mask), cx.graph.rank(output));
            found.push((scores, way));
        }
    }
    require!(!found.is_empty(), output, "no operand of the sum is a product of its shape");
    Ok(found)
}

/// The other operand and the number that a `Mul` or `Div` scales it by.
pub(super) fn scaled(cx: &Context<'_>, node: NodeId) -> Option<(ValueId, f64)> {
    let n = cx.node(node);
    let (a, b) = (n.input(0)?, n.input(1)?);
    let number = |v: ValueId| cx.graph.const_value(v)?.as_scalar();
    let (rest, factor) = match (n.op().name, number(a), number(b)) {
        ("Mul", _, Some(factor)) => (a, factor),
        ("Mul", Some(factor), None) => (b, factor),
        ("Div", _, Some(factor)) => (a, 1.0 / factor),
        _ => return None,
    };
    (cx.graph.rank(rest)? == cx.graph.rank(n.outputs()[0])?).then_some((rest, factor))
}

/// The other operand and the constant that a `Mul` scales each head by.
fn scaled_heads(cx: &Context<'_>, node: NodeId) -> Option<(ValueId, ValueId)> {
    let n = cx.node(node);
    let scores = |v: ValueId, scales: ValueId| {
        let (shape, result) = (cx.graph.shape(v)?, cx.graph.shape(n.outputs()[0])?);
        let [.., heads, queries, keys] = cx.graph.const_value(scales)?.shape().to_vec()[..] else {
            return None;
        };
        let of_heads = queries == 1 && keys == 1 && shape.get(1)?.as_fixed() == u64::try_from(heads).ok();
        let lone = cx.graph.const_value(scales)?.len() == heads;
        (of_heads && lone && shape.len() == 4 && same_dims(shape, result)).then_some((v, scales))
    };
    let (a, b) = (n.input(0)?, n.input(1)?);
    (n.op().name == "Mul").then(|| scores(a, b).or_else(|| scores(b, a)))?
}

/// What `Where` keeps, and the number that it puts elsewhere: so low that nothing of the product would be left of it.
fn filled(cx: &Context<'_>, node: NodeId) -> Option<(ValueId, Mask)> {
    let n = cx.node(node);
    let (condition, yes, no) = (n.input(0)?, n.input(1)?, n.input(2)?);
    let low = |v: ValueId| cx.graph.const_value(v)?.as_scalar().filter(|&x| x <= NOTHING);
    let (scores, not, otherwise) = match (low(yes), low(no)) {
        (None, Some(otherwise)) => (yes, false, otherwise),
        (Some(otherwise), None) => (no, true, otherwise),
        _ => return None,
    };
    is_as_large(cx, scores, n.outputs()[0]).then_some((scores, Mask::Kept { condition, not, otherwise }))
}

/// Whether a mask does not add batches, heads or queries to the scores. It cannot add keys: there are as many as values.
fn is_as_large(cx: &Context<'_>, scores: ValueId, result: ValueId) -> bool {
    match (cx.graph.shape(scores), cx.graph.shape(result)) {
        (Some([a @ .., _]), Some([b @ .., _])) => same_dims(a, b),
        _ => false,
    }
}
