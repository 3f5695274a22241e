//! A Slack in memory, reached over HTTP on 127.0.0.1: one channel with its messages, threads and metadata, and an
//! incoming webhook. It refuses what Slack refuses, and fails on demand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

/// The only token it takes.
pub(crate) const TOKEN: &str = "xoxb-a-token-that-must-never-be-seen";
/// The end of the webhook's address, a secret too.
pub(crate) const WEBHOOK_SECRET: &str = "a-webhook-that-must-never-be-seen";
/// The only channel it has.
pub(crate) const CHANNEL: &str = "C0123ABCD";

/// How a request goes wrong.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It is answered so before anything is done.
    Before(u16, &'static [(&'static str, &'static str)], &'static str),
    /// It is refused in Slack's way, with a status of 200.
    Refused(Value),
    /// It is done, and the answer is lost on its way.
    After(u16),
    /// It is done, and there is no answer for longer than anybody waits.
    Silence,
}

#[derive(Default)]
pub(crate) struct Memory {
    /// What is in the channel, oldest first; replies too.
    pub(crate) messages: Vec<Value>,
    /// What the webhook was given.
    pub(crate) webhook: Vec<Value>,
    /// The methods that were called, in order.
    pub(crate) calls: Vec<String>,
    /// What goes wrong with the next call of a method.
    pub(crate) faults: VecDeque<(&'static str, Fault)>,
    /// Most messages on a page, if less than what is asked for.
    pub(crate) page: Option<usize>,
    /// The second of its first message, where it is to be this machine's; otherwise one in November 2026.
    pub(crate) began: Option<u64>,
    posted: u32,
}

#[derive(Clone)]
pub(crate) struct FakeSlack {
    memory: Arc<Mutex<Memory>>,
    url: String,
}

impl FakeSlack {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let slack = Self { memory: Arc::default(), url };
        let app = Router::new()
            .route("/api/{method}", post(write))
            .route("/api/conversations.history", get(history))
            .route("/api/conversations.replies", get(replies))
            .layer(axum::middleware::from_fn(authorize))
            .route("/services/T0/B0/{secret}", post(webhook))
            .with_state(slack.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        slack
    }

    /// The address of its Web API.
    pub(crate) fn api(&self) -> String {
        format!("{}/api/", self.url)
    }

    /// The address of its incoming webhook.
    pub(crate) fn webhook_url(&self) -> String {
        format!("{}/services/T0/B0/{WEBHOOK_SECRET}", self.url)
    }

    pub(crate) fn memory<T>(&self, look: impl FnOnce(&mut Memory) -> T) -> T {
        look(&mut self.memory.lock().unwrap())
    }

    /// The next call of `method` goes wrong.
    pub(crate) fn fail(&self, method: &'static str, fault: Fault) {
        self.memory(|memory| memory.faults.push_back((method, fault)));
    }

    /// The next call of `method` is refused with this word.
    pub(crate) fn refuse(&self, method: &'static str, error: &str) {
        self.fail(method, Fault::Refused(json!({"ok": false, "error": error})));
    }

    /// The methods called since the last time this was asked.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.memory(|memory| std::mem::take(&mut memory.calls))
    }

    /// The headings of all messages, and how many replies each has.
    pub(crate) fn channel(&self) -> Vec<(String, usize)> {
        self.memory(|memory| {
            let replies = |ts: &Value| memory.messages.iter().filter(|one| one["thread_ts"] == *ts).count();
            let top = memory.messages.iter().filter(|one| one["thread_ts"].is_null());
            top.map(|one| {
                (one["blocks"][0]["text"]["text"].as_str().unwrap().to_owned(), replies(&one["ts"]))
            })
            .collect()
        })
    }

    /// Somebody else says something in the channel.
    pub(crate) fn chat(&self, text: &str, metadata: Value) {
        self.memory(|memory| {
            let said = json!({"text": text, "metadata": metadata, "user": "U1",
                "blocks": [{"type": "header", "text": {"type": "plain_text", "text": text}}]});
            memory.put(&said);
        });
    }

    async fn act(&self, method: &str, act: impl FnOnce(&mut Memory) -> Response) -> Response {
        let fault = self.memory(|memory| {
            memory.calls.push(method.to_owned());
            let next = memory.faults.front().filter(|(of, _)| *of == method).is_some();
            next.then(|| memory.faults.pop_front()).flatten().map(|(_, fault)| fault)
        });
        match fault {
            None => self.memory(act),
            Some(Fault::Before(status, headers, body)) => {
                let mut answer = (StatusCode::from_u16(status).unwrap(), body).into_response();
                let headers =
                    headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
                answer.headers_mut().extend(headers.collect::<HeaderMap>());
                answer
            }
            Some(Fault::Refused(answer)) => Json(answer).into_response(),
            Some(Fault::After(status)) => {
                self.memory(act);
                (StatusCode::from_u16(status).unwrap(), "<html>upstream is gone</html>").into_response()
            }
            Some(Fault::Silence) => {
                self.memory(act);
                std::future::pending().await
            }
        }
    }
}

/// As Slack does it: what is wrong with a token is said with a status of 200.
async fn authorize(request: Request, next: axum::middleware::Next) -> Response {
    let given = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    match given {
        Some(given) if given == format!("Bearer {TOKEN}") => next.run(request).await,
        Some(_) => refused("invalid_auth"),
        None => refused("not_authed"),
    }
}

fn refused(error: &str) -> Response {
    Json(json!({"ok": false, "error": error})).into_response()
}

