//! Sizes that a node wants to be equal, and what follows for the sizes of the graph's inputs.
//!
//! A model that no run gets through but with one token says so nowhere, and still adds, concatenates and multiplies
//! as if it could take more. What is concluded holds at every run that does not fail.

use super::{Element, Facts};
use crate::ir::{Dim, DimExpr, Equations, Graph, NodeId, Type, ValueId, captures};
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;

/// Two sizes that a node brings together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meeting<'a> {
    /// One size.
    pub(crate) a: &'a Dim,
    /// The other.
    pub(crate) b: &'a Dim,
    /// Whether 1 is not stretched to the other.
    pub(crate) exact: bool,
}

/// Where sizes meet at a node of the standard: in a broadcast, a product or a concatenation.
pub(crate) fn meetings(graph: &Graph, node: NodeId) -> Vec<Meeting<'_>> {
    let n = graph.node(node);
    if !n.op().domain.is_empty() {
        return Vec::new();
    }
    let shapes: Vec<&[Dim]> = n.inputs().flatten().filter_map(|v| graph.shape(v)).collect();
    let Some((first, others)) = shapes.split_first() else { return Vec::new() };
    match n.op().name {
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Where" | "And" | "Or" | "Equal" | "Less" | "Greater"
        | "Sum" | "Min" | "Max" => others.iter().flat_map(|other| from_the_last(first, other)).collect(),
        "MatMul" => {
            let [other] = others else { return Vec::new() };
            let (Some((batch, _)), Some((other_batch, _))) =
                (first.split_last_chunk::<2>(), other.split_last_chunk::<2>())
            else {
                return Vec::new();
            };
            let inner = first.last().zip(other.get(other_batch.len())).map(exact);
            from_the_last(batch, other_batch).chain(inner).collect()
        }
        "Concat" => {
            let axis = n.int("axis").unwrap_or(0);
            let axis = if axis < 0 { axis.saturating_add(first.len() as i64) } else { axis };
            let beside = |(at, _): &(usize, _)| i64::try_from(*at) != Ok(axis);
            let alike = others.iter().filter(|o| o.len() == first.len());
            alike
                .flat_map(|o| first.iter().zip(*o).enumerate().filter(beside).map(|(_, pair)| exact(pair)))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn exact<'a>((a, b): (&'a Dim, &'a Dim)) -> Meeting<'a> {
    Meeting { a, b, exact: true }
}

fn from_the_last<'a>(a: &'a [Dim], b: &'a [Dim]) -> impl Iterator<Item = Meeting<'a>> {
    a.iter().rev().zip(b.iter().rev()).map(|(a, b)| Meeting { a, b, exact: false })
}

/// Gives the graph's inputs the sizes that they can only have, and says whether there were any. What they declare
/// stays.
pub(super) fn narrow_inputs(graph: &mut Graph, facts: &Facts) -> bool {
    let inputs = graph.root().inputs().to_vec();
    if !inputs.iter().any(|&v| graph.shape(v).is_some_and(|dims| dims.iter().any(is_symbol))) {
        return false;
    }
    let numbers = equations(graph, facts).solve();
    inputs.into_iter().fold(false, |any, input| narrow(graph, input, &numbers) || any)
}

/// The symbols that inputs declare and that inference has found to be one number.
pub(crate) fn narrowed(graph: &Graph) -> BTreeMap<String, i64> {
    let sizes = graph.root().inputs().iter().flat_map(|&input| {
        let declared =
            graph.value(input).declared().and_then(Type::as_tensor).and_then(|t| t.shape.as_deref());
        declared.unwrap_or_default().iter().zip(graph.shape(input).unwrap_or_default())
    });
    let number = |(declared, known): (&Dim, &Dim)| match declared {
        Dim::Sym(symbol) => Some((symbol.as_symbol()?.to_owned(), known.expr()?.as_constant()?)),
        Dim::Fixed(_) => None,
    };
    sizes.filter_map(number).collect()
}

fn is_symbol(dim: &Dim) -> bool {
    matches!(dim, Dim::Sym(e) if e.as_symbol().is_some())
}

fn narrow(graph: &mut Graph, input: ValueId, numbers: &BTreeMap<String, i64>) -> bool {
    let Some(Type::Tensor(ty)) = graph.value(input).ty() else { return false };
    let mut ty = ty.clone();
    let mut narrowed = false;
    for dim in ty.shape.iter_mut().flatten() {
        let Dim::Sym(expr) = &*dim else { continue };
        let put_in = expr.substitute(&|name| numbers.get(name).copied().map(DimExpr::constant));
        if let Some(new) = put_in.and_then(Dim::from_expr).filter(|new| new != dim) {
            *dim = new;
            narrowed = true;
        }
    }
    if narrowed {
        graph.set_type(input, Some(Type::Tensor(ty)));
    }
    narrowed
}

/// What the nodes behind the outputs demand; a runtime leaves the others out.
fn equations(graph: &Graph, facts: &Facts) -> Equations {
    let mut equations = Equations::default();
    for node in live(graph) {
        for Meeting { a, b, .. } in meetings(graph, node).into_iter().filter(|m| m.exact) {
            if let (Some(a), Some(b)) = (a.expr(), b.expr()) {
                equations.equal(&a, &b);
            }
        }
        for size in divisors(graph, facts, node) {
            equations.positive(size);
        }
    }
    equations
}

/// The sizes that a Reshape divides by where it is to find one out; that 0 is a size is said by `allowzero`.
fn divisors<'a>(graph: &Graph, facts: &'a Facts, node: NodeId) -> impl Iterator<Item = &'a DimExpr> {
    let n = graph.node(node);
    let divides = n.op().is("Reshape") && n.int("allowzero") == Some(1);
    let sizes = n.input(1).filter(|_| divides).and_then(|shape| facts.elements(shape)).unwrap_or_default();
    let unknown = |e: &Element| e.as_ref().and_then(DimExpr::as_constant) == Some(-1);
    sizes.iter().flatten().filter(move |_| sizes.iter().any(unknown)).filter(|e| e.as_constant().is_none())
}

