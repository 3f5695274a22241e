//! The mirror's password on its way to git.
//!
//! git asks a program for it. That program is a script of two lines that prints a variable of its environment, which
//! only processes of the same user and root can read: the password is in no argument, address or file. It is a script
//! and not this program, so that it works whatever program uses this library, and while this program is replaced by
//! a newer one. The same variable read by git's own children is no loss: all of them are git's.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The variable.
pub(super) const VARIABLE: &str = "PATCHLIFT_MIRROR_PASSWORD";

/// GitHub takes any user name with a token; this is the one it names itself.
pub(super) const USER: &str = "x-access-token";

const SCRIPT: &str = r#"#!/bin/sh
case $1 in Password*) printf '%s\n' "$PATCHLIFT_MIRROR_PASSWORD" ;; *) echo x-access-token ;; esac
"#;

/// Writes the script into `folder`.
pub(super) fn write(folder: &Path) -> std::io::Result<PathBuf> {
    let path = folder.join("patchlift-askpass");
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(SCRIPT.as_bytes())?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o700))?;
    file.persist(&path)?;
    Ok(path)
}