async fn write(
    State(slack): State<FakeSlack>,
    Path(method): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    slack
        .act(&method, |memory| match (wrong(&body), method.as_str()) {
            (Some(error), _) => refused(error),
            (None, "chat.postMessage") => memory.post(&body),
            (None, "chat.update") => memory.update(&body),
            (None, _) => refused("unknown_method"),
        })
        .await
}

/// What Slack would not take of a message.
fn wrong(body: &Value) -> Option<&'static str> {
    let length = |value: &Value| value["text"].as_str().map_or(0, |text| text.chars().count());
    let blocks = body["blocks"].as_array().unwrap();
    let fits = |block: &Value| match block["type"].as_str().unwrap() {
        "header" => block["text"]["type"] == "plain_text" && (1..=150).contains(&length(&block["text"])),
        "section" => {
            let fields = block["fields"].as_array().map_or(&[][..], Vec::as_slice);
            let text = block.get("text").is_none_or(|text| (1..=3000).contains(&length(text)));
            text && fields.len() <= 10 && fields.iter().all(|field| (1..=2000).contains(&length(field)))
        }
        "context" => (1..=10).contains(&block["elements"].as_array().unwrap().len()),
        kind => kind == "divider",
    };
    let all: usize = blocks.iter().map(|block| block.to_string().chars().count()).sum();
    match () {
        () if body["channel"] != CHANNEL => Some("channel_not_found"),
        () if length(body) == 0 => Some("no_text"),
        () if blocks.len() > 50 || !blocks.iter().all(fits) => Some("invalid_blocks"),
        () if all > 13_200 => Some("msg_blocks_too_long"),
        () => None,
    }
}

impl Memory {
    fn put(&mut self, message: &Value) -> String {
        self.posted += 1;
        let second = self.began.unwrap_or(1_795_000_000) + u64::from(self.posted);
        let ts = format!("{second}.000{:03}", self.posted);
        let mut message = message.clone();
        message["ts"] = ts.clone().into();
        self.messages.push(message);
        ts
    }

    fn post(&mut self, body: &Value) -> Response {
        let thread = &body["thread_ts"];
        if !thread.is_null() && !self.messages.iter().any(|one| one["ts"] == *thread) {
            return refused("thread_not_found");
        }
        let ts = self.put(body);
        Json(json!({"ok": true, "channel": CHANNEL, "ts": ts, "message": {}})).into_response()
    }

    fn update(&mut self, body: &Value) -> Response {
        let Some(message) = self.messages.iter_mut().find(|one| one["ts"] == body["ts"]) else {
            return refused("message_not_found");
        };
        if !message["user"].is_null() {
            return refused("cant_update_message");
        }
        for field in ["text", "blocks", "metadata"] {
            message[field] = body[field].clone();
        }
        Json(json!({"ok": true, "channel": CHANNEL, "ts": body["ts"], "text": body["text"]})).into_response()
    }

    fn page(&self, asked: &Asked, mut found: Vec<Value>) -> Response {
        if asked.include_all_metadata != "true" {
            found.iter_mut().for_each(|one| one["metadata"] = Value::Null);
        }
        let from: usize = asked.cursor.parse().unwrap_or(0);
        let limit = asked.limit.min(self.page.unwrap_or(usize::MAX));
        let next = if from + limit < found.len() { (from + limit).to_string() } else { String::new() };
        let page: Vec<_> = found.into_iter().skip(from).take(limit).collect();
        Json(json!({"ok": true, "messages": page, "has_more": !next.is_empty(),
            "response_metadata": {"next_cursor": next}}))
        .into_response()
    }
}

#[derive(serde::Deserialize)]
struct Asked {
    channel: String,
    #[serde(default)]
    oldest: String,
    #[serde(default)]
    ts: String,
    #[serde(default)]
    cursor: String,
    #[serde(default)]
    include_all_metadata: String,
    limit: usize,
}

/// The newest first, without replies.
async fn history(State(slack): State<FakeSlack>, Query(asked): Query<Asked>) -> Response {
    slack
        .act("conversations.history", |memory| {
            if asked.channel != CHANNEL {
                return refused("channel_not_found");
            }
            let oldest: f64 = asked.oldest.parse().unwrap_or(0.0);
            let late = |one: &&Value| one["ts"].as_str().unwrap().parse::<f64>().unwrap() > oldest;
            let top = memory.messages.iter().filter(|one| one["thread_ts"].is_null());
            let found = top.filter(late).rev().cloned().collect();
            memory.page(&asked, found)
        })
        .await
}

/// The message itself, then its replies, the oldest first.
async fn replies(State(slack): State<FakeSlack>, Query(asked): Query<Asked>) -> Response {
    slack
        .act("conversations.replies", |memory| {
            if !memory.messages.iter().any(|one| one["ts"] == asked.ts.as_str()) {
                return refused("thread_not_found");
            }
            let of = |one: &&Value| one["ts"] == asked.ts.as_str() || one["thread_ts"] == asked.ts.as_str();
            let found = memory.messages.iter().filter(of).cloned().collect();
            memory.page(&asked, found)
        })
        .await
}

async fn webhook(
    State(slack): State<FakeSlack>,
    Path(secret): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    slack
        .act("webhook", |memory| {
            if secret != WEBHOOK_SECRET {
                return (StatusCode::NOT_FOUND, "no_service").into_response();
            }
            memory.webhook.push(body);
            "ok".into_response()
        })
        .await
}
