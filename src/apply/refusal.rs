//! Why a patch was not taken: which file, which hunk, what for.

use super::image::Difference;
use super::objects::ObjectError;
use crate::bytes::shown;
use crate::mail::MailError;
use crate::patch::PatchError;

/// A patch that does not apply, explained.
#[derive(Debug)]
pub struct Refusal {
    /// The file it fails at, where it fails at one.
    pub file: Option<Vec<u8>>,
    /// The header of the hunk that has no place.
    pub hunk: Option<String>,
    /// The lines that differ at the most likely place.
    pub difference: Option<Difference>,
    /// Why.
    pub reason: Reason,
}

/// Why a patch is refused. The texts are shown to the people who sent it.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The mail itself cannot be read.
    #[error("the mail cannot be read")]
    Mail(#[source] MailError),
    /// The diff cannot be read.
    #[error("the diff cannot be read")]
    Patch(#[source] PatchError),
    /// The author's name is empty or holds nothing printable.
    #[error("the mail has no author's name")]
    NoAuthor,
    /// The Date header is missing or no date.
    #[error("the mail's date cannot be read: {text:?}")]
    Date {
        /// What stands there.
        text: String,
    },
    /// A NUL byte in the message, which git refuses in a commit.
    #[error("the message holds a NUL byte")]
    NulInMessage,
    /// The file to change is not on the base.
    #[error("the file does not exist on the base")]
    Missing,
    /// The file to create is there already.
    #[error("the file to create exists already")]
    Exists,
    /// An earlier part of the same patch has taken the file away.
    #[error("an earlier part of the same patch renames or deletes the file")]
    Gone,
    /// A hunk's lines are not in the file.
    #[error("the hunk does not fit the file")]
    Hunk,
    /// The search for the hunks' places was given up.
    #[error("finding the places of the hunks takes too long")]
    TooMuchSearching,
    /// The series changes too much, or the same large files too often.
    #[error("the series makes more than {megabytes} MB of changed files")]
    TooMuchContent {
        /// The most that is made.
        megabytes: u64,
    },
    /// File, symlink and submodule do not turn into each other.
    #[error("the file has another type than the patch says ({found:o} instead of {wanted:o})")]
    Type {
        /// The mode on the base.
        found: u32,
        /// The mode the patch gives.
        wanted: u32,
    },
    /// A path that leads out of the tree or into git's own directory.
    #[error("the path is not allowed: it leads out of the tree or into .git")]
    UnsafePath,
    /// A symlink that no system can make.
    #[error("the symlink's target is empty or longer than 4095 bytes")]
    SymlinkTarget,
    /// A path that leads through a symlink.
    #[error("the path leads through a symlink")]
    BeyondSymlink,
    /// A file where a directory has to be, or the other way round.
    #[error("a file stands where a directory has to be, or the other way round")]
    Clash,
    /// A deletion that leaves lines.
    #[error("the patch deletes the file but not all of its lines")]
    LeavesContent,
    /// A binary change without both full ids.
    #[error("a binary change needs a full index line (git format-patch --binary)")]
    BinaryIndex,
    /// A binary change without its data.
    #[error("the data of the binary change are missing (git format-patch --binary)")]
    BinaryMissing,
    /// The binary file on the base is another one.
    #[error("the binary file on the base is not the one the change was made for")]
    BinaryBase,
    /// A binary change that does not give what its index line promises.
    #[error("the binary change does not give the content its index line promises")]
    BinaryResult,
    /// A submodule's change that names no commit.
    #[error("the submodule's change is damaged")]
    Submodule,
    /// The three-way merge needs a file that the repository does not have.
    #[error("it does not fit, and {}", without_ancestor(id))]
    NoAncestor {
        /// The id in the index line, as given.
        id: String,
    },
    /// The patch does not even fit the version it names.
    #[error("it does not fit the version that its own index line names: was it edited by hand?")]
    HandEdited,
    /// Both sides changed the same lines.
    #[error("the patch and the base changed the same lines")]
    MergeConflict,
    /// A renamed file whose lines conflict, and another file at its new name.
    #[error("the lines of a renamed file conflict, and another file stands at its new name")]
    Collision,
    /// The patch changes a file that the base has deleted or renamed, or the other way round.
    #[error("one side changed the file and the other deleted or renamed it")]
    ModifyDelete,
    /// The base lacks a file; a similar one is not taken for it.
    #[error("it needs {needs}, which is not on the base; a similar file is not taken for it")]
    NeedsFile {
        /// The file.
        needs: String,
    },
    /// Renames on both sides can only be merged by git 2.40 or newer.
    #[error("files were renamed, which needs git 2.40 or newer to merge")]
    NeedsGit,
}

fn without_ancestor(id: &str) -> String {
    match id {
        "" => "it does not say which version it was made for".to_owned(),
        id => format!("the version it was made for ({id}) is not in the repository"),
    }
}

impl Refusal {
    /// A refusal about one file.
    pub(crate) fn of(file: &[u8], reason: Reason) -> Self {
        Self { file: Some(file.to_vec()), hunk: None, difference: None, reason }
    }

    /// A refusal about the whole mail.
    pub(crate) fn whole(reason: Reason) -> Self {
        Self { file: None, hunk: None, difference: None, reason }
    }

    /// Must nothing of this patch be tried in any other way? Then it is bad input and no conflict.
    pub fn is_unsafe(&self) -> bool {
        matches!(self.reason, Reason::UnsafePath | Reason::BeyondSymlink)
    }

    /// Would any other way of applying it end here, too?
    pub(crate) fn is_final(&self) -> bool {
        self.is_unsafe() || matches!(self.reason, Reason::TooMuchSearching | Reason::TooMuchContent { .. })
    }

    /// The file's name for people.
    pub fn file_shown(&self) -> Option<String> {
        self.file.as_deref().map(|file| shown(file, 300))
    }

    /// The reason and what lies below it, in one line.
    pub fn reason_shown(&self) -> String {
        patchlift_report::clean::with_causes(&self.reason)
    }
}

/// What stops a patch: its own fault, or ours.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The patch is refused.
    #[error("the patch does not apply")]
    Refused(Box<Refusal>),
    /// The repository cannot be read or written.
    #[error("the repository cannot be used")]
    Objects(#[from] ObjectError),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}
