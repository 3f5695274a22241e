//! Pull requests and their labels. They are not in the part of GitHub's description that is kept: their shape is
//! checked by hand, after GitHub's documentation.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::{FakeGitHub, REPOSITORY, refuse};

/// A field and what it may hold.
type Field<'a> = (&'a str, fn(&Value) -> bool);

/// Refuses what GitHub would: other fields, or other types.
fn check(body: &Value, fields: &[Field<'_>], required: &[&str]) {
    for (name, value) in body.as_object().unwrap() {
        let field = fields.iter().find(|(field, _)| field == name);
        assert!(field.is_some_and(|(_, good)| good(value)), "{name} of {body:#}");
    }
    for name in required {
        assert!(body.get(name).is_some(), "{name} is missing in {body:#}");
    }
}

fn is_title(value: &Value) -> bool {
    value.as_str().is_some_and(|title| (1..=256).contains(&title.chars().count()))
}

fn is_body(value: &Value) -> bool {
    value.as_str().is_some_and(|body| body.chars().count() <= 65_536)
}

pub(super) async fn create(State(github): State<FakeGitHub>, Json(body): Json<Value>) -> Response {
    check(
        &body,
        &[
            ("head", Value::is_string),
            ("base", Value::is_string),
            ("title", is_title),
            ("body", is_body),
            ("draft", Value::is_boolean),
        ],
        &["head", "base"],
    );
    github.memory(|memory| {
        if memory.has_no_drafts && body["draft"] == true {
            return refuse(422, "Draft pull requests are not supported in this repository.");
        }
        if memory.pulls.iter().any(|pull| pull["head"] == body["head"] && pull["state"] == "open") {
            let message = format!("A pull request already exists for octo:{}.", body["head"]);
            return refuse(422, &format!("Validation Failed: {message}"));
        }
        let mut pull = body;
        pull["number"] = (memory.pulls.len() as u64 + 1).into();
        pull["state"] = "open".into();
        pull["labels"] = json!([]);
        memory.pulls.push(pull.clone());
        (StatusCode::CREATED, Json(shown(&pull))).into_response()
    })
}

pub(super) async fn update(
    State(github): State<FakeGitHub>,
    Path(number): Path<u64>,
    Json(body): Json<Value>,
) -> Response {
    let is_state = |value: &Value| *value == "open" || *value == "closed";
    check(&body, &[("title", is_title), ("body", is_body), ("state", is_state)], &[]);
    github.memory(|memory| {
        let Some(pull) = memory.pulls.iter_mut().find(|pull| pull["number"] == number) else {
            return refuse(404, "Not Found");
        };
        pull.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        Json(shown(pull)).into_response()
    })
}

pub(super) async fn set_labels(
    State(github): State<FakeGitHub>,
    Path(number): Path<u64>,
    Json(body): Json<Value>,
) -> Response {
    let are_names = |value: &Value| value.as_array().unwrap().iter().all(Value::is_string);
    check(&body, &[("labels", are_names)], &["labels"]);
    github.memory(|memory| {
        let Some(pull) = memory.pulls.iter_mut().find(|pull| pull["number"] == number) else {
            return refuse(404, "Not Found");
        };
        pull["labels"] = body["labels"].clone();
        Json(shown(pull)["labels"].clone()).into_response()
    })
}

#[derive(serde::Deserialize)]
pub(super) struct Filter {
    head: String,
    state: String,
    per_page: usize,
    page: usize,
}

pub(super) async fn list(State(github): State<FakeGitHub>, Query(filter): Query<Filter>) -> Response {
    assert_eq!(filter.state, "all", "a closed one would be made again");
    let owner = REPOSITORY.split_once('/').unwrap().0;
    github.memory(|memory| {
        let matching = memory.pulls.iter().rev().filter(|pull| {
            pull["head"].as_str().is_some_and(|head| format!("{owner}:{head}") == filter.head)
        });
        let page: Vec<_> =
            matching.skip((filter.page - 1) * filter.per_page).take(filter.per_page).map(shown).collect();
        Json(page).into_response()
    })
}

fn shown(pull: &Value) -> Value {
    let labels = pull["labels"].as_array().unwrap().iter();
    let labels: Vec<_> = labels.map(|name| json!({"id": 1, "name": name, "color": "ededed"})).collect();
    json!({
        "number": pull["number"], "state": pull["state"], "title": pull["title"],
        // GitHub keeps what a form sends: with line ends of its own.
        "body": pull["body"].as_str().map(|body| body.replace('\n', "\r\n")),
        "draft": pull["draft"], "labels": labels, "head": {"ref": pull["head"]}, "base": {"ref": pull["base"]},
    })
}
