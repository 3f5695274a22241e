//! What is in the fake GitHub, as GitHub would show it: everything GitHub documents as required is there.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::contract::description;
use super::model::{Model, Run};

pub(super) fn run(run: &Run) -> Value {
    with(
        example("workflow-run"),
        json!({
            "id": run.id,
            "name": "KVM on POWER8",
            "display_title": run.title,
            "head_branch": run.branch,
            "event": "workflow_dispatch",
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

fn with(mut value: Value, fields: Value) -> Value {
    let (Value::Object(value_fields), Value::Object(fields)) = (&mut value, fields) else { unreachable!() };
    value_fields.extend(fields);
    value
}

/// The smallest value that GitHub's description of this schema allows; nothing where the description is missing.
fn example(schema: &str) -> Value {
    static MADE: Mutex<BTreeMap<String, Value>> = Mutex::new(BTreeMap::new());
    let Some(description) = description() else { return json!({}) };
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || smallest(&description["components"]["schemas"][schema], description);
    made.entry(schema.to_owned()).or_insert_with(make).clone()
}

fn smallest(schema: &Value, description: &Value) -> Value {
    if let Some(place) = schema["$ref"].as_str() {
        return smallest(description.pointer(place.trim_start_matches('#')).unwrap(), description);
    }
    if let Some(first) = ["anyOf", "oneOf", "allOf"].iter().find_map(|word| schema[word].get(0)) {
        return smallest(first, description);
    }
    if let Some(word) = schema["enum"].get(0) {
        return word.clone();
    }
    // What may be null is null: that is where readers stumble.
    let kind = match &schema["type"] {
        Value::Array(_) => return Value::Null,
        kind => kind.as_str().unwrap_or("object"),
    };
    match (kind, schema["format"].as_str()) {
        ("string", Some("date-time")) => json!("2026-01-01T00:00:00Z"),
        ("string", Some("uri")) => json!("https://github.example.org/x"),
        ("string", _) => json!("x"),
        ("integer" | "number", _) => json!(1),
        ("boolean", _) => json!(false),
        ("array", _) => json!([]),
        _ => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let fields = required
                .map(|name| (name.to_owned(), smallest(&schema["properties"][name], description)))
                .collect::<Map<_, _>>();
            Value::Object(fields)
        }
    }
}
