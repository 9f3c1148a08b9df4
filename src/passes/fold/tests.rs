//! Each kernel against values worked out by hand from the specification.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::ir::{Graph, NewNode, NewOutput, OpId, RegionId};
use crate::tensor::DType;

fn all(
    op: &'static str,
    opset: i64,
    attrs: &[(&str, Attr)],
    inputs: &[Tensor],
    outputs: usize,
) -> Option<Vec<Tensor>> {
    let mut graph = Graph::new();
    let operands = (0..)
        .zip(inputs)
        .map(|(i, t)| Some(graph.add_initializer(RegionId::ROOT, format!("i{i}"), t.clone())));
    let operands: Vec<_> = operands.collect();
    let outs = (0..outputs).map(|i| NewOutput::named(format!("o{i}"))).collect();
    let mut new = NewNode::new(OpId::onnx(op), operands, outs);
    for (name, value) in attrs {
        new = new.attr(name, value.clone());
    }
    let node = graph.add_node(RegionId::ROOT, new);
    let inputs: Vec<Option<Tensor>> = inputs.iter().cloned().map(Some).collect();
    evaluate(&Call { node: graph.node(node), opset, inputs: &inputs, limit: 1 << 16 })
}

fn one(op: &'static str, attrs: &[(&str, Attr)], inputs: &[Tensor]) -> Option<Tensor> {
    all(op, 18, attrs, inputs, 1).map(|mut outputs| outputs.remove(0))
}

fn ints(values: &[i64]) -> Tensor {
    Tensor::vector(values)
}

fn iota(shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    Tensor::from_slice(shape, &(0..n as i64).collect::<Vec<_>>()).unwrap()
}

#[track_caller]
fn check(got: Option<Tensor>, shape: &[usize], values: &[i64]) {
    let got = got.expect("the kernel has an answer");
    assert_eq!((got.shape(), got.to_i64s().unwrap().as_slice()), (shape, values));
}

#[test]
fn dims() {
    check(one("Shape", &[], &[iota(&[2, 3])]), &[2], &[2, 3]);
    check(one("Shape", &[("start", Attr::Int(-1))], &[iota(&[2, 3])]), &[1], &[3]);
    check(one("Size", &[], &[iota(&[2, 3])]), &[], &[6]);
    check(one("Reshape", &[], &[iota(&[2, 3]), ints(&[0, -1, 1])]), &[2, 3, 1], &[0, 1, 2, 3, 4, 5]);
    check(one("Squeeze", &[], &[iota(&[1, 2, 1])]), &[2], &[0, 1]);
    check(one("Squeeze", &[], &[iota(&[1, 2, 1]), ints(&[-1])]), &[1, 2], &[0, 1]);
    check(one("Squeeze", &[], &[iota(&[2, 2]), ints(&[])]), &[2, 2], &[0, 1, 2, 3]);
    assert!(one("Squeeze", &[], &[iota(&[1, 2]), ints(&[])]).is_none());
    check(one("Unsqueeze", &[], &[iota(&[2]), ints(&[0, -1])]), &[1, 2, 1], &[0, 1]);
    check(one("Flatten", &[("axis", Attr::Int(-1))], &[iota(&[1, 2, 2])]), &[2, 2], &[0, 1, 2, 3]);
    assert!(one("Reshape", &[], &[iota(&[2, 3]), ints(&[4, -1])]).is_none());
    assert!(one("Squeeze", &[], &[iota(&[2]), ints(&[0])]).is_none());
    assert!(one("Unsqueeze", &[], &[iota(&[2]), ints(&[0, 0])]).is_none());
}

