//! One request to GitHub and its answer. The only file that sends by octocrab.
//!
//! octocrab carries the requests; its own models are too strict for what GitHub really answers, and its own retry
//! sends a POST again at once. What is asked and what an answer means is for the caller to say. The header with the
//! token is put on each request here: octocrab leaves it out where an App asks another server than api.github.com.

mod answer;
mod error;
mod pace;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use octocrab::Octocrab;
use octocrab::service::middleware::retry::RetryConfig;
use patchlift_report::clean::line;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use crate::address::keeps_secrets;
use crate::auth::{self, Credential, For, Found, Installation, Kept, Permissions, Signer, Wanted};
use pace::Pace;

pub use answer::Answer;
pub use error::ApiError;
pub use pace::GAP_BETWEEN_WRITES;

/// GitHub's public address for API requests.
pub const PUBLIC_API: &str = "https://api.github.com";

/// For one connection to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// For the next piece of an answer, and for a request to be taken.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// For a whole answer, as a multiple of the limit for a piece of it: a server may not go on byte by byte for ever.
const PIECES: u32 = 4;

/// A repository on GitHub.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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

    /// Whose it is.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The address of something in the repository, below the API's; of the repository itself for an empty `rest`.
    pub fn route(&self, rest: &str) -> String {
        let route = format!("/repos/{}/{}/{rest}", self.owner, self.name);
        route.trim_end_matches('/').to_owned()
    }
}

impl std::fmt::Display for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
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

/// The limit for one whole answer was reached.
#[derive(Debug, thiserror::Error)]
#[error("it took longer than {} s", limit.as_secs())]
struct TooLong {
    limit: Duration,
}

/// GitHub, reached by somebody. Cloned handles keep one pace and share their tokens and connections; these belong to
/// the runtime of the first request.
#[derive(Debug, Clone)]
pub struct Api {
    address: Arc<str>,
    access: Access,
    answer_limit: Duration,
    gap: Duration,
    client: Arc<OnceLock<Octocrab>>,
    pace: Arc<Pace>,
    installations: Arc<Mutex<Installations>>,
}

/// An App on repositories, each with the permissions that were asked for.
type Installations = BTreeMap<(Repository, Permissions), Arc<Installation>>;

/// What a request shows to GitHub.
#[derive(Debug, Clone)]
enum Access {
    Token(SecretString),
    /// The App itself: it may ask for its installations and its deliveries, and for nothing of a repository.
    App(Arc<Signer>),
    Installation(Arc<Signer>, Arc<Installation>),
}

/// A request without its token.
struct Request<'a, B: ?Sized> {
    doing: Doing,
    method: Method,
    route: &'a str,
    headers: HeaderMap,
    body: Option<&'a B>,
    /// Statuses that are expected beside those of a success.
    also: &'a [u16],
}

impl Api {
    /// `address` is [`PUBLIC_API`], or `https://<host>/api/v3` of a GitHub Enterprise Server. Nothing is sent yet.
    ///
    /// # Errors
    /// The token would be seen on its way, or cannot be sent; the key of the App cannot be used.
    pub fn new(address: &str, credential: impl Into<Credential>) -> Result<Self, ApiError> {
        let address = address.trim_end_matches('/');
        if !keeps_secrets(address) {
            return Err(ApiError::BadUrl { url: line(address, 200) });
        }
        let access = match credential.into() {
            Credential::Token(token) => {
                bearer(&token)?;
                Access::Token(token)
            }
            Credential::App(app) => Access::App(Arc::new(Signer::new(&app)?)),
        };
        Ok(Self {
            address: address.into(),
            access,
            answer_limit: ANSWER_LIMIT,
            gap: GAP_BETWEEN_WRITES,
            client: Arc::default(),
            pace: Arc::default(),
            installations: Arc::default(),
        })
    }

    /// Another limit than [`ANSWER_LIMIT`] for each answer, or piece of an answer, to come.
    pub fn with_answer_limit(mut self, limit: Duration) -> Self {
        self.answer_limit = limit;
        self.client = Arc::default();
        self
    }

    /// Another gap between this handle's writes and those before them than [`GAP_BETWEEN_WRITES`].
    pub fn with_gap(mut self, gap: Duration) -> Self {
        self.gap = gap;
        self
    }

