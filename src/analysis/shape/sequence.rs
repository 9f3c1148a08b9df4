//! Sequences and optionals.

use super::Rule;
use crate::analysis::site::{Site, axis};
use crate::ir::{Attr, Dim, Shape, TensorType, Type};
use crate::tensor::DType;

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    ("", "SequenceConstruct", construct),
    ("", "SequenceEmpty", empty),
    ("", "SequenceAt", at),
    ("", "SequenceInsert", insert),
    ("", "SequenceErase", erase),
    ("", "SequenceLength", length),
    ("", "ConcatFromSequence", concat),
    ("", "SplitToSequence", split),
    ("", "Optional", optional),
    ("", "OptionalGetElement", get),
    ("", "OptionalHasElement", has),
];

fn sequence(element: Type) -> Type {
    Type::Sequence(Box::new(element))
}

fn element<'a>(site: &Site<'a>, input: usize) -> Option<&'a Type> {
    match site.ty(input)? {
        Type::Sequence(element) => Some(element),
        _ => None,
    }
}

/// The type of both, without its shape where they differ: elements of a sequence may differ in size.
fn common(a: &Type, b: &Type) -> Option<Type> {
    match (a, b) {
        (a, b) if a == b => Some(a.clone()),
        (Type::Tensor(a), Type::Tensor(b)) if a.dtype == b.dtype => Some(Type::unranked(a.dtype)),
        _ => None,
    }
}

fn construct(site: &mut Site<'_>) -> Option<()> {
    let mut all = site.ty(0)?.clone();
    for input in 1..site.arity() {
        all = common(&all, site.ty(input)?)?;
    }
    site.set_type(0, sequence(all));
    Some(())
}

fn empty(site: &mut Site<'_>) -> Option<()> {
    let stated = site.node().attr("dtype").is_some();
    let dtype = if stated { site.dtype_attr("dtype")? } else { DType::F32 };
    site.set_type(0, sequence(Type::unranked(dtype)));
    Some(())
}

/// A size without a name may be another one in each element, and is fresh for the one taken out.
fn taken(site: &mut Site<'_>, tensor: &TensorType) -> Type {
    let Some(shape) = &tensor.shape else {
        return Type::unranked(tensor.dtype);
    };
    let mut dims = Shape::with_capacity(shape.len());
    for (axis, dim) in shape.iter().enumerate() {
        dims.push(if dim.is_nameless() { site.fresh(0, axis) } else { dim.clone() });
    }
    Type::tensor(tensor.dtype, dims)
}

fn at(site: &mut Site<'_>) -> Option<()> {
    let ty = match element(site, 0)? {
        Type::Tensor(tensor) => taken(site, tensor),
        other => other.clone(),
    };
    site.set_type(0, ty);
    Some(())
}

fn insert(site: &mut Site<'_>) -> Option<()> {
    let all = common(element(site, 0)?, site.ty(1)?)?;
    site.set_type(0, sequence(all));
    Some(())
}

fn erase(site: &mut Site<'_>) -> Option<()> {
    site.set_type(0, site.ty(0)?.clone());
    Some(())
}

fn length(site: &mut Site<'_>) -> Option<()> {
    site.set_shape(0, []);
    Some(())
}

fn concat(site: &mut Site<'_>) -> Option<()> {
    let tensor = element(site, 0)?.as_tensor()?;
    site.set_dtype(0, tensor.dtype);
    let stacked = site.int_or("new_axis", 0)? != 0;
    let mut shape = match taken(site, tensor) {
        Type::Tensor(t) => t.shape?,
        _ => return None,
    };
    let rank = shape.len() + usize::from(stacked);
    let at = axis(site.node().int("axis")?, rank)?;
    let total = site.fresh(0, rank);
    if stacked {
        shape.insert(at, total);
    } else {
        shape[at] = total;
    }
    site.set_shape(0, shape);
    Some(())
}

/// Parts may differ in size; only equal ones of size 1 have a shape to tell.
fn split(site: &mut Site<'_>) -> Option<()> {
    let tensor = site.ty(0)?.as_tensor()?;
    site.set_type(0, sequence(Type::unranked(tensor.dtype)));
    if site.has(1) {
        return None;
    }
    let mut shape = tensor.shape.clone()?;
    let at = axis(site.int_or("axis", 0)?, shape.len())?;
    if site.int_or("keepdims", 1)? == 0 {
        shape.remove(at);
    } else {
        shape[at] = Dim::Fixed(1);
    }
    site.set_type(0, sequence(Type::tensor(tensor.dtype, shape)));
    Some(())
}

fn optional(site: &mut Site<'_>) -> Option<()> {
    let inner = match site.node().attr("type") {
        Some(Attr::Type(ty)) if !site.has(0) => (**ty).clone(),
        _ => site.ty(0)?.clone(),
    };
    site.set_type(0, Type::Optional(Box::new(inner)));
    Some(())
}

fn get(site: &mut Site<'_>) -> Option<()> {
    let inner = match site.ty(0)? {
        Type::Optional(inner) => (**inner).clone(),
        other => other.clone(),
    };
    site.set_type(0, inner);
    Some(())
}

fn has(site: &mut Site<'_>) -> Option<()> {
    site.set_shape(0, []);
    Some(())
}
