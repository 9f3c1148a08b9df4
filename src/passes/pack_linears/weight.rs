//! A product's weight: a constant matrix, or what is computed of one without mixing its columns.

use crate::ir::{NodeId, ValueId};
use crate::passes::linear::beside_constant;
use crate::require;
use crate::rewrite::{Context, Miss, Patch, Ref};
use crate::tensor::{DType, Expr, Tensor};

/// What is copied or repeated must fit into the weight so many times.
pub(super) const COPIES_IN_WEIGHT: usize = 100;

/// A constant and the nodes that make the weight of it, in order.
pub(super) struct Weight {
    /// The constant; its columns are the weight's.
    pub(super) tensor: Tensor,
    /// Element type of the weight itself.
    pub(super) dtype: DType,
    steps: Vec<Step>,
    /// Which dim counts the columns, of the result.
    axis: usize,
}

/// A node between the constant and the product.
struct Step {
    node: NodeId,
    /// Operands beside the weight, each a number or one a column.
    beside: Vec<Tensor>,
    /// Which operand the weight is.
    at: usize,
    dequantizes: bool,
}

impl Weight {
    /// Reads what a product multiplies by; nothing else may read any of it.
    pub(super) fn read(cx: &Context<'_>, product: NodeId, value: ValueId, axis: usize) -> Result<Self, Miss> {
        let dtype = cx.graph.dtype(value).ok_or(Miss::Silent)?;
        let (mut at, mut steps) = (value, Vec::new());
        loop {
            let own = cx.graph.value(at).uses().len() == 1;
            if let Some(tensor) = cx.graph.const_value(at) {
                require!(own, at, "the weight is read elsewhere too");
                let sound = tensor.rank() == 2 && tensor.dtype().bits() >= 8 && tensor.strings().is_none();
                require!(sound && !tensor.is_empty(), at, "the weight is no matrix of a usual type");
                steps.reverse();
                let weight = Self { tensor, dtype, steps, axis };
                require!(weight.fits(), at, "the weight is computed in another way than column by column");
                return Ok(weight);
            }
            let maker = cx.graph.producer(at).ok_or(Miss::Silent)?;
            if cx.node(maker).region() != cx.node(product).region() {
                return Err(Miss::Silent);
            }
            let (from, step) = Step::read(cx, maker, axis).ok_or(Miss::Silent)?;
            require!(own, at, "the weight is read elsewhere too");
            steps.push(step);
            at = from;
        }
    }

    /// How many columns there are.
    pub(super) fn width(&self) -> usize {
        self.tensor.shape()[self.axis]
    }

    /// Nodes that compute it.
    pub(super) fn nodes(&self) -> usize {
        self.steps.len()
    }

    /// Whether each operand beside it has one number, or one a column.
    fn fits(&self) -> bool {
        let width = self.width();
        let beside = || self.steps.iter().flat_map(|s| s.beside.iter().map(move |b| (s, b)));
        beside().all(|(step, b)| {
            let repeated = width * b.dtype().bits().div_ceil(8);
            let number = b.len() == 1 && b.rank() <= 2;
            (b.len() == width && step.is_column(b, self.axis))
                || (number && repeated * COPIES_IN_WEIGHT <= self.tensor.byte_len())
        })
    }

    /// The weight of all products side by side; `None` where they are not computed alike.
    pub(super) fn join(cx: &Context<'_>, patch: &mut Patch, weights: &[&Self]) -> Option<Ref> {
        let first = weights.first()?;
        let parts = weights.iter().map(|w| w.tensor.clone()).collect();
        let mut joined = patch.constant(Tensor::from_expr(Expr::Concat { axis: first.axis, parts }).ok()?);
        for (k, step) in first.steps.iter().enumerate() {
            let mut inputs = vec![joined];
            for operand in 0..step.beside.len() {
                let numbers =
                    |w: &&Self| w.steps.get(k)?.beside.get(operand)?.to_f64s().map(|n| (w.width(), n));
                let parts = weights.iter().map(numbers).collect::<Option<Vec<_>>>()?;
                let all: Vec<f64> = parts
                    .into_iter()
                    .flat_map(|(width, n)| if n.len() == 1 { vec![n[0]; width] } else { n })
                    .collect();
                let like = &step.beside[operand];
                let shape = step.column_shape(all.len(), first.axis);
                inputs.push(patch.constant(Tensor::from_f64s(like.dtype(), &shape, &all).ok()?));
            }
            if step.at == 1 {
                inputs.reverse();
            }
            joined = patch.copy(cx.node(step.node), inputs);
            if step.dequantizes {
                patch.reset_attr("axis", first.axis as i64);
            }
        }
        Some(joined)
    }

    /// Whether two are computed by the same ops of constants of the same type.
    pub(super) fn is_like(&self, other: &Self, cx: &Context<'_>) -> bool {
        let alike = |(a, b): (&Step, &Step)| {
            let (n, m) = (cx.node(a.node), cx.node(b.node));
            let types = |s: &Step| s.beside.iter().map(Tensor::dtype).collect::<Vec<_>>();
            let made = |s: &Step| cx.graph.dtype(cx.node(s.node).outputs()[0]);
            n.op() == m.op() && a.at == b.at && types(a) == types(b) && made(a) == made(b)
        };
        self.tensor.dtype() == other.tensor.dtype()
            && self.dtype == other.dtype
            && self.steps.len() == other.steps.len()
            && self.steps.iter().zip(&other.steps).all(alike)
    }
}

impl Step {
    /// A node that changes each element by itself, and the value that it changes.
    fn read(cx: &Context<'_>, node: NodeId, axis: usize) -> Option<(ValueId, Self)> {
        let n = cx.node(node);
        if !n.op().domain.is_empty() {
            return None;
        }
        match n.op().name {
            "Cast" => Some((n.input(0)?, Self { node, beside: Vec::new(), at: 0, dequantizes: false })),
            "Mul" | "Div" | "Add" | "Sub" => {
                let (of, by, second) = beside_constant(cx, node)?;
                let beside = vec![cx.graph.const_value(by)?];
                Some((of, Self { node, beside, at: usize::from(!second), dequantizes: false }))
            }
            "DequantizeLinear" if cx.opset() >= 13 && n.int("block_size").unwrap_or(0) == 0 => {
                let beside: Option<Vec<Tensor>> =
                    n.inputs().skip(1).map(|v| cx.graph.const_value(v?)).collect();
                let beside = beside.filter(|b| !b.is_empty())?;
                let along = cx.int(node, "axis")?;
                let along = if along < 0 { along + 2 } else { along };
                let along_columns = usize::try_from(along) == Ok(axis);
                let sound = along_columns || beside.iter().all(|b| b.len() == 1);
                sound.then_some((n.input(0)?, Self { node, beside, at: 0, dequantizes: true }))
            }
            _ => None,
        }
    }

    /// Whether a constant's only long dim meets the columns.
    fn is_column(&self, beside: &Tensor, axis: usize) -> bool {
        match beside.rank() {
            // `DequantizeLinear` has its own axis; of other operands the last dims meet.
            1 => self.dequantizes || axis == 1,
            2 => !self.dequantizes && beside.shape()[1 - axis] == 1,
            _ => false,
        }
    }

    fn column_shape(&self, width: usize, axis: usize) -> Vec<usize> {
        if axis == 0 && !self.dequantizes { vec![width, 1] } else { vec![width] }
    }
}
