//! Through which function a value is read, where it is read through one alone.
//!
//! An activation behind a convolution is such: by itself, or as what gates the value in a product of both, as `HardSwish`
//! and `SiLU` are written before they have operators.

use crate::calibrate::{Curve, Response};
use crate::ir::{Graph, Node, NodeId, RegionId, Use, ValueId};

/// What becomes of the numbers of a value; they stay what they are where it is read in several ways.
pub fn response(graph: &Graph, value: ValueId) -> Response {
    read(graph, value).map(|read| read.0).unwrap_or_default()
}

/// The nodes that compute it, in their order; a `Clip` too.
pub(super) fn readers(graph: &Graph, value: ValueId) -> Vec<NodeId> {
    match graph.value(value).uses() {
        [Use::Operand { node, index: 0 }]
            if graph.node(*node).op().is("Clip") && are_beside(graph, value) =>
        {
            vec![*node]
        }
        _ => read(graph, value).map(|read| read.1).unwrap_or_default(),
    }
}

/// Whether all that reads a value is in the main graph: bodies have values of their own.
fn are_beside(graph: &Graph, value: ValueId) -> bool {
    let is_beside =
        |u: &Use| matches!(u, Use::Operand { node, .. } if graph.node(*node).region() == RegionId::ROOT);
    graph.value(value).uses().iter().all(is_beside)
}

fn read(graph: &Graph, value: ValueId) -> Option<(Response, Vec<NodeId>)> {
    are_beside(graph, value).then_some(())?;
    match graph.value(value).uses() {
        [Use::Operand { node, index: 0 }] => Some((function(graph.node(*node))?, vec![*node])),
        [Use::Operand { node: a, .. }, Use::Operand { node: b, .. }] => {
            gated(graph, value, *a, *b).or_else(|| gated(graph, value, *b, *a))
        }
        _ => None,
    }
}

/// A curve, and the product with it.
fn gated(graph: &Graph, value: ValueId, gate: NodeId, product: NodeId) -> Option<(Response, Vec<NodeId>)> {
    let response = function(graph.node(gate)).filter(|r| !r.gates)?;
    let both = [graph.node(gate).outputs()[0], value];
    let node = graph.node(product);
    let multiplies = node.op().is("Mul") && node.inputs().flatten().all(|v| both.contains(&v));
    let alone = matches!(graph.value(both[0]).uses(), [Use::Operand { node, .. }] if *node == product);
    (multiplies && alone).then(|| (Response { gates: true, ..response }, vec![gate, product]))
}

/// The function that a node is.
fn function(node: &Node) -> Option<Response> {
    let op = node.op();
    if !op.domain.is_empty() {
        return None;
    }
    let number = |name, usual: f64| node.float(name).map_or(usual, f64::from);
    let gating = |curve| Some(Response { curve, gates: true });
    let curve = match op.name {
        "Sigmoid" => Curve::Sigmoid { slope: 1.0 },
        "HardSigmoid" => Curve::HardSigmoid { slope: number("alpha", 0.2), offset: number("beta", 0.5) },
        "HardSwish" => return gating(Curve::HardSigmoid { slope: 1.0 / 6.0, offset: 0.5 }),
        "Swish" => return gating(Curve::Sigmoid { slope: number("alpha", 1.0) }),
        // Near enough to choose a range by.
        "Gelu" => return gating(Curve::Sigmoid { slope: 1.702 }),
        "Mish" => return gating(Curve::TanhOfSoftplus),
        "Tanh" => Curve::Tanh,
        "Relu" => Curve::Leaky { slope: 0.0 },
        "LeakyRelu" => Curve::Leaky { slope: number("alpha", 0.01) },
        "Elu" => Curve::Elu { alpha: number("alpha", 1.0) },
        "Softplus" => Curve::Softplus,
        _ => return None,
    };
    Some(Response { curve, gates: false })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::text::parse_model;

    /// The response of `x` in a graph of these nodes, and how many compute it.
    fn of(nodes: &str, outputs: &str) -> (Response, usize) {
        let text = format!(
            "<ir_version: 8, opset_import: [\"\" : 17]> g (float[4] x) => ({outputs})\n {{ {nodes} }}"
        );
        let model = parse_model(&text).unwrap();
        let graph = &model.graph;
        let x = graph.value_ids().find(|&v| &**graph.value(v).name() == "x").unwrap();
        (response(graph, x), readers(graph, x).len())
    }

    #[test]
    fn one_function_or_its_product_is_found() {
        let sigmoid = Curve::Sigmoid { slope: 1.0 };
        assert_eq!(of("y = Sigmoid (x)", "float[4] y"), (Response { curve: sigmoid, gates: false }, 1));
        let gated = (Response { curve: sigmoid, gates: true }, 2);
        assert_eq!(of("s = Sigmoid (x)\n y = Mul (x, s)", "float[4] y"), gated);
        assert_eq!(of("s = Sigmoid (x)\n y = Mul (s, x)", "float[4] y"), gated);
        let hard = Curve::HardSigmoid { slope: f64::from(0.3f32), offset: 0.5 };
        assert_eq!(of("y = HardSigmoid <alpha = 0.3> (x)", "float[4] y").0.curve, hard);
        assert_eq!(of("y = Clip (x)", "float[4] y"), (Response::SAME, 1));
    }

    #[test]
    fn a_value_that_is_read_otherwise_too_is_what_it_is() {
        for (nodes, outputs) in [
            ("y = Sigmoid (x)\n z = Neg (x)", "float[4] y, float[4] z"),
            ("s = Sigmoid (x)\n y = Mul (x, s)", "float[4] y, float[4] s"),
            ("s = Sigmoid (x)\n y = Mul (x, s)\n z = Neg (s)", "float[4] y, float[4] z"),
            ("s = Sigmoid (x)\n y = Mul (x, x)\n z = Neg (s)", "float[4] y, float[4] z"),
            ("h = HardSwish (x)\n y = Mul (x, h)", "float[4] y"),
            ("y = Neg (x)", "float[4] y"),
            ("y = Sigmoid (x)", "float[4] y, float[4] x"),
            (
                "c = Constant <value = bool {1}> ()\n y = If (c) <then_branch = a () => (float[4] p) { p = Clip (x) },\
              else_branch = b () => (float[4] q) { q = Sigmoid (x) }>",
                "float[4] y",
            ),
            (
                "c = Constant <value = bool {1}> ()\n k = Constant <value = float[4] {1, 2, 3, 4}> ()\n\
              y = If (c) <then_branch = a () => (float[4] p) { p = Clip (x) }, else_branch = b () => (float[4] q) { q = Identity (k) }>",
                "float[4] y",
            ),
        ] {
            assert_eq!(of(nodes, outputs), (Response::SAME, 0), "{nodes}");
        }
    }
}
