//! What commits really change, for the second look: a patch that renames a symlink or changes one without saying its
//! mode reads like any other. The only part of policy that reads a repository.

use git2::{Delta, ErrorCode, Oid, Repository};

use super::Touched;

/// What differs between the trees of two commits, without guessing renames. No patch is named: `patch` is 0.
///
/// # Errors
/// The commits or their trees cannot be read.
pub fn touched(repository: &Repository, from: Oid, to: Oid) -> Result<Vec<Touched>, git2::Error> {
    let tree = |commit| repository.find_commit(commit)?.tree();
    let (from, to) = (tree(from)?, tree(to)?);
    let mut options = git2::DiffOptions::new();
    options.include_typechange(true).skip_binary_check(true);
    let diff = repository.diff_tree_to_tree(Some(&from), Some(&to), Some(&mut options))?;
    let all = diff.deltas().map(|delta| {
        let gone = delta.status() == Delta::Deleted;
        let file = if gone { delta.old_file() } else { delta.new_file() };
        let path = file.path_bytes().ok_or_else(nameless)?.to_vec();
        Ok(Touched { patch: 0, path, mode: Some(u32::from(file.mode())), gone })
    });
    all.collect()
}

fn nameless() -> git2::Error {
    git2::Error::new(ErrorCode::Invalid, git2::ErrorClass::Tree, "a changed file without a name")
}
