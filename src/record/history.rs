//! What happened to a series, as data and in words.

use jiff::Timestamp;
use patchlift_report::Fault;
use serde::{Deserialize, Serialize};

/// One line of a series' history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When, by the bridge's clock.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// It was seen first.
    Seen,
    /// It stands somewhere else now.
    Became {
        /// [`super::State::word`] of the new state.
        state: String,
        /// In a sentence fragment.
        words: String,
    },
    /// A step failed and will be tried again.
    Failed {
        /// Which step, a fragment: `fetching its mails`.
        step: String,
        /// Whose fault it is.
        whose: Fault,
        /// What happened.
        what: String,
    },
    /// A check was posted, or refused by the server.
    Check {
        /// The check's name.
        context: String,
        /// On how many patches.
        patches: u32,
        /// What it says, or why it was refused.
        words: String,
    },
    /// Somebody asked for something.
    Asked {
        /// Who, and what.
        words: String,
    },
    /// Something worth knowing.
    Noted {
        /// What.
        words: String,
    },
}

impl Event {
    /// The event in words, one line.
    pub fn words(&self) -> String {
        match self {
            Self::Seen => "seen".to_owned(),
            Self::Became { state, words } if words.is_empty() => state.clone(),
            Self::Became { state, words } => format!("{state}: {words}"),
            Self::Failed { step, what, .. } => format!("{step} failed: {what}"),
            Self::Check { context, patches, words } => {
                format!(
                    "check {context} on {patches} {}: {words}",
                    if *patches == 1 { "patch" } else { "patches" }
                )
            }
            Self::Asked { words } | Self::Noted { words } => words.clone(),
        }
    }
}
