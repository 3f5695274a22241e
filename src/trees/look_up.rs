//! What is known of trees and commits. Nothing here waits for a network.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use git2::{ErrorCode, ObjectType, Oid, Tree};

use super::{Repository, Settings};

/// Longest look among the series' own commits: 5000 series of 20 patches.
const MADE_HERE_MAX: usize = 100_000;

/// Most remembered answers about base commits.
const HELD_MAX: usize = 1000;

impl Repository {
    /// Where the base `tree/branch` is; `None` where it was never fetched.
    pub fn resolve(&self, base: &str) -> Option<Oid> {
        self.look().refname_to_id(&format!("refs/trees/{base}")).ok()
    }

    /// The commit that is meant by a `base-commit:` line, if it is known here and part of a fetched branch: a series
    /// that policy keeps from running is nobody's base. The id of an annotated tag means the tag's commit, as some
    /// tools write it.
    ///
    /// The deeper in the history, the longer it takes: 50 000 commits below the tip a third of a second, in a debug
    /// build. Asked again it answers at once.
    pub fn upstream_holds(&self, id: &str) -> Option<Oid> {
        let known = self.held().get(id).copied();
        if known.is_some() {
            return known;
        }
        let (repository, commit) = self.commit_of(id)?;
        let found = is_upstream(&repository, commit).unwrap_or(false);
        if found {
            let mut held = self.held();
            held.insert(id.to_owned(), commit);
            while held.len() > HELD_MAX {
                held.pop_first();
            }
        }
        found.then_some(commit)
    }

    /// [`Repository::upstream_holds`], or a commit of a series' branch that was made here.
    pub fn holds(&self, id: &str) -> Option<Oid> {
        self.upstream_holds(id).or_else(|| {
            let (repository, commit) = self.commit_of(id)?;
            is_made_here(&repository, commit).unwrap_or(false).then_some(commit)
        })
    }

    /// The branch (`powerpc/next`) that holds a commit with the fewest commits after it, of these. As slow as
    /// [`Repository::upstream_holds`] for each branch.
    pub fn nearest(&self, commit: Oid, branches: &[String]) -> Option<String> {
        let repository = self.objects().ok()?;
        let after = |branch: &&String| {
            let tip = self.resolve(branch)?;
            let (after, missing) = repository.graph_ahead_behind(tip, commit).ok()?;
            (missing == 0).then_some(after)
        };
        let holding = branches.iter().filter_map(|branch| Some((after(&branch)?, branch)));
        holding.min_by_key(|(after, _)| *after).map(|(_, branch)| branch.clone())
    }

    /// The commit of a full id, and a handle of its own: nobody waits for this one.
    fn commit_of(&self, id: &str) -> Option<(git2::Repository, Oid)> {
        if id.len() != 40 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let repository = self.objects().ok()?;
        let object = repository.find_object(Oid::from_str(id).ok()?, None).ok()?;
        let commit = object.peel(ObjectType::Commit).ok()?.id();
        drop(object);
        Some((repository, commit))
    }

    /// Did any of these paths change between the two commits? For a path that neither has, the files beside it
    /// count: a new file comes with a line in a Makefile. True where it cannot be told.
    pub fn moved_under<P: AsRef<[u8]>>(&self, from: Oid, to: Oid, paths: &[P]) -> bool {
        if from == to {
            return false;
        }
        let repository = self.look();
        let tree = |commit| repository.find_commit(commit).and_then(|commit| commit.tree());
        let (Ok(from), Ok(to)) = (tree(from), tree(to)) else { return true };
        from.id() != to.id() && paths.iter().any(|path| differs(&repository, &from, &to, path.as_ref()))
    }

    /// Removes the branches of trees and branches that are no longer named. Their commits stay as long as a series
    /// needs them.
    pub fn forget_others(&self, trees: &[Settings]) {
        let named: Vec<String> = trees
            .iter()
            .flat_map(|tree| tree.branches.iter().map(|branch| format!("refs/trees/{}", tree.base(branch))))
            .collect();
        self.held().clear();
        let repository = self.look();
        for mut reference in repository.references_glob("refs/trees/*").into_iter().flatten().flatten() {
            if !reference.name().is_ok_and(|name| named.iter().any(|kept| kept == name)) {
                // It is tried again at the next start.
                let _ = reference.delete();
            }
        }
    }

    /// The first branch whose commit cannot be read.
    pub(crate) fn first_damage(&self) -> Option<git2::Error> {
        let repository = match self.objects() {
            Ok(repository) => repository,
            Err(super::TreeError::Damaged { source, .. }) => return Some(source),
            Err(_) => return None,
        };
        let tips = tips(&repository, "refs/*");
        tips.into_iter().find_map(|tip| repository.find_commit(tip).and_then(|commit| commit.tree()).err())
    }
}

fn is_upstream(repository: &git2::Repository, commit: Oid) -> Result<bool, git2::Error> {
    let trees = tips(repository, "refs/trees/*");
    if trees.contains(&commit) {
        return Ok(true);
    }
    for tip in trees {
        if repository.graph_descendant_of(tip, commit)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_made_here(repository: &git2::Repository, commit: Oid) -> Result<bool, git2::Error> {
    let mut made_here = repository.revwalk()?;
    made_here.push_glob("refs/heads/series/*")?;
    for tip in tips(repository, "refs/trees/*") {
        made_here.hide(tip)?;
    }
    Ok(made_here.take(MADE_HERE_MAX).flatten().any(|made| made == commit))
}

/// What the references below `glob` point at.
pub(crate) fn tips(repository: &git2::Repository, glob: &str) -> Vec<Oid> {
    let references = repository.references_glob(glob).into_iter().flatten().flatten();
    let mut tips: Vec<Oid> = references.filter_map(|reference| reference.target()).collect();
    tips.sort_unstable();
    tips.dedup();
    tips
}

/// What a path is: its mode and content.
type Entry = Option<(i32, Oid)>;

fn entry(tree: &Tree<'_>, path: &Path) -> Result<Entry, git2::Error> {
    match tree.get_path(path) {
        Ok(entry) => Ok(Some((entry.filemode(), entry.id()))),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn differs(repository: &git2::Repository, from: &Tree<'_>, to: &Tree<'_>, path: &[u8]) -> bool {
    let path = Path::new(OsStr::from_bytes(path));
    match (entry(from, path), entry(to, path)) {
        (Ok(None), Ok(None)) => files_beside(repository, from, path) != files_beside(repository, to, path),
        (Ok(one), Ok(other)) => one != other,
        _ => true,
    }
}

/// The files in the nearest folder above `path` that exists; folders in it count by their name only.
fn files_beside(repository: &git2::Repository, tree: &Tree<'_>, path: &Path) -> Vec<(Vec<u8>, Option<Oid>)> {
    let folder = path.ancestors().skip(1).find_map(|above| {
        if above.as_os_str().is_empty() {
            return Some(tree.clone());
        }
        let entry = tree.get_path(above).ok()?;
        entry.to_object(repository).ok()?.into_tree().ok()
    });
    let entries = folder.iter().flat_map(Tree::iter);
    entries
        .map(|entry| {
            let is_file = entry.kind() == Some(ObjectType::Blob);
            (entry.name_bytes().to_vec(), is_file.then(|| entry.id()))
        })
        .collect()
}
