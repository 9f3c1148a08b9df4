//! `onnxpress quantize`.

use super::Ending;
use super::args::{Placement, Shape, SizeArgs, target, two_on_one_stream};
use super::screen::Screen;
use crate::calibrate::{DEFAULT_MEMORY_LIMIT, Method};
use crate::error::{Error, Result};
use crate::pipeline::{Evidence, QuantizeJob, quantize};
use crate::quantize::{Bounds, MaxDrop};
use crate::recipe::{DataSpec, ImageSpec, TextSpec};
use crate::report::{self, QuantizeReport};
use crate::runtime::Preferences;
use crate::target::Target;
use clap::Args;
use std::path::{Path, PathBuf};

const USAGE: &str = "onnxpress quantize [OPTIONS] --output <OUT> --target <TARGET> <MODEL>
       onnxpress quantize [OPTIONS] --target <TARGET> --print-recipe";

#[derive(Debug, Args)]
#[command(override_usage = USAGE)]
pub(super) struct QuantizeArgs {
    /// The model; - is standard input
    #[arg(value_name = "MODEL", required_unless_present = "print_recipe")]
    model: Option<PathBuf>,
    /// Where to write the result; - is standard output
    #[arg(short, long, value_name = "OUT", required_unless_present = "print_recipe")]
    output: Option<PathBuf>,
    /// What the result is for: ort-cpu, tensorrt or tensorrt-rtx, with a version as in tensorrt@10.3 or without
    #[arg(long, value_name = "TARGET", value_parser = target)]
    target: Target,
    #[command(flatten)]
    sizes: SizeArgs,
    /// Where the weights are written
    #[arg(long, value_name = "HOW", default_value = "keep")]
    external_data: Placement,
    /// Print the settings that these options come to, as TOML, and stop
    #[arg(long)]
    print_recipe: bool,
    #[command(flatten)]
    shape: Shape,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    numbers: NumberArgs,
    #[command(flatten)]
    proof: ProofArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Calibration data")]
struct DataArgs {
    /// Samples of the inputs: a folder or file of npz, npy, images, text or wav, or of test_data_set folders
    #[arg(long, value_name = "DATA")]
    calibration: Option<PathBuf>,
    /// How samples become inputs: a TOML file with the fields of a recipe's [data]
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// How images become inputs, by a well-known name such as imagenet
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// The tokenizer.json by which text becomes inputs
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<String>,
    /// Take random numbers for samples: what is measured on them need not hold for real inputs
    #[arg(long, conflicts_with = "calibration")]
    random_data: bool,
    /// At most so many samples
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_samples: Option<u64>,
    /// So many samples, the last ones, are only measured on, and nothing is fitted to them; 0 measures on the others. Left
    /// out, a quarter, at most 16; none of fewer than 8, nor with --no-verify
    #[arg(long, value_name = "N")]
    held_out: Option<usize>,
    /// Chooses which samples, and their order
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Memory that values of samples may take at once, in MiB
    #[arg(long, value_name = "MIB", default_value_t = DEFAULT_MEMORY_LIMIT >> 20)]
    memory_limit: u64,
    /// Keep statistics in this file, so that another method needs no other run
    #[arg(long, value_name = "FILE")]
    cache: Option<PathBuf>,
    /// A calibration cache of TensorRT, whose scales are taken
    #[arg(long, value_name = "FILE")]
    calibration_cache: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Numbers")]
struct NumberArgs {
    /// How ranges are chosen: minmax, moving-average, percentile[:P], entropy or mse. Left out, minmax for what matrix
    /// products read, and mse for all else
    #[arg(long, value_name = "METHOD", value_parser = method)]
    method: Option<Method>,
    /// Bits of a weight: 8, or 7, which cannot overflow on processors without VNNI
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(7..=8))]
    weight_bits: u8,
    /// Leave these nodes in floats: names as --write-plan shows them, or operators for all nodes of one
    #[arg(long, value_name = "NODE|OP,..", value_delimiter = ',')]
    keep_float: Vec<String>,
    /// Do not divide channels of values that differ much in size, weights multiplied with the same
    #[arg(long)]
    no_smoothing: bool,
    /// Round weights to the nearest number, not up or down by what the samples say
    #[arg(long)]
    no_adaptive_rounding: bool,
    /// Do not shift biases by what rounding shifts the means of their channels
    #[arg(long)]
    no_bias_correction: bool,
    /// Follow a plan that --write-plan wrote
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Write what is decided of every node, and every range, to this file, also where the result is refused
    #[arg(long, value_name = "FILE")]
    write_plan: Option<PathBuf>,
    /// Put nodes back to floats until every output has this ratio of signal to error, in dB
    #[arg(long, value_name = "DB", value_parser = decibels, conflicts_with = "no_verify")]
    min_sqnr: Option<f64>,
    /// Put nodes back to floats until this figure of every output is at most so far below 1: top1, cosine, cosine-min or,
    /// of outputs that are no floats, equal; such as top1=0.01
    #[arg(long, value_name = "METRIC=X,..", value_delimiter = ',', value_parser = max_drop, conflicts_with = "no_verify")]
    max_drop: Vec<MaxDrop>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Proof")]
struct ProofArgs {
    /// Do not hold the result against the original
    #[arg(long, conflicts_with = "force")]
    no_verify: bool,
    /// Do not time the result beside the original
    #[arg(long)]
    no_bench: bool,
    /// Also ask the target's own compiler, in a process of its own, and what it runs in INT8; needs its Python package
    #[arg(long)]
    build: bool,
    /// The Python that has the compiler's package
    #[arg(long, value_name = "PATH", default_value = "python3", requires = "build")]
    python: PathBuf,
    /// Write the result even where it is worse than its bound
    #[arg(long)]
    force: bool,
    /// ONNX Runtime's shared library, or the folder that holds it
    #[arg(long, value_name = "PATH")]
    ort_lib: Option<PathBuf>,
    /// A shared library of custom operators for ONNX Runtime. Its code is run: name only what you trust
    #[arg(long, value_name = "LIB")]
    custom_ops: Option<PathBuf>,
}

fn decibels(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|db: &f64| db.is_finite()).ok_or_else(|| "it is no number".to_owned())
}

