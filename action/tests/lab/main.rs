//! The whole path on the emulated POWER8 box: real mails, a real kernel build, a real BMC protocol, a real
//! OpenSSH server, KVM-HV.
//!
//! Run by `make test-lab`, which sets `PATCHLIFT_LAB=1`; without it these tests say that they were skipped.

mod demo;
#[path = "../workflow/runner.rs"]
mod runner;
mod ssh;
mod workflow;

use std::io::Write;
use std::path::PathBuf;

use runner::top;

/// Whether the lab is wanted; says so where it is not.
fn lab_wanted() -> bool {
    let wanted = std::env::var_os("PATCHLIFT_LAB").is_some_and(|value| value == "1");
    if !wanted {
        let line = "SKIPPED: PATCHLIFT_LAB=1 is not set; `make test-lab` runs this test";
        writeln!(std::io::stderr(), "{line}").expect("stderr is open");
    }
    wanted
}

/// The folder for everything that is kept.
fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache");
    std::env::var_os("PATCHLIFT_CACHE").map_or_else(
        || std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("patchlift"),
        PathBuf::from,
    )
}
