//! The way up from a scaled value to what takes the factor, rebuilt node by node.

mod part;

use crate::ir::{NodeId, OpId, ValueId};
use crate::passes::linear::{
    Channelwise, beside_constant, finite, may_be_gelu, output_channels, own_constant, same_shape, scale,
    scale_layer, sole_producer,
};
use crate::require;
use crate::rewrite::{Context, Miss, Patch, Ref};
use crate::tensor::Tensor;
use part::reshaped;

/// Nodes looked at for one factor; what is further away is not worth the search.
const LONGEST: usize = 48;

type Step<'g> = fn(&mut Path<'g>, NodeId, ValueId, &Channelwise) -> Result<Ref, Miss>;

pub(super) struct Path<'g> {
    cx: Context<'g>,
    pub(super) patch: Patch,
    visited: usize,
}

impl<'g> Path<'g> {
    pub(super) fn new(cx: Context<'g>) -> Self {
        Self { cx, patch: Patch::new(), visited: 0 }
    }

    /// Rebuilds what makes `value`, which `reader` alone reads, so that it comes out scaled.
    pub(super) fn scaled(&mut self, value: ValueId, reader: NodeId, by: &Channelwise) -> Result<Ref, Miss> {
        self.visited += 1;
        let producer = self.cx.graph.producer(value).ok_or(Miss::Silent)?;
        let op = self.cx.node(producer).op();
        if self.visited > LONGEST {
            return Err(Miss::Silent);
        }
        if op.is("Gather") || op.is("Split") {
            return self.part(producer, value, reader, by);
        }
        let step = Self::step(op).ok_or(Miss::Silent)?;
        sole_producer(&self.cx, value, reader)?;
        step(self, producer, value, by)
    }

