//! An empty mirror is filled in slices: GitHub takes at most 2 GB in one push.

use std::collections::HashSet;

use git2::Oid;

/// Commits of a slice. The whole of Linux is 1.4 million commits and 3.5 GB packed: a slice is 130 MB on average, and
/// the biggest one, with the import that its history starts with, stays far below 1 GB.
pub const USUAL: usize = 50_000;

/// Ancestors of `tip` that are pushed one after the other before `tip` itself, so that no push brings many more than
/// `per_slice` commits; none where that is so already. What `have` reaches is there. They lie on the line of first
/// parents, so what one merge brings is never cut.
///
/// # Errors
/// A commit cannot be read.
pub fn slices(
    repository: &git2::Repository,
    tip: Oid,
    have: &[Oid],
    per_slice: usize,
) -> Result<Vec<Oid>, git2::Error> {
    let mut walk = repository.revwalk()?;
    walk.push(tip)?;
    for there in have {
        walk.hide(*there)?;
    }
    let mut left: HashSet<Oid> = walk.collect::<Result<_, _>>()?;
    if left.len() <= per_slice {
        return Ok(Vec::new());
    }
    let mut line = Vec::new();
    let mut next = Some(tip);
    while let Some(commit) = next.filter(|commit| left.contains(commit)) {
        line.push(commit);
        next = repository.find_commit(commit)?.parent_id(0).ok();
    }
    let (mut slices, mut brought) = (Vec::new(), 0);
    for commit in line.into_iter().rev() {
        brought += take_all(repository, commit, &mut left)?;
        if brought >= per_slice && commit != tip {
            slices.push(commit);
            brought = 0;
        }
    }
    Ok(slices)
}

/// Takes `commit` and all its ancestors out of `left`; gives back how many that were.
fn take_all(
    repository: &git2::Repository,
    commit: Oid,
    left: &mut HashSet<Oid>,
) -> Result<usize, git2::Error> {
    let mut open = vec![commit];
    let mut taken = 0;
    while let Some(commit) = open.pop() {
        if left.remove(&commit) {
            taken += 1;
            open.extend(repository.find_commit(commit)?.parent_ids());
        }
    }
    Ok(taken)
}
