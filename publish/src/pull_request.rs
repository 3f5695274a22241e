//! A series as a pull request of the mirror: for reading along, never for merging. No I/O.

use crate::notice::Notice;

/// A pull request as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// The branch with the series.
    pub head: String,
    /// The branch that it is compared to.
    pub base: String,
    /// One line.
    pub title: String,
    /// Markdown.
    pub body: String,
    /// Its labels that begin with `patchlift`; those of people stay.
    pub labels: Vec<String>,
    /// Whether it is to be open.
    pub open: bool,
}

/// The pull request of a series; `None` before it has commits.
pub fn of_notice(_notice: &Notice, _base_branch: &str) -> Option<PullRequest> {
    None
}
