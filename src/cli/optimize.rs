//! `onnxpress optimize`.

use super::Ending;
use super::args::{Judge, Placement, Shape, SizeArgs, pass_ids, target, two_on_one_stream};
use super::screen::Screen;
use crate::error::{Error, Result};
use crate::pipeline::{OptimizeJob, Options, Proof, optimize};
use crate::report::{self, OptimizeReport, Status};
use crate::rewrite::OpsetRequest;
use crate::target::Target;
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;

const USAGE: &str = "onnxpress optimize [OPTIONS] --output <OUT> <MODEL>
       onnxpress optimize [OPTIONS] --print-recipe";

#[derive(Debug, Args)]
#[command(override_usage = USAGE)]
pub(super) struct OptimizeArgs {
    /// The model; - is standard input
    #[arg(value_name = "MODEL", required_unless_present = "print_recipe")]
    model: Option<PathBuf>,
    /// Where to write the result; - is standard output
    #[arg(short, long, value_name = "OUT", required_unless_present = "print_recipe")]
    output: Option<PathBuf>,
    /// What the result is for: restricts what is added, never what is carried
    #[arg(long, value_name = "TARGET", default_value = "onnx", value_parser = target)]
    target: Target,
    /// 0 changes nothing, 1 runs exact passes, 2 also those that round in another order, 3 also those that approximate
    #[arg(short = 'O', value_name = "LEVEL", default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=3))]
    level: u8,
    /// The opset to end with: a number, latest, or keep; never lower than the model's
    #[arg(long, value_name = "N|latest|keep", default_value = "keep", value_parser = opset)]
    opset: OpsetRequest,
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
    judge: Judge,
    #[command(flatten)]
    proof: ProofArgs,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    watch: Watch,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Proof")]
struct ProofArgs {
    /// Write the result without proving it
    #[arg(long, conflicts_with_all = ["require_proof", "force"])]
    no_verify: bool,
    /// Write nothing where the original cannot be run
    #[arg(long)]
    require_proof: bool,
    /// Write the result even where it differs from the original
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Passes")]
struct Choice {
    /// Run these passes too, whatever the level
    #[arg(long, value_name = "ID,..", value_delimiter = ',', value_parser = pass_ids(), hide_possible_values = true)]
    enable: Vec<String>,
    /// Do not run these passes
    #[arg(long, value_name = "ID,..", value_delimiter = ',', value_parser = pass_ids(), hide_possible_values = true)]
    disable: Vec<String>,
    /// Run these passes only
    #[arg(long, value_name = "ID,..", value_delimiter = ',', value_parser = pass_ids(), hide_possible_values = true)]
    only: Vec<String>,
    /// Switch passes and time the results in ONNX Runtime on this machine, one thread, for so many seconds; keep what is
    /// faster
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "60", require_equals = true, conflicts_with_all = ["only", "pass_limit", "print_recipe"])]
    tune: Option<u64>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Looking into a run")]
struct Watch {
    /// Stop after so many changes, to find the one that does harm
    #[arg(long, value_name = "N")]
    pass_limit: Option<u64>,
    /// Write the model as text into this folder after every pass that changed it
    #[arg(long, value_name = "DIR")]
    dump_ir: Option<PathBuf>,
    /// Verify the graph after every pass, not only before and after all
    #[arg(long)]
    verify_each: bool,
    /// Show every pass and the time it took
    #[arg(long)]
    time_passes: bool,
    /// Show why this pass left candidates alone
    #[arg(long, value_name = "ID", value_parser = pass_ids(), hide_possible_values = true)]
    why: Option<String>,
}

fn opset(text: &str) -> Result<OpsetRequest, String> {
    match text {
        "keep" => Ok(OpsetRequest::Keep),
        "latest" => Ok(OpsetRequest::Latest),
        number => match number.parse() {
            Ok(version) if version > 0 => Ok(OpsetRequest::Version(version)),
            _ => Err("expected a number, latest or keep".to_owned()),
        },
    }
}

impl OptimizeArgs {
    fn is_piped(&self) -> bool {
        self.output.as_deref() == Some(Path::new("-"))
    }

