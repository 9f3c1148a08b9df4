//! Transpositions of a product of matrices, and of its factors.

use super::META;
use crate::ir::{Node, NodeId, OpId, ValueId};
use crate::passes::linear::sole_producer;
use crate::require;
use crate::rewrite::{Context, Meta, Miss, Patch, Ref, Rule};
use crate::tensor::Tensor;

#[derive(Clone, Copy, Debug)]
pub(super) struct Transposed;

impl Rule for Transposed {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Gemm"), OpId::onnx("MatMul"), OpId::onnx("Transpose")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        if cx.node(node).op().is("Transpose") { result(cx, node) } else { factors(cx, node) }
    }
}

/// What a node transposes, if that is a matrix.
fn transposes(cx: &Context<'_>, node: NodeId) -> Option<ValueId> {
    let n = cx.node(node);
    let x = n.input(0).filter(|&x| cx.graph.rank(x) == Some(2))?;
    (n.op() == OpId::onnx("Transpose") && cx.permutation(node)? == [1, 0]).then_some(x)
}

/// The factors of a product of matrices of floats.
fn matrices(cx: &Context<'_>, product: &Node) -> Option<[ValueId; 2]> {
    let factors = [product.input(0)?, product.input(1)?];
    let fit = |v: &ValueId| cx.graph.rank(*v) == Some(2) && cx.graph.dtype(*v).is_some_and(|d| d.is_float());
    let known = product.op() == OpId::onnx("Gemm") || product.op() == OpId::onnx("MatMul");
    (known && factors.iter().all(fit)).then_some(factors)
}

fn flags(product: &Node) -> [bool; 2] {
    ["transA", "transB"].map(|name| product.int(name).unwrap_or(0) != 0)
}

fn write(patch: &mut Patch, of: &Node, inputs: Vec<Ref>, flags: [bool; 2]) {
    if of.op().is("Gemm") {
        patch.copy(of, inputs);
    } else {
        patch.node("Gemm", inputs);
    }
    for (name, flag) in ["transA", "transB"].into_iter().zip(flags) {
        patch.drop_attr(name);
        if flag {
            patch.set_attr(name, 1i64);
        }
    }
}

/// Factors that are transposed by nodes of their own.
fn factors(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    let n = cx.node(node);
    let factors = matrices(cx, n).ok_or(Miss::Silent)?;
    let (mut inputs, mut flags): (Vec<Ref>, _) = (n.inputs().map(Ref::from).collect(), flags(n));
    let mut refused = Miss::Silent;
    let mut found = false;
    for (at, factor) in factors.into_iter().enumerate() {
        let Some(plain) = cx.graph.producer(factor).and_then(|p| transposes(cx, p)) else { continue };
        match sole_producer(cx, factor, node) {
            Ok(_) => {
                (inputs[at], flags[at], found) = (plain.into(), !flags[at], true);
            }
            Err(miss) => refused = miss,
        }
    }
    if !found {
        return Err(refused);
    }
    let mut patch = Patch::new();
    write(&mut patch, n, inputs, flags);
    Ok(patch)
}

/// A product that is transposed is the product of its factors, transposed, in the other order.
fn result(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    let value = transposes(cx, node).ok_or(Miss::Silent)?;
    let product = cx.graph.producer(value).ok_or(Miss::Silent)?;
    let n = cx.node(product);
    let [a, b] = matrices(cx, n).ok_or(Miss::Silent)?;
    sole_producer(cx, value, node)?;
    require!(![a, b].iter().any(|&v| cx.graph.is_const(v)), value, "a factor of the product is constant");
    let mut patch = Patch::new();
    let mut inputs = vec![Ref::from(b), Ref::from(a)];
    if let Some(c) = n.input(2) {
        inputs.push(column(cx, &mut patch, c)?);
    }
    let [ta, tb] = flags(n);
    write(&mut patch, n, inputs, [!tb, !ta]);
    Ok(patch)
}

/// A constant row, as a column.
fn column(cx: &Context<'_>, patch: &mut Patch, c: ValueId) -> Result<Ref, Miss> {
    let tensor = cx.graph.const_value(c);
    let row = tensor.filter(|t: &Tensor| t.rank() < 2 || t.shape()[0] == 1);
    let row = row.ok_or_else(|| Miss::because("the summand of the product is no constant row", c))?;
    if row.len() == 1 {
        return Ok(c.into());
    }
    let column = row.reshaped(&[row.len(), 1]).map_err(|_| Miss::Silent)?;
    Ok(patch.constant(column))
}
