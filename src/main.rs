//! The bridge of patchlift: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    patchlift::cli::main()
}
