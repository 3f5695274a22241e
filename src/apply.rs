//! Patches to commits in the object database: no worktree, no index, no `git` process on the normal path.
//!
//! In reading order: [`apply`] takes the mails of a series one by one, `files` puts one patch onto a tree, `image`
//! finds the place of a hunk, `three_way` merges what does not fit, `structural` what was renamed, [`commit`] makes
//! the commit, [`objects`] and `tree` keep all of it in memory until [`pack`] writes it.

mod attributes;
pub mod commit;
mod effort;
mod files;
mod history;
mod image;
mod lone_renames;
pub mod made_for;
pub mod objects;
pub mod pack;
pub(crate) mod paths;
pub mod refusal;
mod renames;
mod structural;
mod three_way;
mod tree;

use git2::{ObjectType, Oid};

pub use commit::Committer;
pub use image::Difference;
pub use made_for::{KnownBase, MadeFor};
use objects::{ObjectError, Objects};
pub use refusal::{Reason, Refusal, Stop};
pub use structural::Structural;
use three_way::Merged;
use tree::Tree;

use crate::mail::{Content, MailError};
use crate::patch;

/// How a series is applied.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Who commits.
    pub committer: Committer,
    /// Merges of renamed files.
    pub structural: Structural,
}

/// One commit that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Which patch of the list it came from, from 0.
    pub patch: usize,
    /// The commit.
    pub commit: Oid,
    /// Its tree.
    pub tree: Oid,
    /// The patch had to be merged.
    pub merged: bool,
}

/// A series on a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The last commit; the base where nothing was made.
    pub tip: Oid,
    /// Its tree.
    pub tree: Oid,
    /// The commits in order. Patches that the base held before have none.
    pub made: Vec<Made>,
}

/// Why a series was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// One patch does not apply; nothing is written.
    #[error("patch {} does not apply", patch + 1)]
    Refused {
        /// Which patch of the list, from 0.
        patch: usize,
        /// Why.
        refusal: Box<Refusal>,
        /// For each file: which version it was made for.
        made_for: Vec<MadeFor>,
        /// A branch or tag on which the whole series would find the versions it was made for.
        known_base: Option<KnownBase>,
    },
    /// The repository cannot be read.
    #[error("the repository cannot be used")]
    Objects(#[from] ObjectError),
}

/// A patch mail: what was read, or why it cannot be.
pub type Letter<'a> = Result<&'a Content, &'a MailError>;

/// Applies mails in order onto the commit `base`, in memory: nothing is written to disk.
///
/// # Errors
/// The first patch that does not apply, or the repository cannot be read.
pub fn apply(
    objects: &Objects<'_>,
    base: Oid,
    mails: &[Letter<'_>],
    settings: &Settings,
) -> Result<Applied, ApplyError> {
    objects.effort().begin();
    objects.lookups().begin();
    let root = tree_of(objects, base)?;
    let mut tree = Tree::at(root);
    let mut applied = Applied { tip: base, tree: root, made: Vec::new() };
    for (patch, mail) in mails.iter().enumerate() {
        let done = one(objects, base, &mut tree, mail, &mut applied, patch, settings);
        done.map_err(|stop| match stop {
            Stop::Objects(error) => ApplyError::Objects(error),
            Stop::Refused(refusal) => {
                let made_for = mail.ok().map(|content| made_for::versions(objects, &mut tree, content));
                let known_base = made_for::known_base(objects, mails);
                ApplyError::Refused { patch, refusal, made_for: made_for.unwrap_or_default(), known_base }
            }
        })?;
    }
    Ok(applied)
}

fn one(
    objects: &Objects<'_>,
    base: Oid,
    tree: &mut Tree,
    mail: &Letter<'_>,
    applied: &mut Applied,
    patch: usize,
    settings: &Settings,
) -> Result<(), Stop> {
    let content = mail.map_err(|error| Refusal::whole(Reason::Mail((*error).clone())))?;
    let files = patch::parse(&content.patch, None).map_err(|error| Refusal::whole(Reason::Patch(error)))?;
    let merged = match files::apply(objects, tree, &files) {
        Ok(()) => false,
        Err(Stop::Refused(strict)) if strict.is_final() => return Err(Stop::Refused(strict)),
        Err(Stop::Refused(strict)) => {
            let merged = three_way::merge(objects, base, tree, &files, settings.structural);
            match merged.map_err(|stop| explain(*strict, stop))? {
                Merged::AlreadyThere => return Ok(()),
                Merged::Changed => true,
            }
        }
        Err(ours) => return Err(ours),
    };
    // Only now, as git needs author and date for a commit only: a patch that is there already may lack them.
    let letter = commit::Letter::of(content)?;
    let root = tree.write(objects)?;
    let commit = letter.commit(objects, root, applied.tip, &settings.committer)?;
    applied.made.push(Made { patch, commit, tree: root, merged });
    (applied.tip, applied.tree) = (commit, root);
    Ok(())
}

/// The merge says why it failed; the strict try knows the hunk.
fn explain(strict: Refusal, stop: Stop) -> Stop {
    match stop {
        Stop::Refused(merge) => {
            let same_file = merge.file.is_none() || merge.file == strict.file;
            let (hunk, difference) = if same_file { (strict.hunk, strict.difference) } else { (None, None) };
            // Without an ancestor the plain reason says more than "no ancestor".
            let keep_strict =
                matches!(merge.reason, Reason::NoAncestor { .. }) && !matches!(strict.reason, Reason::Hunk);
            let reason = if keep_strict { strict.reason } else { merge.reason };
            Refusal { file: merge.file.or(strict.file), hunk, difference, reason }.into()
        }
        other => other,
    }
}

/// The tree of a commit.
///
/// # Errors
/// The object is missing, or no commit.
pub fn tree_of(objects: &Objects<'_>, commit: Oid) -> Result<Oid, ObjectError> {
    objects::tree_in_commit(commit, &objects.read(commit, ObjectType::Commit)?)
}
