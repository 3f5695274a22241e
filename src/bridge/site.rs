//! What all tasks of one bridge share, and how their failures are told.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex};

use super::gate::Gate;
use super::ledger::Ledger;
use super::sinks::Sinks;
use jiff::Timestamp;
use patchlift_publish::ApiError;
use patchlift_report::Fault;
use patchlift_report::clean::{line, with_causes};

use crate::clock::Clock;
use crate::config::{Config, Project, Server};
use crate::github::{GitHub, GitHubError};
use crate::mirror::Mirror;
use crate::patchwork::{self, PatchworkError};
use crate::record::Record;
use crate::record::decide::{Failure, Patience};
use crate::store::StoreError;
use crate::trees::Repository;

/// Everything a task needs.
#[derive(Debug)]
pub struct Site {
    /// What the operator wrote.
    pub config: Config,
    /// The time.
    pub clock: Clock,
    /// The store.
    pub ledger: Ledger,
    /// The servers by name.
    pub servers: BTreeMap<String, Outside>,
    /// The repository with the trees and the series' commits.
    pub trees: Repository,
    /// Where branches are pushed to, where there is such a place.
    pub mirror: Option<Mirror>,
    /// The workflow, where there is one.
    pub github: Option<GitHub>,
    /// The sinks beside Patchwork.
    pub sinks: Sinks,
    /// The gate to GitHub.
    pub github_gate: Gate,
    /// The gate to the mirror.
    pub mirror_gate: Gate,
    /// Bases that the mirror refused, and until when they rest.
    pub refused_bases: Mutex<BTreeMap<String, Timestamp>>,
    /// Nothing outside is changed; what would be done is written here.
    pub dry: Option<Arc<Mutex<Vec<String>>>>,
}

/// A Patchwork server.
#[derive(Debug)]
pub struct Outside {
    /// What speaks to it.
    pub client: patchwork::Client,
    /// Its gate.
    pub gate: Gate,
}

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// It is tried again.
    #[error("{}", .0.what)]
    Failed(Failure),
    /// Nothing can be saved: the bridge has to stop.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Failure> for StepError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Longest description of a failure.
const WHAT_MAX: usize = 500;

/// An error with all that lies below it, in one line without control characters.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    line(&with_causes(error), WHAT_MAX)
}

/// A failure of ours.
pub fn ours(what: impl Into<String>) -> Failure {
    Failure {
        whose: Fault::Infrastructure,
        what: what.into(),
        lasting: false,
        wide: false,
        down: false,
        retry_after: None,
    }
}

impl From<PatchworkError> for StepError {
    fn from(error: PatchworkError) -> Self {
        Self::Failed(failed_at_patchwork(&error))
    }
}

/// What a failed exchange with a Patchwork server means for a series: never that its patches are bad.
pub fn failed_at_patchwork(error: &PatchworkError) -> Failure {
    Failure {
        lasting: error.kind() == patchwork::Kind::Lasting,
        wide: error.kind() == patchwork::Kind::Server,
        down: error.kind() == patchwork::Kind::Server,
        retry_after: error.retry_after(),
        ..ours(chain(error))
    }
}

impl From<GitHubError> for StepError {
    fn from(error: GitHubError) -> Self {
        // What GitHub refuses or does not answer for one series, it does for all; a report is about one, and so is a
        // request whose content it cannot use.
        let content = matches!(
            error,
            GitHubError::Api(ApiError::Refused { status: 400 | 413 | 422, by_github: true, .. })
        );
        let wide = !content && !matches!(error, GitHubError::Report(_));
        let retry_after = error.retry_after();
        Self::Failed(Failure { wide, down: wide, lasting: content, retry_after, ..ours(chain(&error)) })
    }
}

impl Site {
    /// The server of a series; `None`: it is not in the configuration any more.
    pub fn outside(&self, server: &str) -> Result<&Outside, Failure> {
        let gone = || Failure { wide: true, ..ours(format!("server {server} is not in the configuration")) };
        self.servers.get(server).ok_or_else(gone)
    }

    /// The configuration of a series' server and project.
    ///
    /// # Errors
    /// One of them is not in the configuration any more.
    pub fn project(&self, record: &Record) -> Result<(&Server, &Project), Failure> {
        let gone = || {
            let project = &record.listing.project;
            let what = format!("project {project} of {} is not in the configuration", record.key.server);
            Failure { wide: true, ..ours(what) }
        };
        self.config.of(record).ok_or_else(gone)
    }

    /// Are the commits of a series that waits for a maintainer pushed, so that they can be looked at, with the button that
    /// lets it run? Not where a push starts something.
    pub fn shows_held(&self) -> bool {
        self.mirror.is_some() && self.config.ci_files().is_none() && self.sinks.has_buttons()
    }

    /// Says what would be done, where nothing is to be done. `false`: do it.
    pub fn only_says(&self, what: impl FnOnce() -> String) -> bool {
        let Some(dry) = &self.dry else { return false };
        let mut said = dry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let what = what();
        // An errand that did nothing comes back and says the same.
        if !said.contains(&what) {
            said.push(what);
        }
        true
    }
}

/// A task that is ended when nobody waits for it any more.
struct Ends<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Ends<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Does something on a task of its own, so that a fault in the program there stops nothing here. `None`: there was one.
pub async fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    // It ends with whoever waits for it: what begins anew after a failure of the store must not find it at work.
    match (&mut Ends(tokio::spawn(work)).0).await {
        Ok(done) => Some(done),
        Err(error) if error.is_panic() => None,
        // The runtime is going down, and nothing waits for the answer any more.
        Err(_) => std::future::pending().await,
    }
}

/// How patient the bridge is with a server.
pub fn patience(server: &Server) -> Patience {
    Patience { poll: server.poll, settle: server.settle, give_up_after: server.give_up_after }
}
