//! Where a file of the base went: looked up in the base's own history, never guessed from similar files.

use std::time::{Duration, Instant};

use git2::{Commit, DiffFindOptions, DiffOptions, Oid, Repository};

/// Commits that are looked at; a file renamed longer ago has seen other patches fail before this one.
const COMMIT_LIMIT: usize = 20_000;
/// On the Linux tree some 20 000 commits a second are looked through.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// The path that `path` has at `base`, when a commit of its first-parent history renamed it. Trouble with the
/// repository, or a history that is too long, counts as "not known".
pub(crate) fn renamed_to(repository: &Repository, base: Oid, path: &[u8]) -> Option<Vec<u8>> {
    let end = Instant::now() + TIME_LIMIT;
    let mut child = repository.find_commit(base).ok()?;
    for _ in 0..COMMIT_LIMIT {
        if Instant::now() > end {
            return None;
        }
        let parent = child.parent(0).ok()?;
        if holds(&parent, path) {
            return rename_between(repository, &parent, &child, path);
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

/// The new name that the commit gave the file.
fn rename_between(
    repository: &Repository,
    parent: &Commit<'_>,
    child: &Commit<'_>,
    path: &[u8],
) -> Option<Vec<u8>> {
    let (old, new) = (parent.tree().ok()?, child.tree().ok()?);
    let mut options = DiffOptions::new();
    let mut diff = repository.diff_tree_to_tree(Some(&old), Some(&new), Some(&mut options)).ok()?;
    // A commit with more deleted and added files than this is an import, in which nothing can be told.
    diff.find_similar(Some(DiffFindOptions::new().renames(true).rename_limit(1000))).ok()?;
    let mut deltas = diff.deltas();
    let renamed = deltas.find(|delta| {
        delta.status() == git2::Delta::Renamed && delta.old_file().path_bytes() == Some(path)
    })?;
    renamed.new_file().path_bytes().map(<[u8]>::to_vec)
}
