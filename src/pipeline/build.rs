//! Asks a target's own compiler, in a process of its own: it may crash, and that is an answer.

use crate::error::{Error, Result};
use crate::io::{ExternalData, WriteOptions, save};
use crate::ir::Model;
use crate::report::BuildReport;
use crate::target::{Compiler, Target};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

/// The exit code of the script where no module is there.
const ABSENT: i32 = 77;

const SCRIPT: &str = include_str!("build.py");

#[derive(Deserialize)]
struct Answer {
    compiler: String,
    built: bool,
    errors: Vec<String>,
    profile: BTreeMap<String, Vec<i64>>,
    layers: Option<usize>,
    int8_nodes: Option<Vec<String>>,
}

/// Whether the compiler is there, so that nothing long is begun in vain.
///
/// # Errors
/// As [`build`].
pub(super) fn available(target: &Target, python: &Path) -> Result<()> {
    let compiler = compiler(target)?;
    let nothing = Path::new("");
    match ask(target, compiler, python, [nothing, nothing])? {
        status if status.success() => Ok(()),
        status => Err(absent(target, compiler, &format!("{} ends with {status}", python.display()))),
    }
}

/// What the compiler says of a model, its dynamic dims at the sizes that are fixed and others at the script's.
///
/// # Errors
/// The target has no compiler, or it is not there; the help says what to install.
pub(super) fn build(model: &Model, input: &Path, target: &Target, python: &Path) -> Result<BuildReport> {
    let compiler = compiler(target)?;
    let folder = tempfile::tempdir().map_err(|e| Error::new(format!("no temporary folder: {e}")))?;
    let path = folder.path().join("model.onnx");
    let source = (input != Path::new("-")).then(|| input.to_path_buf());
    save(model, &path, &WriteOptions { external_data: ExternalData::Keep, source })?;
    let answer = folder.path().join("answer.json");
    let start = Instant::now();
    let status = ask(target, compiler, python, [&path, &answer])?;
    let answer = std::fs::read_to_string(&answer).ok().and_then(|text| serde_json::from_str(&text).ok());
    let answer = answer.unwrap_or_else(|| crashed(target, status));
    let Answer { compiler, built, errors, profile, layers, int8_nodes } = answer;
    let seconds = start.elapsed().as_secs_f64();
    Ok(BuildReport { compiler, built, errors, profile, layers, int8_nodes, seconds })
}

fn compiler(target: &Target) -> Result<&Compiler> {
    target.compiler.as_ref().ok_or_else(|| {
        let error = Error::new(format!("{} has no compiler that can be asked", target.id));
        error.with_help("leave --build out, or name a target that has one: tensorrt, tensorrt-rtx")
    })
}

/// Runs the script on a model, for an answer; without a model it but looks for the modules.
fn ask(target: &Target, compiler: &Compiler, python: &Path, files: [&Path; 2]) -> Result<ExitStatus> {
    let mut command = Command::new(python);
    command.args(["-c", SCRIPT]).args(files).args(compiler.modules.split_whitespace());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status =
        command.status().map_err(|e| absent(target, compiler, &format!("{}: {e}", python.display())))?;
    if status.code() == Some(ABSENT) {
        let why = format!("{} has no module {}", python.display(), compiler.modules.replace(' ', " or "));
        return Err(absent(target, compiler, &why));
    }
    Ok(status)
}

fn absent(target: &Target, compiler: &Compiler, why: &str) -> Error {
    let error = Error::new(format!("the compiler of {} is not installed: {why}", target.id));
    error.with_help(format!("{}; --python names the Python that has it", compiler.install))
}

/// It left no answer behind.
fn crashed(target: &Target, status: ExitStatus) -> Answer {
    let errors = vec![format!("the compiler crashed on this model: {status}")];
    let (compiler, profile) = (target.id.clone(), BTreeMap::new());
    Answer { compiler, built: false, errors, profile, layers: None, int8_nodes: None }
}
