//! Arrays that were saved as the model takes them.
//!
//! | files | samples |
//! |---|---|
//! | `.npz` | one a file; arrays by input name |
//! | `.npy` named as the model's inputs | one; arrays by file name |
//! | `.npy` of other names | one a file, for the input that data without a name go to |
//! | `input_0.pb`, … in a folder | one a folder; an ONNX test data set, the model's inputs in order |
//!
//! In a file name, every character of an input's name other than letters, digits, `.`, `-` and `_` may be written `_`.

use super::constants::Constants;
use super::folder::{Kind, Listing, file_name, input_index, sorted_entries};
use super::inputs::{Input, Inputs, Sample};
use super::source::Samples;
use super::{npy, protos};
use crate::error::{Error, Result};
use crate::runtime::RunValue;
use std::path::{Path, PathBuf};

/// The samples of array files.
pub(super) struct Arrays {
    listing: Listing,
    shape: Shape,
}

/// How files make samples.
enum Shape {
    /// One a file, or one a folder.
    Each,
    /// One a file, for this input.
    EachFor(String),
    /// All files are one sample.
    All,
}

impl Arrays {
    pub(super) fn new(
        listing: Listing,
        inputs: &Inputs,
        asked: Option<&str>,
        constants: &Constants,
    ) -> Result<Self> {
        let shape = if listing.kind == Kind::Npy {
            npy_shape(&listing, inputs, asked, constants)?
        } else {
            Shape::Each
        };
        Ok(Self { listing, shape })
    }
}

fn npy_shape(
    listing: &Listing,
    inputs: &Inputs,
    asked: Option<&str>,
    constants: &Constants,
) -> Result<Shape> {
    let named: Vec<bool> = listing.files.iter().map(|f| inputs.find(&stem(f)).is_some()).collect();
    let several = listing.files.len() > 1 || inputs.required().count() > 1;
    if asked.is_none() && several && named.iter().all(|&n| n) {
        return Ok(Shape::All);
    }
    if asked.is_none() && named.contains(&true) && named.contains(&false) {
        let odd = listing.files.iter().zip(&named).find(|(_, named)| !**named).map(|(file, _)| file);
        let odd = odd.unwrap_or(&listing.root);
        let message =
            format!("the model has no input '{}', but others of these arrays are named as inputs", stem(odd));
        return Err(Error::new(message).in_file(odd).with_help(
            "name all arrays as inputs for one sample, or none for one sample each, or name the input with `input` in \
             the data's settings",
        ));
    }
    let only = inputs.only(asked, constants).map_err(|e| e.in_file(&listing.files[0]))?;
    Ok(Shape::EachFor(only.name.clone()))
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

impl Samples for Arrays {
    fn len(&self) -> usize {
        if matches!(self.shape, Shape::All) { 1 } else { self.listing.files.len() }
    }

    fn label(&self, at: usize) -> String {
        match self.shape {
            Shape::All => file_name(&self.listing.root),
            _ => self.listing.label(&self.listing.files[at]),
        }
    }

    fn files(&self, at: usize) -> Result<Vec<PathBuf>> {
        let path = &self.listing.files[at];
        match self.shape {
            Shape::All => Ok(self.listing.files.clone()),
            _ if self.listing.kind == Kind::DataSet => {
                Ok(messages(path)?.into_iter().map(|(_, p)| p).collect())
            }
            _ => Ok(vec![path.clone()]),
        }
    }

    fn name(&self, file: &Path) -> String {
        self.listing.label(file)
    }

    fn read(&self, at: usize, inputs: &Inputs) -> Result<Sample> {
        let path = &self.listing.files[at];
        let file = if matches!(self.shape, Shape::All) { self.listing.root.clone() } else { path.clone() };
        let values = match &self.shape {
            Shape::All => {
                let named = |path: &PathBuf| Ok((stem(path), npy_value(path, inputs.find(&stem(path)))?));
                self.listing.files.iter().map(named).collect::<Result<_>>()?
            }
            Shape::EachFor(input) => vec![(input.clone(), npy_value(path, inputs.find(input))?)],
            Shape::Each if self.listing.kind == Kind::DataSet => data_set(path, inputs)?,
            Shape::Each => {
                let arrays = npy::read_zip(path, |name| inputs.find(name)).map_err(|e| e.with_help(HELP))?;
                arrays.into_iter().map(|(name, tensor)| (name, RunValue::Tensor(tensor))).collect()
            }
        };
        Ok(Sample { label: self.label(at), file, values, help: None })
    }
}

/// What to do with an array that does not fit its input.
const HELP: &str = "save it in that type and shape";

fn npy_value(path: &Path, input: Option<&Input>) -> Result<RunValue> {
    npy::read_file(path, input).map(RunValue::Tensor).map_err(|e| e.with_help(HELP))
}

/// `input_0.pb`, … by number.
fn messages(folder: &Path) -> Result<Vec<(usize, PathBuf)>> {
    let entries = sorted_entries(folder)?;
    let mut files: Vec<(usize, PathBuf)> =
        entries.into_iter().filter_map(|path| Some((input_index(&path)?, path))).collect();
    files.sort_unstable();
    Ok(files)
}

fn data_set(folder: &Path, inputs: &Inputs) -> Result<Vec<(String, RunValue)>> {
    let mut values = Vec::new();
    for (index, path) in messages(folder)? {
        let Some(input) = inputs.get(index) else {
            return Err(Error::new(format!("the model has {} inputs only", inputs.len())).in_file(path));
        };
        let value = protos::read_file(&path, input.ty.as_ref())?;
        input.check(&value).map_err(|e| e.in_file(&path))?;
        values.push((input.name.clone(), value));
    }
    Ok(values)
}
