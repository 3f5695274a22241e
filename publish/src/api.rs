//! One request to GitHub and its answer. The only file that knows octocrab.
//!
//! octocrab carries the requests; its own models are too strict for what GitHub really answers, and its own retry
//! sends a POST again at once. What is asked and what an answer means is for the caller to say.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt as _, Limited};
use octocrab::Octocrab;
use octocrab::service::middleware::retry::RetryConfig;
use patchlift_report::clean::line;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// GitHub's public address for API requests.
pub const PUBLIC_API: &str = "https://api.github.com";

/// For one connection to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// For the next piece of an answer, and for a request to be taken.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// For a whole answer, as a multiple of the limit for a piece of it: a server may not go on byte by byte for ever.
const PIECES: u32 = 4;

/// Longest answer that is read, in bytes: a page of a hundred check runs with full summaries is below it.
const ANSWER_MAX: usize = 16 << 20;

/// A repository on GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    owner: String,
    name: String,
}

impl Repository {
    /// Reads `owner/name`. Both become part of an address, so nothing but what GitHub allows in names is taken.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
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
            _ => Err(ApiError::BadRepository { name: line(text, 120) }),
        }
    }

    /// The address of something in the repository, below the API's; of the repository itself for an empty `rest`.
    pub fn route(&self, rest: &str) -> String {
        let route = format!("/repos/{}/{}/{rest}", self.owner, self.name);
        route.trim_end_matches('/').to_owned()
    }
}

/// What is asked of GitHub, a fragment for messages: `a new check run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doing(pub &'static str);

impl std::fmt::Display for Doing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// Why there is no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
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
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
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
        /// The words came in GitHub's own form; a proxy's page does not.
        by_github: bool,
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
}

impl ApiError {
    /// Whether GitHub may have done what it was asked although it did not say so.
    pub fn may_have_happened(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::OutOfOrder { .. } | Self::Unreadable { .. })
    }
}

fn seconds(wait: Option<Duration>) -> String {
    wait.map_or_else(|| "it does not say how long".to_owned(), |wait| format!("{} s", wait.as_secs()))
}

/// The limit for one whole answer was reached.
#[derive(Debug, thiserror::Error)]
#[error("it took longer than {} s", limit.as_secs())]
struct TooLong {
    limit: Duration,
}

/// GitHub, reached with a token.
#[derive(Debug)]
pub struct Api {
    address: String,
    token: SecretString,
    answer_limit: Duration,
    client: OnceLock<Octocrab>,
}

/// An answer with a status that was expected.
#[derive(Debug)]
pub struct Answer {
    doing: Doing,
    /// The HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, at most 16 MiB.
    pub body: Bytes,
}

