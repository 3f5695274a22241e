//! An answer of GitHub, and what its status and headers mean.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt as _, Limited};
use jiff::Timestamp;
use patchlift_report::clean::line;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{ApiError, Doing};

/// Longest answer that is read, in bytes: a page of a hundred check runs with full summaries is below it.
const ANSWER_MAX: usize = 16 << 20;

/// The wait where GitHub limits requests and does not say for how long, or limits writes, as it asks for in its
/// documentation.
const LIMITED: Duration = Duration::from_secs(60);

/// Longest wait that is believed: GitHub's windows are an hour long.
const WAIT_MAX: Duration = Duration::from_secs(3660);

/// An answer with a status that was expected.
#[derive(Debug)]
pub struct Answer {
    pub(super) doing: Doing,
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

    /// When it was written by the server's clock; by this machine's where it does not say.
    pub(crate) fn written(&self) -> Timestamp {
        let date = self.header("date").and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        date.map_or_else(Timestamp::now, |date| date.timestamp())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.trim().parse().ok()
    }
}

type Body = http_body_util::combinators::BoxBody<Bytes, octocrab::Error>;

/// Reads an answer: its body is used only after its status said that it is what was asked for.
pub(super) async fn read(
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
    let (message, by_github) = message(&answer.body);
    match wait(answer, &message.to_ascii_lowercase(), by_github) {
        Some(wait) => ApiError::RateLimited { doing, wait: wait.min(WAIT_MAX) },
        None => ApiError::Refused { doing, status, message, by_github },
    }
}

/// How long GitHub asks to wait ("Rate limits for the REST API"); `None`: it refuses for another reason.
fn wait(answer: &Answer, words: &str, by_github: bool) -> Option<Duration> {
    if !matches!(answer.status, 403 | 429) {
        return None;
    }
    let after = answer.number("retry-after").map(Duration::from_secs);
    let exhausted = answer.number("x-ratelimit-remaining") == Some(0);
    let reset = answer.number("x-ratelimit-reset").filter(|_| exhausted);
    let reset = reset.map(|second| until(second, answer.written()));
    // GitHub documents that neither header has to be there, and no other mark than its words.
    let secondary = by_github && words.contains("secondary rate limit");
    let says_so = by_github && words.contains("rate limit");
    let bare = answer.status == 429 || answer.body.is_empty();
    match after.or(reset) {
        Some(wait) if secondary => Some(wait.max(LIMITED)),
        Some(wait) => Some(wait),
        None => (bare || says_so || exhausted).then_some(LIMITED),
    }
}

/// The time from `now` until that second since 1970, and one more: it is GitHub's second that has to be over.
fn until(second: u64, now: Timestamp) -> Duration {
    let now = u64::try_from(now.as_second()).unwrap_or(0);
    Duration::from_secs(second.saturating_sub(now).saturating_add(1))
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
