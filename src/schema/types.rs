//! The form of one operator schema. Everything is `'static` data; nothing is built at run time.

use crate::ir::AttrKind;
use crate::tensor::DType;
use std::slice;

/// One version of one operator.
#[derive(Debug, PartialEq)]
pub struct Schema {
    /// Operator domain; `ai.onnx` is the empty string.
    pub domain: &'static str,
    /// Operator name.
    pub name: &'static str,
    /// The first opset of the domain in which this version holds.
    pub since: i64,
    /// From this version on the operator is withdrawn: a model at this opset may not hold it.
    pub deprecated: bool,
    /// Formal inputs in order; only the last may be variadic.
    pub inputs: &'static [Param],
    /// Formal outputs in order; only the last may be variadic.
    pub outputs: &'static [Param],
    /// Attributes, sorted by name.
    pub attrs: &'static [AttrDef],
    /// Fewest inputs a node may list.
    pub min_inputs: u32,
    /// Most inputs a node may list; `u32::MAX` where the last one is variadic.
    pub max_inputs: u32,
    /// Fewest outputs a node may list.
    pub min_outputs: u32,
    /// Most outputs a node may list; `u32::MAX` where the last one is variadic.
    pub max_outputs: u32,
    /// What the schema itself claims; for a decision ask [`randomness`](crate::schema::randomness) instead.
    pub determinism: Determinism,
    /// Type variables of the parameters, sorted by name.
    pub constraints: &'static [TypeConstraint],
}

impl Schema {
    /// The formal input of the operand at `index`; a variadic last input stands for all that follow.
    pub fn input(&self, index: usize) -> Option<&'static Param> {
        formal(self.inputs, index)
    }

    /// The formal output at `index`; a variadic last output stands for all that follow.
    pub fn output(&self, index: usize) -> Option<&'static Param> {
        formal(self.outputs, index)
    }

    /// The attribute of this name.
    pub fn attr(&self, name: &str) -> Option<&'static AttrDef> {
        self.attrs.iter().find(|attr| attr.name == name)
    }

    /// The type variable of this name.
    pub fn constraint(&self, name: &str) -> Option<&'static TypeConstraint> {
        self.constraints.iter().find(|c| c.name == name)
    }

    /// The types that `param`, one of this schema's own, may have, such as `tensor(float)` or `seq(tensor(int64))`.
    pub fn allowed_types(&self, param: &'static Param) -> &'static [&'static str] {
        match self.constraint(param.type_name) {
            Some(constraint) => constraint.allowed,
            None => slice::from_ref(&param.type_name),
        }
    }

    /// Whether a tensor of this element type may be passed for `param`, one of this schema's own.
    pub fn allows(&self, param: &'static Param, dtype: DType) -> bool {
        let element = |t: &str| t.strip_prefix("tensor(")?.strip_suffix(')').map(|t| t == dtype.name());
        self.allowed_types(param).iter().any(|t| element(t) == Some(true))
    }

    /// Whether a node may list `count` inputs, omitted ones between them counted.
    pub fn takes_inputs(&self, count: usize) -> bool {
        within(count, self.min_inputs, self.max_inputs)
    }

    /// Whether a node may list `count` outputs, omitted ones between them counted.
    pub fn gives_outputs(&self, count: usize) -> bool {
        within(count, self.min_outputs, self.max_outputs)
    }
}

fn formal(params: &'static [Param], index: usize) -> Option<&'static Param> {
    params.get(index).or_else(|| params.last().filter(|p| p.option == ParamOption::Variadic))
}

fn within(count: usize, min: u32, max: u32) -> bool {
    count >= min as usize && (max == u32::MAX || count <= max as usize)
}

/// A formal input or output.
#[derive(Debug, PartialEq, Eq)]
pub struct Param {
    /// Name in the specification.
    pub name: &'static str,
    /// How often it may be there.
    pub option: ParamOption,
    /// Whether all values of a variadic parameter have one type; true for the others.
    pub homogeneous: bool,
    /// Name of a [`TypeConstraint`], or one concrete type such as `tensor(int64)`.
    pub type_name: &'static str,
}

/// How often a formal parameter may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamOption {
    /// Exactly once.
    Single,
    /// Once or not at all.
    Optional,
    /// Any number of times, see the schema's smallest and largest count.
    Variadic,
}