    /// What the arguments cannot say one by one.
    pub(super) fn check(&self) -> Result<(), clap::Error> {
        if self.is_piped() && self.shape.json && !self.print_recipe {
            return Err(two_on_one_stream("optimize"));
        }
        Ok(())
    }
}

pub(super) fn run(args: &OptimizeArgs, screen: &mut Screen) -> Result<Ending> {
    let job = job(args)?;
    if args.print_recipe {
        let recipe = job.recipe()?;
        screen.data(&if args.shape.json { report::json(&recipe) + "\n" } else { recipe.to_toml() })?;
        return Ok(Ending::Done);
    }
    let mut bar = screen.bar();
    let result = optimize(&job, &mut bar);
    drop(bar);
    let report = result?;
    screen.diags(&report.diags);
    if args.shape.json {
        screen.data(&(report::json(&report) + "\n"))?;
    } else {
        show(args, &report, screen)?;
    }
    refusal(&report, screen);
    Ok(if report.written { ending(&report) } else { Ending::Invalid })
}

/// A mismatch that was written all the same is still one.
fn ending(report: &OptimizeReport) -> Ending {
    if report.parity.status == Status::Failed { Ending::Invalid } else { Ending::Done }
}

fn job(args: &OptimizeArgs) -> Result<OptimizeJob> {
    let (choice, watch) = (&args.choice, &args.watch);
    Ok(OptimizeJob {
        input: args.model.clone().unwrap_or_default(),
        output: args.output.clone().unwrap_or_default(),
        options: Options {
            level: args.level,
            opset: args.opset,
            sizes: args.sizes.sizes()?,
            enable: choice.enable.clone(),
            disable: choice.disable.clone(),
            only: choice.only.clone(),
            pass_limit: watch.pass_limit,
            verify_each: watch.verify_each,
            dump_ir: watch.dump_ir.clone(),
            ..Options::new(args.target.clone())
        },
        tune: choice.tune.map(Duration::from_secs),
        external_data: args.external_data.into(),
        proof: Proof {
            verify: !args.proof.no_verify,
            require: args.proof.require_proof,
            force: args.proof.force,
            feeds: args.judge.feeds(),
        },
        runtime: args.judge.preferences(),
    })
}

fn show(args: &OptimizeArgs, report: &OptimizeReport, screen: &mut Screen) -> Result<()> {
    let mut text = report.human(args.watch.time_passes || screen.is_verbose());
    if let Some(id) = &args.watch.why {
        text.push('\n');
        text.push_str(&match report.passes.iter().find(|p| p.id == *id) {
            Some(pass) => report::why(pass),
            None => format!("{id} was not run: see `onnxpress passes` for its level, or add --enable {id}\n"),
        });
    }
    if args.is_piped() {
        screen.talk(&text);
    } else if !screen.is_quiet() {
        screen.data(&text)?;
    }
    Ok(())
}

fn refusal(report: &OptimizeReport, screen: &mut Screen) {
    if report.written {
        return;
    }
    let (what, help) = match (report.parity.status, &report.parity.made_by) {
        (Status::Failed, Some(culprit)) => (
            "the result differs from the original, so it was not written",
            format!("--disable {} leaves out what made it, --force writes it all the same", culprit.pass),
        ),
        (Status::Failed, None) => (
            "the result differs from the original, so it was not written",
            "find the change that does it with --pass-limit, or write it all the same with --force"
                .to_owned(),
        ),
        _ => (
            "the result could not be proved, so it was not written",
            "leave --require-proof out to write it all the same".to_owned(),
        ),
    };
    screen.error(&Error::new(what).in_file(&report.input).with_help(help));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opsets_are_numbers_or_words() {
        assert_eq!(opset("20"), Ok(OpsetRequest::Version(20)));
        assert_eq!(opset("latest"), Ok(OpsetRequest::Latest));
        assert!(opset("0").is_err() && opset("-3").is_err() && opset("newest").is_err());
    }
}