#[test]
fn movement() {
    check(one("Transpose", &[], &[iota(&[2, 3])]), &[3, 2], &[0, 3, 1, 4, 2, 5]);
    check(one("Concat", &[("axis", Attr::Int(-1))], &[iota(&[1, 1]), iota(&[1, 2])]), &[1, 3], &[0, 0, 1]);
    let slice =
        |s, e, step| one("Slice", &[], &[iota(&[5]), ints(&[s]), ints(&[e]), ints(&[0]), ints(&[step])]);
    check(slice(1, i64::MAX, 2), &[2], &[1, 3]);
    check(slice(-1, i64::MIN, -2), &[3], &[4, 2, 0]);
    check(slice(3, 1, 1), &[0], &[]);
    check(slice(-9, -1, 1), &[4], &[0, 1, 2, 3]);
    check(slice(0, 5, i64::MAX), &[1], &[0]);
    assert!(slice(0, 5, 0).is_none() && slice(4, 0, i64::MIN).is_none());
    check(one("Gather", &[], &[iota(&[3, 2]), ints(&[2, -3])]), &[2, 2], &[4, 5, 0, 1]);
    let column = one("Gather", &[("axis", Attr::Int(1))], &[iota(&[2, 3]), Tensor::scalar(1i64)]);
    check(column, &[2], &[1, 4]);
    assert!(one("Gather", &[], &[iota(&[3]), ints(&[3])]).is_none());
    check(one("Expand", &[], &[iota(&[2, 1]), ints(&[3])]), &[2, 3], &[0, 0, 0, 1, 1, 1]);
    check(one("Tile", &[], &[iota(&[1, 2]), ints(&[2, 2])]), &[2, 4], &[0, 1, 0, 1, 0, 1, 0, 1]);
    let parts = all("Split", 18, &[("axis", Attr::Int(1))], &[iota(&[2, 3]), ints(&[1, 2])], 2).unwrap();
    check(Some(parts[0].clone()), &[2, 1], &[0, 3]);
    check(Some(parts[1].clone()), &[2, 2], &[1, 2, 4, 5]);
    check(one("Pad", &[], &[iota(&[2]), ints(&[1, 2]), ints(&[9])]), &[5], &[9, 0, 1, 9, 9]);
}

#[test]
fn strings_move_too() {
    let words = Tensor::from_strings(&[2], vec!["a".into(), "b".into()]).unwrap();
    let got = one("Gather", &[], &[words, ints(&[1])]).unwrap();
    assert_eq!(got.strings().unwrap(), ["b"]);
}

#[test]
fn numbers() {
    check(one("Add", &[], &[iota(&[2, 1]), ints(&[10, 20])]), &[2, 2], &[10, 20, 11, 21]);
    check(one("Mul", &[], &[ints(&[i64::MAX]), ints(&[2])]), &[1], &[-2]);
    check(one("Div", &[], &[ints(&[-7, 7]), ints(&[2])]), &[2], &[-3, 3]);
    assert!(one("Div", &[], &[ints(&[1]), ints(&[0])]).is_none());
    check(one("Mod", &[], &[ints(&[-7, 7]), ints(&[3])]), &[2], &[2, 1]);
    check(one("Mod", &[("fmod", Attr::Int(1))], &[ints(&[-7, 7]), ints(&[3])]), &[2], &[-1, 1]);
    check(one("Max", &[], &[ints(&[1, 5]), ints(&[2]), ints(&[3])]), &[2], &[3, 5]);
    check(one("Sign", &[], &[ints(&[-4, 0, 4])]), &[3], &[-1, 0, 1]);
    check(one("Abs", &[], &[Tensor::vector(&[200u8])]), &[1], &[200]);
    assert!(one("Neg", &[], &[Tensor::vector(&[1u8])]).is_none());
    let f = |op, v: f32| one(op, &[], &[Tensor::scalar(v)]).and_then(|t| t.as_scalar());
    assert_eq!(
        (f("Floor", -0.5), f("Ceil", 0.2), f("Sqrt", 2.0)),
        (Some(-1.0), Some(1.0), Some(f64::from(2f32.sqrt())))
    );
    assert_eq!(f("Sqrt", -1.0), None);
    let zeros = one("Min", &[], &[Tensor::scalar(0f32), Tensor::scalar(-0f32)]);
    assert!(zeros.is_none(), "which zero is the smaller one is not said");
}

#[test]
fn logic() {
    check(one("Less", &[], &[ints(&[1, 2, 3]), ints(&[2])]), &[3], &[1, 0, 0]);
    check(one("GreaterOrEqual", &[], &[ints(&[1, 2, 3]), ints(&[2])]), &[3], &[0, 1, 1]);
    check(one("Equal", &[], &[Tensor::scalar(f32::NAN), Tensor::scalar(f32::NAN)]), &[], &[0]);
    let (t, f) = (Tensor::vector(&[true, true]), Tensor::vector(&[true, false]));
    check(one("And", &[], &[t.clone(), f.clone()]), &[2], &[1, 0]);
    check(one("Xor", &[], &[t, f.clone()]), &[2], &[0, 1]);
    check(one("Not", &[], std::slice::from_ref(&f)), &[2], &[0, 1]);
    check(one("Where", &[], &[f, ints(&[7]), iota(&[2, 1])]), &[2, 2], &[7, 0, 7, 1]);
}

