//! What a product of attention weights and values is computed of.

use super::operand::Operand;
use super::window::Windows;
use crate::ir::{NodeId, ValueId};
use crate::require;
use crate::rewrite::{Context, Miss};
use crate::tensor::DType;

/// Nodes between the product of queries and keys and its `Softmax` that are looked through.
const LONGEST: usize = 12;
/// Nodes above an operand of a sum that are looked through, to tell the product from the mask.
const NEAR: usize = 6;
/// A number to which scores may be added without a trace.
const NOTHING: f64 = -1e20;

/// All that the formula reads.
pub(super) struct Formula {
    /// What the last product returns.
    pub(super) output: ValueId,
    /// What the first product returns.
    pub(super) product: ValueId,
    pub(super) query: Operand,
    pub(super) key: Operand,
    pub(super) value: Operand,
    pub(super) scale: f64,
    pub(super) masks: Vec<Mask>,
    /// Whether a row without any key gives 0.
    pub(super) guarded: bool,
    /// Where the masks are one for each window.
    pub(super) windows: Option<Windows>,
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

/// What is found on the way from the `Softmax` to the product.
#[derive(Default)]
struct Way {
    scale: f64,
    masks: Vec<Mask>,
    windows: Option<Windows>,
}

impl Formula {
    /// Reads the formula that ends at this `MatMul`.
    pub(super) fn read(cx: &Context<'_>, node: NodeId) -> Result<Self, Miss> {
        let n = cx.node(node);
        let (Some(weights), Some(value)) = (n.input(0), n.input(1)) else { return Err(Miss::Silent) };
        let output = n.outputs()[0];
        let (softmax, guarded) = softmax(cx, weights).ok_or(Miss::Silent)?;
        if cx.graph.rank(weights) != Some(4) || cx.graph.rank(value) != Some(4) {
            return Err(Miss::because("the weights or the values have not rank 4", weights));
        }
        let axis = cx.int(softmax, "axis");
        require!(axis == Some(-1) || axis == Some(3), weights, "the Softmax does not run along the keys");
        let scores = cx.node(softmax).input(0).ok_or(Miss::Silent)?;
        let mut way = Way { scale: 1.0, ..Way::default() };
        let product = follow(cx, scores, &mut way)?;
        let multiply = cx.node(cx.graph.producer(product).ok_or(Miss::Silent)?);
        let (Some(q), Some(k)) = (multiply.input(0), multiply.input(1)) else { return Err(Miss::Silent) };
        let (query, of_query) = Operand::queries(cx, q);
        let (key, of_key) = Operand::keys(cx, k);
        let scale = way.scale * of_query * of_key;
        require!(scale > 0.0 && scale.is_finite(), product, "the scale is not positive");
        let dtype = cx.graph.dtype(product).ok_or(Miss::Silent)?;
        let taken = matches!(dtype, DType::F32 | DType::F16 | DType::BF16);
        require!(taken && cx.graph.dtype(output) == Some(dtype), product, "the type is none of attention's");
        let formula = Self {
            output,
            product,
            query,
            key,
            value: Operand::values(value),
            scale,
            masks: way.masks,
            guarded,
            windows: way.windows,
            dtype,
        };
        formula.fits(cx)?;
        Ok(formula)
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
            for axis in [0, 1] {
                let same = q[axis].same(&other[axis]).is_proven();
                require!(same, at, "batches or heads are not proven to be as many as the queries'");
            }
        }
        Ok(())
    }
}

/// The `Softmax` that made the weights, and whether rows that are no numbers are made 0.
fn softmax(cx: &Context<'_>, weights: ValueId) -> Option<(NodeId, bool)> {
    let graph = cx.graph;
    let used = |value: ValueId| graph.value(value).uses().len();
    if let Some(node) = graph.producer_is(weights, "Softmax") {
        return (used(weights) == 1).then_some((node, false));
    }
    let choice = graph.producer_is(weights, "Where")?;
    let [condition, zero, kept] = [0, 1, 2].map(|i| cx.node(choice).input(i));
    let (condition, zero, kept) = (condition?, zero?, kept?);
    let test = graph.producer_is(condition, "IsNaN")?;
    let node = graph.producer_is(kept, "Softmax")?;
    let is_zero = graph.const_value(zero)?.as_scalar() == Some(0.0);
    let inside = used(weights) == 1 && used(condition) == 1 && used(kept) == 2;
    (is_zero && inside && cx.node(test).input(0) == Some(kept)).then_some((node, true))
}

