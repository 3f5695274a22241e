//! The source tree on the controller: one worktree, moved from commit to commit, so that a build after a
//! small series compiles what the series changed and no more.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use patchlift_report::Patch;

use crate::cancel::Stop;
use crate::process::{self, Exit, Output, ProcessError};

/// For a fetch of a whole Linux tree over a slow line.
const FETCH_LIMIT: Duration = Duration::from_secs(60 * 60);

/// For everything that works on local objects; a checkout of 78 000 files takes half a minute on a slow disk.
const LOCAL_LIMIT: Duration = Duration::from_secs(10 * 60);

/// Why the source is not there.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// git can't be run.
    #[error("cannot run git")]
    Process(#[source] ProcessError),
    /// git said no.
    #[error("`git {what}` ended with {exit}: {said}")]
    Git {
        /// The command.
        what: String,
        /// How it ended.
        exit: Exit,
        /// Its last line.
        said: String,
    },
    /// The folder can't be prepared.
    #[error("cannot prepare {}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The head does not contain the base.
    #[error("commit {head} does not follow its base {base}")]
    NotOnBase {
        /// The head.
        head: String,
        /// The base.
        base: String,
    },
    /// The run was told to stop.
    #[error("stopped while fetching the source")]
    Stopped,
}

/// The worktree.
#[derive(Debug, Clone)]
pub struct Source {
    dir: PathBuf,
}

impl Source {
    /// The worktree in `dir`, which need not exist yet.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Where the files are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// git without anybody's configuration, hooks or terminal prompts: the tree is not trusted.
    fn git(&self, args: &[&str], limit: Duration, stop: Stop<'_>) -> Result<Output, SourceError> {
        let mut command = process::command("git", &["-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0"]);
        command
            .args(["-c", "advice.detachedHead=false", "-C"])
            .arg(&self.dir)
            .args(args)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0");
        let output = process::capture(&mut command, limit, stop).map_err(SourceError::Process)?;
        match output.exit {
            Exit::Stopped => Err(SourceError::Stopped),
            _ => Ok(output),
        }
    }

    fn git_ok(&self, args: &[&str], limit: Duration, stop: Stop<'_>) -> Result<String, SourceError> {
        let output = self.git(args, limit, stop)?;
        if output.exit.success() {
            return Ok(output.text);
        }
        let said = output.text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing");
        let what = crate::text::cut(&args.join(" "), 80);
        Err(SourceError::Git { what, exit: output.exit, said: crate::text::cut(said.trim(), 200) })
    }

    /// Makes sure that `base` and `head` are here, and that `head` follows `base`; gives the patches in
    /// between. A repository on this machine lends its objects, nothing is copied.
    ///
    /// # Errors
    /// See [`SourceError`].
    pub fn fetch(
        &self,
        repo: &str,
        base: &str,
        head: &str,
        patches: usize,
        stop: Stop<'_>,
    ) -> Result<Vec<Patch>, SourceError> {
        let folder_error = |source| SourceError::Folder { path: self.dir.clone(), source };
        std::fs::create_dir_all(&self.dir).map_err(folder_error)?;
        if !self.dir.join(".git").exists() {
            self.git_ok(&["init", "-q"], LOCAL_LIMIT, stop)?;
        }
        // A git that was killed in mid-checkout left its lock; the folder's own lock says that nobody else is here.
        let _ = std::fs::remove_file(self.dir.join(".git/index.lock"));
        if let Some(objects) = local_objects(repo) {
            let lent = format!("{}\n", objects.display());
            std::fs::write(self.dir.join(".git/objects/info/alternates"), lent).map_err(folder_error)?;
        }
        for commit in [base, head] {
            let wanted = format!("{commit}^{{commit}}");
            if !self.git(&["cat-file", "-e", &wanted], LOCAL_LIMIT, stop)?.exit.success() {
                let depth = format!("--depth={}", patches.saturating_add(1));
                self.git_ok(&["fetch", "-q", "--no-tags", &depth, repo, commit], FETCH_LIMIT, stop)?;
            }
        }
        let asked = ["merge-base", "--is-ancestor", base, head];
        if self.git(&asked, LOCAL_LIMIT, stop)?.exit == Exit::Code(1) {
            return Err(SourceError::NotOnBase { head: head.to_owned(), base: base.to_owned() });
        }
        // Anything else but a yes is git's own trouble, and is said as that.
        self.git_ok(&asked, LOCAL_LIMIT, stop)?;
        let range = format!("{base}..{head}");
        let log = self.git_ok(&["log", "--reverse", "--format=%H %s", &range, "--"], LOCAL_LIMIT, stop)?;
        let patch = |line: &str| {
            let (commit, subject) = line.split_once(' ')?;
            // Both streams are read: a warning of git is no patch.
            let is_id = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
            is_id.then_some(())?;
            Some(Patch { commit: commit.to_owned(), subject: crate::text::cut(subject, 300) })
        };
        Ok(log.lines().filter_map(patch).collect())
    }

