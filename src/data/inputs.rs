//! The inputs of a model: what fits them, and what is missing.

use super::FeedSet;
use super::constants::Constants;
use crate::error::{Error, Result};
use crate::ir::{Def, Dim, Model, TensorType, Type, ValueId};
use crate::runtime::RunValue;
use crate::tensor::DType;
use std::path::{Path, PathBuf};

/// The inputs that a caller must give, in order: those without a default.
pub(crate) fn required_inputs(model: &Model) -> Vec<ValueId> {
    let needs = |v: &ValueId| matches!(model.graph.value(*v).def(), Def::Input { default: None, .. });
    model.graph.root().inputs().iter().copied().filter(needs).collect()
}

/// What a file holds, not yet held against the model.
#[derive(Debug)]
pub(super) struct Sample {
    /// What it is called in reports.
    pub(super) label: String,
    /// The file at fault where something does not fit.
    pub(super) file: PathBuf,
    pub(super) values: Vec<(String, RunValue)>,
    /// What to do where a value does not fit its input.
    pub(super) help: Option<&'static str>,
}

/// One input of a model.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) ty: Option<Type>,
    required: bool,
}

impl Input {
    /// The element type of a tensor; `None` where the model does not say it.
    pub(super) fn dtype(&self) -> Option<DType> {
        Some(self.ty.as_ref()?.as_tensor()?.dtype)
    }

    /// The dims of a tensor, as far as the model says them.
    pub(super) fn dims(&self) -> Option<&[Dim]> {
        self.ty.as_ref()?.as_tensor()?.shape.as_deref()
    }

    /// Whether a tensor of this type and shape is one for the input.
    ///
    /// # Errors
    /// It is not.
    pub(super) fn check_tensor(&self, dtype: DType, shape: &[usize]) -> Result<()> {
        match &self.ty {
            Some(Type::Tensor(ty)) if !fits(ty, dtype, shape) => Err(self.misfit(ty, dtype, shape)),
            _ => Ok(()),
        }
    }

    fn misfit(&self, ty: &TensorType, dtype: DType, shape: &[usize]) -> Error {
        let error = Error::new(format!("{dtype}{shape:?} for an input of {ty}")).at(&*self.name);
        match batch_of(ty, dtype, shape) {
            Some(batch) => error.with_help(format!(
                "the model takes {batch} samples at once: give .npz files of so many, or export it with a batch of 1"
            )),
            None => error,
        }
    }

    /// Whether a value is of the input's type and shape.
    pub(super) fn check(&self, value: &RunValue) -> Result<()> {
        match (&self.ty, value) {
            (None, _) => Ok(()),
            (Some(Type::Tensor(_)), RunValue::Tensor(tensor)) => {
                self.check_tensor(tensor.dtype(), tensor.shape())
            }
            (Some(Type::Sequence(_)), RunValue::Sequence(_)) | (Some(Type::Optional(_)), _) => Ok(()),
            (Some(Type::Map(..)), RunValue::Map(..)) => Ok(()),
            (Some(ty), _) => {
                Err(Error::new(format!("a value of another kind for an input of {ty}")).at(&*self.name))
            }
        }
    }
}

/// The size of the batch that a model insists on, where one sample would fit but for that.
fn batch_of(ty: &TensorType, dtype: DType, shape: &[usize]) -> Option<u64> {
    let (first, rest) = ty.shape.as_deref()?.split_first()?;
    let sample = shape.strip_prefix(&[1])?;
    let one = TensorType { dtype: ty.dtype, shape: Some(rest.into()) };
    first.as_fixed().filter(|&batch| batch > 1 && fits(&one, dtype, sample))
}

fn fits(ty: &TensorType, dtype: DType, shape: &[usize]) -> bool {
    let dims_fit = |dims: &[Dim]| {
        dims.len() == shape.len()
            && dims.iter().zip(shape).all(|(d, &n)| d.as_fixed().is_none_or(|d| d == n as u64))
    };
    ty.dtype == dtype && ty.shape.as_deref().is_none_or(dims_fit)
}

