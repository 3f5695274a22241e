//! Where a file of the base went: looked up in the base's own history, never guessed from similar files.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::{Duration, Instant};

use git2::{Commit, Delta, DiffFindOptions, DiffOptions, Oid, Repository};

/// Commits that are looked at; a file renamed longer ago has seen other patches fail before this one.
const COMMIT_LIMIT: usize = 20_000;
/// On the Linux tree some 20 000 commits a second are looked through.
const TIME_LIMIT: Duration = Duration::from_secs(3);
/// For all files of a series together.
const SERIES_LIMIT: Duration = Duration::from_secs(10);

/// What the commit that took a file away from its path did besides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Removal {
    /// The files it added: one of them may be the same file under its new name.
    pub(crate) added: Vec<Vec<u8>>,
    /// The new name, where the contents leave no doubt.
    pub(crate) renamed_to: Option<Vec<u8>>,
}

/// Answers for the series at hand, whose patches often lack the same file, and how long they took.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    known: RefCell<HashMap<Vec<u8>, Option<Removal>>>,
    spent: Cell<Duration>,
}

impl Lookups {
    /// Another series begins, or the same one on another base.
    pub(crate) fn begin(&self) {
        self.known.borrow_mut().clear();
        self.spent.set(Duration::ZERO);
    }

    /// How `path` left the first-parent history of `base`. Trouble with the repository, or a history that is too long,
    /// counts as "not known".
    pub(crate) fn removal_of(&self, repository: &Repository, base: Oid, path: &[u8]) -> Option<Removal> {
        if let Some(known) = self.known.borrow().get(path) {
            return known.clone();
        }
        let began = Instant::now();
        let end = began + TIME_LIMIT.min(SERIES_LIMIT.saturating_sub(self.spent.get()));
        let found = removal_of(repository, base, path, end);
        self.spent.set(self.spent.get() + began.elapsed());
        self.known.borrow_mut().insert(path.to_vec(), found.clone());
        found
    }
}

fn removal_of(repository: &Repository, base: Oid, path: &[u8], end: Instant) -> Option<Removal> {
    let mut child = repository.find_commit(base).ok()?;
    for _ in 0..COMMIT_LIMIT {
        if Instant::now() > end {
            return None;
        }
        let parent = child.parent(0).ok()?;
        if holds(&parent, path) {
            return removal_between(repository, &parent, &child, path);
        }
        child = parent;
    }
    None
}

fn holds(commit: &Commit<'_>, path: &[u8]) -> bool {
    let found = commit.tree().and_then(|tree| tree.get_path(&as_path(path)));
    found.is_ok()
}

fn as_path(path: &[u8]) -> std::path::PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(path).into()
}

/// A commit that adds more files is an import, in which nothing can be told.
const ADDED_LIMIT: usize = 1000;

fn removal_between(
    repository: &Repository,
    parent: &Commit<'_>,
    child: &Commit<'_>,
    path: &[u8],
) -> Option<Removal> {
    let (old, new) = (parent.tree().ok()?, child.tree().ok()?);
    let mut diff =
        repository.diff_tree_to_tree(Some(&old), Some(&new), Some(&mut DiffOptions::new())).ok()?;
    let added = diff.deltas().filter(|delta| delta.status() == Delta::Added);
    let added: Vec<Vec<u8>> =
        added.filter_map(|delta| Some(delta.new_file().path_bytes()?.to_vec())).collect();
    if added.len() > ADDED_LIMIT {
        return None;
    }
    diff.find_similar(Some(DiffFindOptions::new().renames(true).rename_limit(ADDED_LIMIT))).ok()?;
    let is_ours = |delta: &git2::DiffDelta<'_>| {
        delta.status() == Delta::Renamed && delta.old_file().path_bytes() == Some(path)
    };
    let renamed = diff.deltas().find(is_ours);
    let renamed_to = renamed.and_then(|delta| Some(delta.new_file().path_bytes()?.to_vec()));
    Some(Removal { added, renamed_to })
}
