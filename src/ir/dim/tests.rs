//! Dims against plain arithmetic.

#![allow(clippy::unwrap_used)]

use super::expr::{broadcast, floor_div};
use super::{DimExpr, Truth};
use proptest::prelude::*;

fn n() -> DimExpr {
    DimExpr::symbol("n")
}

fn k(v: i64) -> DimExpr {
    DimExpr::constant(v)
}

#[test]
fn neutral_elements_and_cancellation() {
    assert_eq!(n().add(&k(0)), Some(n()));
    assert_eq!(n().mul(&k(1)), Some(n()));
    assert_eq!(n().sub(&n()), Some(k(0)));
    let m = DimExpr::symbol("m");
    let product = n().mul(&m).unwrap();
    assert_eq!(product, m.mul(&n()).unwrap());
    assert_eq!(product.floor_div(&m), Some(n()));
    let both = n().add(&m).unwrap();
    assert_eq!(both.mul(&both).unwrap().floor_div(&both), Some(both));
}

#[test]
fn chained_divisions_have_one_form() {
    let half = |e: DimExpr| e.offset(-1).unwrap().floor_div(&k(2)).unwrap().offset(1).unwrap();
    let thrice = half(half(half(n())));
    assert_eq!(thrice, n().ceil_div(&k(8)).unwrap());
    assert_eq!(thrice.to_string(), "(n + 7)//8");
}

#[test]
fn questions() {
    let next = n().offset(1).unwrap();
    assert_eq!(next.same(&n()), Truth::Refuted);
    assert_eq!(next.at_least(1), Truth::Proven);
    assert_eq!(n().at_least(1), Truth::Unknown);
    assert_eq!(n().same(&DimExpr::symbol("m")), Truth::Unknown);
    let even = n().mul(&k(2)).unwrap();
    assert_eq!(even.same(&DimExpr::symbol("m").mul(&k(2)).unwrap().offset(1).unwrap()), Truth::Refuted);
    assert_eq!(n().maximum(&k(0)), Some(n()));
    assert_eq!(n().minimum(&next), Some(n()));
}

#[test]
fn overflow_has_no_result() {
    assert_eq!(k(i64::MAX).add(&k(1)), None);
    assert_eq!(n().mul(&k(i64::MAX)).unwrap().mul(&k(2)), None);
    assert_eq!(k(i64::MIN).floor_div(&k(-1)), None);
    let mut e = n();
    let grown = (0..1000).try_for_each(|i| {
        e = e.mul(&n())?.add(&k(i))?;
        Some(())
    });
    assert_eq!(grown, None);
}

#[derive(Clone, Debug)]
enum Tree {
    Symbol(usize),
    Number(i64),
    Node(u8, Box<Tree>, Box<Tree>),
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![(0..3usize).prop_map(Tree::Symbol), (-7..8i64).prop_map(Tree::Number)];
    leaf.prop_recursive(5, 24, 2, |inner| {
        (0..9u8, inner.clone(), inner).prop_map(|(op, a, b)| Tree::Node(op, Box::new(a), Box::new(b)))
    })
}

/// The symbolic and the plain result, where both exist.
fn both(tree: &Tree, sizes: &[i64; 3]) -> Option<(DimExpr, i64)> {
    Some(match tree {
        Tree::Symbol(i) => (DimExpr::symbol(NAMES[*i]), sizes[*i]),
        Tree::Number(n) => (k(*n), *n),
        Tree::Node(op, a, b) => {
            let ((a, x), (b, y)) = (both(a, sizes)?, both(b, sizes)?);
            match op {
                0 => (a.add(&b)?, x.checked_add(y)?),
                1 => (a.sub(&b)?, x.checked_sub(y)?),
                2 => (a.mul(&b)?, x.checked_mul(y)?),
                3 => (a.floor_div(&b)?, floor_div(x, y)?),
                4 => (a.ceil_div(&b)?, -floor_div(-x, y)?),
                5 => (a.rem(&b)?, x - floor_div(x, y)? * y),
                6 => (a.maximum(&b)?, x.max(y)),
                7 => (a.broadcast(&b)?, broadcast(x, y)?),
                _ => (a.minimum(&b)?, x.min(y)),
            }
        }
    })
}

fn value_of(sizes: [i64; 3]) -> impl Fn(&str) -> Option<i64> {
    move |name| NAMES.iter().position(|n| *n == name).map(|i| sizes[i])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn arithmetic_agrees_with_evaluation(tree in tree(), sizes in [0..9i64, 0..9i64, 0..9i64]) {
        if let Some((expr, want)) = both(&tree, &sizes) {
            if let Some(have) = expr.eval(&value_of(sizes)) {
                prop_assert_eq!(have, want, "{}", expr);
            }
            let renamed = expr.substitute(&|s| Some(DimExpr::symbol(s))).unwrap();
            prop_assert_eq!(renamed, expr);
        }
    }

    #[test]
    fn answers_hold_for_every_size(x in tree(), y in tree(), sizes in [0..9i64, 0..9i64, 0..9i64]) {
        if let (Some((a, x)), Some((b, y))) = (both(&x, &sizes), both(&y, &sizes)) {
            match a.same(&b) {
                Truth::Proven => prop_assert_eq!(x, y, "{} = {}", a, b),
                Truth::Refuted => prop_assert_ne!(x, y, "{} ≠ {}", a, b),
                Truth::Unknown => {}
            }
            match a.at_least(y) {
                Truth::Proven => prop_assert!(x >= y, "{} >= {}", a, y),
                Truth::Refuted => prop_assert!(x < y, "{} < {}", a, y),
                Truth::Unknown => {}
            }
        }
    }
}
