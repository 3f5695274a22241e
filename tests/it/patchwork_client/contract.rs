//! The faked server against a real one: its answers to recorded requests have the same status and type, the same
//! fields with the same kinds of values, and, where mails decide, the same values.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::test_data;
use crate::world::patchwork::FakePatchwork;

/// The scenarios whose mails get the same numbers in the model as they got in the recording: the first ones.
const SCENARIOS: [&str; 7] = [
    "01-cover-3",
    "02-single-utf8",
    "03-revisions",
    "04-incomplete",
    "04-incomplete-late",
    "05-rfc-v2",
    "06-out-of-order",
];

/// Recordings that are not compared, by the beginnings of their names, and why.
const LEFT_OUT: [(&[&str], &str); 8] = [
    (
        &[
            "events-",
            "comment",
            "patch-update-",
            "people-",
            "person-",
            "user-me",
            "users-",
            "options-",
            "head-",
            "accept406",
            "noaccept",
            "patch2-mbox-byid",
            "projects-v",
            "check-detail",
            "check-list-state",
            "check-list-user",
        ],
        "the bridge asks no such thing",
    ),
    (&["v3."], "another release's answers, which are the same"),
    (
        &[
            "check-post-numstate",
            "check-post-form",
            "check-post-basic-wrong",
            "check-post-extra-user",
            "check-post-forge",
        ],
        "the bridge sends no such check",
    ),
    (
        &[
            "series-since",
            "series-q",
            "series-by-submitter",
            "series-bogus",
            "series-list-empty",
            "series-order-bogus",
            "series-order-date",
            "series-order-received",
            "patch-list-hash",
            "patch-list-series",
            "patch-list-state",
            "covers-series-filter",
            "page-",
        ],
        "the bridge uses no such filter or order",
    ),
    (
        &[
            "series-cover-last",
            "series-equal-dates",
            "series-extra",
            "series-falling",
            "series-huge",
            "series-interleaved",
            "series-mixed",
            "series-no-name",
            "series-partial",
            "series-two-",
            "series-pull",
            "series-dependencies",
            "totals-differ",
            "hints-state",
            "patch-crlf",
            "patch-nodate",
            "patch-percent",
            "patch-raw",
            "smuggle",
            "check-post-otherproject",
            "series-incomplete-before",
        ],
        "mails of later scenarios, which have other numbers in the model, or a state that has passed",
    ),
    (
        &["series-list-page", "series-list-perpage", "series-list-lastpage"],
        "more mails than the model is filled with; the page's own rules are tested beside this",
    ),
    (&["cover-single", "patch-after-checks"], "the same object as another recording's"),
    (&["patch-list-msgid-v10"], "an API that is not spoken"),
];

/// Fields that mails alone decide.
const FROM_MAILS: [&str; 12] = [
    "msgid",
    "name",
    "version",
    "total",
    "received_total",
    "received_all",
    "content",
    "diff",
    "prefixes",
    "headers",
    "link_name",
    "detail",
];

fn filled(data: &Path) -> FakePatchwork {
    let patchwork = FakePatchwork::start();
    for list in ["linuxppc-dev", "kvm-ppc"] {
        patchwork.has_project(list);
    }
    patchwork.has_user("someone", "someone@example.org", "<someone>");
    patchwork.has_user("patchlift-bot", "bot@patchlift.example", "<bot>");
    patchwork.has_user("outsider", "outsider@example.org", "<outsider>");
    patchwork.has_user("contributor", "npiggin@example.com", "<contributor>");
    patchwork.lets_maintain("patchlift-bot", "linuxppc-dev");
    for scenario in SCENARIOS {
        let mut mails: Vec<_> = std::fs::read_dir(data.join("mails").join(scenario))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        mails.sort();
        for mail in mails {
            patchwork.receives("linuxppc-dev", &std::fs::read(mail).unwrap());
        }
    }
    patchwork
}

#[tokio::test]
async fn the_faked_server_answers_as_a_real_one() {
    let Some(data) = test_data::folder("patchwork") else { return };
    let patchwork = filled(&data);
    let mut recordings: BTreeMap<(u8, String), Value> = BTreeMap::new();
    for entry in std::fs::read_dir(data.join("json")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // The empty list was recorded before the first check, the other lists after the last one.
        let turn = if name == "check-list-empty" { 0 } else { 1 + u8::from(!name.starts_with("check-post")) };
        recordings.insert((turn, name), serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap());
    }
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let (mut compared, mut wrong) = (0, Vec::new());
    for ((_, name), recording) in &recordings {
        if LEFT_OUT.iter().any(|(names, _)| names.iter().any(|left| name.starts_with(left))) {
            continue;
        }
        // An API that is not spoken.
        if ["-v1.0", "-v1.1", "-v1.4"].iter().any(|version| name.ends_with(version)) {
            continue;
        }
        compared += 1;
        let got = ask(&http, &patchwork, &recording["request"]).await;
        for difference in got.differences(&recording["response"]) {
            wrong.push(format!("{name}: {difference}"));
        }
    }
    assert!(compared >= 45, "only {compared} recordings were compared");
    assert!(wrong.is_empty(), "of {compared} recordings:\n{}", wrong.join("\n"));
}

