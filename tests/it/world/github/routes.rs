//! Requests to the fake GitHub.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::connection::{Connections, Cut};
use super::contract::{check_answer, check_request};
use super::fault::{self, When};
use super::model::{Model, Run};
use super::{REPOSITORY, TOKEN, answers};

type Shared = Arc<Mutex<Model>>;

const RUN: &str = "/repos/{owner}/{repo}/actions/runs/{run_id}";
const RUNS: &str = "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs";
const DISPATCHES: &str = "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches";

pub(super) async fn serve(model: Shared, tell: mpsc::Sender<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let repository = Router::new()
        .route("/", get(repository))
        .route("/actions/workflows/{workflow}/dispatches", post(dispatch))
        .route("/actions/workflows/{workflow}/runs", get(list))
        .route("/actions/runs/{id}", get(run))
        .route("/actions/runs/{id}/jobs", get(jobs))
        .route("/actions/runners", get(runners))
        .route("/actions/runs/{id}/cancel", post(cancel))
        .route("/actions/runs/{id}/force-cancel", post(force_cancel))
        .route("/actions/runs/{id}/artifacts", get(artifacts))
        .route("/actions/artifacts/{id}/zip", get(move |id, model| zip(id, model, port)));
    let app = Router::new()
        .nest(&format!("/repos/{REPOSITORY}"), repository)
        .route("/storage/{id}", get(storage))
        .fallback(async || not_found())
        .layer(from_fn_with_state(model.clone(), take))
        .with_state(model);
    tell.send(format!("http://127.0.0.1:{port}/")).unwrap();
    axum::serve(Connections(listener), app.into_make_service_with_connect_info::<Cut>()).await.unwrap();
}

fn lock(model: &Shared) -> std::sync::MutexGuard<'_, Model> {
    model.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes every request, lets nobody in without the token, and lets go wrong what should.
