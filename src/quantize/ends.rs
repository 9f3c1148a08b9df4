//! Values that whole numbers end with: sums of products, where a head has made its last, which only floats read from there
//! on.
//!
//! What a model has found is the rare large number among them (an object's score, a class), often outside all that the
//! samples show: a detector's logits are negative on most. Cut off there, it is lost, and no layer comes that could make it
//! up, while a coarser step is small beside the errors of all layers before.

use super::choose::{Choice, Role};
use super::multiplied::{Part, multiplied};
use crate::error::Result;
use crate::ir::{Graph, NodeId, ValueId};
use crate::tensor::DType;
use rustc_hash::FxHashSet;

/// Of the width that was seen, so much is added at either side.
const MARGIN: f32 = 0.25;

/// The values behind some elements of which no product computes in whole numbers any more, and which no function bounds.
///
/// # Errors
/// The graph has a cycle.
pub fn ends(graph: &Graph, choices: &[Choice]) -> Result<FxHashSet<ValueId>> {
    let multiplied = multiplied(graph, choices)?;
    let ends = |v: &ValueId| multiplied.get(v) != Some(&Part::All);
    Ok(unbounded(graph, choices).into_iter().filter(ends).collect())
}

/// A range with zero in it, and room at both sides.
pub fn widened((min, max): (f32, f32)) -> (f32, f32) {
    let (min, max) = (min.min(0.0), max.max(0.0));
    let margin = (max - min) * MARGIN;
    let wide = (min - margin, max + margin);
    if (wide.1 - wide.0).is_finite() { wide } else { (min, max) }
}

/// Results of products that no clamp follows, where elements of them are moved to, and what joins or adds nothing else.
fn unbounded(graph: &Graph, choices: &[Choice]) -> FxHashSet<ValueId> {
    let mut found = FxHashSet::default();
    for choice in choices {
        let node = graph.node(choice.node);
        let own = node.outputs()[0];
        let all = |found: &FxHashSet<ValueId>| operands(graph, choice.node).all(|v| found.contains(&v));
        let is = match &choice.role {
            Role::Product { result, .. } => *result == Some(own),
            Role::Between { result } => {
                *result == own && (node.op().is("Add") || node.op().is("Concat")) && all(&found)
            }
            Role::Moved => all(&found),
            _ => false,
        };
        if is {
            found.insert(own);
        }
    }
    found
}

fn operands(graph: &Graph, node: NodeId) -> impl Iterator<Item = ValueId> + '_ {
    graph.node(node).inputs().flatten().filter(|&v| graph.dtype(v) == Some(DType::F32))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::analysis::Facts;
    use crate::diag::Diags;
    use crate::quantize::choose;
    use crate::target::Target;
    use crate::text::parse_model;

    /// The names of the ends of a graph of convolutions, for ONNX Runtime.
    fn of(nodes: &str, outputs: &str) -> Vec<String> {
        let text = format!(
            "<ir_version: 8, opset_import: [\"\" : 17]> g (float[1, 1, 4, 4] x) => ({outputs})\n\
             <float[1, 1, 1, 1] w = {{2}}, float[1, 1, 1] one = {{1}}, int64[3] flat = {{0, 0, -1}}, int64[2] sizes = {{1, 1}}>\n\
             {{ {nodes} }}"
        );
        let mut model = parse_model(&text).unwrap();
        Facts::new().infer_model(&mut model, &mut Diags::new());
        let table = Target::all().into_iter().find(|t| t.id == "ort-cpu").and_then(|t| t.quantized).unwrap();
        let graph = &model.graph;
        let choices = choose(graph, &table, &Default::default()).unwrap();
        let mut names: Vec<String> =
            ends(graph, &choices).unwrap().into_iter().map(|v| graph.value(v).name().to_string()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_no_product_reads_any_more_is_an_end() {
        let any = "float[N, M, H, W] y";
        assert_eq!(of("a = Conv (x, w)\n y = Exp (a)", any), ["a"]);
        assert_eq!(of("a = Conv (x, w)\n y = Conv (a, w)", any), ["y"]);
        assert_eq!(
            of("a = Conv (x, w)\n b = Conv (x, w)\n y = Concat <axis = 1> (a, b)", any),
            ["a", "b", "y"]
        );
        let moved = "a = Conv (x, w)\n b = Transpose (a)\n y = Add (b, b)";
        assert_eq!(of(moved, any), ["a", "b", "y"]);
    }

    #[test]
    fn what_is_bounded_or_multiplied_later_is_none() {
        let any = "float[N, M, H, W] y";
        assert!(of("a = Conv (x, w)\n y = Relu (a)", any).is_empty());
        assert_eq!(of("a = Conv (x, w)\n s = Sigmoid (a)\n y = Conv (s, w)", any), ["y"]);
        assert_eq!(of("a = Conv (x, w)\n b = Transpose (a)\n y = Conv (b, w)", any), ["y"]);
        assert_eq!(of("a = Conv (x, w)\n e = Exp (a)\n y = Conv (e, w)", any), ["y"]);
        let branch = "c = Constant <value = bool {1}> ()\n a = Conv (x, w)\n e = If (c) <then_branch = t () => (float[1, 1, 4, 4] p)\
                      { p = Exp (a) }, else_branch = f () => (float[1, 1, 4, 4] q) { q = Neg (a) }>\n y = Conv (e, w)";
        assert_eq!(of(branch, any), ["y"]);
        // Of what is joined and split again, each goes its own way.
        let heads = "a = Conv (x, w)\n b = Conv (x, w)\n c = Concat <axis = 1> (a, b)\n f = Reshape (c, flat)\n\
                     t = Transpose <perm = [2, 1, 0]> (f)\n j = Concat <axis = 2> (t, t)\n p, q = Split <axis = 1> (j, sizes)\n e = Exp (p)\n y = Conv (e, one)";
        assert_eq!(of(heads, "float[N, M, L] y, float[N, M, L] q"), ["b", "c", "f", "j", "t", "y"]);
        let sized = "a = Conv (x, w)\n s = Shape (a)\n r = Reshape (x, s)\n y = Conv (r, w)\n z = Exp (a)";
        assert_eq!(of(sized, "float[N, M, H, W] y, float[N, M, H, W] z"), ["a", "y"]);
        let joined = "a = Conv (x, w)\n r = Relu (a)\n b = Conv (x, w)\n y = Concat <axis = 1> (r, b)";
        assert_eq!(of(joined, any), ["b"]);
    }

    #[test]
    fn room_is_a_share_of_the_width_with_zero() {
        assert_eq!(widened((-12.0, -4.0)), (-15.0, 3.0));
        assert_eq!(widened((-12.0, 0.0)), (-15.0, 3.0));
        assert_eq!(widened((2.0, 4.0)), (-1.0, 5.0));
        assert_eq!(widened((-1e38, 2e38)), (-1e38, 2e38));
    }
}
