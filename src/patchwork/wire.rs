//! HTTP to one server: its origin only, every answer bounded in size and time.

use std::error::Error;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;
use url::Url;

use super::Settings;
use super::exchange::{Answer, Expects, Method, Request};
use crate::bytes::shown;
use crate::clock::Clock;

/// Patchwork itself sends on at most twice: a missing slash, and a patch by its old number.
const REDIRECT_LIMIT: usize = 4;

/// Of an answer that is no success only what can be shown is read, in bytes.
const FAILURE_LIMIT: u64 = 1 << 16;

/// Why the client of a server cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The address is no `http` or `https` one, or holds a user or password.
    #[error("{url:?} cannot be a Patchwork server's address")]
    Url {
        /// The address, user and password left out.
        url: String,
    },
    /// The token or the User-Agent holds what no header may.
    #[error("the {what} cannot stand in a header")]
    Header {
        /// Which of them.
        what: &'static str,
    },
    /// The HTTP library cannot be set up.
    #[error("HTTP cannot be set up")]
    Http(#[source] reqwest::Error),
    /// The recording's folder cannot be written.
    #[error("the recording cannot be written")]
    Recording(#[source] std::io::Error),
}

/// Why an exchange did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The network or the server.
    #[error("the exchange broke off")]
    Http(#[source] reqwest::Error),
    /// It was not whole in time.
    #[error("not whole after {} seconds", limit.as_secs_f64())]
    TooSlow {
        /// The time that a whole exchange may take.
        limit: Duration,
    },
    /// A failure that was recorded.
    #[error("{0}")]
    Recorded(String),
}

/// How an exchange ends without an answer.
#[derive(Debug)]
pub(crate) enum Failure {
    Unreachable { connecting: bool, source: WireError },
    TooLarge { limit: u64 },
    Redirected { to: String },
    NotRecorded,
}

/// The connection to one server.
pub(crate) struct Wire {
    http: reqwest::Client,
    base: Url,
    token: Option<HeaderValue>,
    at_once: Semaphore,
    whole_limit: Duration,
    clock: Clock,
}

impl Wire {
    pub(crate) fn new(settings: &Settings, clock: Clock) -> Result<Self, SetupError> {
        let mut headers = HeaderMap::new();
        let agent = HeaderValue::from_str(&settings.user_agent);
        headers.insert(
            reqwest::header::USER_AGENT,
            agent.map_err(|_| SetupError::Header { what: "User-Agent" })?,
        );
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(settings.connect_limit)
            .read_timeout(settings.answer_limit)
            .timeout(settings.whole_limit)
            .build()
            .map_err(SetupError::Http)?;
        Ok(Self {
            http,
            base: base(&settings.url)?,
            token: settings.token.as_ref().map(|token| token_header(token.expose_secret())).transpose()?,
            at_once: Semaphore::new(settings.at_once.max(1)),
            whole_limit: settings.whole_limit,
            clock,
        })
    }

    /// Makes one exchange, waiting for a free place first.
    pub(crate) async fn exchange(&self, request: &Request) -> Result<Answer, Failure> {
        // The semaphore is never closed.
        let _place = self.at_once.acquire().await.ok();
        // The library's limit is for each redirect anew; this one is for all of them.
        match tokio::time::timeout(self.whole_limit, self.follow(request)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::Unreachable {
                connecting: false,
                source: WireError::TooSlow { limit: self.whole_limit },
            }),
        }
    }

    async fn follow(&self, request: &Request) -> Result<Answer, Failure> {
        let mut target = request.target.clone();
        for _ in 0..=REDIRECT_LIMIT {
            let response = self.send(request, &target).await.map_err(unreachable)?;
            if !response.status().is_redirection() {
                return self.read(request, response).await;
            }
            let to = response.headers().get(LOCATION).map(|to| shown(to.as_bytes(), 2000));
            let to = to.unwrap_or_default();
            let next = self.next_target(request, &target, &to).filter(|next| *next != target);
            target = next.ok_or_else(|| Failure::Redirected { to: shown(to.as_bytes(), 300) })?;
        }
        Err(Failure::Redirected { to: shown(target.as_bytes(), 300) })
    }

    async fn send(&self, request: &Request, target: &str) -> Result<reqwest::Response, reqwest::Error> {
        let url = format!("{}{target}", self.base.origin().ascii_serialization());
        let mut sent = match request.method {
            Method::Get => self.http.get(url),
            Method::Post => self.http.post(url).header(CONTENT_TYPE, "application/json"),
        };
        sent = sent.header(ACCEPT, request.expects.content_type());
        if let Some(token) = &self.token
            && request.expects == Expects::Json
        {
            sent = sent.header(AUTHORIZATION, token);
        }
        if let Some(body) = &request.body {
            sent = sent.body(body.clone());
        }
        sent.send().await
    }

    /// Where a redirect leads on the configured origin. A server behind a proxy writes `http://` in its links, so the
    /// scheme of a link is not looked at, and the configured one is used.
    fn next_target(&self, request: &Request, from: &str, to: &str) -> Option<String> {
        if request.method != Method::Get {
            return None;
        }
        let url = self.base.join(from).ok()?.join(to).ok()?;
        let ours = url.host() == self.base.host() && matches!(url.scheme(), "http" | "https");
        let port = url.port().is_none() || url.port() == self.base.port();
        (ours && port).then(|| path_and_query(&url))
    }

    /// Reads the body piece by piece and counts.
    async fn read(&self, request: &Request, mut response: reqwest::Response) -> Result<Answer, Failure> {
        let status = response.status().as_u16();
        let header = |name| response.headers().get(name).map(|value| shown(value.as_bytes(), 200));
        let content_type = header(CONTENT_TYPE).unwrap_or_default();
        let retry_after = header(RETRY_AFTER).and_then(|text| wait(&text, &self.clock));
        let fine = response.status().is_success();
        let limit = if fine { request.limit } else { FAILURE_LIMIT };
        let mut body = BytesMut::new();
        while let Some(piece) = response.chunk().await.map_err(unreachable)? {
            if (body.len() + piece.len()) as u64 > limit {
                if fine {
                    return Err(Failure::TooLarge { limit });
                }
                break;
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status, content_type, retry_after, body: Bytes::from(body) })
    }
}

