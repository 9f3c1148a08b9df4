//! What an operator's operands are to it: data, weight, bias, and along which axis the weight's channels lie.

use crate::ir::{Graph, Node, ValueId};
use crate::tensor::DType;

/// A product of data with a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The operand that is known only when the model runs.
    pub data: usize,
    /// The constant operand.
    pub weight: usize,
    /// The axis of the weight that the channels of the result lie along.
    pub axis: usize,
    /// The operand that is added, where there is one: a constant too.
    pub bias: Option<usize>,
}

impl Layer {
    /// Reads a node whose bias, where it has one, is a number for each channel; an error says in a clause why it is no such
    /// product.
    ///
    /// # Errors
    /// As of [`Self::with_any_bias`], and where the bias is no such vector, or scaled.
    pub fn of(graph: &Graph, node: &Node) -> Result<Self, &'static str> {
        let layer = Self::with_any_bias(graph, node)?;
        if let (true, Some(bias)) = (node.op().is("Gemm"), layer.bias.and_then(|at| node.input(at))) {
            let one = |name| node.float(name).is_none_or(|f| f == 1.0);
            let vector = graph.shape(bias).is_some_and(|s| s.len() == 1);
            let weight = node.input(layer.weight).and_then(|v| graph.shape(v));
            let channels = weight.map(|s| s[layer.axis].clone());
            let fits = graph.shape(bias).and_then(|s| s.first().cloned()) == channels;
            if !one("beta") || !one("alpha") || !vector || !fits {
                return Err("the bias is no number for each channel, or scaled");
            }
        }
        Ok(layer)
    }

    /// Reads a node; an error says in a clause why it is no such product.
    ///
    /// # Errors
    /// The operator is another, the weight is computed or not in single precision, or its rank is none that has channels.
    pub fn with_any_bias(graph: &Graph, node: &Node) -> Result<Self, &'static str> {
        let op = node.op();
        let weight = node.input(1).ok_or("it has no weight")?;
        let data = node.input(0).ok_or("it has no data")?;
        let rank = graph.rank(weight).ok_or("the rank of the weight is not known")?;
        let axis = if op.is("Conv") && rank >= 3 {
            0
        } else if op.is("ConvTranspose") && rank >= 3 {
            if node.int("group").unwrap_or(1) != 1 {
                return Err("channels of groups do not lie along one axis");
            }
            1
        } else if op.is("Gemm") && rank == 2 {
            if node.int("transB").unwrap_or(0) == 0 { 1 } else { 0 }
        } else if op.is("MatMul") && rank == 2 {
            1
        } else if op.is("MatMul") && rank > 2 {
            float_constant(graph, weight)?;
            // ONNX Runtime's kernels fail on scales along an axis of these.
            return Err("its weight is several matrices");
        } else {
            return Err("it is no product with a weight");
        };
        float_constant(graph, weight)?;
        if graph.dtype(data) != Some(DType::F32) {
            return Err("the data are not in single precision");
        }
        if graph.is_const(data) {
            return Err("both operands are constants");
        }
        let bias = node.input(2).filter(|_| !op.is("MatMul"));
        bias.map(|bias| float_constant(graph, bias)).transpose().map_err(|_| "the bias is computed")?;
        Ok(Self { data: 0, weight: 1, axis, bias: bias.map(|_| 2) })
    }
}

fn float_constant(graph: &Graph, value: ValueId) -> Result<(), &'static str> {
    if !graph.is_const(value) {
        return Err("the weight is computed");
    }
    if graph.dtype(value) != Some(DType::F32) {
        return Err("the weight is not in single precision");
    }
    Ok(())
}
