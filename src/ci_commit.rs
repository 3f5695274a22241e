//! The commit that is put under a series where a push starts the tests: the workflow, and what it is told of the series.
//!
//! A push runs the workflow of the pushed commit, so the workflow has to be among the series' ancestors, and no patch of
//! the series may touch it. The same files on the same base for the same series give the same commit, on any machine.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Oid, Repository, Signature};

use crate::policy::path::plain_parts;

/// Where the commit keeps what the workflow is told: the series as JSON.
pub const SERIES: &str = ".patchlift/series.json";

/// Where GitHub looks for workflows.
const WORKFLOWS: &str = ".github/workflows";

/// More files, longer ones or deeper folders are no description of tests.
const FILES_MAX: usize = 200;
const BYTES_MAX: u64 = 1 << 20;
const DEPTH_MAX: usize = 8;

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CiError {
    /// A file or folder cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something is in the folder that does not go into the commit.
    #[error("{} {what}", path.display())]
    Odd {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The commit cannot be made.
    #[error("the commit under the series cannot be made")]
    Git(#[from] git2::Error),
}

/// Files of the commit under every series, read once: a file that changes counts when the bridge is started next.
#[derive(Clone, PartialEq, Eq)]
pub struct CiFiles {
    files: BTreeMap<String, CiFile>,
}

#[derive(Clone, PartialEq, Eq)]
struct CiFile {
    content: Vec<u8>,
    executable: bool,
}

impl std::fmt::Debug for CiFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.files.keys()).finish()
    }
}

impl CiFiles {
    /// Reads all files of a folder.
    ///
    /// # Errors
    /// One of them cannot be used, or there is no workflow among them.
    pub fn read(folder: &Path) -> Result<Self, CiError> {
        let mut files = BTreeMap::new();
        read_into(&mut files, folder, "", 0)?;
        if !files.keys().any(|path| path.starts_with(WORKFLOWS)) {
            return Err(CiError::Odd {
                path: folder.to_owned(),
                what: "has no .github/workflows with a workflow in it: a push would start nothing",
            });
        }
        Ok(Self { files })
    }

    /// Does this path, as a patch says it, belong to the tests?
    pub fn guards(&self, path: &[u8]) -> bool {
        let parts: Vec<String> = plain_parts(path).filter(|part| !part.is_empty()).collect();
        if parts.first().is_none_or(|first| first == ".github" || first == ".patchlift") {
            return true;
        }
        self.files.keys().any(|file| {
            let file: Vec<String> = plain_parts(file.as_bytes()).collect();
            file.iter().zip(&parts).all(|(one, other)| one == other)
        })
    }

    /// Puts the files on a base, in place of all its workflows, with what the workflow is told.
    ///
    /// # Errors
    /// The repository cannot be read or written.
    pub fn commit(
        &self,
        repository: &Repository,
        base: Oid,
        told: &[u8],
        (name, email): (&str, &str),
    ) -> Result<Oid, CiError> {
        let parent = repository.find_commit(base)?;
        let tree = without_workflows(repository, &parent)?;
        let mut update = TreeUpdateBuilder::new();
        for (path, file) in &self.files {
            let mode = if file.executable { FileMode::BlobExecutable } else { FileMode::Blob };
            update.upsert(path, repository.blob(&file.content)?, mode);
        }
        update.upsert(SERIES, repository.blob(told)?, FileMode::Blob);
        let tree = repository.find_tree(update.create_updated(repository, &tree)?)?;
        let who = Signature::new(name, email, &parent.committer().when())?;
        let words = "patchlift: how this series is tested\n\nThis commit is not part of the series.\n";
        Ok(repository.commit(None, &who, &who, words, &tree, &[&parent])?)
    }
}

fn without_workflows<'r>(
    repository: &'r Repository,
    commit: &git2::Commit<'r>,
) -> Result<git2::Tree<'r>, git2::Error> {
    let tree = commit.tree()?;
    if tree.get_path(Path::new(WORKFLOWS)).is_err() {
        return Ok(tree);
    }
    let without = TreeUpdateBuilder::new().remove(WORKFLOWS).create_updated(repository, &tree)?;
    repository.find_tree(without)
}

/// A commit on top of a series that starts nothing: it has no workflows, and says so.
///
/// # Errors
/// The repository cannot be read or written.
pub fn on_top(repository: &Repository, tip: Oid, (name, email): (&str, &str)) -> Result<Oid, CiError> {
    let parent = repository.find_commit(tip)?;
    let tree = without_workflows(repository, &parent)?;
    let who = Signature::new(name, email, &parent.committer().when())?;
    // GitHub starts nothing for a push whose newest commit says this.
    let words = "patchlift: this series is tested again\n\n[skip ci]\n";
    Ok(repository.commit(None, &who, &who, words, &tree, &[&parent])?)
}

