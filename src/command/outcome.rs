//! What a command prints as JSON: one object, whose "result" says how it ended.

use serde::Serialize;

use crate::apply::{Applied, Difference, KnownBase, MadeFor, Refusal};
use crate::bases::Why;
use crate::exit::Ending;
use crate::mirror::Moved;
use crate::series::{Message, Series};

/// The end of `patchlift series` and `patchlift apply`.
#[derive(Debug, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    /// Commits were made.
    Applied {
        /// What was applied; only for `series`.
        #[serde(flatten)]
        of: Subject,
        /// The branch; only for `series`.
        #[serde(skip_serializing_if = "Option::is_none")]
        branch: Option<String>,
        /// What happened to the branch; `None`: nothing was to be written.
        #[serde(skip_serializing_if = "Option::is_none")]
        moved: Option<Moved>,
        /// The last commit.
        tip: String,
        /// Its tree.
        tree: String,
        /// All of them, in order.
        commits: Vec<Commit>,
    },
    /// The base held everything before.
    AlreadyApplied {
        /// What was applied.
        #[serde(flatten)]
        of: Subject,
        /// Always empty.
        commits: Vec<Commit>,
    },
    /// A patch does not apply.
    Conflict {
        /// What was tried.
        #[serde(flatten)]
        tried: Subject,
        /// The patch and why.
        #[serde(flatten)]
        conflict: Box<Conflict>,
    },
    /// The work could not be done.
    Error {
        /// A word for programs.
        kind: &'static str,
        /// One line for people.
        message: String,
    },
}

/// Which series on which base.
#[derive(Debug, Clone, Serialize)]
pub struct Subject {
    /// The series; `None` for `patchlift apply`, which takes mails as they come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<SeriesView>,
    /// The base that was taken; for a conflict the first that was tried.
    pub base: Base,
    /// Bases that were tried and do not fit, in their order; empty where there was only one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Tried>,
}

/// A base that does not fit.
#[derive(Debug, Clone, Serialize)]
pub struct Tried {
    /// The base.
    #[serde(flatten)]
    pub base: Base,
    /// Why it was tried.
    #[serde(flatten)]
    pub because: Why,
    /// The patch's number, from 1.
    pub patch: usize,
    /// Why the patch does not apply there.
    pub reason: String,
}

/// A series for readers of JSON.
#[derive(Debug, Clone, Serialize)]
pub struct SeriesView {
    /// The branch's name after "series/".
    pub id: String,
    /// The title.
    pub title: String,
    /// 2 for "[PATCH v2]".
    pub version: u32,
    /// The sender.
    pub author: String,
    /// The Message-ID of the cover letter or first patch.
    pub message_id: Option<String>,
    /// Where to read it; not known from a mailbox.
    pub url: Option<String>,
}

impl SeriesView {
    /// The view of a series.
    pub fn of(series: &Series) -> Self {
        Self {
            id: series.id.clone(),
            title: series.title.clone(),
            version: series.version,
            author: series.author.clone(),
            message_id: series.message_id.clone(),
            url: None,
        }
    }
}

/// The base a series was tried on.
#[derive(Debug, Clone, Serialize)]
pub struct Base {
    /// As given on the command line.
    pub branch: String,
    /// The commit it means.
    pub commit: String,
}

/// One commit.
#[derive(Debug, Clone, Serialize)]
pub struct Commit {
    /// Its id.
    pub commit: String,
    /// The patch's number in what was applied, from 1.
    pub patch: usize,
    /// How many patches there are.
    pub of: usize,
    /// The subject.
    pub subject: String,
    /// It had to be merged.
    pub merged: bool,
}

/// The commits of an applied series.
pub fn commits(applied: &Applied, patches: &[&Message]) -> Vec<Commit> {
    let describe = |made: &crate::apply::Made| Commit {
        commit: made.commit.to_string(),
        patch: made.patch + 1,
        of: patches.len(),
        subject: patches[made.patch].title(),
        merged: made.merged,
    };
    applied.made.iter().map(describe).collect()
}

/// Where and why a patch does not apply.
#[derive(Debug, Clone, Serialize)]
pub struct Conflict {
    /// The patch's number, from 1.
    pub patch: usize,
    /// How many patches there are.
    pub of: usize,
    /// Its subject.
    pub subject: String,
    /// The file; `None`: the mail as a whole.
    pub file: Option<String>,
    /// The header of the hunk that has no place.
    pub hunk: Option<String>,
    /// Why, in one line.
    pub reason: String,
    /// The first line that differs at the likeliest place.
    pub difference: Option<Difference>,
    /// For each file: the version it was made for, and the base's.
    pub made_for: Vec<MadeFor>,
    /// A branch or tag of the repository that has all those versions.
    pub known_base: Option<KnownBase>,
}

impl Conflict {
    /// Describes the refusal of the patch at `at` (from 0).
    pub fn of(
        patches: &[&Message],
        at: usize,
        refusal: &Refusal,
        made_for: Vec<MadeFor>,
        known_base: Option<KnownBase>,
    ) -> Self {
        Self {
            patch: at + 1,
            of: patches.len(),
            subject: patches[at].title(),
            file: refusal.file_shown(),
            hunk: refusal.hunk.clone(),
            reason: refusal.reason_shown(),
            difference: refusal.difference.clone(),
            made_for,
            known_base,
        }
    }
}

impl Outcome {
    /// The exit code that goes with it; errors have their own (see [`super::failure::Failure::ending`]).
    pub fn ending(&self) -> Ending {
        match self {
            Self::Applied { .. } => Ending::Done,
            Self::AlreadyApplied { .. } => Ending::AlreadyApplied,
            Self::Conflict { .. } => Ending::Conflict,
            Self::Error { .. } => Ending::OurFault,
        }
    }
}