    /// How a node is rebuilt that makes a value which is to come out scaled.
    fn step(op: OpId) -> Option<Step<'g>> {
        let step: Step<'g> = match op.name {
            _ if !op.domain.is_empty() => return None,
            "Conv" | "ConvTranspose" => Self::convolution,
            "Gemm" => Self::gemm,
            "MatMul" => Self::matmul,
            "LayerNormalization" => Self::normalization,
            "Add" | "Sub" => Self::sum,
            "Mul" | "Div" => Self::product,
            "Transpose" => Self::transpose,
            "Relu" => Self::relu,
            "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" | "Identity" => Self::reshape,
            "ReduceSum" | "ReduceMean" | "AveragePool" | "GlobalAveragePool" => Self::linear,
            _ => return None,
        };
        Some(step)
    }

    fn copy(&mut self, node: NodeId, inputs: impl IntoIterator<Item = Ref>) -> Ref {
        self.patch.copy(self.cx.node(node), inputs)
    }

    /// A copy of a node with one operand replaced.
    fn copy_with(&mut self, node: NodeId, at: usize, operand: Ref) -> Ref {
        let mut inputs: Vec<Ref> = self.cx.node(node).inputs().map(Ref::from).collect();
        inputs[at] = operand;
        self.copy(node, inputs)
    }

    fn convolution(&mut self, node: NodeId, value: ValueId, by: &Channelwise) -> Result<Ref, Miss> {
        let rank = self.cx.graph.rank(value).filter(|&r| r >= 2).ok_or(Miss::Silent)?;
        self.layer(node, value, by, rank - 2)
    }

    fn gemm(&mut self, node: NodeId, value: ValueId, by: &Channelwise) -> Result<Ref, Miss> {
        self.layer(node, value, by, 0)
    }

    fn layer(
        &mut self,
        node: NodeId,
        value: ValueId,
        by: &Channelwise,
        from_end: usize,
    ) -> Result<Ref, Miss> {
        let n = self.cx.node(node);
        let w = n.input(1).ok_or(Miss::Silent)?;
        let weight = own_constant(&self.cx, w, "weight")?;
        let factors = output_channels(&self.cx, node, &weight)
            .and_then(|channels| by.along(from_end, channels))
            .ok_or_else(|| Miss::because("the factor does not follow the layer's channels", value))?;
        let bias = match n.input(2) {
            None => Ref::Omitted,
            // The bias of a convolution is a vector of channels, that of a Gemm broadcasts.
            Some(b) => {
                let vector = Channelwise { values: factors.clone(), from_end: 0 };
                self.constant(b, if n.op().is("Gemm") { by } else { &vector }, "bias")?
            }
        };
        let scaled = scale_layer(&self.cx, node, &weight, &factors);
        let scaled = scaled.ok_or_else(|| Miss::because("the weight does not have the channels", w))?;
        let scaled = self.patch.constant(finite(scaled, w)?);
        let mut inputs = vec![Ref::from(n.input(0)), scaled];
        inputs.extend((bias != Ref::Omitted).then_some(bias));
        Ok(self.copy(node, inputs))
    }

    fn matmul(&mut self, node: NodeId, value: ValueId, by: &Channelwise) -> Result<Ref, Miss> {
        let n = self.cx.node(node);
        let (a, b) = (n.input(0).ok_or(Miss::Silent)?, n.input(1).ok_or(Miss::Silent)?);
        let constants = (self.cx.graph.is_const(a), self.cx.graph.is_const(b));
        if constants == (false, false) {
            return self.either(node, [a, b], by);
        }
        let (at, w) = if constants.1 { (1, b) } else { (0, a) };
        let weight = own_constant(&self.cx, w, "weight")?;
        let last = weight.rank().checked_sub(1).ok_or(Miss::Silent)?;
        let factors = match by.as_number() {
            Some(number) => Some(vec![number; weight.shape()[last]]),
            None if at == 1 && last > 0 => by.along(0, weight.shape()[last]),
            None => None,
        };
        let scaled = factors.and_then(|f| scale(&weight, last, &f));
        let scaled =
            scaled.ok_or_else(|| Miss::because("the factor does not follow the layer's channels", value))?;
        let scaled = self.patch.constant(finite(scaled, w)?);
        Ok(self.copy_with(node, at, scaled))
    }

    /// One number into the first operand that takes it.
    fn either(&mut self, node: NodeId, operands: [ValueId; 2], by: &Channelwise) -> Result<Ref, Miss> {
        if by.as_number().is_none() || operands[0] == operands[1] {
            return Err(Miss::Silent);
        }
        let mut miss = Miss::Silent;
        for (at, operand) in operands.into_iter().enumerate() {
            let before = self.patch.clone();
            match self.scaled(operand, node, by) {
                Ok(scaled) => return Ok(self.copy_with(node, at, scaled)),
                Err(why) => {
                    self.patch = before;
                    miss = if miss == Miss::Silent { why } else { miss };
                }
            }
        }
        Err(miss)
    }

    fn normalization(&mut self, node: NodeId, value: ValueId, by: &Channelwise) -> Result<Ref, Miss> {
        let n = self.cx.node(node);
        let rank = self.cx.graph.rank(value).and_then(|r| i64::try_from(r).ok()).ok_or(Miss::Silent)?;
        let axis = self.cx.int(node, "axis").ok_or(Miss::Silent)?;
        require!(
            by.as_number().is_some() || (by.from_end == 0 && (axis == -1 || axis + 1 == rank)),
            value,
            "the factor does not follow the layer's channels"
        );
        let mut inputs = vec![Ref::from(n.input(0))];
        for at in 1..n.inputs().len() {
            inputs.push(match n.input(at) {
                None => Ref::Omitted,
                Some(v) => self.constant(v, by, "weight")?,
            });
        }
        Ok(self.copy(node, inputs))
    }

    fn sum(&mut self, node: NodeId, value: ValueId, by: &Channelwise) -> Result<Ref, Miss> {
        let (u, c, second) = beside_constant(&self.cx, node).ok_or(Miss::Silent)?;
        require!(
            by.as_number().is_some() || same_shape(&self.cx, u, value),
            value,
            "the sum is not proven to keep the shape"
        );
        let scaled = self.scaled(u, node, by)?;
        let constant = self.constant(c, by, "summand")?;
        Ok(self.copy(node, if second { [scaled, constant] } else { [constant, scaled] }))
    }

    /// A product with a constant ends the way.
    fn product(&mut self, node: NodeId, value: ValueId, by: &Channelwise) -> Result<Ref, Miss> {
        let (u, c, second) = beside_constant(&self.cx, node).ok_or(Miss::Silent)?;
        let tensor = self.cx.graph.const_value(c).ok_or(Miss::Silent)?;
        let alike = Channelwise::of(&tensor).is_some_and(|c| {
            c.as_number().is_some() || (c.from_end, c.values.len()) == (by.from_end, by.values.len())
        });
        if by.as_number().is_none() && !(alike && same_shape(&self.cx, u, value)) {
            return Err(Miss::Silent);
        }
        require!(tensor.uniform() != Some(0.0), value, "the constant is zero");
        require!(
            !may_be_gelu(&self.cx, node, &tensor),
            value,
            "the number may belong to a formula that runtimes look for"
        );
        let op = self.cx.node(node).op();
        let by = if op.is("Div") && second { by.map(f64::recip) } else { by.clone() };
        let constant = self.constant(c, &by, "factor")?;
        let u = Ref::from(u);
        Ok(self.copy(node, if second { [u, constant] } else { [constant, u] }))
    }

    fn transpose(&mut self, node: NodeId, value: ValueId, by: &Channelwise) -> Result<Ref, Miss> {
        let rank = self.cx.graph.rank(value).ok_or(Miss::Silent)?;
        let mut moved = by.clone();
        if by.as_number().is_none() {
            let axis = rank.checked_sub(1 + by.from_end).ok_or(Miss::Silent)?;
            let from = self.cx.permutation(node).and_then(|perm| perm.get(axis).copied());
            moved.from_end = from.and_then(|from| rank.checked_sub(1 + from)).ok_or(Miss::Silent)?;
        }
        self.through(node, &moved)
    }

    fn relu(&mut self, node: NodeId, value: ValueId, by: &Channelwise) -> Result<Ref, Miss> {
        require!(by.values.iter().all(|&f| f > 0.0), value, "a negative factor does not pass a Relu");
        self.through(node, by)
    }

    fn reshape(&mut self, node: NodeId, value: ValueId, by: &Channelwise) -> Result<Ref, Miss> {
        let shapes = || {
            let x = self.cx.node(node).input(0)?;
            reshaped(by, self.cx.graph.shape(x)?, self.cx.graph.shape(value)?)
        };
        let moved = if by.as_number().is_some() { Some(by.clone()) } else { shapes() };
        let moved = moved.ok_or_else(|| Miss::because("the factor does not follow a dim", value))?;
        self.through(node, &moved)
    }

    /// What adds elements takes one number through.
    fn linear(&mut self, node: NodeId, value: ValueId, by: &Channelwise) -> Result<Ref, Miss> {
        require!(by.as_number().is_some(), value, "the factor is not one number");
        self.through(node, by)
    }

    fn through(&mut self, node: NodeId, by: &Channelwise) -> Result<Ref, Miss> {
        let x = self.cx.node(node).input(0).ok_or(Miss::Silent)?;
        let scaled = self.scaled(x, node, by)?;
        Ok(self.copy_with(node, 0, scaled))
    }

    /// A small constant, scaled; zeros stay as they are.
    fn constant(&mut self, value: ValueId, by: &Channelwise, what: &str) -> Result<Ref, Miss> {
        require!(self.cx.graph.is_const(value), value, "the {what} is no constant");
        let tensor = self.cx.graph.const_value(value).ok_or(Miss::Silent)?;
        if tensor.uniform() == Some(0.0) {
            return Ok(value.into());
        }
        own_constant(&self.cx, value, what)?;
        let scaled = scale_constant(&tensor, by)
            .ok_or_else(|| Miss::because(format!("the {what} does not follow the factor"), value))?;
        Ok(self.patch.constant(finite(scaled, value)?))
    }
}

/// The constant times the factors; one number is repeated for each of them.
fn scale_constant(tensor: &Tensor, by: &Channelwise) -> Option<Tensor> {
    if let (Some(number), 1) = (by.as_number(), tensor.len()) {
        return Tensor::from_f64s(tensor.dtype(), tensor.shape(), &[tensor.as_scalar()? * number]).ok();
    }
    if let Some(number) = by.as_number() {
        let last = tensor.rank() - 1;
        return scale(tensor, last, &vec![number; tensor.shape()[last]]);
    }
    if let Some(number) = tensor.as_scalar() {
        let mut shape = vec![1; tensor.rank().max(by.from_end + 1)];
        let axis = shape.len() - 1 - by.from_end;
        shape[axis] = by.values.len();
        let values: Vec<f64> = by.values.iter().map(|f| f * number).collect();
        return Tensor::from_f64s(tensor.dtype(), &shape, &values).ok();
    }
    let axis = tensor.rank().checked_sub(1 + by.from_end)?;
    scale(tensor, axis, &by.values)
}