fn read_into(
    files: &mut BTreeMap<String, CiFile>,
    folder: &Path,
    prefix: &str,
    depth: usize,
) -> Result<(), CiError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| CiError::Read { path, source }
    };
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let entry = entry.map_err(failed(folder))?;
        let path = entry.path();
        let odd = |what| CiError::Odd { path: path.clone(), what };
        let name = entry.file_name().into_string().map_err(|_| odd("has a name that is not UTF-8"))?;
        let inside = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let data = fs::symlink_metadata(&path).map_err(failed(&path))?;
        if name.eq_ignore_ascii_case(".git") || inside == SERIES {
            return Err(odd("cannot be part of a commit"));
        }
        if data.is_dir() && depth < DEPTH_MAX {
            read_into(files, &path, &inside, depth + 1)?;
            continue;
        }
        if !data.is_file() {
            return Err(odd("is no file"));
        }
        if data.len() > BYTES_MAX || files.len() >= FILES_MAX {
            return Err(odd("is too much: 200 files of 1 MiB at most"));
        }
        let content = fs::read(&path).map_err(failed(&path))?;
        let executable = data.permissions().mode() & 0o111 != 0;
        files.insert(inside, CiFile { content, executable });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join(WORKFLOWS)).unwrap();
        fs::write(dir.path().join(".github/workflows/kvm.yml"), "on: push\n").unwrap();
        fs::create_dir(dir.path().join("ci")).unwrap();
        fs::write(dir.path().join("ci/run"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(dir.path().join("ci/run"), fs::Permissions::from_mode(0o755)).unwrap();
        dir
    }

    fn base(repository: &Repository) -> Oid {
        let old = repository.blob(b"on: push\n").unwrap();
        let mut update = TreeUpdateBuilder::new();
        update.upsert(".github/workflows/theirs.yml", old, FileMode::Blob).upsert(
            "kvm.c",
            old,
            FileMode::Blob,
        );
        let empty = repository.find_tree(repository.treebuilder(None).unwrap().write().unwrap()).unwrap();
        let tree = update.create_updated(repository, &empty).unwrap();
        let who = Signature::new("A", "a@example.org", &git2::Time::new(1_700_000_000, 60)).unwrap();
        let tree = repository.find_tree(tree).unwrap();
        repository.commit(None, &who, &who, "base", &tree, &[]).unwrap()
    }

    #[test]
    fn the_same_files_on_the_same_base_are_the_same_commit() {
        let dir = folder();
        let files = CiFiles::read(dir.path()).unwrap();
        let made = || {
            let place = tempfile::tempdir().unwrap();
            let repository = Repository::init_bare(place.path()).unwrap();
            let base = base(&repository);
            let id = files.commit(&repository, base, b"{}", ("Bot", "bot@example.org")).unwrap();
            let commit = repository.find_commit(id).unwrap();
            let tree = commit.tree().unwrap();
            let mode = |path: &str| tree.get_path(Path::new(path)).ok().map(|entry| entry.filemode());
            assert_eq!(mode("ci/run"), Some(0o100_755));
            assert_eq!((mode("kvm.c"), mode(SERIES)), (Some(0o100_644), Some(0o100_644)));
            assert_eq!(mode(".github/workflows/theirs.yml"), None, "only the bridge's workflow is left");
            assert_eq!(mode(".github/workflows/kvm.yml"), Some(0o100_644));
            assert_eq!((commit.time().seconds(), commit.parent_id(0).unwrap()), (1_700_000_000, base));
            id
        };
        assert_eq!(made(), made());
    }

    #[test]
    fn what_belongs_to_the_tests_is_guarded_in_every_spelling() {
        let dir = folder();
        let files = CiFiles::read(dir.path()).unwrap();
        for path in [
            ".github/x",
            ".GitHub/workflows/kvm.yml",
            ".patchlift/series.json",
            "ci",
            "ci/run",
            "CI/Run",
            "ci/run/x",
            "ci\\run",
            "",
        ] {
            assert!(files.guards(path.as_bytes()), "{path}");
        }
        for path in ["kvm.c", "ci/other", "tools/ci/run", "cix"] {
            assert!(!files.guards(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn a_folder_that_starts_nothing_or_holds_odd_things_is_refused() {
        let dir = folder();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link")).unwrap();
        assert!(CiFiles::read(dir.path()).unwrap_err().to_string().ends_with("link is no file"));
        let empty = tempfile::tempdir().unwrap();
        assert!(CiFiles::read(empty.path()).unwrap_err().to_string().contains("a push would start nothing"));
        assert!(matches!(CiFiles::read(&empty.path().join("none")), Err(CiError::Read { .. })));
    }
}
