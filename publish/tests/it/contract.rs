//! GitHub's own description of its API, against which every request and every answer of the fake is checked.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::{env, fs, io};

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

/// The description, cut down to the operations that this project uses; none where it is not on this machine.
pub(crate) fn description() -> Option<&'static Value> {
    static DESCRIPTION: OnceLock<Option<Value>> = OnceLock::new();
    DESCRIPTION
        .get_or_init(|| {
            let folder = env::var_os("PATCHLIFT_TEST_DATA").map_or_else(beside_the_workspace, PathBuf::from);
            let path = folder.join("github/gh-min.json");
            match fs::read(&path) {
                Ok(bytes) => Some(nullable(serde_json::from_slice(&bytes).unwrap())),
                Err(error) => {
                    let message =
                        format!("SKIPPED: requests are not checked against {}: {error}", path.display());
                    assert!(env::var("CI").as_deref() != Ok("true"), "{message}");
                    // Past the test harness, which hides what a passing test prints.
                    let _ = writeln!(io::stderr().lock(), "{message}");
                    None
                }
            }
        })
        .as_ref()
}

/// The recorded data where they are by default, whichever crate's tests this file is part of.
fn beside_the_workspace() -> PathBuf {
    let parents = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(1);
    let mut folders = parents.map(|parent| parent.join("shared/data"));
    folders.find(|folder| folder.is_dir()).unwrap_or_else(|| PathBuf::from("../shared/data"))
}

/// OpenAPI 3.0 says `nullable: true` where JSON Schema has a list of types.
fn nullable(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            for field in fields.values_mut() {
                *field = nullable(field.take());
            }
            if fields.get("nullable") == Some(&Value::Bool(true)) {
                if let Some(kind) = fields.get_mut("type").filter(|kind| kind.is_string()) {
                    *kind = json!([kind.take(), "null"]);
                }
                if let Some(Value::Array(allowed)) = fields.get_mut("enum") {
                    allowed.push(Value::Null);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = nullable(item.take());
            }
        }
        _ => {}
    }
    value
}

/// Checks a request's body against its operation, for example `post /repos/{owner}/{repo}/check-runs`.
pub(crate) fn check_request(method: &str, path: &str, body: &Value) {
    check(&["paths", path, method, "requestBody"], body, &format!("the body of {method} {path}"));
}

/// Checks an answer's body against its operation and status.
pub(crate) fn check_answer(method: &str, path: &str, status: u16, body: &Value) {
    let status = status.to_string();
    check(
        &["paths", path, method, "responses", &status],
        body,
        &format!("the answer {status} to {method} {path}"),
    );
}

fn check(place: &[&str], body: &Value, what: &str) {
    let Some(validator) = validator(place, what) else { return };
    let errors: Vec<_> =
        validator.iter_errors(body).map(|error| format!("{} at {}", error, error.instance_path())).collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}\n{body:#}");
}

/// GitHub's own example of an answer, and with each field null or a word nobody has heard of that its description
/// allows to be; nothing where the description is missing. With each, which field that is.
pub(crate) fn allowed_answers(method: &str, path: &str, status: u16) -> Vec<(String, Value)> {
    let Some(description) = description() else { return Vec::new() };
    let status = status.to_string();
    let place = ["paths", path, method, "responses", &status];
    let answer = place.iter().fold(description, |value, key| &value[key]);
    let examples = answer["content"]["application/json"]["examples"].as_object().unwrap();
    let example = examples.values().next().unwrap()["$ref"].as_str().unwrap();
    let example = &description.pointer(example.trim_start_matches('#')).unwrap()["value"];
    let validator = validator(&place, &format!("the answer {status} to {method} {path}")).unwrap();
    let mut answers = vec![("nothing".to_owned(), example.clone())];
    for pointer in pointers(example, "") {
        for (what, other) in [("null", Value::Null), ("a new word", json!("invented-in-2031"))] {
            let mut changed = example.clone();
            *changed.pointer_mut(&pointer).unwrap() = other;
            if validator.is_valid(&changed) {
                answers.push((format!("{what} at {pointer}"), changed));
            }
        }
    }
    answers
}

/// Where the fields of a value are, those of the first entry of each list among them, four levels deep: what lies
/// deeper is nothing that is read.
fn pointers(value: &Value, at: &str) -> Vec<String> {
    let below: Vec<_> = match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| (format!("{at}/{}", name.replace('/', "~1")), field)).collect()
        }
        Value::Array(items) => items.iter().take(1).map(|item| (format!("{at}/0"), item)).collect(),
        _ => Vec::new(),
    };
    let below = if at.matches('/').count() < 4 { below } else { Vec::new() };
    below.into_iter().flat_map(|(at, value)| [vec![at.clone()], pointers(value, &at)].concat()).collect()
}

/// Each is made once: that takes longer than many checks.
fn validator(place: &[&str], what: &str) -> Option<Arc<Validator>> {
    static MADE: Mutex<BTreeMap<String, Arc<Validator>>> = Mutex::new(BTreeMap::new());
    let description = description()?;
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(validator) = made.get(what) {
        return Some(validator.clone());
    }
    let found = place.iter().try_fold(description, |value, key| value.get(key));
    let Some(mut found) = found else { panic!("GitHub does not describe {what}") };
    if let Some(place) = found["$ref"].as_str() {
        found = description.pointer(place.trim_start_matches('#')).unwrap();
    }
    let mut schema = found["content"]["application/json"]["schema"].clone();
    // References are written from the top of the description.
    schema["components"] = description["components"].clone();
    let options = jsonschema::options().with_draft(Draft::Draft4).should_validate_formats(true);
    let validator = Arc::new(options.build(&schema).unwrap());
    made.insert(what.to_owned(), validator.clone());
    Some(validator)
}

/// The value with these fields in place of its own.
pub(crate) fn with(mut value: Value, fields: Value) -> Value {
    let (Value::Object(value_fields), Value::Object(fields)) = (&mut value, fields) else { unreachable!() };
    value_fields.extend(fields);
    value
}

/// The smallest value that GitHub's description of this schema allows; nothing where the description is missing.
pub(crate) fn example(schema: &str) -> Value {
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

#[test]
fn the_check_sees_what_github_would_refuse() {
    if description().is_none() {
        return;
    }
    let refused = |body: Value| {
        std::panic::catch_unwind(|| check_request("post", "/repos/{owner}/{repo}/check-runs", &body)).is_err()
    };
    let good = json!({"name": "x", "head_sha": "y", "status": "completed", "conclusion": "success",
        "output": {"title": "t", "summary": "s"}});
    assert!(!refused(good.clone()));
    for (pointer, value) in [
        ("/head_sha", Value::Null),
        ("/conclusion", json!("passed")),
        ("/output/summary", json!("x".repeat(65_536))),
        ("/output", json!({"title": "t"})),
        ("/output/annotations", json!(vec![json!({}); 51])),
    ] {
        let mut bad = good.clone();
        if let Some(target) = bad.pointer_mut(pointer) {
            *target = value;
        } else {
            bad["output"]["annotations"] = value;
        }
        assert!(refused(bad), "{pointer}");
    }
}
