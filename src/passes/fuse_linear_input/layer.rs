//! A layer that takes a factor and a summand of its input into its weights.

use super::Change;
use crate::ir::{NodeId, ValueId};
use crate::passes::linear::{Channelwise, bias, finite, own_constant, scale, scale_grouped};
use crate::require;
use crate::rewrite::{Context, Miss, Patch, Ref};
use crate::tensor::Tensor;

/// Elements of a weight whose sums a summand needs.
const MOST_ELEMENTS: usize = 1 << 22;

/// A layer, and what it is written in.
pub(super) struct Layer<'c, 'g> {
    pub(super) cx: &'c Context<'g>,
    pub(super) node: NodeId,
}

impl Layer<'_, '_> {
    /// Writes the layer so that it reads what was changed for it.
    pub(super) fn takes(&self, patch: &mut Patch, change: &Change) -> Result<(), Miss> {
        let n = self.cx.node(self.node);
        let value = n.input(1).ok_or(Miss::Silent)?;
        let bias = match &change.summand {
            None => Ref::from(n.input(2)),
            Some(summand) => patch.constant(self.shifted(change, summand, value)?),
        };
        let weight = match &change.factor {
            None => Ref::Old(value),
            Some(factor) => patch.constant(self.scaled(change, factor, value)?),
        };
        let mut inputs = vec![Ref::from(change.x), weight];
        inputs.extend((bias != Ref::Omitted).then_some(bias));
        let layer = match n.op().is("MatMul") && bias != Ref::Omitted {
            true => patch.node("Gemm", inputs),
            false => patch.copy(n, inputs),
        };
        if change.summand.is_some() {
            patch.drop_attr("beta");
        }
        patch.replace(n.outputs()[0], layer);
        Ok(())
    }

    /// The weight for an input that is not scaled.
    fn scaled(&self, change: &Change, factor: &Channelwise, value: ValueId) -> Result<Tensor, Miss> {
        let weight = own_constant(self.cx, value, "weight")?;
        let scaled = match factor.as_number() {
            Some(number) => weight.shape().first().and_then(|&rows| scale(&weight, 0, &vec![number; rows])),
            None => self.scaled_by_channel(change, &weight, factor),
        };
        finite(scaled.ok_or_else(|| not_channels("factor", value))?, value)
    }

    fn scaled_by_channel(&self, change: &Change, weight: &Tensor, factor: &Channelwise) -> Option<Tensor> {
        let (op, by) = (self.cx.node(self.node).op(), &factor.values);
        if matches!(op.name, "Gemm" | "MatMul") {
            let axis = self.input_axis(weight).filter(|_| change.normalizes && factor.from_end == 0)?;
            return scale(weight, axis, by);
        }
        if factor.from_end + 2 != weight.rank() {
            return None;
        }
        let (rows, group) = (weight.shape()[0], usize::try_from(self.cx.int(self.node, "group")?).ok()?);
        match (op.name, weight.shape()[1]) {
            ("ConvTranspose", _) => scale(weight, 0, by),
            (_, 1) if by.len() == group && rows % group == 0 => {
                let by: Vec<f64> = (0..rows).map(|row| by[row / (rows / group)]).collect();
                scale(weight, 0, &by)
            }
            _ => scale_grouped(weight, i64::try_from(group).ok()?, by),
        }
    }

    /// The axis of the weight of `Gemm` or `MatMul` along which it is summed, where the input is a matrix as it stands.
    fn input_axis(&self, weight: &Tensor) -> Option<usize> {
        let flag = |name| self.cx.int(self.node, name).is_some_and(|on| on != 0);
        let matrices = weight.rank() == 2 && !flag("transA");
        matrices.then(|| usize::from(flag("transB")))
    }

    /// The bias for an input without the summand.
    fn shifted(&self, change: &Change, summand: &Channelwise, value: ValueId) -> Result<Tensor, Miss> {
        let n = self.cx.node(self.node);
        let at = change.x;
        match n.op().name {
            "Conv" => {
                let pads = n.ints("pads").is_none_or(|pads| pads.iter().all(|&p| p == 0));
                let pads =
                    pads && n.string("auto_pad").is_none_or(|mode| mode == "NOTSET" || mode == "VALID");
                require!(pads, at, "the layer pads what the constant is added to");
            }
            "ConvTranspose" if change.normalizes => {
                return Err(Miss::because(
                    "the layer does not give the constant the same sum everywhere",
                    at,
                ));
            }
            "Gemm" | "MatMul" if change.normalizes => {
                require!(self.cx.graph.rank(at) == Some(2), at, "the input of the product is no matrix");
            }
            _ => return Err(Miss::Silent),
        }
        require!(self.cx.graph.is_const(value), value, "the weight is no constant");
        let weight =
            self.cx.graph.const_value(value).filter(|w| w.len() <= MOST_ELEMENTS).ok_or(Miss::Silent)?;
        let sums = match n.op().name {
            "Conv" => self.convolved(&weight, summand),
            _ => self.multiplied(&weight, summand),
        };
        let sums = sums.ok_or_else(|| not_channels("constant", value))?;
        if let Some(b) = n.input(2) {
            own_constant(self.cx, b, "bias")?;
        }
        let old = bias(self.cx, self.node, sums.len())?;
        let bias: Vec<f64> = old.iter().zip(&sums).map(|(o, s)| o + s).collect();
        let bias = Tensor::from_f64s(weight.dtype(), &[bias.len()], &bias).map_err(|_| Miss::Silent)?;
        finite(bias, value)
    }

    /// What a convolution of the summand alone answers, one number an output channel.
    fn convolved(&self, weight: &Tensor, summand: &Channelwise) -> Option<Vec<f64>> {
        let group = usize::try_from(self.cx.int(self.node, "group")?).ok().filter(|&g| g > 0)?;
        let (&rows, &per_group) = (weight.shape().first()?, weight.shape().get(1)?);
        let by = summand.along(weight.rank() - 2, per_group.checked_mul(group)?)?;
        if rows == 0 || rows % group != 0 || weight.is_empty() {
            return None;
        }
        let window = weight.len() / rows / per_group;
        let weights = weight.to_f64s()?;
        let sums = weights.chunks_exact(per_group * window).enumerate().map(|(row, w)| {
            let first = row / (rows / group) * per_group;
            w.chunks_exact(window).zip(&by[first..]).map(|(w, s)| w.iter().sum::<f64>() * s).sum()
        });
        Some(sums.collect())
    }

    /// What a product of the summand alone answers, one number a column.
    fn multiplied(&self, weight: &Tensor, summand: &Channelwise) -> Option<Vec<f64>> {
        let axis = self.input_axis(weight)?;
        let by = summand.along(0, weight.shape()[axis])?;
        let alpha = match self.cx.node(self.node).op().name {
            "Gemm" => f64::from(self.cx.float(self.node, "alpha")?),
            _ => 1.0,
        };
        let (columns, weights) = (weight.shape()[1 - axis], weight.to_f64s()?);
        let at = |k: usize, column: usize| match axis {
            0 => weights[k * columns + column],
            _ => weights[column * by.len() + k],
        };
        let sum = |column| alpha * (0..by.len()).map(|k| by[k] * at(k, column)).sum::<f64>();
        Some((0..columns).map(sum).collect())
    }
}

fn not_channels(what: &str, at: ValueId) -> Miss {
    Miss::because(format!("the {what} does not follow the layer's channels"), at)
}
