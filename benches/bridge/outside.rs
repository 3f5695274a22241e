//! Patchwork servers and GitHub as small models: answers are made from numbers, so ten thousand series take no memory
//! worth speaking of, and every request is counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::upstream;

/// Patches of every series, and a cover letter.
pub(crate) const PATCHES: u64 = 5;

/// Projects of every server.
pub(crate) const PROJECTS: u64 = 5;

/// People who send.
const SENDERS: u64 = 500;

/// What has been asked so far, by kind.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

/// A server with the series 1, 2, 3, …; or GitHub with every run at work.
#[derive(Clone)]
pub(crate) struct Outside {
    pub(crate) url: String,
    name: &'static str,
    inside: Arc<Mutex<Inside>>,
}

#[derive(Default)]
struct Inside {
    newest: u64,
    /// Series of which a mail has not come yet.
    missing: Vec<u64>,
    counts: Counts,
    /// When a list was asked for first.
    first_list: Option<Timestamp>,
    checks: u64,
}

impl Outside {
    /// Serves on a free port of this machine for as long as the runtime lives.
    pub(crate) async fn start(name: &'static str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let outside = Self { url, name, inside: Arc::default() };
        let router = Router::new().fallback(answer).with_state(outside.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        outside
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another series comes in, whole or without its last mail. Gives its number.
    pub(crate) fn comes(&self, whole: bool) -> u64 {
        let mut inside = self.inside();
        inside.newest += 1;
        let id = inside.newest;
        if !whole {
            inside.missing.push(id);
        }
        id
    }

    /// What was missing has come.
    pub(crate) fn completes(&self, id: u64) {
        self.inside().missing.retain(|missing| *missing != id);
    }

    pub(crate) fn counts(&self) -> Counts {
        self.inside().counts.clone()
    }

    /// Checks that it was given.
    pub(crate) fn checks(&self) -> u64 {
        self.inside().checks
    }

    /// Was a list asked for since [`Outside::take_first_list`]?
    pub(crate) fn has_first_list(&self) -> bool {
        self.inside().first_list.is_some()
    }

    /// When a list was asked for first since this was asked last.
    pub(crate) fn take_first_list(&self) -> Option<Timestamp> {
        self.inside().first_list.take()
    }

    fn count(&self, kind: &'static str) {
        *self.inside().counts.entry(kind).or_default() += 1;
    }

    fn series(&self, id: u64) -> Value {
        let received = if self.inside().missing.contains(&id) { PATCHES - 1 } else { PATCHES };
        let project = project_of(id);
        let api = |rest: String| format!("{}api/1.3/{rest}", self.url);
        let mail = |place: u64| {
            let list = if place == 0 { "covers" } else { "patches" };
            let msgid = self.msgid(id, place);
            json!({
                "id": mail_id(id, place),
                "url": api(format!("{list}/{}/", mail_id(id, place))),
                "web_url": format!("{}project/{project}/patch/{msgid}/", self.url),
                "msgid": format!("<{msgid}>"),
                "list_archive_url": null,
                "date": "2026-11-20T10:00:00",
                "name": subject(id, place),
                "mbox": format!("{}project/{project}/patch/{msgid}/mbox/", self.url),
            })
        };
        json!({
            "id": id,
            "url": api(format!("series/{id}/")),
            "web_url": format!("{}project/{project}/list/?series={id}", self.url),
            "project": self.project(project_number(id)),
            "name": title(id),
            "date": "2026-11-20T10:00:00",
            "submitter": {
                "id": id % SENDERS,
                "url": api(format!("people/{}/", id % SENDERS)),
                "name": sender(id),
                "email": email(id),
            },
            "version": 1,
            "total": PATCHES,
            "received_total": received,
            "received_all": received == PATCHES,
            "mbox": format!("{}series/{id}/mbox/", self.url),
            "cover_letter": mail(0),
            "patches": (1..=received).map(mail).collect::<Vec<_>>(),
        })
    }

    fn project(&self, number: u64) -> Value {
        let name = format!("project{number}");
        json!({
            "id": number + 1,
            "url": format!("{}api/1.3/projects/{}/", self.url, number + 1),
            "name": name,
            "link_name": name,
            "list_id": format!("{name}.lists.example.org"),
            "list_email": format!("{name}@lists.example.org"),
            "web_url": "", "scm_url": "", "webscm_url": "", "subject_match": "",
            "maintainers": [{"id": 1, "username": "patchlift-bot", "email": "bot@example.org"}],
            "list_archive_url": "", "list_archive_url_format": "", "commit_url_format": "",
        })
    }

    pub(crate) fn msgid(&self, series: u64, place: u64) -> String {
        format!("20261120100000.{series}-{place}-{}@{}.example.org", sender(series), self.name)
    }

    /// Headers and text of a mail.
    fn mail(&self, series: u64, place: u64) -> (Vec<(&'static str, String)>, String) {
        let headers = vec![
            ("From", format!("{} <{}>", sender(series), email(series))),
            ("Subject", subject(series, place)),
            ("Date", "Fri, 20 Nov 2026 10:00:00 +0000".to_owned()),
            ("Message-ID", format!("<{}>", self.msgid(series, place))),
            ("To", format!("{}@lists.example.org", project_of(series))),
        ];
        let sign = format!("Signed-off-by: {} <{}>", sender(series), email(series));
        (headers, format!("What was wrong before, and what is true now.\n\n{sign}\n"))
    }

    pub(crate) fn mailbox(&self, series: u64) -> String {
        let mut mailbox = String::new();
        for place in 1..=PATCHES {
            let (headers, text) = self.mail(series, place);
            let id = mail_id(series, place);
            mailbox.push_str("From patchwork Fri Nov 20 10:00:00 2026\n");
            mailbox.push_str("Content-Type: text/plain; charset=\"utf-8\"\nMIME-Version: 1.0\n");
            mailbox.push_str(&format!("Content-Transfer-Encoding: 7bit\nX-Patchwork-Id: {id}\n"));
            for (name, value) in headers {
                mailbox.push_str(&format!("{name}: {value}\n"));
            }
            mailbox.push_str(&format!("\n{text}---\n\n{}\n", upstream::diff(series, place)));
        }
        mailbox
    }
}

fn mail_id(series: u64, place: u64) -> u64 {
    series * 10 + place
}

pub(crate) fn project_number(series: u64) -> u64 {
    series % PROJECTS
}

pub(crate) fn project_of(series: u64) -> String {
    format!("project{}", project_number(series))
}

fn sender(series: u64) -> String {
    format!("sender{}", series % SENDERS)
}

fn email(series: u64) -> String {
    format!("{}@example.org", sender(series))
}

pub(crate) fn title(series: u64) -> String {
    format!("powerpc/kvm: make thing {series} work as it is described")
}

fn subject(series: u64, place: u64) -> String {
    format!("[{place}/{PATCHES}] {}", title(series))
}

async fn answer(State(outside): State<Outside>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let posted = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let path = parts.uri.path().trim_matches('/').to_owned();
    let query = parts.uri.query().unwrap_or_default();
    let segments: Vec<&str> = path.split('/').collect();
    let number = |text: &str| text.parse::<u64>().unwrap();
    match segments.as_slice() {
        ["api", _, "series"] => {
            outside.count("list");
            outside.inside().first_list.get_or_insert_with(Timestamp::now);
            json_of(200, &Value::Array(list(&outside, query)))
        }
        ["api", _, "series", id] => {
            outside.count("series");
            json_of(200, &outside.series(number(id)))
        }
        ["api", _, "projects", name] => {
            outside.count("project");
            json_of(200, &outside.project(number(name.trim_start_matches("project"))))
        }
        ["api", _, "covers" | "patches", id] => {
            outside.count("patch or cover");
            json_of(200, &text(&outside, number(id)))
        }
        ["api", _, "patches", _, "checks"] if parts.method == "POST" => {
            outside.count("check posted");
            outside.inside().checks += 1;
            let mut check: Value = serde_json::from_slice(&posted).unwrap();
            check["id"] = json!(outside.checks());
            json_of(201, &check)
        }
        ["api", _, "patches", _, "checks"] => {
            outside.count("checks");
            json_of(200, &json!([]))
        }
        ["series", id, "mbox"] => {
            outside.count("mbox");
            of(200, "text/plain; charset=utf-8", outside.mailbox(number(id)))
        }
        ["repos", _, _, "actions", "runs", id] => {
            outside.count("run");
            json_of(200, &run(number(id)))
        }
        _ => {
            outside.count("something else");
            json_of(404, &json!({"detail": "Not found."}))
        }
    }
}

fn list(outside: &Outside, query: &str) -> Vec<Value> {
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let count = |name: &str, usual: u64| value(name).map_or(usual, |text| text.parse().unwrap());
    let (page, per_page) = (count("page", 1), count("per_page", 30));
    let newest = outside.inside().newest;
    let wanted = |id: &u64| pairs.iter().any(|(key, value)| key == "project" && *value == project_of(*id));
    let skipped = usize::try_from((page - 1) * per_page).unwrap();
    let rows = (1..=newest).rev().filter(wanted).skip(skipped).take(usize::try_from(per_page).unwrap());
    rows.map(|id| outside.series(id)).collect()
}

fn text(outside: &Outside, id: u64) -> Value {
    let (series, place) = (id / 10, id % 10);
    let (headers, content) = outside.mail(series, place);
    let headers: serde_json::Map<String, Value> =
        headers.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    json!({
        "id": id,
        "msgid": format!("<{}>", outside.msgid(series, place)),
        "name": subject(series, place),
        "date": "2026-11-20T10:00:00",
        "project": outside.project(project_number(series)),
        "submitter": {"id": 1, "name": sender(series), "email": email(series)},
        "series": [{"id": series}],
        "headers": headers,
        "content": content,
        "diff": if place == 0 { Value::Null } else { json!(upstream::diff(series, place)) },
        "pull_url": null,
        "state": "new",
    })
}

fn run(id: u64) -> Value {
    let began = Timestamp::now() - std::time::Duration::from_secs(600);
    json!({
        "id": id,
        "html_url": format!("https://github.example.org/octo/kvm/actions/runs/{id}"),
        "display_title": "patchlift",
        "status": "in_progress",
        "conclusion": null,
        "created_at": began.to_string(),
        "run_started_at": began.to_string(),
        "updated_at": began.to_string(),
        "run_attempt": 1,
    })
}

fn json_of(status: u16, value: &Value) -> Response {
    of(status, "application/json", value.to_string())
}

fn of(status: u16, content_type: &str, body: String) -> Response {
    Response::builder().status(status).header(CONTENT_TYPE, content_type).body(Body::from(body)).unwrap()
}
