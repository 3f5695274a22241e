//! The bridge, tested through its built binary on real git repositories.
//!
//! Tests that need recorded data read them from `PATCHLIFT_TEST_DATA` (default: `../shared/data` beside the
//! workspace). Where they are missing such a test says so and passes; under `CI=true` it fails.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop where it is")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

mod apply_corpus;
mod apply_differential;
mod apply_renames;
mod apply_rules;
mod bad_input;
mod bridge;
mod config;
mod date_differential;
mod following;
mod git_repo;
mod github;
mod kill;
mod mail_command;
mod mail_corpus;
mod mail_differential;
mod patch_id_differential;
mod patchwork_client;
mod patchwork_corpus;
mod policy;
mod publish;
mod random_history;
mod random_mail;
mod real_patchwork;
mod replies;
mod run;
mod series;
mod status;
mod store;
mod telling;
mod test_data;
mod trees;
mod webhook;
mod workflows;
mod world;

// The fake GitHub of publish/ looks for it here.
use world::github::contract;

/// A file that is not named above would never be compiled.
#[test]
fn no_file_is_forgotten() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    let this = std::fs::read_to_string(format!("{folder}/main.rs")).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            continue; // The parts of a file with the same name; the compiler knows them from there.
        }
        let name = entry.file_name().into_string().unwrap();
        let module = name.strip_suffix(".rs").unwrap_or_else(|| panic!("{name} is no Rust file"));
        assert!(module == "main" || this.contains(&format!("\nmod {module};\n")), "{name} is not in main.rs");
    }
}
