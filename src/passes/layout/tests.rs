#![allow(clippy::unwrap_used)]

use super::{Layout, Step, plans};
use crate::ir::Dim;

fn n(sizes: &[u64]) -> Vec<Dim> {
    sizes.iter().map(|&s| Dim::Fixed(s)).collect()
}

fn way(layout: &Layout) -> Vec<Step> {
    plans(layout.frame(0), layout.last(), &layout.sizes).into_iter().next().unwrap()
}

#[test]
fn what_goes_there_and_back_is_nothing() {
    let mut layout = Layout::of(&n(&[2, 6, 5])).unwrap();
    layout.reshape(&n(&[2, 2, 3, 5])).unwrap();
    layout.transpose(&[0, 3, 1, 2]).unwrap();
    layout.reshape(&n(&[2, 5, 6])).unwrap();
    assert_eq!(way(&layout), [Step::Transpose(vec![0, 2, 1])]);
    layout.transpose(&[0, 2, 1]).unwrap();
    assert_eq!(way(&layout), []);
}

#[test]
fn moving_ones_is_a_reshape() {
    let mut layout = Layout::of(&n(&[4, 1, 3])).unwrap();
    layout.transpose(&[1, 0, 2]).unwrap();
    assert_eq!(way(&layout), [Step::Reshape(n(&[1, 4, 3]))]);
}

#[test]
fn factors_across_dims_are_found() {
    let mut layout = Layout::of(&n(&[4, 6])).unwrap();
    layout.reshape(&n(&[8, 3])).unwrap();
    layout.transpose(&[1, 0]).unwrap();
    assert_eq!(way(&layout), [Step::Reshape(n(&[8, 3])), Step::Transpose(vec![1, 0])]);
    assert!(Layout::of(&n(&[4, 10])).unwrap().reshape(&n(&[8, 5])).is_some());
    assert!(Layout::of(&n(&[6, 10])).unwrap().reshape(&n(&[4, 15])).is_none());
}

#[test]
fn symbols_are_factors() {
    let batch = Dim::symbol("B");
    let windows = batch.mul(&Dim::Fixed(64)).unwrap();
    let mut layout = Layout::of(&[windows, Dim::Fixed(7)]).unwrap();
    layout.reshape(&[batch.clone(), Dim::Fixed(8), Dim::Fixed(8), Dim::Fixed(7)]).unwrap();
    layout.transpose(&[0, 2, 1, 3]).unwrap();
    assert_eq!(way(&layout).len(), 2);
    assert!(Layout::of(&[batch]).unwrap().reshape(&n(&[3])).is_none());
}

#[test]
fn empty_values_are_refused() {
    assert!(Layout::of(&n(&[0, 3])).is_none());
    assert!(Layout::of(&n(&[3])).unwrap().reshape(&n(&[3, 0])).is_none());
}
