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
