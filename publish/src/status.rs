//! Check runs as commit statuses, for personal tokens, which may not write check runs. No I/O.

use patchlift_report::clean::line;
use serde::Serialize;

use crate::check_run::{CheckRun, CheckRunConclusion, CheckStatus};

/// Longest description in characters: GitHub refuses a longer one.
pub const DESCRIPTION_MAX: usize = 140;

/// A status beside a commit, in GitHub's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommitStatus {
    /// The commit, 40 hex digits.
    #[serde(skip)]
    pub sha: String,
    /// Its name: a newer status of the same name takes its place.
    pub context: String,
    /// The mark.
    pub state: StatusState,
    /// One line, at most [`DESCRIPTION_MAX`] characters.
    pub description: String,
    /// Where more is to be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_url: Option<String>,
}

/// The mark of a status, in GitHub's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusState {
    /// It waits, is at work, or a maintainer has to look.
    Pending,
    /// The series passed.
    Success,
    /// The series is to blame.
    Failure,
    /// Nothing can be said of the series: it was not run to its end, or not at all.
    Error,
}

impl StatusState {
    /// GitHub's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
        }
    }
}

impl From<CheckStatus> for StatusState {
    fn from(status: CheckStatus) -> Self {
        use CheckRunConclusion::{ActionRequired, Cancelled, Failure, Neutral, Skipped, Success, TimedOut};
        match status {
            CheckStatus::Queued | CheckStatus::InProgress | CheckStatus::Completed(ActionRequired) => {
                Self::Pending
            }
            CheckStatus::Completed(Success) => Self::Success,
            CheckStatus::Completed(Failure | TimedOut) => Self::Failure,
            CheckStatus::Completed(Neutral | Cancelled | Skipped) => Self::Error,
        }
    }
}

impl From<&CheckRun> for CommitStatus {
    fn from(run: &CheckRun) -> Self {
        Self {
            sha: run.head_sha.clone(),
            context: run.name.clone(),
            state: run.status.into(),
            description: line(&run.title, DESCRIPTION_MAX),
            target_url: run.details_url.clone(),
        }
    }
}