fn max_drop(text: &str) -> Result<MaxDrop, String> {
    text.parse().map_err(|e: Error| format!("{e}; {}", e.help().unwrap_or_default()))
}

fn method(text: &str) -> Result<Method, String> {
    text.parse().map_err(|e: Error| format!("{e}; {}", e.help().unwrap_or_default()))
}

pub(super) fn run(args: &QuantizeArgs, screen: &mut Screen) -> Result<Ending> {
    let job = job(args)?;
    if args.print_recipe {
        let recipe = job.recipe()?;
        screen.data(&if args.shape.json { report::json(&recipe) + "\n" } else { recipe.to_toml() })?;
        return Ok(Ending::Done);
    }
    let piped = args.is_piped();
    let mut bar = screen.bar();
    let result = quantize(&job, &mut bar);
    drop(bar);
    let report = result?;
    screen.diags(&report.diags);
    if args.shape.json {
        screen.data(&(report::json(&report) + "\n"))?;
    } else if piped {
        screen.talk(&report.human(screen.is_verbose()));
    } else if !screen.is_quiet() {
        screen.data(&report.human(screen.is_verbose()))?;
    }
    Ok(ending(&report, screen))
}

/// A result that is worse than its bound is still so where it was written.
fn ending(report: &QuantizeReport, screen: &mut Screen) -> Ending {
    let Some(why) = &report.refused_for else { return Ending::Done };
    if !report.written {
        let help = "leave what loses most in floats with --keep-float, --min-sqnr or --max-drop, try another --method, or write it all the same with --force";
        let plan =
            report.plan_file.as_ref().map(|file| format!("; its plan is in {file}")).unwrap_or_default();
        let message = format!("{why}, so it was not written{plan}");
        screen.error(&Error::new(message).in_file(&report.input).with_help(help));
    }
    Ending::Invalid
}

fn job(args: &QuantizeArgs) -> Result<QuantizeJob> {
    let (data, numbers, proof) = (&args.data, &args.numbers, &args.proof);
    Ok(QuantizeJob {
        input: args.model.clone().unwrap_or_default(),
        output: args.output.clone().unwrap_or_default(),
        target: args.target.clone(),
        sizes: args.sizes.sizes()?,
        evidence: Evidence {
            plan: numbers.plan.clone(),
            tensorrt_cache: data.calibration_cache.clone(),
            calibration: data.calibration.clone(),
            random: data.random_data,
            data: data.spec()?,
            memory_limit: data.memory_limit << 20,
            cache: data.cache.clone(),
        },
        method: numbers.method,
        weight_bits: numbers.weight_bits,
        keep_float: numbers.keep_float.clone(),
        bounds: Bounds::new(numbers.min_sqnr, &numbers.max_drop),
        smooth: !numbers.no_smoothing,
        adaptive_rounding: !numbers.no_adaptive_rounding,
        bias_correction: !numbers.no_bias_correction,
        write_plan: numbers.write_plan.clone(),
        verify: !proof.no_verify,
        bench: !proof.no_bench,
        python: proof.build.then(|| proof.python.clone()),
        force: proof.force,
        external_data: args.external_data.into(),
        runtime: Preferences { library: proof.ort_lib.clone(), custom_ops: proof.custom_ops.clone() },
    })
}

impl QuantizeArgs {
    fn is_piped(&self) -> bool {
        self.output.as_deref() == Some(Path::new("-"))
    }

    /// What the arguments cannot say one by one.
    pub(super) fn check(&self) -> Result<(), clap::Error> {
        if self.is_piped() && self.shape.json && !self.print_recipe {
            return Err(two_on_one_stream("quantize"));
        }
        Ok(())
    }
}

impl DataArgs {
    /// The settings of a file, with what the options say of them.
    fn spec(&self) -> Result<DataSpec> {
        let mut spec = match &self.data {
            None => DataSpec::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|e| Error::from(e).in_file(path))?;
                toml::from_str(&text).map_err(|e| Error::new(e.message().to_owned()).in_file(path))?
            }
        };
        if let Some(preset) = &self.preset {
            spec.image.get_or_insert_with(ImageSpec::default).preset = Some(preset.clone());
        }
        if let Some(tokenizer) = &self.tokenizer {
            spec.text.get_or_insert_with(TextSpec::default).tokenizer = Some(tokenizer.clone());
        }
        if let Some(samples) = self.max_samples {
            spec.max_samples = Some(usize::try_from(samples).unwrap_or(usize::MAX));
        }
        spec.held_out = self.held_out.or(spec.held_out);
        spec.seed = self.seed.unwrap_or(spec.seed);
        Ok(spec)
    }
}
