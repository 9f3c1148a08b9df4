//! Random samples of sizes on which a model runs.

use super::inputs::MadeInputs;
use super::is_mostly_nan;
use super::make::Style;
use super::sizes::{SCHEMES, Sizes, Symbols, lots};
use crate::analysis::Facts;
use crate::data::FeedSet;
use crate::data::constants::Constants;
use crate::data::inputs::{Inputs, Sample};
use crate::data::source::Samples;
use crate::diag::Diags;
use crate::error::{Error, Result};
use crate::ir::Model;
use crate::runtime::{RunError, Session};
use std::path::{Path, PathBuf};

const MOST_TRIES: usize = 96;

/// As many samples as asked for, all of one size.
pub(in crate::data) struct Random {
    made: MadeInputs,
    sizes: Sizes,
    style: Style,
    choice: usize,
    seed: u64,
    count: usize,
    /// Inputs that are given, not made.
    given: Vec<String>,
}

impl Random {
    /// Tries sizes and kinds of numbers until the model runs.
    ///
    /// # Errors
    /// It runs on none, or the runtime does not know it.
    pub(in crate::data) fn find(
        model: &Model,
        inputs: &Inputs,
        constants: &Constants,
        seed: u64,
        count: usize,
        session: &mut dyn Session,
    ) -> Result<Self> {
        let mut typed = model.clone();
        Facts::new().infer_model(&mut typed, &mut Diags::new());
        let symbols = Symbols::of(&typed);
        let given =
            inputs.all().map(|input| input.name.clone()).filter(|name| constants.gives(name)).collect();
        let (style, choice) = (Style::Plain, 0);
        let sizes = SCHEMES[0].sizes(&symbols);
        let mut random = Self { made: MadeInputs::of(&typed), sizes, style, choice, seed, count, given };
        let schemes = || SCHEMES.into_iter().chain(lots());
        let kinds = Style::ALL.into_iter().flat_map(|style| schemes().map(move |scheme| (style, scheme)));
        let choices = random.made.choices();
        let combinations = kinds.flat_map(|kind| (0..choices).map(move |choice| (kind, choice)));
        let (mut last, mut tried) = (None, false);
        for ((style, scheme), choice) in combinations.take(MOST_TRIES) {
            (random.sizes, random.style, random.choice) = (scheme.sizes(&symbols), style, choice);
            let feeds = random.read(0, inputs).and_then(|sample| inputs.complete(sample, constants));
            last = match feeds {
                Ok(feeds) => {
                    tried = true;
                    runs(&feeds, session)?
                }
                Err(why) => Some(why),
            };
            if last.is_none() {
                return Ok(random);
            }
        }
        // Where nothing could be fed, the settings are at fault, not the model.
        if let Some(why) = last.take_if(|_| !tried) {
            return Err(why);
        }
        let why =
            last.as_ref().map_or("none could be made", Error::message).lines().next().unwrap_or_default();
        Err(Error::new(format!("the model ran on none of {MOST_TRIES} inputs that were made for it ({why})"))
            .with_help("give data that it runs on"))
    }
}

/// `None` where the model runs, else why not.
fn runs(feeds: &FeedSet, session: &mut dyn Session) -> Result<Option<Error>> {
    let names = session.outputs().to_vec();
    let outputs: Vec<&str> = names.iter().map(String::as_str).collect();
    match session.run(&feeds.as_feeds(), &outputs) {
        Ok(values) if values.iter().any(is_mostly_nan) => Ok(Some(Error::new("an output is mostly NaN"))),
        Ok(_) => Ok(None),
        Err(RunError::Failed(why)) => Ok(Some(why)),
        Err(unsupported) => Err(unsupported.into_error()),
    }
}

impl Samples for Random {
    fn len(&self) -> usize {
        self.count
    }

    fn label(&self, at: usize) -> String {
        format!("random {at} ({})", self.sizes.label())
    }

    fn files(&self, _: usize) -> Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    fn name(&self, file: &Path) -> String {
        file.display().to_string()
    }

    fn read(&self, at: usize, _: &Inputs) -> Result<Sample> {
        let mut values =
            self.made.make(&self.sizes, self.style, self.choice, self.seed, &format!("sample {at}"))?;
        values.retain(|(name, _)| !self.given.contains(name));
        Ok(Sample { label: self.label(at), file: PathBuf::new(), values, help: None })
    }

    fn settings(&self) -> String {
        format!("random {:?} {} of {}", self.style, self.choice, self.sizes.label())
    }
}