    /// The same, for this repository only and with no more than these permissions where an App asks. Its tokens are
    /// shared by all handles that are made so of one `Api`.
    pub fn for_repository(&self, repository: &Repository, permissions: Permissions) -> Self {
        let mut api = self.clone();
        if let Access::App(signer) | Access::Installation(signer, _) = &self.access {
            let mut made = self.installations.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(Installation::new(repository.clone(), permissions));
            let installation = made.entry((repository.clone(), permissions)).or_insert_with(new);
            api.access = Access::Installation(signer.clone(), installation.clone());
        }
        api
    }

    /// The number of the App that asks; `None`: a token does.
    pub(crate) fn app(&self) -> Option<u64> {
        match &self.access {
            Access::Token(_) => None,
            Access::App(signer) | Access::Installation(signer, _) => Some(signer.id),
        }
    }

    /// A token for git over https, user name `x-access-token`. One of an App is good for ten more minutes at least.
    ///
    /// # Errors
    /// The App is not narrowed to a repository, or gets no token.
    pub async fn secret(&self) -> Result<SecretString, ApiError> {
        match &self.access {
            Access::Token(token) => Ok(token.clone()),
            Access::App(_) => Err(ApiError::NotNarrowed),
            Access::Installation(signer, at) => self.token(signer, at, For::Git).await,
        }
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
        let body = None::<&()>;
        self.ask(&Request { doing, method: Method::GET, route: &route, headers, body, also }).await
    }

    /// Has something done. Never sent again once it may have been done.
    ///
    /// # Errors
    /// There is no answer, or its status is not a success. [`ApiError::may_have_happened`] tells whether it may be done.
    pub async fn post<B: Serialize + ?Sized>(
        &self,
        doing: Doing,
        route: String,
        body: Option<&B>,
    ) -> Result<Answer, ApiError> {
        self.write(Method::POST, doing, &route, body).await
    }

    /// Has something changed. Never sent again once it may have been done.
    ///
    /// # Errors
    /// As [`Api::post`].
    pub async fn patch<B: Serialize + ?Sized>(
        &self,
        doing: Doing,
        route: String,
        body: Option<&B>,
    ) -> Result<Answer, ApiError> {
        self.write(Method::PATCH, doing, &route, body).await
    }

    /// Has something replaced. Never sent again once it may have been done.
    ///
    /// # Errors
    /// As [`Api::post`].
    pub async fn put<B: Serialize + ?Sized>(
        &self,
        doing: Doing,
        route: String,
        body: Option<&B>,
    ) -> Result<Answer, ApiError> {
        self.write(Method::PUT, doing, &route, body).await
    }

    async fn write<B: Serialize + ?Sized>(
        &self,
        method: Method,
        doing: Doing,
        route: &str,
        body: Option<&B>,
    ) -> Result<Answer, ApiError> {
        let _turn = self.pace.turn(self.gap).await;
        self.ask(&Request { doing, method, route, headers: HeaderMap::new(), body, also: &[] }).await
    }

    /// Sends a request; once more where the App's token is not taken any more: nothing was done then.
    async fn ask<B: Serialize + ?Sized>(&self, request: &Request<'_, B>) -> Result<Answer, ApiError> {
        match &self.access {
            Access::Token(token) => self.send(request, token).await,
            Access::App(signer) => self.ask_signed(signer, request).await,
            Access::Installation(signer, at) => {
                let token = self.token(signer, at, For::Request).await?;
                let answer = self.send(request, &token).await;
                if !is_unauthorized(&answer) {
                    return answer;
                }
                at.forget(&token).await;
                let token = self.token(signer, at, For::Request).await?;
                match self.send(request, &token).await {
                    Err(ApiError::Refused { status: 401, doing, message, .. }) => {
                        at.forget(&token).await;
                        Err(ApiError::NotTaken { doing, message })
                    }
                    answer => answer,
                }
            }
        }
    }

    async fn ask_signed<B: Serialize + ?Sized>(
        &self,
        signer: &Signer,
        request: &Request<'_, B>,
    ) -> Result<Answer, ApiError> {
        let answer = self.send(request, &signer.signature()?).await;
        if is_unauthorized(&answer) {
            signer.forget();
        }
        answer
    }