    /// Brings the files to `commit` and removes all others. Files that stay the same keep their times.
    ///
    /// # Errors
    /// See [`SourceError`].
    pub fn check_out(&self, commit: &str, stop: Stop<'_>) -> Result<(), SourceError> {
        self.git_ok(&["checkout", "-q", "--force", "--detach", commit], LOCAL_LIMIT, stop)?;
        self.git_ok(&["clean", "-qffdx"], LOCAL_LIMIT, stop).map(|_| ())
    }
}

/// The object folder of a repository on this machine; none for a URL.
fn local_objects(repo: &str) -> Option<PathBuf> {
    let path = std::fs::canonicalize(repo).ok()?;
    [path.join("objects"), path.join(".git/objects")].into_iter().find(|objects| objects.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::Cancel;
    use std::process::Command;

    fn git(dir: &Path, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=base"])
            .args(args)
            .current_dir(dir)
            .output()
            .expect("git runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("it is text").trim().to_owned()
    }

    fn commit(dir: &Path, file: &str, content: &str) -> String {
        std::fs::write(dir.join(file), content).expect("it is written");
        git(dir, &["add", "."]);
        git(dir, &["commit", "-q", "-m", &format!("change {file}")]);
        git(dir, &["rev-parse", "HEAD"])
    }

    #[test]
    fn the_worktree_moves_from_commit_to_commit() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let repo = dir.path().join("repo");
        std::fs::create_dir(&repo).expect("it is made");
        git(&repo, &["init", "-q"]);
        let base = commit(&repo, "same", "1");
        commit(&repo, "a", "1");
        let head = commit(&repo, "b", "1");
        let cancel = Cancel::default();
        let source = Source::new(dir.path().join("tree"));
        let repo_path = repo.to_string_lossy();
        let patches = source.fetch(&repo_path, &base, &head, 2, cancel.at_first()).expect("it is fetched");
        let subjects: Vec<_> = patches.iter().map(|patch| patch.subject.as_str()).collect();
        assert_eq!(subjects, ["change a", "change b"]);

        source.check_out(&base, cancel.at_first()).expect("it is checked out");
        let same = source.dir().join("same");
        let before = std::fs::metadata(&same).and_then(|meta| meta.modified()).expect("it is there");
        std::fs::write(source.dir().join("left over"), "x").expect("it is written");
        source.check_out(&head, cancel.at_first()).expect("it is checked out");
        assert!(source.dir().join("b").exists() && !source.dir().join("left over").exists());
        let after = std::fs::metadata(&same).and_then(|meta| meta.modified()).expect("it is there");
        assert_eq!(before, after, "an unchanged file would be compiled again");
    }

    #[test]
    fn foreign_commits_are_refused() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let repo = dir.path().join("repo");
        std::fs::create_dir(&repo).expect("it is made");
        git(&repo, &["init", "-q"]);
        let one = commit(&repo, "a", "1");
        git(&repo, &["checkout", "-q", "--orphan", "other"]);
        let other = commit(&repo, "b", "1");
        let cancel = Cancel::default();
        let source = Source::new(dir.path().join("tree"));
        let repo_path = repo.to_string_lossy();
        let fetch = |base: &str, head: &str| source.fetch(&repo_path, base, head, 1, cancel.at_first());
        assert!(matches!(fetch(&one, &other), Err(SourceError::NotOnBase { .. })));
        let nowhere = "0123456789012345678901234567890123456789";
        assert!(matches!(fetch(&one, nowhere), Err(SourceError::Git { .. })));
    }
}