fn unreachable(error: reqwest::Error) -> Failure {
    Failure::Unreachable {
        connecting: error.is_connect(),
        // The address would show the query, which is in nobody's interest in a log.
        source: WireError::Http(error.without_url()),
    }
}

/// The server's address, its path with a final slash, and nothing but origin and path.
pub(crate) fn base(url: &Url) -> Result<Url, SetupError> {
    let mut base = url.clone();
    let plain = matches!(url.scheme(), "http" | "https") && url.has_host();
    if !plain || !url.username().is_empty() || url.password().is_some() {
        let shown_url = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
        return Err(SetupError::Url { url: shown(shown_url.as_bytes(), 300) });
    }
    base.set_query(None);
    base.set_fragment(None);
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", url.path()));
    }
    Ok(base)
}

pub(crate) fn path_and_query(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

fn token_header(token: &str) -> Result<HeaderValue, SetupError> {
    let value = HeaderValue::from_str(&format!("Token {token}"));
    let mut value = value.map_err(|_| SetupError::Header { what: "token" })?;
    value.set_sensitive(true);
    Ok(value)
}

/// `Retry-After`: seconds, or a date.
fn wait(text: &str, clock: &Clock) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
    let seconds = then.as_second().saturating_sub(clock.now().as_second());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// An error and all its causes in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    shown(patchlift_report::clean::with_causes(error).as_bytes(), 500)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let clock = Clock::replayed("2026-11-22T12:00:00Z".parse().unwrap());
        for (text, seconds) in
            [("120", Some(120)), ("Sun, 22 Nov 2026 12:01:30 GMT", Some(90)), ("soon", None), ("-1", None)]
        {
            assert_eq!(wait(text, &clock), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn a_server_address_is_an_origin_and_a_path() {
        let made = |text: &str| base(&text.parse().unwrap()).map(|url| url.to_string());
        assert_eq!(made("https://pw.example.org/x?a=b#c").unwrap(), "https://pw.example.org/x/");
        assert!(made("https://me:secret@pw.example.org/").is_err());
        assert!(made("file:///etc/passwd").is_err());
        let error = made("https://me:secret@pw.example.org/").unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }
}
