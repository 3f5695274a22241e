//! Check runs.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

use super::{APP, FakeGitHub, TOKEN, answer, refuse};
use crate::contract::check_request;

const CREATE: &str = "/repos/{owner}/{repo}/check-runs";
const UPDATE: &str = "/repos/{owner}/{repo}/check-runs/{check_run_id}";
const LIST: &str = "/repos/{owner}/{repo}/commits/{ref}/check-runs";

/// The App that `GITHUB_TOKEN` belongs to, on github.com.
const ACTIONS: u64 = 15_368;

/// The App that asks.
fn app_of(headers: &HeaderMap) -> u64 {
    let token = headers.get("authorization").and_then(|value| value.to_str().ok());
    if token.is_some_and(|token| token.ends_with(TOKEN)) { ACTIONS } else { APP }
}

/// Is it this App's? One that a test put there is whoever's asks.
fn is_of(run: &Value, app: u64) -> bool {
    run["app_id"].as_u64().is_none_or(|maker| maker == app)
}

pub(super) async fn create(
    State(github): State<FakeGitHub>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    check_request("post", CREATE, &body);
    github.memory(|memory| {
        let id = memory.check_runs.len() as u64 + 101;
        let mut run =
            json!({"id": id, "app_id": app_of(&headers), "head_sha": body["head_sha"], "annotations": []});
        take(&mut run, &body);
        memory.check_runs.push(run.clone());
        answer("post", CREATE, 201, &shown(&run))
    })
}

pub(super) async fn update(
    State(github): State<FakeGitHub>,
    Path(id): Path<u64>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    check_request("patch", UPDATE, &body);
    github.memory(|memory| {
        let Some(run) = memory.check_runs.iter_mut().find(|run| run["id"] == id) else {
            return refuse(404, "Not Found");
        };
        if !is_of(run, app_of(&headers)) {
            return refuse(403, "Invalid app_id");
        }
        take(run, &body);
        answer("patch", UPDATE, 200, &shown(run))
    })
}

#[derive(serde::Deserialize)]
pub(super) struct Filter {
    check_name: String,
    app_id: Option<u64>,
    filter: String,
    per_page: usize,
    page: usize,
}

pub(super) async fn list(
    State(github): State<FakeGitHub>,
    Path(sha): Path<String>,
    Query(filter): Query<Filter>,
) -> Response {
    assert_eq!(filter.filter, "all", "`latest` would hide the run that is looked for");
    github.memory(|memory| {
        let matching: Vec<_> = memory
            .check_runs
            .iter()
            .filter(|run| run["head_sha"] == sha && run["name"] == filter.check_name)
            .filter(|run| filter.app_id.is_none_or(|app| is_of(run, app)))
            .map(shown)
            .collect();
        let page: Vec<_> =
            matching.iter().skip((filter.page - 1) * filter.per_page).take(filter.per_page).collect();
        answer("get", LIST, 200, &json!({"total_count": matching.len(), "check_runs": page}))
    })
}

/// Takes over what a request says, and appends its annotations.
fn take(run: &mut Value, body: &Value) {
    for field in ["name", "external_id", "details_url", "started_at", "completed_at", "actions"] {
        if let Some(value) = body.get(field) {
            run[field] = value.clone();
        }
    }
    // One that is open again has no conclusion.
    run["status"] = body["status"].clone();
    run["conclusion"] = body["conclusion"].clone();
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