struct Got {
    status: u64,
    content_type: String,
    location: Option<String>,
    body: Value,
}

async fn ask(http: &reqwest::Client, patchwork: &FakePatchwork, request: &Value) -> Got {
    let text = |name: &str| request[name].as_str().map(str::to_owned);
    let url = format!("{}{}", patchwork.url(), text("path").unwrap().trim_start_matches('/'));
    let method = reqwest::Method::from_bytes(text("method").unwrap().as_bytes()).unwrap();
    let mut sent = http.request(method, url);
    for (name, value) in request["headers"].as_object().unwrap() {
        sent = sent.header(name, value.as_str().unwrap());
    }
    let response = sent.body(text("body").unwrap_or_default()).send().await.unwrap();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    Got {
        status: response.status().as_u16().into(),
        content_type: header("content-type").unwrap_or_default(),
        location: header("location"),
        body: serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default(),
    }
}

impl Got {
    fn differences(&self, recorded: &Value) -> Vec<String> {
        let header = |name: &str| {
            let headers = recorded["headers"].as_array().unwrap().iter();
            let found = headers.clone().find(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(name));
            found.map(|pair| pair[1].as_str().unwrap().to_owned())
        };
        let mut differences = Vec::new();
        if Some(self.status) != recorded["status"].as_u64() {
            differences.push(format!("status {} instead of {}", self.status, recorded["status"]));
        }
        if self.content_type != header("content-type").unwrap_or_default() {
            differences.push(format!("type {}", self.content_type));
        }
        if self.location.is_some() != header("location").is_some() {
            differences.push(format!("location {:?}", self.location));
        }
        if let Some(body) = recorded.get("body") {
            compare("", body, &self.body, &mut differences);
        }
        differences
    }
}

/// A value without its blanks: Python folds long header lines anew.
fn words(value: &Value) -> Value {
    match value {
        Value::String(text) => text.split_whitespace().collect(),
        Value::Object(_) | Value::Array(_) => Value::Null,
        other => other.clone(),
    }
}

/// Compares what was recorded with what was got; `at`: the path of the field.
fn compare(at: &str, recorded: &Value, got: &Value, differences: &mut Vec<String>) {
    match (recorded, got) {
        // A field that may be null may hold anything on the other side.
        (Value::Null, _) | (_, Value::Null) if !at.is_empty() => {}
        (Value::Object(recorded), Value::Object(got)) => {
            let is_header = at.ends_with("headers");
            for name in recorded.keys().chain(got.keys()).collect::<BTreeSet<_>>() {
                match (recorded.get(name), got.get(name)) {
                    (Some(recorded), Some(got)) => {
                        let at = format!("{at}.{name}");
                        let value = FROM_MAILS.contains(&name.as_str()) || is_header;
                        // Rows of lists and people have other numbers here.
                        let other = ["[].", ".project", ".user", ".maintainers"];
                        let own = other.iter().any(|own| at.contains(own) && !at.starts_with(".patches[]"));
                        if value && !own && words(recorded) != words(got) {
                            differences.push(format!("{at} is {got} instead of {recorded}"));
                        }
                        compare(&at, recorded, got, differences);
                    }
                    (Some(_), None) => differences.push(format!("{at}.{name} is missing")),
                    (None, Some(_)) => differences.push(format!("{at}.{name} is too much")),
                    (None, None) => {}
                }
            }
        }
        (Value::Array(recorded), Value::Array(got)) => {
            if recorded.is_empty() != got.is_empty() {
                differences.push(format!("{at} has {} instead of {}", got.len(), recorded.len()));
            }
            for (recorded, got) in recorded.iter().zip(got) {
                compare(&format!("{at}[]"), recorded, got, differences);
            }
        }
        (recorded, got) => {
            if std::mem::discriminant(recorded) != std::mem::discriminant(got) {
                differences.push(format!("{at} is {got} instead of {recorded}"));
            }
        }
    }
}
