//! Sends check runs to GitHub. The only file of this crate that knows octocrab.
//!
//! octocrab's own models of a check run lack what is needed here (`external_id`, `status`, the number of
//! annotations), so requests and answers are this file's own, and octocrab carries them.

use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use octocrab::Octocrab;
use octocrab::service::middleware::retry::RetryConfig;
use patchlift_report::clean::line;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::check_run::{CheckRun, RequestBody};

/// GitHub's public address for API requests.
pub const PUBLIC_API: &str = "https://api.github.com";

/// For one connection to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// For the next piece of an answer, and for a request to be taken.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// For a whole check run with all its annotations, the pauses included.
const WHOLE_LIMIT: Duration = Duration::from_secs(180);

/// GitHub asks for a second between writes ("Best practices for using the REST API").
const PAUSE_BETWEEN_WRITES: Duration = Duration::from_secs(1);

/// Longest answer that is read, in bytes: a page of a hundred check runs with full summaries is below it.
const ANSWER_MAX: usize = 16 << 20;

/// Most pages of a look-up. GitHub keeps 1000 runs of one name, a hundred fit on a page.
const PAGES_MAX: u32 = 10;

const PAGE: usize = 100;

/// A repository on GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    owner: String,
    name: String,
}

impl Repository {
    /// Reads `owner/name`. Both become part of an address, so nothing but what GitHub allows in names is taken.
    pub fn parse(text: &str) -> Result<Self, GitHubError> {
        let valid = |part: &str| {
            !part.is_empty()
                && part.len() <= 100
                && !part.bytes().all(|b| b == b'.')
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        match text.split_once('/') {
            Some((owner, name)) if valid(owner) && valid(name) => {
                Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
            }
            _ => Err(GitHubError::BadRepository { name: line(text, 120) }),
        }
    }
}

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
    /// The address of the API cannot be used.
    #[error("{url:?} is no address for a token: https is needed, or http on this machine")]
    BadUrl {
        /// What was given.
        url: String,
    },
    /// The repository's name cannot be used.
    #[error("{name:?} is not a repository's name: owner/name is needed")]
    BadRepository {
        /// What was given.
        name: String,
    },
    /// The client could not be set up.
    #[error("cannot set up the GitHub client")]
    Client(#[source] Box<octocrab::Error>),
    /// No thread to wait on.
    #[error("cannot start waiting for GitHub")]
    Runtime(#[source] std::io::Error),
    /// No answer, or one that broke off.
    #[error("no answer from GitHub to {doing}")]
    Unreachable {
        /// What was asked.
        doing: Doing,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// GitHub said no.
    #[error("GitHub refuses {doing} with status {status}: {message}")]
    Refused {
        /// What was asked.
        doing: Doing,
        /// The HTTP status, 3xx or 4xx.
        status: u16,
        /// GitHub's words, one line.
        message: String,
    },
    /// GitHub asks to wait.
    #[error("GitHub asks to wait before {doing}: {}", seconds(*.wait))]
    RateLimited {
        /// What was asked.
        doing: Doing,
        /// How long, where GitHub says so.
        wait: Option<Duration>,
    },
    /// GitHub is out of order.
    #[error("GitHub answers {doing} with status {status}")]
    OutOfOrder {
        /// What was asked.
        doing: Doing,
        /// The HTTP status, 5xx.
        status: u16,
    },
    /// The answer is not what GitHub documents.
    #[error("GitHub's answer to {doing} cannot be read")]
    Unreadable {
        /// What was asked.
        doing: Doing,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// It took too long in all.
    #[error("publishing the check run took longer than {} s", WHOLE_LIMIT.as_secs())]
    TooLong,
}

/// What was asked of GitHub, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// The look-up of check runs.
    LookUp,
    /// A new check run.
    Create,
    /// A change of a check run.
    Update,
}

impl std::fmt::Display for Doing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::LookUp => "the look-up of check runs",
            Self::Create => "a new check run",
            Self::Update => "an update of a check run",
        })
    }
}

fn seconds(wait: Option<Duration>) -> String {
    wait.map_or_else(|| "it does not say how long".to_owned(), |wait| format!("{} s", wait.as_secs()))
}