/// Goes from what is under the `Softmax` to the product of queries and keys.
fn follow(cx: &Context<'_>, mut at: ValueId, way: &mut Way) -> Result<ValueId, Miss> {
    for _ in 0..LONGEST {
        let node = cx.graph.producer(at).filter(|_| cx.graph.value(at).uses().len() == 1);
        let node =
            node.ok_or_else(|| Miss::because("the scores are read elsewhere or made by no node", at))?;
        if cx.node(node).op().is("MatMul") {
            return Ok(at);
        }
        at = step(cx, node, way)?;
    }
    Err(Miss::because("the product of queries and keys is too far away", at))
}

fn step(cx: &Context<'_>, node: NodeId, way: &mut Way) -> Result<ValueId, Miss> {
    let n = cx.node(node);
    let output = n.outputs()[0];
    let masks = matches!(n.op().name, "Add" | "Where" | "Reshape");
    require!(!masks || way.scale == 1.0, output, "the product is scaled after its mask");
    match n.op().name {
        _ if !n.op().domain.is_empty() => {}
        "Mul" | "Div" => {
            if let Some((rest, factor)) = scaled(cx, node) {
                way.scale *= factor;
                return Ok(rest);
            }
        }
        "Add" => {
            let (Some(a), Some(b)) = (n.input(0), n.input(1)) else { return Err(Miss::Silent) };
            let leads = |v: ValueId| leads_to_product(cx, v, NEAR) && is_as_large(cx, v, output);
            let (scores, mask) = match (leads(a), leads(b)) {
                (true, _) => (a, b),
                (false, true) => (b, a),
                _ => return Err(Miss::because("no operand is a product of the sum's shape", output)),
            };
            way.masks.push(Mask::Added(mask));
            return Ok(scores);
        }
        "Where" => {
            if let Some((scores, mask)) = filled(cx, node) {
                way.masks.push(mask);
                return Ok(scores);
            }
        }
        "Reshape" if way.windows.is_none() => {
            let (windows, scores) = Windows::read(cx, node)?;
            way.windows = Some(windows);
            return Ok(scores);
        }
        _ => {}
    }
    Err(Miss::because(format!("{} stands between the product and its Softmax", n.op()), output))
}

/// The other operand and the number that a `Mul` or `Div` scales it by.
pub(super) fn scaled(cx: &Context<'_>, node: NodeId) -> Option<(ValueId, f64)> {
    let n = cx.node(node);
    let (a, b) = (n.input(0)?, n.input(1)?);
    let number = |v: ValueId| cx.graph.const_value(v).filter(|t| t.len() == 1)?.as_scalar();
    let (rest, factor) = match (n.op().name, number(a), number(b)) {
        ("Mul", _, Some(factor)) => (a, factor),
        ("Mul", Some(factor), None) => (b, factor),
        ("Div", _, Some(factor)) => (a, 1.0 / factor),
        _ => return None,
    };
    (cx.graph.rank(rest) == cx.graph.rank(n.outputs()[0])).then_some((rest, factor))
}

/// What `Where` keeps, and the number that it puts elsewhere: so low that nothing of the product would be left of it.
fn filled(cx: &Context<'_>, node: NodeId) -> Option<(ValueId, Mask)> {
    let n = cx.node(node);
    let (condition, yes, no) = (n.input(0)?, n.input(1)?, n.input(2)?);
    let low = |v: ValueId| {
        let nothing = (lowest(cx.graph.dtype(v)?) / 4.0).max(NOTHING);
        cx.graph.const_value(v)?.as_scalar().filter(|&x| x <= nothing)
    };
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
        (Some(a @ [.., _]), Some(b @ [.., _])) if a.len() == b.len() => {
            a[..a.len() - 1].iter().zip(b).all(|(a, b)| a.same(b).is_proven())
        }
        _ => false,
    }
}

/// The lowest number of a float type.
pub(in crate::passes) fn lowest(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => -65504.0,
        DType::BF16 => f64::from(f32::from_bits(0xff7f_0000)),
        _ => f64::from(f32::MIN),
    }
}

fn leads_to_product(cx: &Context<'_>, value: ValueId, left: usize) -> bool {
    let Some(node) = cx.graph.producer(value).filter(|_| left > 0) else { return false };
    let n = cx.node(node);
    match n.op().name {
        _ if !n.op().domain.is_empty() => false,
        "MatMul" => n.inputs().flatten().all(|v| !cx.graph.is_const(v)),
        "Mul" | "Div" | "Add" | "Where" | "Reshape" => {
            n.inputs().flatten().any(|v| leads_to_product(cx, v, left - 1))
        }
        _ => false,
    }
}
