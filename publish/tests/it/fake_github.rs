//! A GitHub in memory, reached over HTTP on 127.0.0.1. It keeps check runs as GitHub does: annotations of every
//! request are appended, nothing is refused because it was said before. It fails on demand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::contract::{check_answer, check_request};

/// The only token it takes.
pub(crate) const TOKEN: &str = "ghs_a-token-that-must-never-be-seen";

const CREATE: &str = "/repos/{owner}/{repo}/check-runs";
const UPDATE: &str = "/repos/{owner}/{repo}/check-runs/{check_run_id}";
const LIST: &str = "/repos/{owner}/{repo}/commits/{ref}/check-runs";

/// How a request goes wrong.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It is refused before anything is done.
    Before(u16, Vec<(&'static str, &'static str)>, &'static str),
    /// It is done, and the answer is lost on its way.
    After(u16),
    /// It is not even looked at for longer than anybody waits.
    Silence,
}

#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) check_runs: Vec<Value>,
    /// Method and path of every request, in order.
    pub(crate) requests: Vec<String>,
    /// What goes wrong with the next writes; none where a write goes well.
    pub(crate) write_faults: VecDeque<Option<Fault>>,
    pub(crate) list_faults: VecDeque<Option<Fault>>,
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
        let routes = Router::new()
            .route("/repos/{owner}/{repo}/check-runs", post(create))
            .route("/repos/{owner}/{repo}/check-runs/{id}", patch(update))
            .route("/repos/{owner}/{repo}/commits/{sha}/check-runs", get(list))
            .layer(axum::middleware::from_fn_with_state(github.clone(), note));
        let app = if base.is_empty() { routes } else { Router::new().nest(base, routes) };
        let app = app.with_state(github.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        github
    }

    pub(crate) fn memory<T>(&self, look: impl FnOnce(&mut Memory) -> T) -> T {
        look(&mut self.memory.lock().unwrap())
    }

    /// Methods of all requests so far, in order.
    pub(crate) fn methods(&self) -> Vec<String> {
        self.memory(|memory| {
            memory.requests.iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
        })
    }

    /// Goes wrong as the next fault of this kind of request says, or does `act`.
    async fn act(&self, write: bool, act: impl FnOnce(&mut Memory) -> Response) -> Response {
        let fault = self.memory(|memory| {
            if write { memory.write_faults.pop_front() } else { memory.list_faults.pop_front() }.flatten()
        });
        match fault {
            None => self.memory(act),
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
                self.memory(act);
                (StatusCode::from_u16(status).unwrap(), "<html>Unicorn</html>").into_response()
            }
            Some(Fault::Silence) => std::future::pending().await,
        }
    }
}

/// Notes every request, and refuses what has not exactly the right token.
async fn note(State(github): State<FakeGitHub>, request: Request, next: axum::middleware::Next) -> Response {
    github.memory(|memory| memory.requests.push(format!("{} {}", request.method(), request.uri())));
    let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    if authorization != Some(&format!("Bearer {TOKEN}")) {
        return (StatusCode::UNAUTHORIZED, Json(json!({"message": "Bad credentials"}))).into_response();
    }
    next.run(request).await
}

type Names = Path<(String, String)>;

async fn create(State(github): State<FakeGitHub>, _: Names, Json(body): Json<Value>) -> Response {
    check_request("post", CREATE, &body);
    github
        .act(true, |memory| {
            let id = memory.check_runs.len() as u64 + 101;
            let mut run = json!({"id": id, "head_sha": body["head_sha"], "annotations": []});
            take(&mut run, &body);
            memory.check_runs.push(run.clone());
            answer("post", CREATE, 201, &shown(&run))
        })
        .await
}

async fn update(
    State(github): State<FakeGitHub>,
    Path((_, _, id)): Path<(String, String, u64)>,
    Json(body): Json<Value>,
) -> Response {
    check_request("patch", UPDATE, &body);
    github
        .act(true, |memory| {
            let Some(run) = memory.check_runs.iter_mut().find(|run| run["id"] == id) else {
                return (StatusCode::NOT_FOUND, Json(json!({"message": "Not Found"}))).into_response();
            };
            take(run, &body);
            answer("patch", UPDATE, 200, &shown(run))
        })
        .await
}

#[derive(serde::Deserialize)]
struct Filter {
    check_name: String,
    filter: String,
    per_page: usize,
    page: usize,
}

async fn list(
    State(github): State<FakeGitHub>,
    Path((_, _, sha)): Path<(String, String, String)>,
    Query(filter): Query<Filter>,
) -> Response {
    assert_eq!(filter.filter, "all", "`latest` would hide the run that is looked for");
    github
        .act(false, |memory| {
            let matching: Vec<_> = memory
                .check_runs
                .iter()
                .filter(|run| run["head_sha"] == sha && run["name"] == filter.check_name)
                .map(shown)
                .collect();
            let page: Vec<_> =
                matching.iter().skip((filter.page - 1) * filter.per_page).take(filter.per_page).collect();
            answer("get", LIST, 200, &json!({"total_count": matching.len(), "check_runs": page}))
        })
        .await
}

/// Takes over what a request says, and appends its annotations.
fn take(run: &mut Value, body: &Value) {
    for field in ["name", "external_id", "details_url", "status", "conclusion", "started_at", "completed_at"]
    {
        if let Some(value) = body.get(field) {
            run[field] = value.clone();
        }
    }
    run["title"] = body["output"]["title"].clone();
    run["summary"] = body["output"]["summary"].clone();
    let more = body["output"]["annotations"].as_array().cloned().unwrap_or_default();
    run["annotations"].as_array_mut().unwrap().extend(more);
}

/// A check run as GitHub shows it.
fn shown(run: &Value) -> Value {
    json!({
        "id": run["id"], "node_id": "x", "head_sha": run["head_sha"], "name": run["name"],
        "url": "https://api.example.org/x", "html_url": null, "details_url": run["details_url"],
        "status": run["status"], "conclusion": run["conclusion"], "started_at": run["started_at"],
        "completed_at": run["completed_at"], "external_id": run["external_id"], "check_suite": null,
        "output": {
            "title": run["title"], "summary": run["summary"], "text": null,
            "annotations_count": run["annotations"].as_array().map_or(0, Vec::len),
            "annotations_url": "https://api.example.org/x",
        },
        "app": null, "pull_requests": [],
    })
}

fn answer(method: &str, path: &str, status: u16, body: &Value) -> Response {
    check_answer(method, path, status, body);
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}