/// GitHub, reached with a token of an App (or `GITHUB_TOKEN`): no other token may write check runs.
#[derive(Debug, Clone)]
pub struct GitHub {
    api: String,
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
    /// `api` is [`PUBLIC_API`], or `https://<host>/api/v3` of a GitHub Enterprise Server. Nothing is sent yet.
    pub fn new(api: &str, token: SecretString) -> Result<Self, GitHubError> {
        let api = api.trim_end_matches('/');
        let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|local| {
            api.strip_prefix(local).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
        });
        // User names and passwords in addresses end up in logs.
        if !(local || api.starts_with("https://")) || api.contains(['@', '?', '#']) {
            return Err(GitHubError::BadUrl { url: line(api, 200) });
        }
        Ok(Self { api: api.to_owned(), token, pause: PAUSE_BETWEEN_WRITES, answer_limit: ANSWER_LIMIT })
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
        let there = Repo { client: self.client()?, repository };
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

    fn client(&self) -> Result<Octocrab, GitHubError> {
        let client = |error| GitHubError::Client(Box::new(error));
        Octocrab::builder()
            .base_uri(self.api.as_str())
            .map_err(client)?
            // octocrab would send a POST three times more at once after an error: three more check runs.
            .add_retry_config(RetryConfig::None)
            .set_connect_timeout(Some(CONNECT_LIMIT))
            .set_read_timeout(Some(self.answer_limit))
            .set_write_timeout(Some(self.answer_limit))
            .personal_token(self.token.clone())
            .build()
            .map_err(client)
    }
}

/// A repository, reached.
struct Repo<'a> {
    client: Octocrab,
    repository: &'a Repository,
}

impl Repo<'_> {
    fn route(&self, rest: &str) -> String {
        format!("/repos/{}/{}/{rest}", self.repository.owner, self.repository.name)
    }

    /// The newest check run with this name and key on the commit.
    async fn find(&self, run: &CheckRun) -> Result<Option<Listed>, GitHubError> {
        let name = utf8_percent_encode(&run.name, NON_ALPHANUMERIC);
        let mut newest: Option<Listed> = None;
        for page in 1..=PAGES_MAX {
            let route = self.route(&format!(
                "commits/{}/check-runs?check_name={name}&filter=all&per_page={PAGE}&page={page}",
                run.head_sha
            ));
            let answer = self.client._get(route).await;
            let listed: ListPage = read(Doing::LookUp, answer).await?;
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
        let answer = self.client._post(self.route("check-runs"), Some(&first.to_create(run))).await;
        let made = match read::<Listed>(Doing::Create, answer).await {
            Err(error) if error.may_have_happened() => self.find(run).await?.ok_or(error)?,
            made => made?,
        };
        Ok(made.id)
    }

    async fn update(&self, id: u64, request: &RequestBody<'_>) -> Result<(), GitHubError> {
        let answer = self.client._patch(self.route(&format!("check-runs/{id}")), Some(request)).await;
        let _: serde::de::IgnoredAny = read(Doing::Update, answer).await?;
        Ok(())
    }
}

impl GitHubError {
    /// Whether GitHub may have done what it was asked although it did not say so.
    fn may_have_happened(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::OutOfOrder { .. } | Self::Unreadable { .. })
    }
}

type Answer = http_body_util::combinators::BoxBody<bytes::Bytes, octocrab::Error>;

/// Reads an answer: its body is used only after its status said that it is what was asked for.
async fn read<T: DeserializeOwned>(
    doing: Doing,
    answer: Result<http::Response<Answer>, octocrab::Error>,
) -> Result<T, GitHubError> {
    let answer = answer.map_err(|source| GitHubError::Unreachable { doing, source: Box::new(source) })?;
    let (head, body) = answer.into_parts();
    let status = head.status;
    if status.is_server_error() {
        return Err(GitHubError::OutOfOrder { doing, status: status.as_u16() });
    }
    let body = Limited::new(body, ANSWER_MAX)
        .collect()
        .await
        .map_err(|source| GitHubError::Unreachable { doing, source })?
        .to_bytes();
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|source| GitHubError::Unreadable { doing, source });
    }
    let number = |name: &str| head.headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let wait = number("retry-after").map(Duration::from_secs);
    let exhausted = number("x-ratelimit-remaining") == Some(0);
    if status.as_u16() == 429 || (status.as_u16() == 403 && (wait.is_some() || exhausted)) {
        return Err(GitHubError::RateLimited { doing, wait });
    }
    Err(GitHubError::Refused { doing, status: status.as_u16(), message: message(&body) })
}

/// GitHub's own words in a refusal.
fn message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) => line(&refusal.message, 300),
        Err(_) => line(&String::from_utf8_lossy(&body[..body.len().min(300)]), 300),
    }
}
