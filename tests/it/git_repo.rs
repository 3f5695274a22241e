//! Real repositories, made with the real git in temporary directories.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::run::must;

/// A repository with a worktree.
pub(crate) struct GitRepo {
    dir: TempDir,
}

impl GitRepo {
    /// An empty repository on branch "main".
    pub(crate) fn new() -> Self {
        let repo = Self { dir: tempfile::tempdir().unwrap() };
        repo.git(&["init", "-q", "-b", "main"]);
        repo
    }

    /// A repository whose first commit has these files.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let repo = Self::new();
        for (path, content) in files {
            repo.write(path, content);
        }
        repo.commit("base");
        repo
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn arg(&self) -> &str {
        crate::run::arg(self.path())
    }

    /// A git command in this repository with nothing of the user's configuration.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("git");
        command
            .current_dir(self.path())
            .env("LC_ALL", "C")
            .envs(NEUTRAL)
            .env("GIT_COMMITTER_DATE", "1700000000 +0000");
        command
    }

    /// Runs git and gives its output without the last line feed.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = must(self.command().args(args));
        String::from_utf8(output).unwrap().trim_end().to_owned()
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Commits everything and gives the commit.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message, "--date", "1650000000 +0200"]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// The mailbox of the commits since `base`, as format-patch writes it.
    pub(crate) fn format_patch(&self, base: &str, options: &[&str]) -> Vec<u8> {
        must(
            self.command()
                .args(["format-patch", "--stdout", "--base", base])
                .args(options)
                .arg(format!("{base}..HEAD")),
        )
    }

    /// Every reference and every object, to see that nothing was written.
    pub(crate) fn state(&self) -> (String, String) {
        let objects = self.git(&["cat-file", "--batch-all-objects", "--batch-check", "--unordered"]);
        let mut objects: Vec<&str> = objects.lines().collect();
        objects.sort_unstable();
        (self.git(&["for-each-ref"]), objects.join("\n"))
    }
}

/// No configuration of the machine, and one author and committer for all.
const NEUTRAL: [(&str, &str); 6] = [
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_AUTHOR_NAME", "A U Thor"),
    ("GIT_AUTHOR_EMAIL", "author@example.com"),
    ("GIT_COMMITTER_NAME", "Bot"),
    ("GIT_COMMITTER_EMAIL", "bot@example.com"),
];

/// Writes a mailbox into a directory of its own.
pub(crate) fn mailbox(bytes: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("series.mbox");
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}