async fn take(
    State(model): State<Shared>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
    next: Next,
) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    let planned = {
        let mut model = lock(&model);
        model.requests.push(line.clone());
        fault::next(&mut model.faults, &line)
    };
    let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    // The artifacts' storage is somebody else's: it must never see a token.
    let expected = (!line.starts_with("GET /storage/")).then(|| format!("Bearer {TOKEN}"));
    if authorization != expected.as_deref() {
        return (StatusCode::UNAUTHORIZED, Json(json!({"message": "Bad credentials"}))).into_response();
    }
    match planned {
        None => next.run(request).await,
        Some((When::Before, fault)) => {
            fault::spoil(Json(json!({"message": "x"})).into_response(), fault, &cut).await
        }
        Some((When::After, fault)) => fault::spoil(next.run(request).await, fault, &cut).await,
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

fn not_found() -> Response {
    refuse(404, "Not Found")
}

async fn repository(State(model): State<Shared>) -> Response {
    Json(answers::repository(&lock(&model))).into_response()
}

async fn dispatch(
    State(model): State<Shared>,
    Path(workflow): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let mut model = lock(&model);
    check_request("post", DISPATCHES, &body);
    if workflow != model.workflow {
        return not_found();
    }
    let asks = body.get("return_run_details").is_some();
    if asks && !model.knows_run_details {
        return refuse(422, "Invalid request.\n\n\"return_run_details\" is not a permitted key.");
    }
    if body["ref"] != model.default_branch.as_str() {
        return refuse(422, &format!("No ref found for: {}", body["ref"]));
    }
    let inputs: BTreeMap<String, String> = serde_json::from_value(body["inputs"].clone()).unwrap();
    if let Some(missing) = model.inputs.iter().find(|name| !inputs.contains_key(*name)) {
        return refuse(422, &format!("Required input '{missing}' not provided"));
    }
    if let Some(odd) = inputs.keys().find(|name| !model.inputs.contains(name)) {
        return refuse(422, &format!("Unexpected inputs provided: [\"{odd}\"]"));
    }
    let branch = model.default_branch.clone();
    let id = model.add_run(&branch, inputs);
    if !asks || !model.tells_run {
        return StatusCode::NO_CONTENT.into_response();
    }
    let url = format!("https://github.example.org/octo/kvm/actions/runs/{id}");
    let body = json!({"workflow_run_id": id, "run_url": url, "html_url": url});
    answer("post", DISPATCHES, 200, &body)
}

#[derive(Deserialize)]
struct Filter {
    event: String,
    created: Option<String>,
    head_sha: Option<String>,
    per_page: usize,
    page: usize,
}

async fn list(
    State(model): State<Shared>,
    Path(workflow): Path<String>,
    Query(filter): Query<Filter>,
) -> Response {
    let model = lock(&model);
    if workflow != model.workflow {
        return not_found();
    }
    let since =
        filter.created.map(|created| created.strip_prefix(">=").unwrap().parse::<Timestamp>().unwrap());
    let wanted = |run: &&Run| {
        let event = if run.pushed.is_some() { "push" } else { "workflow_dispatch" };
        event == filter.event
            && since.is_none_or(|since| run.created >= since)
            && filter.head_sha.as_ref().is_none_or(|head| run.pushed.as_ref() == Some(head))
    };
    let found: Vec<&Run> = model.runs.iter().rev().filter(wanted).collect();
    let page = found.iter().skip((filter.page - 1) * filter.per_page).take(filter.per_page.min(100));
    let page: Vec<Value> = page.map(|run| answers::run(run)).collect();
    answer("get", RUNS, 200, &json!({"total_count": found.len(), "workflow_runs": page}))
}

async fn run(State(model): State<Shared>, Path(id): Path<u64>, headers: HeaderMap) -> Response {
    let mut model = lock(&model);
    let Some(run) = model.run(id) else { return not_found() };
    let body = answers::run(run);
    let mut hasher = DefaultHasher::new();
    body.to_string().hash(&mut hasher);
    let tag = format!("W/\"{:x}\"", hasher.finish());
    if headers.get("if-none-match").is_some_and(|known| known == tag.as_str()) {
        model.unchanged += 1;
        return (StatusCode::NOT_MODIFIED, [("etag", tag)]).into_response();
    }
    ([("etag", tag)], answer("get", RUN, 200, &body)).into_response()
}

async fn jobs(State(model): State<Shared>, Path(id): Path<u64>) -> Response {
    let model = lock(&model);
    let Some(run) = model.run(id) else { return not_found() };
    // A workflow that could not be started has no jobs.
    let began = run.conclusion.as_deref() != Some("startup_failure");
    let jobs: Vec<Value> = began.then(|| answers::job(run)).into_iter().collect();
    let body = json!({"total_count": jobs.len(), "jobs": jobs});
    answer("get", &format!("{RUN}/jobs"), 200, &body)
}

async fn runners(State(model): State<Shared>) -> Response {
    let model = lock(&model);
    let Some(runners) = &model.runners else {
        return refuse(403, "Resource not accessible by integration");
    };
    let listed: Vec<Value> = runners.iter().map(answers::runner).collect();
    let body = json!({"total_count": listed.len(), "runners": listed});
    answer("get", "/repos/{owner}/{repo}/actions/runners", 200, &body)
}

async fn cancel(State(model): State<Shared>, Path(id): Path<u64>) -> Response {
    end(&mut lock(&model), id, false)
}

async fn force_cancel(State(model): State<Shared>, Path(id): Path<u64>) -> Response {
    end(&mut lock(&model), id, true)
}

fn end(model: &mut Model, id: u64, force: bool) -> Response {
    let path = format!("{RUN}/{}", if force { "force-cancel" } else { "cancel" });
    let ends = force || model.cancels;
    let Some(run) = model.run(id) else { return not_found() };
    if run.status == "completed" {
        let body = json!({"message": "Cannot cancel a workflow run that is completed."});
        return answer("post", &path, 409, &body);
    }
    model.change(id, |run, now| {
        run.cancels += 1;
        if ends {
            run.status = "completed".into();
            run.conclusion = Some("cancelled".into());
            run.ended = Some(now);
        }
    });
    answer("post", &path, 202, &json!({}))
}

async fn artifacts(State(model): State<Shared>, Path(id): Path<u64>) -> Response {
    let model = lock(&model);
    let Some(run) = model.run(id) else { return not_found() };
    let listed: Vec<Value> = run.artifact.iter().map(|zip| answers::artifact(run, zip)).collect();
    let body = json!({"total_count": listed.len(), "artifacts": listed});
    answer("get", &format!("{RUN}/artifacts"), 200, &body)
}

async fn zip(Path(id): Path<u64>, State(model): State<Shared>, port: u16) -> Response {
    match lock(&model).run(id / 100) {
        Some(run) if run.expired => refuse(410, "Artifact has expired"),
        // Another name of this machine: another server to whoever guards a token.
        Some(_) => {
            let place = format!("http://localhost:{port}/storage/{id}?sig=secret");
            (StatusCode::FOUND, [("location", place)]).into_response()
        }
        None => not_found(),
    }
}

async fn storage(Path(id): Path<u64>, State(model): State<Shared>) -> Response {
    let model = lock(&model);
    let artifact = model.run(id / 100).and_then(|run| run.artifact.clone());
    match artifact {
        Some(artifact) => ([("content-type", "application/zip")], artifact).into_response(),
        None => not_found(),
    }
}