/// A type variable and the types it may stand for.
#[derive(Debug, PartialEq, Eq)]
pub struct TypeConstraint {
    /// Name that parameters refer to, such as `T`.
    pub name: &'static str,
    /// Types in ONNX spelling without blanks, sorted: `tensor(float)`, `map(int64,tensor(float))`.
    pub allowed: &'static [&'static str],
}

/// An attribute that a node may carry.
#[derive(Debug, PartialEq)]
pub struct AttrDef {
    /// Attribute name.
    pub name: &'static str,
    /// Type of its value.
    pub kind: AttrKind,
    /// Whether each node must carry it.
    pub required: bool,
    /// What a node without it means; `None` where the specification's text says what absence means.
    pub default: Option<AttrDefault>,
}

/// Default of an attribute. No schema has a tensor, graph or type as default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AttrDefault {
    /// Of [`AttrKind::Float`].
    Float(f32),
    /// Of [`AttrKind::Int`].
    Int(i64),
    /// Of [`AttrKind::String`].
    String(&'static str),
    /// Of [`AttrKind::Floats`].
    Floats(&'static [f32]),
    /// Of [`AttrKind::Ints`].
    Ints(&'static [i64]),
    /// Of [`AttrKind::Strings`].
    Strings(&'static [&'static str]),
}

/// What a schema claims of repeated runs. ONNX also calls operators with bodies (If, Loop) non-deterministic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Determinism {
    /// Equal inputs give equal outputs.
    Deterministic,
    /// Equal inputs may give other outputs.
    NonDeterministic,
    /// The schema does not say; so for all of `com.microsoft`.
    Unknown,
}

/// Short constructors in which the generated table is written.
pub(super) mod build {
    use crate::ir::AttrKind;
    use crate::schema::types::{
        AttrDef, AttrDefault, Determinism, Param, ParamOption, Schema, TypeConstraint,
    };

    const fn param(
        name: &'static str,
        type_name: &'static str,
        option: ParamOption,
        homogeneous: bool,
    ) -> Param {
        Param { name, option, homogeneous, type_name }
    }

    pub(in crate::schema) const fn one(name: &'static str, type_name: &'static str) -> Param {
        param(name, type_name, ParamOption::Single, true)
    }

    pub(in crate::schema) const fn opt(name: &'static str, type_name: &'static str) -> Param {
        param(name, type_name, ParamOption::Optional, true)
    }

    pub(in crate::schema) const fn var(name: &'static str, type_name: &'static str) -> Param {
        param(name, type_name, ParamOption::Variadic, true)
    }

    pub(in crate::schema) const fn het(name: &'static str, type_name: &'static str) -> Param {
        param(name, type_name, ParamOption::Variadic, false)
    }

    pub(in crate::schema) const fn tc(
        name: &'static str,
        allowed: &'static [&'static str],
    ) -> TypeConstraint {
        TypeConstraint { name, allowed }
    }

    pub(in crate::schema) const fn req(name: &'static str, kind: AttrKind) -> AttrDef {
        AttrDef { name, kind, required: true, default: None }
    }

    pub(in crate::schema) const fn att(name: &'static str, kind: AttrKind) -> AttrDef {
        AttrDef { name, kind, required: false, default: None }
    }

    pub(in crate::schema) const fn val(name: &'static str, kind: AttrKind, default: AttrDefault) -> AttrDef {
        AttrDef { name, kind, required: false, default: Some(default) }
    }

    pub(in crate::schema) const fn op(
        (domain, name, since): (&'static str, &'static str, i64),
        arity: [u32; 4],
        inputs: &'static [Param],
        outputs: &'static [Param],
        attrs: &'static [AttrDef],
        constraints: &'static [TypeConstraint],
        determinism: Determinism,
    ) -> Schema {
        let [min_inputs, max_inputs, min_outputs, max_outputs] = arity;
        Schema {
            domain,
            name,
            since,
            deprecated: false,
            inputs,
            outputs,
            attrs,
            min_inputs,
            max_inputs,
            min_outputs,
            max_outputs,
            determinism,
            constraints,
        }
    }

    impl Schema {
        pub(in crate::schema) const fn deprecated(mut self) -> Schema {
            self.deprecated = true;
            self
        }
    }
}
