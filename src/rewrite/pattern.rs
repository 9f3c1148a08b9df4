//! A pattern reads as its formula.
//!
//! ```text
//! let x = p.any();
//! let t = p.op("Erf", [x / SQRT_2]) + 1.0;
//! (x * t * 0.5, x.var())
//! ```
//!
//! A [`Pat`] is `Copy`: written twice, it must match the same value twice. Operands of a commutative
//! op match in any order, and a sum or product of three or more operands in any bracketing, where the
//! rule's exactness allows it; neither has to be spelled out.

use crate::ir::{Attr, OpId};
use std::cell::RefCell;

/// The pattern nodes of one formula.
#[derive(Default)]
pub struct Patterns {
    nodes: RefCell<Vec<Node>>,
}

/// A pattern node of a [`Patterns`].
#[derive(Clone, Copy)]
pub struct Pat<'p> {
    patterns: &'p Patterns,
    id: u32,
}

/// What a pattern node has matched can be asked by this of a [`Match`](super::Match).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Var(pub(super) u32);

#[derive(Clone, Debug)]
pub(super) enum Node {
    /// Any value.
    Any,
    /// A constant of any shape.
    Constant,
    /// A constant of one element that broadcasts without changing the result's shape; `Some` demands its value.
    Number(Option<f64>),
    /// An output of a node.
    Op(OpPattern),
    /// The first that matches and lets the rest match.
    Either(Vec<u32>),
}

#[derive(Clone, Debug)]
pub(super) struct OpPattern {
    pub(super) op: OpId,
    pub(super) inputs: Vec<u32>,
    pub(super) output: usize,
    /// Whether its outputs may be read outside the match.
    pub(super) shared: bool,
    /// Attributes that must have, or default to, a value.
    pub(super) attrs: Vec<(&'static str, Attr)>,
    /// Whether the author asked for it by [`Pat::var`]; such a node keeps its place in a chain.
    pub(super) wanted: bool,
}

impl Patterns {
    fn add(&self, node: Node) -> Pat<'_> {
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(node);
        Pat { patterns: self, id: nodes.len() as u32 - 1 }
    }

    /// Any value.
    pub fn any(&self) -> Pat<'_> {
        self.add(Node::Any)
    }

    /// A constant of any shape: check its rank in the rule.
    pub fn constant(&self) -> Pat<'_> {
        self.add(Node::Constant)
    }

    /// A constant of one element, of rank 0 or where the other operands' rank proves it harmless;
    /// [`Match::number`](super::Match::number) gives its value.
    pub fn number(&self) -> Pat<'_> {
        self.add(Node::Number(None))
    }

    /// As [`Patterns::number`], equal to `value` once that is rounded to the tensor's type.
    pub fn scalar(&self, value: f64) -> Pat<'_> {
        self.add(Node::Number(Some(value)))
    }

    /// The first output of an op with exactly these inputs.
    pub fn op<'p, const N: usize>(&'p self, op: impl Into<OpId>, inputs: [Pat<'p>; N]) -> Pat<'p> {
        self.output(op, inputs, 0)
    }

    /// One output of an op with exactly these inputs.
    pub fn output<'p, const N: usize>(
        &'p self,
        op: impl Into<OpId>,
        inputs: [Pat<'p>; N],
        output: usize,
    ) -> Pat<'p> {
        self.add(Node::Op(OpPattern {
            op: op.into(),
            inputs: inputs.iter().map(|p| p.id).collect(),
            output,
            shared: false,
            attrs: Vec::new(),
            wanted: false,
        }))
    }

    /// Any one of several spellings, tried in order.
    pub fn either<'p, const N: usize>(&'p self, spellings: [Pat<'p>; N]) -> Pat<'p> {
        self.add(Node::Either(spellings.iter().map(|p| p.id).collect()))
    }

    pub(super) fn into_nodes(self) -> Vec<Node> {
        self.nodes.into_inner()
    }
}

impl Pat<'_> {
    /// A handle to what this node matches.
    pub fn var(self) -> Var {
        self.edit(|op| op.wanted = true);
        Var(self.id)
    }

    /// Lets the values of this op be read outside the match too; the old chain then lives on beside the new node.
    #[must_use]
    pub fn shared(self) -> Self {
        self.edit(|op| op.shared = true);
        self
    }

    /// Demands that an attribute of this op has, or by its schema defaults to, a value.
    #[must_use]
    pub fn with(self, attr: &'static str, value: impl Into<Attr>) -> Self {
        let value = value.into();
        self.edit(|op| op.attrs.push((attr, value)));
        self
    }

    pub(super) fn id(self) -> u32 {
        self.id
    }

    fn edit(self, change: impl FnOnce(&mut OpPattern)) {
        if let Node::Op(op) = &mut self.patterns.nodes.borrow_mut()[self.id as usize] {
            change(op);
        }
    }
}

macro_rules! arithmetic {
    ($($trait:ident $method:ident $op:literal),*) => { $(
        impl<'p> std::ops::$trait for Pat<'p> {
            type Output = Pat<'p>;
            fn $method(self, other: Pat<'p>) -> Pat<'p> {
                self.patterns.op($op, [self, other])
            }
        }

        impl<'p> std::ops::$trait<f64> for Pat<'p> {
            type Output = Pat<'p>;
            fn $method(self, other: f64) -> Pat<'p> {
                self.patterns.op($op, [self, self.patterns.scalar(other)])
            }
        }

        impl<'p> std::ops::$trait<Pat<'p>> for f64 {
            type Output = Pat<'p>;
            fn $method(self, other: Pat<'p>) -> Pat<'p> {
                other.patterns.op($op, [other.patterns.scalar(self), other])
            }
        }
    )* };
}
arithmetic!(Add add "Add", Sub sub "Sub", Mul mul "Mul", Div div "Div");
