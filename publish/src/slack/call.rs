//! One request to Slack and its answer.

use std::time::Duration;

use patchlift_report::clean::line;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::slack::error::SlackError;

/// For one connection to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// For one whole answer.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Longest answer that is read, in bytes: a hundred messages with all the blocks they may have are below it.
const ANSWER_MAX: usize = 8 << 20;

/// A client that follows no redirect: it would take the token along.
pub(super) fn client(limit: Duration) -> Result<Client, SlackError> {
    Client::builder()
        .connect_timeout(CONNECT_LIMIT)
        .timeout(limit)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("patchlift/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| SlackError::Client(error.without_url()))
}

/// An answer with a status of success, or of a refusal.
struct Answer {
    status: u16,
    json: bool,
    body: Vec<u8>,
}

/// Sends a request, once.
async fn answer(doing: &'static str, request: RequestBuilder) -> Result<Answer, SlackError> {
    let lost = |source: reqwest::Error| SlackError::Unreachable { doing, source: source.without_url() };
    let mut response = request.send().await.map_err(lost)?;
    let status = response.status();
    if status.as_u16() == 429 {
        return Err(SlackError::RateLimited { doing, wait: wait(&response) });
    }
    if status.is_server_error() {
        return Err(SlackError::OutOfOrder { doing, status: status.as_u16() });
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let json =
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(lost)? {
        if body.len() + piece.len() > ANSWER_MAX {
            return Err(SlackError::Unreadable { doing });
        }
        body.extend_from_slice(&piece);
    }
    Ok(Answer { status: status.as_u16(), json, body })
}

fn wait(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

/// What every answer of the Web API has: it says "no" with a status of 200.
#[derive(Deserialize)]
struct Outcome {
    ok: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    needed: String,
}

/// Asks the Web API.
pub(super) async fn api<T: DeserializeOwned>(
    doing: &'static str,
    request: RequestBuilder,
) -> Result<T, SlackError> {
    let answer = answer(doing, request).await?;
    if !(200..300).contains(&answer.status) {
        return Err(SlackError::Status { doing, status: answer.status });
    }
    let outcome: Outcome = read(doing, &answer)?;
    match outcome.error.as_str() {
        _ if outcome.ok => read(doing, &answer),
        "ratelimited" | "rate_limited" => Err(SlackError::RateLimited { doing, wait: None }),
        error => Err(SlackError::Refused { doing, code: line(error, 80), needed: line(&outcome.needed, 80) }),
    }
}

fn read<T: DeserializeOwned>(doing: &'static str, answer: &Answer) -> Result<T, SlackError> {
    // The text of a parser's error may repeat what was read; nothing of that is worth a line.
    let read = if answer.json { serde_json::from_slice(&answer.body).ok() } else { None };
    read.ok_or(SlackError::Unreadable { doing })
}

/// Posts to an incoming webhook, which answers `ok` or a word for what is wrong, as plain text.
pub(super) async fn webhook(doing: &'static str, request: RequestBuilder) -> Result<(), SlackError> {
    let answer = answer(doing, request).await?;
    let word = std::str::from_utf8(&answer.body).unwrap_or_default().trim();
    let is_word = (1..80).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    match answer.status {
        200..300 => Ok(()),
        400..500 if is_word => {
            Err(SlackError::Refused { doing, code: word.to_owned(), needed: String::new() })
        }
        status => Err(SlackError::Status { doing, status }),
    }
}
