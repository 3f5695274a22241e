//! A GitHub in memory, reached over HTTP on 127.0.0.1: Apps and their tokens, check runs, statuses, pull requests. It
//! keeps them as GitHub does: annotations of every request are appended, nothing is refused because it was said
//! before. It fails on demand.

// Their paths are said, because the bridge's tests take this file from here.
#[path = "fake_github/apps.rs"]
mod apps;
#[path = "fake_github/checks.rs"]
mod checks;
#[path = "fake_github/pulls.rs"]
mod pulls;
#[path = "fake_github/statuses.rs"]
mod statuses;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post, put};
use axum::{Json, Router};
use patchlift_publish::{Api, GitHub, Repository};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::contract::check_answer;
pub(crate) use apps::{APP, INSTALLATION, app, app_with_key};

/// A token of a workflow: it may do everything here.
pub(crate) const TOKEN: &str = "ghs_a-token-that-must-never-be-seen";

/// A person's token: it may do everything but write check runs.
pub(crate) const PERSONAL: &str = "github_pat_a-token-that-must-never-be-seen";

/// The only repository.
pub(crate) const REPOSITORY: &str = "octo/mirror";

/// How a request goes wrong.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It is refused before anything is done.
    Before(u16, Vec<(&'static str, String)>, &'static str),
    /// It is done, and the answer is lost on its way.
    After(u16),
    /// It is not even looked at for longer than anybody waits.
    Silence,
    /// It is done, and there is no answer for longer than anybody waits.
    SilenceAfter,
}

#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) app: apps::AppMemory,
    pub(crate) check_runs: Vec<Value>,
    pub(crate) statuses: Vec<Value>,
    pub(crate) pulls: Vec<Value>,
    /// Drafts are for those who pay.
    pub(crate) has_no_drafts: bool,
    /// Method and path of every request, in order.
    pub(crate) requests: Vec<String>,
    /// What goes wrong: with requests whose method and path contain this, after so many of them went well.
    faults: Vec<(String, usize, Fault)>,
}

impl Memory {
    /// The next request whose method and path contain `what` goes wrong.
    pub(crate) fn goes_wrong(&mut self, what: &str, fault: Fault) {
        self.goes_wrong_after(0, what, fault);
    }

    /// As [`Memory::goes_wrong`], after so many of such requests went well.
    pub(crate) fn goes_wrong_after(&mut self, well: usize, what: &str, fault: Fault) {
        self.faults.push((what.to_owned(), well, fault));
    }

    fn fault(&mut self, request: &str) -> Option<Fault> {
        let mut due = None;
        for (place, (what, well, _)) in self.faults.iter_mut().enumerate() {
            if request.contains(what.as_str()) {
                match well.checked_sub(1) {
                    Some(left) => *well = left,
                    None => due = due.or(Some(place)),
                }
            }
        }
        due.map(|place| self.faults.remove(place).2)
    }
}

#[derive(Clone)]
pub(crate) struct FakeGitHub {
    memory: Arc<Mutex<Memory>>,
    pub(crate) url: String,
}

impl FakeGitHub {
    /// Starts it below `base`, a path like `/api/v3` or nothing.
    pub(crate) async fn start(base: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{base}", listener.local_addr().unwrap());
        let github = Self { memory: Arc::default(), url };
        let repository = Router::new()
            .route("/installation", get(apps::installation))
            .route("/check-runs", post(checks::create))
            .route("/check-runs/{id}", patch(checks::update))
            .route("/commits/{sha}/check-runs", get(checks::list))
            .route("/statuses/{sha}", post(statuses::create))
            .route("/commits/{sha}/status", get(statuses::combined))
            .route("/pulls", get(pulls::list).post(pulls::create))
            .route("/pulls/{number}", patch(pulls::update))
            .route("/issues/{number}/labels", put(pulls::set_labels));
        let routes = Router::new()
            .nest(&format!("/repos/{REPOSITORY}"), repository)
            .route("/app/installations/{id}/access_tokens", post(apps::access_token))
            .fallback(async || refuse(404, "Not Found"))
            .layer(axum::middleware::from_fn_with_state(github.clone(), take));
        let app = if base.is_empty() { routes } else { Router::new().nest(base, routes) };
        let app = app.with_state(github.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        github
    }

    pub(crate) fn memory<T>(&self, look: impl FnOnce(&mut Memory) -> T) -> T {
        look(&mut self.memory.lock().unwrap())
    }

    /// Somebody with this token, who does not wait between writes.
    pub(crate) fn client(&self, token: &str) -> GitHub {
        GitHub::new(self.api(SecretString::from(token)))
    }

    /// As [`FakeGitHub::client`], not yet for publishing.
    pub(crate) fn api(&self, credential: impl Into<patchlift_publish::Credential>) -> Api {
        Api::new(&self.url, credential).unwrap().with_gap(Duration::ZERO)
    }

    /// Methods of all requests so far, in order.
    pub(crate) fn methods(&self) -> Vec<String> {
        self.memory(|memory| {
            memory.requests.iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
        })
    }
}

pub(crate) fn repository() -> Repository {
    Repository::parse(REPOSITORY).unwrap()
}

/// Notes every request, refuses who may not ask, and goes wrong as the next fault says.
async fn take(State(github): State<FakeGitHub>, request: Request, next: axum::middleware::Next) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let token = authorization.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let (fault, refused) = github.memory(|memory| {
        memory.requests.push(line.clone());
        (memory.fault(&line), memory.app.refuses(token, &line))
    });
    if let Some(refused) = refused {
        return refused;
    }
    match fault {
        None => next.run(request).await,
        Some(Fault::Before(status, headers, body)) => {
            let mut answer = (StatusCode::from_u16(status).unwrap(), body).into_response();
            answer.headers_mut().extend(
                headers
                    .into_iter()
                    .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                    .collect::<HeaderMap>(),
            );
            answer
        }
        Some(Fault::After(status)) => {
            next.run(request).await;
            (StatusCode::from_u16(status).unwrap(), "<html>Unicorn</html>").into_response()
        }
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::SilenceAfter) => {
            next.run(request).await;
            std::future::pending().await
        }
    }
}

fn answer(method: &str, path: &str, status: u16, body: &Value) -> Response {
    check_answer(method, path, status, body);
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

fn refuse(status: u16, message: &str) -> Response {
    let body = json!({"message": message, "documentation_url": "https://docs.github.com/rest"});
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}
