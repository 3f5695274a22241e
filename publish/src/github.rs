//! Sends check runs to GitHub; `statuses` sends commit statuses, `pull_requests` pull requests.
//!
//! octocrab's own models of a check run lack what is needed here (`external_id`, `status`, the number of
//! annotations), so requests and answers are this file's own, and [`crate::api`] carries them.

mod pull_requests;
mod statuses;

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::api::{Api, ApiError, Doing};
use crate::auth::Permissions;
use crate::check_run::{CheckRun, RequestBody};

pub use crate::api::{PUBLIC_API, Repository};

/// For one publication with all its annotations, the wait for its turns to write included.
const WHOLE_LIMIT: Duration = Duration::from_secs(300);

/// Most pages of a look-up. GitHub keeps 1000 runs of one name, a hundred fit on a page.
pub(crate) const PAGES_MAX: usize = 10;

/// Entries of a page: the most that GitHub gives.
pub(crate) const PAGE: usize = 100;

/// What check runs take.
const CHECKS: Permissions = Permissions(&[("checks", "write"), ("metadata", "read")]);

const LOOK_UP: Doing = Doing("the look-up of check runs");
const CREATE: Doing = Doing("a new check run");
const UPDATE: Doing = Doing("an update of a check run");

/// What became of something that was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Its number at GitHub.
    pub id: u64,
    /// What had to be done.
    pub change: Change,
}

/// What had to be done at GitHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was made.
    Created,
    /// It was there, and says something else now.
    Updated,
    /// It was there and said the same; or it has a verdict, and what came does not.
    None,
}

/// Why something was not published, or not in full. Publishing again is always safe: what is there is found.
#[derive(Debug, thiserror::Error)]
pub enum GitHubError {
    /// A request went wrong.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// It took too long in all.
    #[error("publishing took longer than {} s", WHOLE_LIMIT.as_secs())]
    TooLong,
}

/// Where verdicts are shown on GitHub. Check runs are taken from an App only, or from `GITHUB_TOKEN`; personal tokens
/// have commit statuses ([`GitHub::set_statuses`]). Cloned ones keep one pace.
#[derive(Debug, Clone)]
pub struct GitHub {
    pub(crate) api: Api,
}

/// A check run as GitHub lists it, as far as it is needed.
#[derive(Debug, Deserialize)]
struct Listed {
    id: u64,
    #[serde(default)]
    external_id: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    conclusion: Option<String>,
    #[serde(default)]
    output: Option<ListedOutput>,
}

#[derive(Debug, Default, Deserialize)]
struct ListedOutput {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    annotations_count: Option<usize>,
}

impl Listed {
    fn annotations(&self) -> usize {
        self.output.as_ref().and_then(|output| output.annotations_count).unwrap_or(0)
    }

    /// It says what is to be said, or more: what comes late must not open a check run again that has a verdict.
    fn says(&self, run: &CheckRun) -> bool {
        let has_verdict = matches!(self.conclusion.as_deref(), Some("success" | "failure" | "timed_out"));
        if run.status.conclusion().is_none() && has_verdict {
            return true;
        }
        let conclusion = run.status.conclusion().map(|conclusion| conclusion.word());
        let output = self.output.as_ref();
        self.status.as_deref() == Some(run.status.word())
            && self.conclusion.as_deref() == conclusion
            && is_text(output.and_then(|output| output.title.as_deref()), &run.title)
            && is_text(output.and_then(|output| output.summary.as_deref()), &run.summary)
            && self.annotations() >= run.annotations.len()
    }
}

#[derive(Debug, Deserialize)]
struct ListPage {
    check_runs: Vec<Listed>,
}

impl GitHub {
    /// Nothing is sent yet.
    pub fn new(api: Api) -> Self {
        Self { api }
    }

    /// Makes the check run, or changes the one that is there with the same `external_id`, unless it says the same.
    /// Asking twice, or again after a failure in the middle, leaves one check run with every annotation once.
    ///
    /// # Errors
    /// It is not known to be there as it should be.
    pub async fn publish(&self, repository: &Repository, run: &CheckRun) -> Result<Published, GitHubError> {
        let there = Checks { api: self.api.for_repository(repository, CHECKS), repository };
        within_limit(there.publish(run)).await
    }
}

/// What GitHub keeps is what was sent: its line ends, and blanks at the end, may be other ones.
pub(crate) fn is_text(there: Option<&str>, sent: &str) -> bool {
    there.unwrap_or_default().replace("\r\n", "\n").trim_end() == sent.trim_end()
}

pub(crate) async fn within_limit<T>(
    publish: impl Future<Output = Result<T, GitHubError>>,
) -> Result<T, GitHubError> {
    tokio::time::timeout(WHOLE_LIMIT, publish).await.map_err(|_| GitHubError::TooLong)?
}

/// The check runs of a repository.
struct Checks<'a> {
    api: Api,
    repository: &'a Repository,
}

impl Checks<'_> {
    async fn publish(&self, run: &CheckRun) -> Result<Published, GitHubError> {
        let (published, more) = match self.find(run).await? {
            Some(listed) if listed.says(run) => {
                return Ok(Published { id: listed.id, change: Change::None });
            }
            Some(listed) => {
                let requests = run.requests(listed.annotations());
                self.update(listed.id, &requests.first).await?;
                (Published { id: listed.id, change: Change::Updated }, requests.more)
            }
            None => {
                let requests = run.requests(0);
                let id = self.create(run, requests.first).await?;
                (Published { id, change: Change::Created }, requests.more)
            }
        };
        for request in &more {
            self.update(published.id, request).await?;
        }
        Ok(published)
    }

    /// The newest check run with this name and key on the commit. An App looks at its own only: it may change no other's,
    /// whatever key that one has.
    async fn find(&self, run: &CheckRun) -> Result<Option<Listed>, GitHubError> {
        let name = utf8_percent_encode(&run.name, NON_ALPHANUMERIC);
        let own = self.api.app().map_or(String::new(), |app| format!("&app_id={app}"));
        let mut newest: Option<Listed> = None;
        for page in 1..=PAGES_MAX {
            let route = self.repository.route(&format!(
                "commits/{}/check-runs?check_name={name}{own}&filter=all&per_page={PAGE}&page={page}",
                run.head_sha
            ));
            let listed: ListPage = self.api.get(LOOK_UP, route).await?.json()?;
            let full = listed.check_runs.len() >= PAGE;
            let matching = listed
                .check_runs
                .into_iter()
                .filter(|there| there.external_id.as_ref() == Some(&run.external_id));
            newest = newest.into_iter().chain(matching).max_by_key(|there| there.id);
            if !full {
                break;
            }
        }
        Ok(newest)
    }

    /// Makes the check run. Where GitHub's answer got lost it may have been made: it is looked for, and never
    /// asked for again.
    async fn create(&self, run: &CheckRun, first: RequestBody<'_>) -> Result<u64, GitHubError> {
        let body = first.to_create(run);
        let made = self.api.post(CREATE, self.repository.route("check-runs"), Some(&body)).await;
        match made.and_then(|answer| answer.json::<Listed>()) {
            Err(error) if error.may_have_happened() => Ok(self.find(run).await?.ok_or(error)?.id),
            made => Ok(made?.id),
        }
    }

    async fn update(&self, id: u64, request: &RequestBody<'_>) -> Result<(), GitHubError> {
        let route = self.repository.route(&format!("check-runs/{id}"));
        let _: serde::de::IgnoredAny = self.api.patch(UPDATE, route, Some(request)).await?.json()?;
        Ok(())
    }
}
