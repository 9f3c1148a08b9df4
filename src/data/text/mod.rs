//! Text: one sample a line that is not blank, turned into tokens by the model's own tokenizer.
//!
//! | file | idea |
//! |---|---|
//! | `lines` | where each line begins |
//! | `tokens` | the tokenizer, its truncation and padding |
//! | `roles` | which input gets what |

mod lines;
mod roles;
mod tokens;

use super::folder::Listing;
use super::inputs::{Inputs, Sample};
use super::numbers;
use super::source::Samples;
use crate::error::{Error, Result};
use crate::ir::Dim;
use crate::recipe::{TextInput, TextSpec};
use crate::runtime::RunValue;
use crate::tensor::{DType, Tensor};
use lines::Index;
use std::path::{Path, PathBuf};
use tokens::Tokens;

/// Lines as samples.
pub(super) struct Lines {
    listing: Listing,
    index: Index,
    tokens: Tokens,
    /// Inputs with their type and number of dims.
    roles: Vec<(String, TextInput, DType, usize)>,
}

impl Lines {
    /// Reads the tokenizer, and the text once to find its lines.
    ///
    /// # Errors
    /// The settings are missing or not whole, a file cannot be read, or no input takes tokens.
    pub(super) fn new(listing: Listing, spec: Option<&TextSpec>, inputs: &Inputs) -> Result<Self> {
        let missing = || {
            Error::new("the data's settings do not say how text becomes inputs")
                .with_help("set `tokenizer` in the data's text settings to the model's tokenizer.json")
        };
        let spec = spec.ok_or_else(missing)?;
        let mut roles = Vec::new();
        for (input, role) in roles::of(spec, inputs)? {
            let unknown = || Error::new("the type of the model's input is unknown").at(&*input.name);
            let rank = input.dims().map_or(2, <[Dim]>::len);
            roles.push((input.name.clone(), role, input.dtype().ok_or_else(unknown)?, rank));
        }
        let tokens = Tokens::load(spec)?;
        Ok(Self { index: Index::of(&listing.files)?, listing, tokens, roles })
    }
}

impl Samples for Lines {
    fn len(&self) -> usize {
        self.index.len()
    }

    fn label(&self, at: usize) -> String {
        let (file, line) = self.index.place(at);
        format!("{}:{line}", self.listing.label(&self.listing.files[file]))
    }

    fn files(&self, at: usize) -> Result<Vec<PathBuf>> {
        Ok(vec![self.listing.files[self.index.place(at).0].clone()])
    }

    fn name(&self, file: &Path) -> String {
        self.listing.label(file)
    }

    fn read(&self, at: usize, _: &Inputs) -> Result<Sample> {
        let (file, line) = self.index.place(at);
        let file = &self.listing.files[file];
        let here = |e: Error| e.about(&format!("line {line}")).in_file(file);
        let text = self.index.read(at, file).map_err(here)?;
        let encoded = self.tokens.encode(&text).map_err(here)?;
        let mut values = Vec::new();
        for (name, role, dtype, rank) in &self.roles {
            let numbers = encoded.of(*role);
            let shape = numbers::batched(&[numbers.len()], *rank);
            let tensor: Tensor =
                numbers::tensor(*dtype, &shape, &numbers).map_err(|e| here(e).at(&**name))?;
            values.push((name.clone(), RunValue::Tensor(tensor)));
        }
        let help = "set `max_length` and `padding = \"max-length\"` of the data's text settings to the length that the \
                    model wants";
        Ok(Sample { label: self.label(at), file: file.clone(), values, help: Some(help) })
    }

    fn shared_file(&self) -> Option<&Path> {
        Some(self.tokens.file())
    }
}
