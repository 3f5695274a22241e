//! Sends check runs to GitHub.
//!
//! octocrab's own models of a check run lack what is needed here (`external_id`, `status`, the number of
//! annotations), so requests and answers are this file's own, and [`crate::api`] carries them.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::SecretString;
use serde::Deserialize;

use crate::api::{ANSWER_LIMIT, Api, ApiError, Doing};
use crate::check_run::{CheckRun, RequestBody};

pub use crate::api::{PUBLIC_API, Repository};

/// For a whole check run with all its annotations, the pauses included.
const WHOLE_LIMIT: Duration = Duration::from_secs(180);

/// GitHub asks for a second between writes ("Best practices for using the REST API").
pub const PAUSE_BETWEEN_WRITES: Duration = Duration::from_secs(1);

/// Most pages of a look-up. GitHub keeps 1000 runs of one name, a hundred fit on a page.
const PAGES_MAX: u32 = 10;

const PAGE: usize = 100;

const LOOK_UP: Doing = Doing("the look-up of check runs");
const CREATE: Doing = Doing("a new check run");
const UPDATE: Doing = Doing("an update of a check run");

/// What became of a check run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Its number at GitHub.
    pub id: u64,
    /// Whether it was made now; otherwise it was there and has been completed.
    pub created: bool,
}

/// Why a check run was not published, or not in full. Publishing again is always safe: what is there is found.
#[derive(Debug, thiserror::Error)]
pub enum GitHubError {
    /// A request went wrong.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// No thread to wait on.
    #[error("cannot start waiting for GitHub")]
    Runtime(#[source] std::io::Error),
    /// It took too long in all.
    #[error("publishing the check run took longer than {} s", WHOLE_LIMIT.as_secs())]
    TooLong,
}

/// GitHub, reached with a token of an App (or `GITHUB_TOKEN`): no other token may write check runs.
#[derive(Debug, Clone)]
pub struct GitHub {
    address: String,
    token: SecretString,
    pause: Duration,
    answer_limit: Duration,
}

/// A check run as GitHub lists it, as far as it is needed.
#[derive(Debug, Deserialize)]
struct Listed {
    id: u64,
    #[serde(default)]
    external_id: Option<String>,
    #[serde(default)]
    output: Option<ListedOutput>,
}

#[derive(Debug, Deserialize)]
struct ListedOutput {
    #[serde(default)]
    annotations_count: Option<usize>,
}

impl Listed {
    fn annotations(&self) -> usize {
        self.output.as_ref().and_then(|output| output.annotations_count).unwrap_or(0)
    }
}

#[derive(Debug, Deserialize)]
struct ListPage {
    check_runs: Vec<Listed>,
}

impl GitHub {
    /// `address` is [`PUBLIC_API`], or `https://<host>/api/v3` of a GitHub Enterprise Server. Nothing is sent yet.
    pub fn new(address: &str, token: SecretString) -> Result<Self, GitHubError> {
        // Checked now, and not only when there is something to say.
        Api::new(address, token.clone())?;
        let address = address.to_owned();
        Ok(Self { address, token, pause: PAUSE_BETWEEN_WRITES, answer_limit: ANSWER_LIMIT })
    }

    /// Another pause between writes than the second that GitHub asks for.
    pub fn with_pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Another limit than 30 s for each answer, or piece of an answer, to come.
    pub fn with_answer_limit(mut self, limit: Duration) -> Self {
        self.answer_limit = limit;
        self
    }

    /// Makes the check run, or completes the one that is there with the same `external_id`. Asking twice, or
    /// again after a failure in the middle, leaves one check run with every annotation once.
    pub async fn publish(&self, repository: &Repository, run: &CheckRun) -> Result<Published, GitHubError> {
        let publish = self.publish_without_limit(repository, run);
        tokio::time::timeout(WHOLE_LIMIT, publish).await.map_err(|_| GitHubError::TooLong)?
    }

    /// [`GitHub::publish`] for a program without an async runtime.
    pub fn publish_blocking(
        &self,
        repository: &Repository,
        run: &CheckRun,
    ) -> Result<Published, GitHubError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(GitHubError::Runtime)?;
        runtime.block_on(self.publish(repository, run))
    }

    async fn publish_without_limit(
        &self,
        repository: &Repository,
        run: &CheckRun,
    ) -> Result<Published, GitHubError> {
        // One for each call: its connections belong to the runtime of that call.
        let api = Api::new(&self.address, self.token.clone())?.with_answer_limit(self.answer_limit);
        let there = Repo { api, repository };
        let (published, more) = match there.find(run).await? {
            Some(listed) => {
                let requests = run.requests(listed.annotations());
                there.update(listed.id, &requests.first).await?;
                (Published { id: listed.id, created: false }, requests.more)
            }
            None => {
                let requests = run.requests(0);
                let id = there.create(run, requests.first).await?;
                (Published { id, created: true }, requests.more)
            }
        };
        for request in &more {
            tokio::time::sleep(self.pause).await;
            there.update(published.id, request).await?;
        }
        Ok(published)
    }
}

/// A repository, reached.
struct Repo<'a> {
    api: Api,
    repository: &'a Repository,
}

impl Repo<'_> {
    /// The newest check run with this name and key on the commit.
    async fn find(&self, run: &CheckRun) -> Result<Option<Listed>, GitHubError> {
        let name = utf8_percent_encode(&run.name, NON_ALPHANUMERIC);
        let mut newest: Option<Listed> = None;
        for page in 1..=PAGES_MAX {
            let route = self.repository.route(&format!(
                "commits/{}/check-runs?check_name={name}&filter=all&per_page={PAGE}&page={page}",
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