#[test]
fn casts() {
    let to = |t: DType, v: Tensor| one("Cast", &[("to", Attr::Int(t.code().into()))], &[v]);
    check(to(DType::I64, Tensor::vector(&[-1.7f32, 2.9])), &[2], &[-1, 2]);
    check(to(DType::I8, ints(&[300])), &[1], &[44]);
    check(to(DType::Bool, Tensor::vector(&[0.5f32, 0.0])), &[2], &[1, 0]);
    assert!(to(DType::I32, Tensor::scalar(3e9f32)).is_none());
    assert!(to(DType::I64, Tensor::scalar(f32::NAN)).is_none());
    assert!(to(DType::U8, Tensor::scalar(-1f32)).is_none());
    assert!(to(DType::F16, Tensor::scalar((1i64 << 24) + 1)).is_none());
    assert_eq!(to(DType::F32, Tensor::scalar(i64::MAX)).unwrap().as_scalar(), Some(2f64.powi(63)));
    assert_eq!(to(DType::F16, Tensor::scalar(2049f32)).unwrap().as_scalar(), Some(2048.0));
}

#[test]
fn makers() {
    let nine = Attr::Tensor(Tensor::vector(&[9i64]));
    check(one("ConstantOfShape", &[("value", nine)], &[ints(&[2, 1])]), &[2, 1], &[9, 9]);
    assert!(one("ConstantOfShape", &[], &[ints(&[1 << 40])]).is_none(), "beyond the limit");
    let range = |a: i64, b: i64, c: i64| one("Range", &[], &[a, b, c].map(Tensor::scalar));
    check(range(1, 6, 2), &[3], &[1, 3, 5]);
    check(range(3, 0, -1), &[3], &[3, 2, 1]);
    check(range(3, 0, 1), &[0], &[]);
    assert!(range(0, i64::MAX, 1).is_none() && range(0, 1, 0).is_none());
    check(one("NonZero", &[], &[iota(&[2, 2])]), &[2, 3], &[0, 1, 1, 1, 0, 1]);
}

#[test]
fn reductions() {
    check(one("ReduceSum", &[], &[iota(&[2, 3]), ints(&[-1])]), &[2, 1], &[3, 12]);
    check(one("ReduceProd", &[("keepdims", Attr::Int(0))], &[ints(&[2, 3, 4])]), &[], &[24]);
    let axes = [("axes", Attr::Ints(vec![0])), ("keepdims", Attr::Int(0))];
    check(one("ReduceMax", &axes, &[iota(&[2, 3])]), &[3], &[3, 4, 5]);
    check(one("ReduceSum", &[("noop_with_empty_axes", Attr::Int(1))], &[iota(&[2])]), &[2], &[0, 1]);
    assert!(one("ReduceSum", &[], &[Tensor::vector(&[1f32])]).is_none());
}

#[test]
fn old_opsets_broadcast_otherwise() {
    assert!(all("Add", 6, &[], &[ints(&[1]), ints(&[2])], 1).is_none());
    let attrs =
        [("starts", Attr::Ints(vec![1])), ("ends", Attr::Ints(vec![3])), ("axes", Attr::Ints(vec![0]))];
    check(all("Slice", 1, &attrs, &[iota(&[4])], 1).map(|mut v| v.remove(0)), &[2], &[1, 2]);
}

#[test]
fn halves_that_would_be_rounded_are_left_to_the_runtime() {
    use half::{bf16, f16};
    let halves = |v: &[f32]| Tensor::vector(&v.iter().map(|&v| f16::from_f32(v)).collect::<Vec<_>>());
    let brains = |v: &[f32]| Tensor::vector(&v.iter().map(|&v| bf16::from_f32(v)).collect::<Vec<_>>());
    let sum = one("Add", &[], &[halves(&[1.5, 2.0]), halves(&[0.25, 4.0])]).unwrap();
    assert_eq!(sum.to_f64s().unwrap(), [1.75, 6.0]);
    assert!(one("Div", &[], &[halves(&[1.0]), halves(&[3.0])]).is_none());
    assert!(one("Div", &[], &[brains(&[1.0]), brains(&[3.0])]).is_some());
}
