//! What is in the fake GitHub, as GitHub would show it: everything GitHub documents as required is there.

use serde_json::{Value, json};

use super::contract::{example, with};
use super::model::{Model, Run};

pub(super) fn run(run: &Run) -> Value {
    with(
        example("workflow-run"),
        json!({
            "id": run.id,
            "name": "KVM on POWER8",
            "display_title": run.title,
            "head_branch": run.branch,
            "event": if run.pushed.is_some() { "push" } else { "workflow_dispatch" },
            "head_sha": run.pushed.as_deref().unwrap_or("0123456789abcdef0123456789abcdef01234567"),
            "status": run.status,
            "conclusion": run.conclusion,
            "html_url": format!("https://github.example.org/octo/kvm/actions/runs/{}", run.id),
            "created_at": run.created,
            "run_started_at": run.created,
            "updated_at": run.ended.or(run.started).unwrap_or(run.created),
            "run_attempt": 1,
        }),
    )
}

pub(super) fn runner(&(name, label, online): &(&str, &str, bool)) -> Value {
    let label = json!({"name": label, "type": "custom"});
    let status = if online { "online" } else { "offline" };
    with(example("runner"), json!({"name": name, "status": status, "busy": false, "labels": [label]}))
}

pub(super) fn job(run: &Run) -> Value {
    let step = |(number, (name, status, conclusion)): (usize, &(&str, &str, Option<&str>))| {
        let began = (*status != "queued").then_some(run.started);
        let ended = (*status == "completed").then_some(run.started);
        json!({"name": name, "status": status, "conclusion": conclusion, "number": number + 1,
            "started_at": began, "completed_at": ended})
    };
    let steps: Vec<Value> = run.steps.iter().enumerate().map(step).collect();
    with(
        example("job"),
        json!({
            "id": run.id * 10,
            "run_id": run.id,
            "name": "Build, boot, prove, test, roll back",
            "status": run.status,
            "conclusion": run.conclusion,
            "runner_name": run.runner,
            "labels": ["self-hosted", run.inputs.get("box").map_or("power8", String::as_str)],
            "steps": steps,
            "created_at": run.created,
            "started_at": run.started.unwrap_or(run.created),
            "completed_at": run.ended,
        }),
    )
}

pub(super) fn artifact(run: &Run, artifact: &[u8]) -> Value {
    with(
        example("artifact"),
        json!({
            "id": run.id * 100,
            "name": "report",
            "size_in_bytes": artifact.len(),
            "expired": run.expired,
            "created_at": run.ended,
        }),
    )
}

pub(super) fn repository(model: &Model) -> Value {
    with(example("repository"), json!({"default_branch": model.default_branch}))
}
