//! Commit statuses: all that were set are kept, the newest of each context is shown.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::{FakeGitHub, answer};
use crate::contract::{check_request, example, with};

const CREATE: &str = "/repos/{owner}/{repo}/statuses/{sha}";
const COMBINED: &str = "/repos/{owner}/{repo}/commits/{ref}/status";

pub(super) async fn create(
    State(github): State<FakeGitHub>,
    Path(sha): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    check_request("post", CREATE, &body);
    // GitHub's description does not say so; GitHub does.
    assert!(body["description"].as_str().unwrap().chars().count() <= 140, "{body}");
    github.memory(|memory| {
        let id = memory.statuses.len() as u64 + 301;
        let mut status = body;
        status["id"] = id.into();
        status["sha"] = sha.into();
        memory.statuses.push(status.clone());
        answer("post", CREATE, 201, &with(example("status"), shown(&status)))
    })
}

#[derive(serde::Deserialize)]
pub(super) struct Page {
    per_page: usize,
    page: usize,
}

pub(super) async fn combined(
    State(github): State<FakeGitHub>,
    Path(sha): Path<String>,
    Query(Page { per_page, page }): Query<Page>,
) -> Response {
    github.memory(|memory| {
        let mut newest: Vec<&Value> = Vec::new();
        for status in memory.statuses.iter().rev().filter(|status| status["sha"] == sha) {
            if newest.iter().all(|newer| newer["context"] != status["context"]) {
                newest.push(status);
            }
        }
        let statuses: Vec<_> = newest
            .iter()
            .skip((page - 1) * per_page)
            .take(per_page)
            .map(|status| with(example("simple-commit-status"), shown(status)))
            .collect();
        let body = json!({"sha": sha, "total_count": newest.len(), "statuses": statuses});
        answer("get", COMBINED, 200, &with(example("combined-commit-status"), body))
    })
}

fn shown(status: &Value) -> Value {
    json!({
        "id": status["id"], "state": status["state"], "context": status["context"],
        "description": status["description"], "target_url": status["target_url"],
    })
}