/// The nodes of the main graph that its outputs need.
fn live(graph: &Graph) -> FxHashSet<NodeId> {
    let mut pending: Vec<ValueId> = graph.root().outputs().collect();
    let mut live = FxHashSet::default();
    while let Some(value) = pending.pop() {
        let Some(node) = graph.producer(value).filter(|&node| live.insert(node)) else { continue };
        pending.extend(graph.node(node).inputs().flatten());
        pending.extend(captures(graph, node));
    }
    live
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::analysis::Facts;
    use crate::diag::Diags;
    use crate::text::parse_model;

    /// The types of the inputs as inferred.
    fn inputs(text: &str) -> Vec<String> {
        let mut model = parse_model(&format!("<ir_version: 8, opset_import: [\"\" : 17]>\n{text}")).unwrap();
        Facts::new().infer_model(&mut model, &mut Diags::new());
        let graph = &model.graph;
        graph.root().inputs().iter().map(|&v| graph.value(v).ty().unwrap().to_string()).collect()
    }

    /// A decoder whose tokens are batches from the second layer on.
    fn decoder(allowzero: i64, batch: &str) -> Vec<String> {
        inputs(&format!(
            "g (float[n, t, 8] x, float[n, 2, p, 4] past) => (float[?, ?, ?, ?] present)
             <int64[1] rest = {{-1}}, int64[3] beside = {{-1, 1, 8}}, int64[4] heads = {{-1, 2, 1, 4}}> {{
                s = Shape <start = 0, end = 1> ({batch})
                to = Concat <axis = 0> (s, rest)
                flat = Reshape <allowzero = {allowzero}> (x, to)  sum = ReduceSum <keepdims = 0> (flat)
                b = Reshape (x, beside)  y = Add (x, b)
                k = Reshape (y, heads)
                all = Concat <axis = 2> (past, k)
                present = Add (all, sum)
             }}"
        ))
    }

    #[test]
    fn a_decoder_that_takes_one_token_is_found_out() {
        assert_eq!(decoder(1, "past"), ["float[n,1,8]", "float[n,2,p,4]"]);
    }

    #[test]
    fn what_is_declared_stays_and_a_note_says_so() {
        let text = "<ir_version: 8, opset_import: [\"\" : 17]>
            g (float[2, k] x) => (float[?, ?] y) <float[2, 3] w = {0, 1, 2, 3, 4, 5}> { y = MatMul (x, w) }";
        let (mut model, mut diags) = (parse_model(text).unwrap(), Diags::new());
        Facts::new().infer_model(&mut model, &mut diags);
        Facts::correct_declarations(&mut model, &mut diags);
        let input = model.graph.root().inputs()[0];
        assert_eq!(model.graph.value(input).declared().unwrap().to_string(), "float[2,k]");
        let notes: Vec<_> = diags.iter().filter(|d| d.code == "one-size").collect();
        assert!(matches!(notes.as_slice(), [note] if note.message.contains("k can only be 2")), "{notes:?}");
    }

    #[test]
    fn a_batch_that_may_be_empty_says_nothing_of_tokens() {
        assert_eq!(decoder(0, "past"), ["float[n,t,8]", "float[n,2,p,4]"]);
    }

    #[test]
    fn sizes_meet_where_outputs_need_them() {
        let product = |output: &str| {
            inputs(&format!(
                "g (float[2, k] x) => (float[?, ?] {output}) <float[5, 3] w = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}}> {{
                    y = MatMul (x, w)  z = Relu (x)
                 }}"
            ))
        };
        assert_eq!(product("y"), ["float[2,5]"]);
        assert_eq!(product("z"), ["float[2,k]"], "a runtime leaves the product out");
    }

    #[test]
    fn what_a_branch_wants_need_not_be() {
        let found = inputs(
            "g (float[2, k] x, bool c) => (float[?, ?] y) <float[1, 5] w = {0, 1, 2, 3, 4}> {
                y = If (c) <then_branch = a () => (p) { p = Concat <axis = 0> (x, w) },
                            else_branch = b () => (q) { q = Relu (x) }>
             }",
        );
        assert_eq!(found[0], "float[2,k]");
    }
}
