//! Demands of `QuantizeLinear` and `DequantizeLinear` that ONNX does not make.

use crate::ir::{Graph, ValueId};
use crate::target::{Answer, Asked, Qdq, Target, TypeSet, Verdict};
use crate::tensor::Tensor;

pub(super) fn answers(target: &Target, asked: &Asked<'_>) -> Vec<Answer> {
    let Some(demands) = &target.qdq else { return Vec::new() };
    let op = asked.node.op();
    let found = if op.is("QuantizeLinear") || op.is("DequantizeLinear") {
        quantization(demands, asked)
    } else {
        quantized_constant(demands, asked)
    };
    let answer = |(reason, fix): (String, Option<&str>)| Answer {
        verdict: Verdict::Refused,
        reason: format!("{}: {reason}", target.name()),
        fix: fix.map(str::to_owned),
        source: demands.source.clone(),
    };
    found.into_iter().map(answer).collect()
}

type Broken = (String, Option<&'static str>);

fn quantization(demands: &Qdq, asked: &Asked<'_>) -> Vec<Broken> {
    let mut broken = Vec::new();
    let (graph, node) = (asked.graph, asked.node);
    let zero_point = node.input(2);
    let quantized = match zero_point {
        Some(v) => graph.dtype(v),
        None if node.op().is("DequantizeLinear") => node.input(0).and_then(|v| graph.dtype(v)),
        None => None,
    };
    let types = TypeSet::parse(&demands.types);
    if let Some(dtype) = quantized.filter(|t| !types.contains(t.name())) {
        let fix = "quantize symmetrically to int8 with zero point 0";
        broken.push((format!("quantized to {dtype}; it takes {}", demands.types), Some(fix)));
    } else if demands.symmetric && zero_point.is_some_and(|v| all(graph, v, |x| x == 0.0) == Some(false)) {
        broken.push((
            "its zero point is not zero".to_owned(),
            Some("quantize symmetrically with zero point 0"),
        ));
    }
    let typed = node.int("output_dtype").is_some_and(|t| t != 0);
    if let Some(meant) = &demands.missing_zero_point
        && zero_point.is_none()
        && node.op().is("QuantizeLinear")
        && !typed
    {
        let reason = format!("without a zero point it means {meant} here and uint8 in ONNX");
        broken.push((reason, Some("write the zero point")));
    }
    let scale = node.input(1);
    let per_channel = scale.is_some_and(|v| graph.rank(v) == Some(1) && elements(graph, v) != Some(1));
    if let Some(meant) = demands.missing_axis
        && per_channel
        && node.attr("axis").is_none()
    {
        let reason = format!("per channel without `axis`, which means {meant} here and 1 in ONNX");
        broken.push((reason, Some("write the axis")));
    }
    if scale.is_some_and(|v| all(graph, v, |x| x > 0.0) == Some(false)) {
        broken.push(("a scale is not above 0".to_owned(), Some("leave such a channel or tensor in float")));
    }
    broken
}

/// A constant of a quantized type that another op than `DequantizeLinear` reads.
fn quantized_constant(demands: &Qdq, asked: &Asked<'_>) -> Vec<Broken> {
    let graph = asked.graph;
    let types = TypeSet::parse(&demands.types);
    let quantized =
        |v: ValueId| graph.is_const(v) && graph.dtype(v).is_some_and(|t| types.contains(t.name()));
    if demands.constants_are_dequantized && asked.node.inputs().flatten().any(quantized) {
        let reason = format!("{} reads a quantized constant, and only DequantizeLinear may", asked.node.op());
        vec![(reason, Some("dequantize the constant before, or leave it in float"))]
    } else {
        Vec::new()
    }
}

fn elements(graph: &Graph, value: ValueId) -> Option<usize> {
    graph.const_value(value).map(|t| t.len())
}

/// Whether all elements of a constant are as asked; `None` where they cannot be read.
fn all(graph: &Graph, value: ValueId, good: impl Fn(f64) -> bool) -> Option<bool> {
    let tensor: Tensor = graph.const_value(value)?;
    let numbers = tensor.to_f64s()?;
    Some(numbers.into_iter().all(good))
}
