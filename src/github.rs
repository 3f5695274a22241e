//! Runs of the workflow. The only file of the bridge that knows octocrab.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

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
    /// A personal access token.
    pub token: SecretString,
    /// The address at which the runner reads the mirror, without a credential.
    pub mirror: String,
    /// How often a run is looked at.
    pub poll: Duration,
    /// A run that no runner takes for this long is given up.
    pub queued_limit: Duration,
    /// A run that takes longer than this is given up.
    pub run_limit: Duration,
}

/// TEMPORARY: until the client is here.
#[derive(Debug)]
pub struct GitHub(Settings);
/// A run.
#[derive(Debug, Clone)]
pub struct RunView {
    /// Number.
    pub id: u64,
    /// Page.
    pub url: Option<String>,
    /// Status.
    pub status: String,
    /// Conclusion.
    pub conclusion: Option<String>,
    /// Started.
    pub started: Option<jiff::Timestamp>,
}
/// Error.
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct GitHubError;
impl GitHubError {
    /// .
    pub fn is_wide(&self) -> bool {
        true
    }
    /// .
    pub fn retry_after(&self) -> Option<Duration> {
        None
    }
    /// .
    pub fn surely_nothing_happened(&self) -> bool {
        false
    }
}
impl RunView {
    /// .
    pub fn just_asked(id: u64) -> Self {
        Self { id, url: None, status: String::new(), conclusion: None, started: None }
    }
}
impl GitHub {
    /// .
    pub fn new(s: Settings) -> Result<Self, GitHubError> {
        Ok(Self(s))
    }
    /// .
    pub fn mirror(&self) -> &str {
        &self.0.mirror
    }
    /// .
    pub async fn find_run(&self, _k: &str, _a: jiff::Timestamp) -> Result<Option<RunView>, GitHubError> {
        Err(GitHubError)
    }
    /// .
    pub async fn dispatch(
        &self,
        _i: &std::collections::BTreeMap<String, String>,
    ) -> Result<Option<u64>, GitHubError> {
        Err(GitHubError)
    }
    /// .
    pub async fn run(&self, _i: u64) -> Result<RunView, GitHubError> {
        Err(GitHubError)
    }
    /// .
    pub async fn cancel(&self, _i: u64) -> Result<(), GitHubError> {
        Err(GitHubError)
    }
    /// .
    pub async fn report(&self, _i: u64) -> Result<Option<Vec<u8>>, GitHubError> {
        Err(GitHubError)
    }
}