    /// A token of the App for the repository: the one that it has, or a new one.
    async fn token(&self, signer: &Signer, at: &Installation, good: For) -> Result<SecretString, ApiError> {
        let mut kept = at.kept.lock().await;
        if let Some(token) = kept.good(good) {
            return Ok(token);
        }
        let given = self.new_token(signer, at, &mut kept).await;
        given.map_err(|error| match error {
            refused @ ApiError::Refused { by_github: true, .. } => {
                kept.forget_all();
                ApiError::NoToken {
                    app: signer.id,
                    repository: at.repository.to_string(),
                    permissions: at.permissions.to_string(),
                    source: Box::new(refused),
                }
            }
            error => error,
        })
    }

    async fn new_token(
        &self,
        signer: &Signer,
        at: &Installation,
        kept: &mut Kept,
    ) -> Result<SecretString, ApiError> {
        let number = match signer.installation.or(kept.number) {
            Some(number) => number,
            None => {
                let route = at.repository.route("installation");
                self.ask_signed(signer, &unsent(auth::INSTALLATION, Method::GET, &route, None::<&()>))
                    .await?
                    .json::<Found>()?
                    .id
            }
        };
        kept.number = Some(number);
        let wanted = Wanted { repositories: [&at.repository.name], permissions: at.permissions };
        let route = format!("/app/installations/{number}/access_tokens");
        let request = unsent(auth::TOKEN, Method::POST, &route, Some(&wanted));
        kept.keep(&self.ask_signed(signer, &request).await?)
    }

    async fn send<B: Serialize + ?Sized>(
        &self,
        request: &Request<'_, B>,
        token: &SecretString,
    ) -> Result<Answer, ApiError> {
        let doing = request.doing;
        if let Some(wait) = self.pace.quiet_for() {
            return Err(ApiError::RateLimited { doing, wait });
        }
        let client = self.client()?;
        let mut parts = http::request::Builder::new().method(&request.method).uri(request.route);
        for (name, value) in &request.headers {
            parts = parts.header(name, value);
        }
        let parts = parts.header(AUTHORIZATION, bearer(token)?);
        let built = client.build_request(parts, request.body).map_err(|e| ApiError::Client(Box::new(e)))?;
        let limit = self.answer_limit * PIECES;
        let too_long = |_| ApiError::Unreachable { doing, source: Box::new(TooLong { limit }) };
        let read = answer::read(doing, request.also, client.execute(built));
        let answer = tokio::time::timeout(limit, read).await.map_err(too_long)?;
        if let Err(ApiError::RateLimited { wait, .. }) = &answer {
            self.pace.be_quiet(*wait);
        }
        answer
    }

    /// Made at the first request: octocrab needs a runtime for it.
    fn client(&self) -> Result<&Octocrab, ApiError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let failed = |error: octocrab::Error| ApiError::Client(Box::new(error));
        let client = Octocrab::builder()
            .base_uri(&*self.address)
            .map_err(failed)?
            // octocrab would send a POST three times more at once after an error: three more check runs.
            .add_retry_config(RetryConfig::None)
            .set_connect_timeout(Some(CONNECT_LIMIT))
            .set_read_timeout(Some(self.answer_limit))
            .set_write_timeout(Some(self.answer_limit))
            .build()
            .map_err(failed)?;
        Ok(self.client.get_or_init(|| client))
    }
}

fn unsent<'a, B: ?Sized>(
    doing: Doing,
    method: Method,
    route: &'a str,
    body: Option<&'a B>,
) -> Request<'a, B> {
    Request { doing, method, route, headers: HeaderMap::new(), body, also: &[] }
}

fn is_unauthorized(answer: &Result<Answer, ApiError>) -> bool {
    matches!(answer, Err(ApiError::Refused { status: 401, .. }))
}

/// The header that carries a token.
fn bearer(token: &SecretString) -> Result<HeaderValue, ApiError> {
    let text = format!("Bearer {}", token.expose_secret());
    let mut header = HeaderValue::from_str(&text).map_err(|_| ApiError::BadToken)?;
    header.set_sensitive(true);
    Ok(header)
}
