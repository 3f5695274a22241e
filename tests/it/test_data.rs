//! Recorded data that are no part of the project.

use std::path::PathBuf;

/// A folder of the recorded data; `None`, loudly, where it is missing.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data");
    let root = std::env::var_os("PATCHLIFT_TEST_DATA").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    let missing = format!("{} is missing: set PATCHLIFT_TEST_DATA", folder.display());
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
    eprintln!("SKIPPED: {missing}");
    None
}

/// How many random cases to try: `usual` in a normal run, `PATCHLIFT_DIFFERENTIAL_CASES` in a long one.
pub(crate) fn cases(usual: u64) -> u64 {
    let wanted = std::env::var("PATCHLIFT_DIFFERENTIAL_CASES").ok();
    wanted.map_or(usual, |text| text.parse().expect("PATCHLIFT_DIFFERENTIAL_CASES is a number"))
}
