//! All inputs of a model that a caller must give, made together.

use super::facts::{Facts, facts_of};
use super::make::{Recipe, Style};
use super::rng::Rng;
use super::sizes::Sizes;
use crate::data::required_inputs;
use crate::error::{Error, Result};
use crate::ir::{Model, Type};
use crate::runtime::RunValue;
use crate::tensor::DType;

const MOST_CHOICES: usize = 8;

/// The inputs, and what is known of each.
#[derive(Debug)]
pub(crate) struct MadeInputs {
    inputs: Vec<Input>,
    choices: usize,
}

#[derive(Debug)]
struct Input {
    name: String,
    ty: Option<Type>,
    facts: Facts,
    /// It takes its next constant after so many choices, so that all combinations come up.
    stride: usize,
}

impl MadeInputs {
    /// The inputs of a model whose types are inferred.
    pub(crate) fn of(model: &Model) -> Self {
        let mut all = Self { inputs: Vec::new(), choices: 1 };
        for id in required_inputs(model) {
            let value = model.graph.value(id);
            let (name, ty) = (value.name().to_string(), value.declared().or(value.ty()).cloned());
            let facts = facts_of(model, id);
            let options = options(ty.as_ref(), &facts);
            all.inputs.push(Input { name, ty, facts, stride: all.choices });
            all.choices = (all.choices * options).min(MOST_CHOICES);
        }
        all
    }

    /// How many combinations of constants there are.
    pub(crate) fn choices(&self) -> usize {
        self.choices
    }

    /// Whether the model does not say how many dims some input has.
    pub(crate) fn unranked(&self) -> bool {
        self.inputs.iter().any(|input| matches!(&input.ty, Some(Type::Tensor(t)) if t.shape.is_none()))
    }

    /// A value for each; other labels make other numbers.
    ///
    /// # Errors
    /// The type of an input is unknown, or no value of it can be made.
    pub(crate) fn make(
        &self,
        sizes: &Sizes,
        style: Style,
        choice: usize,
        seed: u64,
        label: &str,
    ) -> Result<Vec<(String, RunValue)>> {
        let mut values = Vec::new();
        for input in &self.inputs {
            let recipe = Recipe { facts: &input.facts, sizes, style, choice: choice / input.stride };
            let unknown = || Error::new(format!("the type of the input '{}' is unknown", input.name));
            let ty = input.ty.as_ref().ok_or_else(unknown)?;
            let mut rng = Rng::new(seed, &format!("{}/{label}", input.name));
            values.push((input.name.clone(), recipe.make(ty, &mut rng)?));
        }
        Ok(values)
    }
}

/// How many different constants an input should take in turn.
fn options(ty: Option<&Type>, facts: &Facts) -> usize {
    match ty {
        Some(Type::Optional(_)) => 2,
        Some(Type::Tensor(t)) => {
            let single = t.shape.as_ref().is_some_and(|s| s.iter().all(|d| d.as_fixed() == Some(1)));
            match t.dtype {
                DType::Bool if single => 2,
                d if d.is_int() && single => facts.compared.len().max(1),
                _ => 1,
            }
        }
        _ => 1,
    }
}
