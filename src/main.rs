//! The `onnxpress` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    onnxpress::cli::main()
}
