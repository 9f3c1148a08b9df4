//! Inputs that are the same in every sample.

use super::inputs::{Input, Inputs};
use super::numbers;
use crate::error::{Error, Result};
use crate::ir::Dim;
use crate::recipe::{Constant, Elements, Scalar};
use crate::runtime::RunValue;
use crate::tensor::{Tensor, element_count};
use std::collections::BTreeMap;

/// More elements than this are never made: a wrong shape must not exhaust memory.
const MOST_ELEMENTS: usize = 1 << 24;
/// Whole numbers up to here are numbers of `f64` too.
const MOST_EXACT: u64 = 1 << 53;

/// Constants by the name of their input.
#[derive(Clone, Debug, Default)]
pub(super) struct Constants(BTreeMap<String, Constant>);

impl Constants {
    /// The constants of a model's inputs.
    ///
    /// # Errors
    /// One is for no input.
    pub(super) fn of(constants: &BTreeMap<String, Constant>, inputs: &Inputs) -> Result<Self> {
        let mut named = BTreeMap::new();
        for (name, constant) in constants {
            let input = inputs.named(name).map_err(|e| e.about("`constants` of the data's settings"))?;
            named.insert(input.name.clone(), constant.clone());
        }
        Ok(Self(named))
    }

    /// Whether this input has one.
    pub(super) fn gives(&self, input: &str) -> bool {
        self.0.contains_key(input)
    }

    /// The values of a sample, and the constants of all other inputs.
    pub(super) fn add(
        &self,
        mut values: Vec<(String, RunValue)>,
        inputs: &Inputs,
    ) -> Result<Vec<(String, RunValue)>> {
        let sizes = symbols(&values, inputs);
        for (name, constant) in &self.0 {
            if values.iter().any(|(given, _)| given == name) {
                continue;
            }
            let input = inputs.named(name)?;
            let tensor = make(constant, input, &sizes).map_err(|e| {
                e.at(&**name)
                    .about("a constant")
                    .with_help("change it under `constants` in the data's settings")
            })?;
            values.push((name.clone(), RunValue::Tensor(tensor)));
        }
        Ok(values)
    }
}

/// How long the sample makes the dims that the model names by a symbol.
fn symbols(values: &[(String, RunValue)], inputs: &Inputs) -> BTreeMap<String, usize> {
    let mut sizes = BTreeMap::new();
    for (name, value) in values {
        let RunValue::Tensor(tensor) = value else { continue };
        let dims = inputs.find(name).and_then(Input::dims).unwrap_or_default();
        for (dim, &size) in dims.iter().zip(tensor.shape()) {
            if let Dim::Sym(expr) = dim
                && let Some(symbol) = expr.as_symbol()
            {
                sizes.insert(symbol.to_owned(), size);
            }
        }
    }
    sizes
}

fn make(constant: &Constant, input: &Input, sizes: &BTreeMap<String, usize>) -> Result<Tensor> {
    let dtype = input.dtype().ok_or_else(|| Error::new("the model's input is no tensor of a known type"))?;
    let declared = || shape_of(input, sizes);
    let (shape, values) = match constant {
        Constant::One(value) => (declared()?, filled(*value, &declared()?)?),
        Constant::Many(values) => (vector_shape(input, sizes, values.len()), numbers_of(values)?),
        Constant::Shaped(shaped) => match &shaped.value {
            Elements::One(value) => (shaped.shape.clone(), filled(*value, &shaped.shape)?),
            Elements::Many(values) => (shaped.shape.clone(), numbers_of(values)?),
        },
    };
    let tensor = numbers::tensor(dtype, &shape, &values)?;
    if input.dims().is_some_and(|dims| !fit(dims, &shape)) {
        return Err(Error::new(format!("the shape {shape:?} for an input of {}", display(input))));
    }
    Ok(tensor)
}

fn fit(dims: &[Dim], shape: &[usize]) -> bool {
    let fits = |(dim, &size): (&Dim, &usize)| dim.as_fixed().is_none_or(|fixed| fixed == size as u64);
    dims.len() == shape.len() && dims.iter().zip(shape).all(fits)
}

fn display(input: &Input) -> String {
    input.ty.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn shape_of(input: &Input, sizes: &BTreeMap<String, usize>) -> Result<Vec<usize>> {
    let unknown = || {
        Error::new(format!("the size of an input of {} is open", display(input)))
            .with_help("give the constant a shape: `{ value = 0, shape = [2, 1, 128] }`")
    };
    let dims = input.dims().ok_or_else(unknown)?;
    let size = |dim: &Dim| match dim {
        Dim::Fixed(size) => usize::try_from(*size).ok(),
        Dim::Sym(expr) => {
            let known = |symbol: &str| sizes.get(symbol).and_then(|&size| i64::try_from(size).ok());
            expr.eval(&known).and_then(|size| usize::try_from(size).ok())
        }
    };
    dims.iter().map(size).collect::<Option<_>>().ok_or_else(unknown)
}

/// The declared shape where it takes so many elements, else a vector of them.
fn vector_shape(input: &Input, sizes: &BTreeMap<String, usize>, count: usize) -> Vec<usize> {
    let declared = shape_of(input, sizes).ok();
    declared.filter(|shape| element_count(shape) == Some(count)).unwrap_or_else(|| vec![count])
}

fn filled(value: Scalar, shape: &[usize]) -> Result<Vec<f64>> {
    let count = element_count(shape).filter(|&count| count <= MOST_ELEMENTS);
    let count = count
        .ok_or_else(|| Error::new(format!("the shape {shape:?} has more than {MOST_ELEMENTS} elements")))?;
    Ok(vec![number(value)?; count])
}

fn numbers_of(values: &[Scalar]) -> Result<Vec<f64>> {
    values.iter().map(|&value| number(value)).collect()
}

fn number(value: Scalar) -> Result<f64> {
    match value {
        Scalar::Bool(value) => Ok(f64::from(u8::from(value))),
        Scalar::Float(value) => Ok(value),
        Scalar::Int(value) if value.unsigned_abs() <= MOST_EXACT => Ok(value as f64),
        Scalar::Int(value) => Err(Error::new(format!("the number {value} is too large"))),
    }
}