/// All inputs of a model, in order.
#[derive(Clone, Debug)]
pub(super) struct Inputs(Vec<Input>);

impl Inputs {
    pub(super) fn of(model: &Model) -> Self {
        let required = required_inputs(model);
        let input = |&id: &ValueId| {
            let value = model.graph.value(id);
            Input {
                name: value.name().to_string(),
                ty: value.declared().or(value.ty()).cloned(),
                required: required.contains(&id),
            }
        };
        Self(model.graph.root().inputs().iter().map(input).collect())
    }

    pub(super) fn get(&self, index: usize) -> Option<&Input> {
        self.0.get(index)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Input> {
        self.0.iter()
    }

    pub(super) fn required(&self) -> impl Iterator<Item = &Input> {
        self.0.iter().filter(|input| input.required)
    }

    /// The input of this name, or whose name is written so as a file name.
    pub(super) fn find(&self, name: &str) -> Option<&Input> {
        let exact = self.0.iter().find(|input| input.name == name);
        exact.or_else(|| self.0.iter().find(|input| as_file_name(&input.name) == name))
    }

    /// The input of this name.
    ///
    /// # Errors
    /// There is none; the help lists those that there are.
    pub(super) fn named(&self, name: &str) -> Result<&Input> {
        let known: Vec<&str> = self.0.iter().map(|input| input.name.as_str()).collect();
        self.find(name).ok_or_else(|| {
            Error::new(format!("the model has no input '{name}'"))
                .with_help(format!("its inputs are {}", known.join(", ")))
        })
    }

    /// The input that data without a name go to: the one that is asked for, else the only one that nothing else gives.
    pub(super) fn only(&self, asked: Option<&str>, constants: &Constants) -> Result<&Input> {
        if let Some(name) = asked {
            return self.named(name).map_err(|e| e.about("`input` of the data's settings"));
        }
        let open: Vec<&Input> = self.required().filter(|input| !constants.gives(&input.name)).collect();
        match open.as_slice() {
            [only] => Ok(only),
            [] => Err(Error::new("the model has no input that these data could go to")
                .with_help("name one with `input` in the data's settings")),
            several => {
                let names: Vec<&str> = several.iter().map(|input| input.name.as_str()).collect();
                Err(Error::new(format!(
                    "one value for a model of {} inputs: {}",
                    names.len(),
                    names.join(", ")
                ))
                .with_help(
                    "name the one it goes to with `input` in the data's settings, and give the others under \
                         `constants`, or save all inputs by name with numpy.savez",
                ))
            }
        }
    }

    /// Holds a sample against the inputs and adds the constants.
    ///
    /// # Errors
    /// A value is for no input, the second for one, or of another type or shape; or an input has none.
    pub(super) fn complete(&self, sample: Sample, constants: &Constants) -> Result<FeedSet> {
        let file = sample.file;
        let named = self.checked(sample.values, &file, sample.help)?;
        let values = constants.add(named, self).map_err(|e| e.in_file(&file))?;
        for input in self.required() {
            if !values.iter().any(|(name, _)| *name == input.name) {
                return Err(Error::new(format!("nothing for the model's input '{}'", input.name))
                    .in_file(file)
                    .with_help("give it in the data, or under `constants` in their settings"));
            }
        }
        Ok(FeedSet { label: sample.label, values })
    }

    fn checked(
        &self,
        values: Vec<(String, RunValue)>,
        file: &Path,
        help: Option<&'static str>,
    ) -> Result<Vec<(String, RunValue)>> {
        let mut named: Vec<(String, RunValue)> = Vec::new();
        for (name, value) in values {
            let input = self.named(&name).map_err(|e| e.in_file(file))?;
            if named.iter().any(|(before, _)| *before == input.name) {
                return Err(Error::new(format!("two values for the model's input '{}'", input.name))
                    .in_file(file)
                    .with_help("remove one of them"));
            }
            input
                .check(&value)
                .map_err(|e| e.in_file(file).with_help(help.unwrap_or("save it in that type and shape")))?;
            named.push((input.name.clone(), value));
        }
        Ok(named)
    }
}

fn as_file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' }).collect()
}
