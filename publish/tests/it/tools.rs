//! The Python in which `.ci/tools` installs what tests compare with.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};

/// That Python. `None`, said loudly, where it is not installed; a failure where `CI=true`.
pub(crate) fn python() -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/tools");
    let asked = Command::new(script).arg("--installed").output();
    let folder = asked.ok().filter(|output| output.status.success());
    let folder = folder.and_then(|output| String::from_utf8(output.stdout).ok());
    found(folder.is_some(), "what .ci/tools installs");
    Some(Path::new(folder?.trim()).join("python"))
}

/// Whether something that a test needs is there: where it is not, that is said loudly, and a failure where `CI=true`.
pub(crate) fn found(there: bool, what: &str) -> bool {
    if !there {
        let missing = format!("SKIPPED: there is nothing to compare with: {what} is missing");
        assert!(env::var("CI").as_deref() != Ok("true"), "{missing}");
        // Past the test harness, which hides what a passing test prints.
        let _ = writeln!(io::stderr().lock(), "{missing}");
    }
    there
}

/// The path of a file beside the tests.
pub(crate) fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(name)
}
