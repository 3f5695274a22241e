//! Upstream trees and the mirror, on real repositories.

mod authors;
mod fetch;
mod git_http;
mod look_up;
mod mirror;

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::Oid;
use patchlift::trees::{Limits, Repository, Settings};
use tempfile::TempDir;

use crate::git_repo::GitRepo;

/// The bridge's state with its repository.
pub(crate) struct State {
    pub(crate) dir: TempDir,
    pub(crate) repository: Repository,
}

impl State {
    pub(crate) fn new() -> Self {
        Self::with_git("git")
    }

    /// With another git program, and little patience.
    pub(crate) fn with_git(git: impl AsRef<OsStr>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits { whole: Duration::from_secs(60), silence: Duration::from_secs(30) };
        let repository = Repository::open_with(&dir.path().join("git"), git.as_ref(), limits).unwrap();
        Self { dir, repository }
    }

    pub(crate) fn git_dir(&self) -> PathBuf {
        self.dir.path().join("git")
    }
}

/// The tree `up`, fetched from `upstream`.
pub(crate) fn tree(upstream: &GitRepo, branches: &[&str]) -> Settings {
    Settings {
        name: "up".to_owned(),
        url: format!("file://{}", upstream.arg()),
        branches: branches.iter().map(ToString::to_string).collect(),
        fetch_every: Duration::from_secs(900),
    }
}

pub(crate) fn oid(hex: &str) -> Oid {
    Oid::from_str(hex).unwrap()
}

/// A program in `dir`, in sh.
pub(crate) fn program(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("program");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}
