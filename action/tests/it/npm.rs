//! GitHub's own JavaScript, to compare with.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::runner::skipped;

/// A folder with these packages, kept from one run to the next; none, and loudly, where they can't be had.
pub(crate) fn installed(name: &str, packages: &[&str]) -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&dir).expect("it is made");
    let stamp = dir.join("installed");
    if std::fs::read_to_string(&stamp).is_ok_and(|text| text == packages.join(" ")) {
        return Some(dir);
    }
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]).arg(&dir).args(packages);
    match npm.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => {
            std::fs::write(stamp, packages.join(" ")).expect("it is written");
            Some(dir)
        }
        Ok(output) => {
            skipped(&format!("{packages:?} can't be had: {}", String::from_utf8_lossy(&output.stderr)));
            None
        }
        Err(error) => {
            skipped(&format!("npm can't be run: {error}"));
            None
        }
    }
}
