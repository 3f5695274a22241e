//! Where a file of the base went: looked up in the base's own history, never guessed from similar files.

use std::time::{Duration, Instant};

use git2::{Commit, Delta, DiffFindOptions, DiffOptions, Oid, Repository};

/// Commits that are looked at; a file renamed longer ago has seen other patches fail before this one.
const COMMIT_LIMIT: usize = 20_000;
/// On the Linux tree some 20 000 commits a second are looked through.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// What the commit that took a file away from its path did besides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Removal {
    /// The files it added: one of them may be the same file under its new name.
    pub(crate) added: Vec<Vec<u8>>,
    /// The new name, where the contents leave no doubt.
    pub(crate) renamed_to: Option<Vec<u8>>,
}

/// How `path` left the first-parent history of `base`. Trouble with the repository, or a history that is too long,
/// counts as "not known".
pub(crate) fn removal_of(repository: &Repository, base: Oid, path: &[u8]) -> Option<Removal> {
    let end = Instant::now() + TIME_LIMIT;
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
