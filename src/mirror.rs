//! The branch of a series in the mirror: found, moved, never half made.
//!
//! [`push`] sends branches to a mirror anywhere, [`pace`] says how often, [`slices`] fills an empty mirror, and
//! [`expiry`] says which branches nobody needs any more.

mod askpass;
pub mod expiry;
pub mod pace;
mod password;
mod porcelain;
pub mod push;
pub mod slices;
mod without_git;

use std::time::Duration;

use git2::{ErrorCode, Oid, Repository};
use secrecy::SecretString;

pub use pace::Pace;
pub use push::{Mirror, PushError, Pushed, Ref, RefResult, is_about_workflows};

/// The repository that gets the branches.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it is pushed to: https, ssh or a path. Never holds a credential.
    pub url: String,
    /// The password for https.
    pub token: Option<SecretString>,
    /// A branch without a series that still needs it is removed after this time.
    pub expire_after: Duration,
    /// Most series' branches; the oldest finished ones go first.
    pub max_branches: usize,
    /// The pause between two pushes: GitHub recommends at most 6 pushes a minute to a repository.
    pub pause: Duration,
}

/// What happened to a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Moved {
    /// It is new.
    Created,
    /// It pointed at another commit before.
    Updated,
    /// It is where it was: this has been done before.
    Unchanged,
}

/// Why the mirror cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// It cannot be read or written.
    #[error("the mirror {path} cannot be used")]
    Git {
        /// Where it is.
        path: String,
        /// What libgit2 says.
        #[source]
        source: git2::Error,
    },
}

/// The full name of a series' branch.
pub fn branch_of(id: &str) -> String {
    format!("series/{id}")
}

/// The full name of a base's branch: `base/powerpc/next`.
pub fn base_branch_of(base: &str) -> String {
    format!("base/{base}")
}

/// Moves `series/<id>` to `tip`, which is in `repository` already.
///
/// # Errors
/// The branch cannot be written.
pub fn set_branch(repository: &Repository, id: &str, tip: Oid) -> Result<Moved, MirrorError> {
    let failed = |source| MirrorError::Git { path: repository.path().display().to_string(), source };
    let name = format!("refs/heads/{}", branch_of(id));
    let before = match repository.refname_to_id(&name) {
        Ok(commit) => Some(commit),
        Err(error) if error.code() == ErrorCode::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    if before == Some(tip) {
        return Ok(Moved::Unchanged);
    }
    repository.reference(&name, tip, true, "patchlift: series applied").map_err(failed)?;
    Ok(if before.is_some() { Moved::Updated } else { Moved::Created })
}

/// Sends the branch's commits from `source` to `mirror` and moves the branch there.
///
/// # Errors
/// The mirror cannot be written.
pub fn send(source: &Repository, mirror: &Repository, id: &str, tip: Oid) -> Result<Moved, MirrorError> {
    let failed = |source| MirrorError::Git { path: mirror.path().display().to_string(), source };
    if mirror.odb().map_err(failed)?.exists(tip) {
        return set_branch(mirror, id, tip);
    }
    let path =
        mirror.path().to_str().ok_or_else(|| failed(git2::Error::from_str("its path is not UTF-8")))?;
    let name = format!("refs/heads/{}", branch_of(id));
    let before = mirror.refname_to_id(&name).ok();
    // The commit is pushed by its id: the source needs no branch of its own.
    let mut remote = source.remote_anonymous(path).map_err(failed)?;
    let anchor = format!("refs/patchlift/push/{id}");
    source.reference(&anchor, tip, true, "patchlift: push").map_err(failed)?;
    let pushed = remote.push(&[format!("+{anchor}:{name}")], None);
    let removed = source.find_reference(&anchor).and_then(|mut reference| reference.delete());
    pushed.and(removed).map_err(failed)?;
    Ok(if before.is_some() { Moved::Updated } else { Moved::Created })
}
