//! What was said of a series at the sinks beside Patchwork.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Trouble;

/// A place where people are told of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sink {
    /// Check runs, or commit statuses, on the mirror's commits.
    GitHub,
    /// A pull request on the mirror.
    PullRequest,
    /// A message in Slack.
    Slack,
    /// A reply by mail.
    Mail,
}

impl Sink {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::GitHub, Self::PullRequest, Self::Slack, Self::Mail];

    /// What is being done, a fragment.
    pub fn words(self) -> &'static str {
        match self {
            Self::GitHub => "its checks on GitHub",
            Self::PullRequest => "its pull request",
            Self::Slack => "its message in Slack",
            Self::Mail => "its mail",
        }
    }
}

/// What one sink was told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telling {
    /// SHA-256 of what was said last, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// By what the sink finds it again: its own JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<serde_json::Value>,
    /// Something was about to be said at this time, and what came of it is not known. Written before it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_doubt: Option<Timestamp>,
    /// Nothing is tried before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// What keeps it from being said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// It will never be taken as it is: not tried again until there is something new to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}
