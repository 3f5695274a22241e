//! Runs of the workflow: asked for, found again, watched, cancelled, and their report fetched.
//!
//! [`client`] asks GitHub, [`run`] is what it says of a run, [`report`] gets the report out of a run's artifacts.
//! Requests go through [`patchlift_publish::api`].

pub mod client;
pub mod report;
pub mod run;

use std::time::Duration;

use patchlift_publish::ApiError;
use patchlift_publish::api::Doing;
use patchlift_publish::auth::Credential;
use url::Url;

use crate::ci_commit::CiFiles;

pub use client::{Cancelled, GitHub};
pub use run::{Job, JobStep, RunId, RunView, Runner};

/// How the workflow is run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `https://api.github.com/`, or a GitHub Enterprise Server's `https://HOST/api/v3/`.
    pub api: Url,
    /// `owner/name` of the repository that holds the workflow.
    pub repository: String,
    /// The workflow's file name.
    pub workflow: String,
    /// The branch whose workflow is run; the repository's default branch where it is not given.
    pub branch: Option<String>,
    /// What starts a run.
    pub trigger: Trigger,
    /// Who asks.
    pub credential: Credential,
    /// The address at which the runner reads the mirror, without a credential.
    pub mirror: String,
    /// How often a run is looked at.
    pub poll: Duration,
    /// The pause between two requests that change something: GitHub asks for a second.
    pub pause: Duration,
    /// A run that no runner takes for this long is given up.
    pub queued_limit: Duration,
    /// A run that takes longer than this is given up.
    pub run_limit: Duration,
    /// A run that goes on for this long after it was cancelled is ended by force.
    pub cancel_limit: Duration,
}

/// What starts a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// A request, on the reviewed branch of the repository with the workflow.
    Dispatch,
    /// The push of a series' branch: the workflow is in a commit under the series, and the repository is the mirror.
    Push(CiFiles),
}

impl Trigger {
    /// The files under every series, where a push starts the tests.
    pub fn ci_files(&self) -> Option<&CiFiles> {
        match self {
            Self::Dispatch => None,
            Self::Push(files) => Some(files),
        }
    }
}

/// Why GitHub did not do what it was asked for, or did not say.
#[derive(Debug, thiserror::Error)]
pub enum GitHubError {
    /// GitHub has no such thing, or does not show it to this token.
    #[error("GitHub finds nothing for {doing}")]
    NotFound {
        /// What was asked.
        doing: Doing,
    },
    /// A request went wrong.
    #[error(transparent)]
    Api(ApiError),
    /// The run's report cannot be used.
    #[error(transparent)]
    Report(#[from] report::ReportError),
}

impl From<ApiError> for GitHubError {
    fn from(error: ApiError) -> Self {
        match error {
            // The page of a proxy says nothing of what GitHub has.
            ApiError::Refused { doing, status: 404, by_github: true, .. } => Self::NotFound { doing },
            error => Self::Api(error),
        }
    }
}

impl GitHubError {
    /// How long to wait at least before anything is asked again; `None`: GitHub does not ask for a wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api(ApiError::RateLimited { wait, .. }) => Some(*wait),
            _ => None,
        }
    }

    /// GitHub may have done what it was asked although it did not say so: look before asking again.
    pub fn may_have_happened(&self) -> bool {
        matches!(self, Self::Api(error) if error.may_have_happened())
    }

    /// Asking again in the same way is of no use: the token, the repository, the workflow or the request is wrong.
    pub fn is_final(&self) -> bool {
        match self {
            Self::NotFound { .. } => true,
            Self::Api(error) => error.is_final(),
            Self::Report(error) => error.is_final(),
        }
    }
}