impl Answer {
    /// The body as what GitHub documents.
    ///
    /// # Errors
    /// It is something else.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_slice(&self.body)
            .map_err(|source| ApiError::Unreadable { doing: self.doing, source })
    }

    /// A header's value, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Api {
    /// `address` is [`PUBLIC_API`], or `https://<host>/api/v3` of a GitHub Enterprise Server. Nothing is sent yet.
    ///
    /// # Errors
    /// The token would be seen on its way.
    pub fn new(address: &str, token: SecretString) -> Result<Self, ApiError> {
        let address = address.trim_end_matches('/');
        let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|local| {
            address.strip_prefix(local).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
        });
        // User names and passwords in addresses end up in logs.
        if !(local || address.starts_with("https://")) || address.contains(['@', '?', '#']) {
            return Err(ApiError::BadUrl { url: line(address, 200) });
        }
        Ok(Self { address: address.to_owned(), token, answer_limit: ANSWER_LIMIT, client: OnceLock::new() })
    }

    /// Another limit than [`ANSWER_LIMIT`] for each answer, or piece of an answer, to come.
    pub fn with_answer_limit(mut self, limit: Duration) -> Self {
        self.answer_limit = limit;
        self
    }

    /// Asks for what is at `route`.
    ///
    /// # Errors
    /// There is no answer, or its status is not a success.
    pub async fn get(&self, doing: Doing, route: String) -> Result<Answer, ApiError> {
        self.get_expecting(doing, route, HeaderMap::new(), &[]).await
    }

    /// Asks for what is at `route` unless it is still what it was with this tag; a status of 304 then.
    ///
    /// # Errors
    /// As [`Api::get`].
    pub async fn get_unless(
        &self,
        doing: Doing,
        route: String,
        tag: Option<&str>,
    ) -> Result<Answer, ApiError> {
        let tag = tag.and_then(|tag| HeaderValue::from_str(tag).ok());
        let headers = tag.map(|tag| (http::header::IF_NONE_MATCH, tag)).into_iter().collect();
        self.get_expecting(doing, route, headers, &[304]).await
    }

    /// [`Api::get`] where other statuses are expected too, such as a redirect.
    ///
    /// # Errors
    /// As [`Api::get`].
    pub async fn get_expecting(
        &self,
        doing: Doing,
        route: String,
        headers: HeaderMap,
        also: &[u16],
    ) -> Result<Answer, ApiError> {
        let client = self.client()?;
        self.answer(doing, also, client._get_with_headers(route, Some(headers))).await
    }

    /// Has something done. Never sent twice.
    ///
    /// # Errors
    /// There is no answer, or its status is not a success. [`ApiError::may_have_happened`] tells whether it may be done.
    pub async fn post<B: Serialize + ?Sized>(
        &self,
        doing: Doing,
        route: String,
        body: Option<&B>,
    ) -> Result<Answer, ApiError> {
        self.answer(doing, &[], self.client()?._post(route, body)).await
    }

    /// Has something changed. Never sent twice.
    ///
    /// # Errors
    /// As [`Api::post`].
    pub async fn patch<B: Serialize + ?Sized>(
        &self,
        doing: Doing,
        route: String,
        body: Option<&B>,
    ) -> Result<Answer, ApiError> {
        self.answer(doing, &[], self.client()?._patch(route, body)).await
    }

    /// Made at the first request: octocrab needs a runtime for it.
    fn client(&self) -> Result<&Octocrab, ApiError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let failed = |error: octocrab::Error| ApiError::Client(Box::new(error));
        let client = Octocrab::builder()
            .base_uri(self.address.as_str())
            .map_err(failed)?
            // octocrab would send a POST three times more at once after an error: three more check runs.
            .add_retry_config(RetryConfig::None)
            .set_connect_timeout(Some(CONNECT_LIMIT))
            .set_read_timeout(Some(self.answer_limit))
            .set_write_timeout(Some(self.answer_limit))
            .personal_token(self.token.clone())
            .build()
            .map_err(failed)?;
        Ok(self.client.get_or_init(|| client))
    }

    async fn answer(
        &self,
        doing: Doing,
        also: &[u16],
        request: impl Future<Output = Result<http::Response<Body>, octocrab::Error>>,
    ) -> Result<Answer, ApiError> {
        let limit = self.answer_limit * PIECES;
        let too_long = |_| ApiError::Unreachable { doing, source: Box::new(TooLong { limit }) };
        tokio::time::timeout(limit, read(doing, also, request)).await.map_err(too_long)?
    }
}

type Body = http_body_util::combinators::BoxBody<Bytes, octocrab::Error>;

/// Reads an answer: its body is used only after its status said that it is what was asked for.
async fn read(
    doing: Doing,
    also: &[u16],
    request: impl Future<Output = Result<http::Response<Body>, octocrab::Error>>,
) -> Result<Answer, ApiError> {
    let answer = request.await.map_err(|source| ApiError::Unreachable { doing, source: Box::new(source) })?;
    let (head, body) = answer.into_parts();
    let status = head.status;
    if status.is_server_error() {
        return Err(ApiError::OutOfOrder { doing, status: status.as_u16() });
    }
    let body = Limited::new(body, ANSWER_MAX)
        .collect()
        .await
        .map_err(|source| ApiError::Unreachable { doing, source })?
        .to_bytes();
    let answer = Answer { doing, status: status.as_u16(), headers: head.headers, body };
    if status.is_success() || also.contains(&answer.status) { Ok(answer) } else { Err(refusal(&answer)) }
}

fn refusal(answer: &Answer) -> ApiError {
    let &Answer { doing, status, .. } = answer;
    let number = |name: &str| answer.header(name)?.trim().parse::<u64>().ok();
    let (message, by_github) = message(&answer.body);
    let after = number("retry-after").map(Duration::from_secs);
    let exhausted = number("x-ratelimit-remaining") == Some(0);
    // GitHub documents that neither header has to be there, and no other mark than its words.
    let says_so = by_github && message.to_ascii_lowercase().contains("rate limit");
    if status == 429 || (status == 403 && (after.is_some() || exhausted || says_so)) {
        let reset = number("x-ratelimit-reset").filter(|_| exhausted).map(until);
        return ApiError::RateLimited { doing, wait: after.or(reset) };
    }
    ApiError::Refused { doing, status, message, by_github }
}

/// The time until that second since 1970.
fn until(second: u64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(second.saturating_sub(now.as_secs()))
}

/// The words of a refusal, and whether they came in GitHub's own form.
fn message(body: &[u8]) -> (String, bool) {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) => (line(&refusal.message, 300), true),
        Err(_) => (line(&String::from_utf8_lossy(&body[..body.len().min(300)]), 300), false),
    }
}
