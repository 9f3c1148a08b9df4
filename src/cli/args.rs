//! What can be asked on the command line.

use super::bench::BenchArgs;
use super::check::CheckArgs;
use super::compare::CompareArgs;
use super::completions::CompletionsArgs;
use super::diff::DiffArgs;
use super::explain::ExplainArgs;
use super::inspect::InspectArgs;
use super::optimize::OptimizeArgs;
use super::passes::PassesArgs;
use super::quantize::QuantizeArgs;
use super::setup::SetupArgs;
use super::targets::TargetsArgs;
use crate::error::{Error, Result};
use crate::io::ExternalData;
use crate::pipeline::{Sizes, registry};
use crate::runtime::Preferences;
use crate::target::Target;
use crate::validate::Feeds;
use clap::builder::PossibleValuesParser;
use clap::builder::styling::{AnsiColor, Styles};
use clap::error::ErrorKind;
use clap::{ArgAction, Args, ColorChoice, CommandFactory, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// What a command says whose model and report would both go to standard output.
pub(super) fn two_on_one_stream(command: &str) -> clap::Error {
    let mut cli = Cli::command().bin_name("onnxpress");
    cli.build();
    let command = cli.find_subcommand_mut(command).expect("this is its argument");
    command.error(ErrorKind::ArgumentConflict, "the model and the JSON cannot both go to standard output")
}

const ENDINGS: &str = "Exit codes: 0 done, 1 error, 2 wrong usage, 3 validation failed or target refuses.
Standard output is data, standard error is talk; - is standard input or output.";

/// Optimizes ONNX models and proves every result against the original.
#[derive(Debug, Parser)]
#[command(name = "onnxpress", version, styles = STYLES, after_help = ENDINGS, max_term_width = 100)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) talk: Talk,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Simplify and fuse a model's graph, prove the result, write it
    Optimize(Box<OptimizeArgs>),
    /// Compute in INT8, from samples of the inputs; measure what that costs and gains
    Quantize(Box<QuantizeArgs>),
    /// Run two models on the same inputs and compare their outputs
    Compare(CompareArgs),
    /// Time two models on the same inputs
    Bench(BenchArgs),
    /// Show what is in a model
    Inspect(InspectArgs),
    /// Show what is different between two models, as text
    Diff(DiffArgs),
    /// Name what a target refuses, runs elsewhere or in another type
    Check(CheckArgs),
    /// List the targets, or what one takes
    Targets(TargetsArgs),
    /// List the passes
    Passes(PassesArgs),
    /// Show the page of a pass: what it does, when, and what it refuses
    Explain(ExplainArgs),
    /// Get ONNX Runtime into the user's cache folder
    Setup(SetupArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

/// How much is said, and how.
#[derive(Debug, Args)]
pub(super) struct Talk {
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Say more: notes, and passes that changed nothing
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(super) verbose: u8,
    /// When to use colors
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(super) color: ColorChoice,
}

/// How a result is shown.
#[derive(Debug, Args)]
pub(super) struct Shape {
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// What runs models.
#[derive(Debug, Args)]
pub(super) struct Judge {
    /// ONNX Runtime's shared library, or the folder that holds it
    #[arg(long, value_name = "PATH")]
    ort_lib: Option<PathBuf>,
    /// A shared library of custom operators for ONNX Runtime. Its code is run: name only what you trust
    #[arg(long, value_name = "LIB")]
    custom_ops: Option<PathBuf>,
    /// Inputs to run on: npz, npy or a test_data_set folder; made up where not given
    #[arg(long, value_name = "DATA")]
    inputs: Option<PathBuf>,
    /// Chooses the inputs that are made up
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

impl Judge {
    pub(super) fn feeds(&self) -> Feeds {
        match &self.inputs {
            Some(path) => Feeds::Data(path.clone()),
            None => Feeds::Made { seed: self.seed },
        }
    }

    pub(super) fn preferences(&self) -> Preferences {
        Preferences { library: self.ort_lib.clone(), custom_ops: self.custom_ops.clone() }
    }
}

/// Names of passes; a wrong one is a usage error that suggests the right one.
pub(super) fn pass_ids() -> PossibleValuesParser {
    PossibleValuesParser::new(registry().iter().map(|e| e.id()))
}

/// Sizes that are fixed before anything else is done.
#[derive(Debug, Args)]
pub(super) struct SizeArgs {
    /// Fix the dims of an input, as in image=1,3,224,224; ? leaves one as it is. May be given several times
    #[arg(long = "shape", value_name = "INPUT=SIZES", value_parser = shape)]
    shapes: Vec<(String, Vec<Option<u64>>)>,
    /// Fix a symbolic dim, as in batch=8. May be given several times
    #[arg(long = "dim", value_name = "NAME=SIZE", value_parser = dim)]
    dims: Vec<(String, u64)>,
}

impl SizeArgs {
    /// The sizes that are fixed.
    ///
    /// # Errors
    /// One name is given two.
    pub(super) fn sizes(&self) -> Result<Sizes> {
        let mut sizes = Sizes::default();
        for (name, size) in &self.dims {
            let before = sizes.dims.insert(name.clone(), *size);
            once(name, before.is_none_or(|before| before == *size), "--dim")?;
        }
        for (name, dims) in &self.shapes {
            let before = sizes.shapes.insert(name.clone(), dims.clone());
            once(name, before.is_none_or(|before| before == *dims), "--shape")?;
        }
        Ok(sizes)
    }
}

fn once(name: &str, consistent: bool, option: &str) -> Result<()> {
    if consistent {
        return Ok(());
    }
    let error = Error::new(format!("{option} is given twice for '{name}', and not the same"));
    Err(error.with_help("leave one of them out"))
}

/// The last `=` separates, since names may hold some.
fn dim(text: &str) -> Result<(String, u64), String> {
    let (name, size) = text.rsplit_once('=').ok_or("expected NAME=SIZE")?;
    let size = size.parse().map_err(|_| format!("'{size}' is no size"))?;
    Ok((name.to_owned(), size))
}

fn shape(text: &str) -> Result<(String, Vec<Option<u64>>), String> {
    let (name, sizes) = text.rsplit_once('=').ok_or("expected INPUT=SIZES")?;
    let size = |text: &str| match text {
        "?" => Ok(None),
        number => number.parse().map(Some).map_err(|_| format!("'{number}' is no size, nor is it ?")),
    };
    let sizes = if sizes.is_empty() { Ok(Vec::new()) } else { sizes.split(',').map(size).collect() };
    Ok((name.to_owned(), sizes?))
}

/// `--external-data`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Placement {
    /// As in the input
    Keep,
    /// In the model file
    Inline,
    /// In a file of their own beside the model
    Separate,
}

impl From<Placement> for ExternalData {
    fn from(placement: Placement) -> Self {
        match placement {
            Placement::Keep => Self::Keep,
            Placement::Inline => Self::Inline,
            Placement::Separate => Self::Separate,
        }
    }
}

/// A target, with a version behind `@` or without.
pub(super) fn target(id: &str) -> Result<Target, String> {
    Target::named(id).map_err(|e| format!("{e}; {}", e.help().unwrap_or_default()))
}
