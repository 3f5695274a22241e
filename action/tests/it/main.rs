//! The real action binary, run as a user runs it, without a box.

mod background;
mod bad_input;
mod crash_corpus;
mod npm;
mod report;
#[path = "../workflow/runner.rs"]
mod runner;
mod workflow_commands;
mod workflow_files;
mod workflow_runs;

use std::path::Path;
use std::process::{Command, Output};

/// Runs the binary with an environment of its own.
fn action(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_patchlift-action"))
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("PATH is set"))
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("the binary runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn no_test_file_is_forgotten() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = std::fs::read_to_string(dir.join("main.rs")).expect("this file is there");
    for entry in std::fs::read_dir(dir).expect("the folder is there") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let module = name.trim_end_matches(".rs");
        assert!(module == "main" || main.contains(&format!("mod {module};")), "{name} is not compiled");
    }
}
