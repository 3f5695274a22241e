//! Apps: their signatures, installations and tokens.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderValue;
use axum::response::Response;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use patchlift_publish::App;
use serde_json::{Value, json};

use super::{FakeGitHub, PERSONAL, REPOSITORY, TOKEN, answer, refuse};
use crate::contract::{check_request, example, with};

/// The App's number, and that of its installation.
pub(crate) const APP: u64 = 4242;
pub(crate) const INSTALLATION: u64 = 77;

const FIND: &str = "/repos/{owner}/{repo}/installation";
const ACCESS_TOKENS: &str = "/app/installations/{installation_id}/access_tokens";

/// The App with its key as GitHub gives it.
pub(crate) fn app() -> App {
    app_with_key(include_str!("../../data/app-key-pkcs1.pem"))
}

pub(crate) fn app_with_key(key: &str) -> App {
    App { id: APP, key: key.into(), installation: None }
}

pub(crate) struct AppMemory {
    pub(crate) installed: bool,
    /// What its installation may do.
    pub(crate) permissions: BTreeMap<String, String>,
    /// How long its next tokens live.
    pub(crate) lifetime: Duration,
    /// How long its next tokens are, in bytes.
    pub(crate) length: usize,
    /// How far this server's clock is ahead of everybody else's, in seconds.
    pub(crate) ahead: i64,
    /// No token that it has given is taken any more, not even the newest.
    pub(crate) takes_none: bool,
    pub(crate) given: Vec<Given>,
}

/// A token that was given.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) token: String,
    pub(crate) ends: Timestamp,
    pub(crate) permissions: BTreeMap<String, String>,
}

impl Default for AppMemory {
    fn default() -> Self {
        let permissions = [
            ("actions", "write"),
            ("checks", "write"),
            ("contents", "write"),
            ("metadata", "read"),
            ("pull_requests", "write"),
            ("statuses", "write"),
        ];
        Self {
            installed: true,
            permissions: permissions.map(|(name, level)| (name.to_owned(), level.to_owned())).into(),
            lifetime: Duration::from_secs(3600),
            length: 40,
            ahead: 0,
            takes_none: false,
            given: Vec::new(),
        }
    }
}

impl AppMemory {
    fn now(&self) -> Timestamp {
        Timestamp::now() + jiff::SignedDuration::from_secs(self.ahead)
    }

    /// The answer to a request that this token may not make.
    pub(super) fn refuses(&self, token: &str, request: &str) -> Option<Response> {
        if request.contains(" /app/") || request.contains("/installation") {
            return self.refuses_signature(token);
        }
        let permission = permission(request);
        if token == TOKEN || (token == PERSONAL && permission != "checks") {
            return None;
        }
        if token == PERSONAL {
            return Some(refuse(403, "Resource not accessible by personal access token"));
        }
        let good = |given: &&Given| given.token == token && given.ends > self.now();
        match self.given.iter().find(good).filter(|_| !self.takes_none) {
            None => Some(refuse(401, "Bad credentials")),
            Some(given) if !given.permissions.contains_key(permission) => {
                Some(refuse(403, "Resource not accessible by integration"))
            }
            Some(_) => None,
        }
    }

    fn refuses_signature(&self, token: &str) -> Option<Response> {
        let key = DecodingKey::from_rsa_pem(include_bytes!("../../data/app-key-public.pem")).unwrap();
        let claims = match jsonwebtoken::decode::<Value>(token, &key, &Validation::new(Algorithm::RS256)) {
            Ok(decoded) => decoded.claims,
            Err(_) => return Some(refuse(401, "A JSON web token could not be decoded")),
        };
        let (from, to) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
        assert!(to - from <= 600 && from < Timestamp::now().as_second(), "{claims}");
        (claims["iss"] != APP).then(|| refuse(401, "Integration not found"))
    }
}

/// What a request takes.
fn permission(request: &str) -> &'static str {
    match request {
        line if line.contains("/check-runs") => "checks",
        line if line.contains("/status") => "statuses",
        line if line.contains("/pulls") || line.contains("/labels") => "pull_requests",
        _ => "metadata",
    }
}

pub(super) async fn installation(State(github): State<FakeGitHub>) -> Response {
    github.memory(|memory| {
        if !memory.app.installed {
            return refuse(404, "Not Found");
        }
        let body = with(example("installation"), json!({"id": INSTALLATION, "app_id": APP}));
        answer("get", FIND, 200, &body)
    })
}

pub(super) async fn access_token(
    State(github): State<FakeGitHub>,
    Path(id): Path<u64>,
    Json(body): Json<Value>,
) -> Response {
    check_request("post", ACCESS_TOKENS, &body);
    github.memory(|memory| {
        let app = &mut memory.app;
        if !app.installed || id != INSTALLATION {
            return refuse(404, "Not Found");
        }
        let name = REPOSITORY.split_once('/').unwrap().1;
        let wanted: BTreeMap<String, String> = serde_json::from_value(body["permissions"].clone()).unwrap();
        if body["repositories"] != json!([name]) || !wanted.keys().all(|name| app.permissions.contains_key(name)) {
            return refuse(422, "The permissions requested are not granted to this installation.");
        }
        let ends = app.now() + app.lifetime;
        let token = format!("ghs_{}_{}", app.given.len(), "must-never-be-seen".repeat(17));
        let token = token[..app.length].to_owned();
        app.given.push(Given { token: token.clone(), ends, permissions: wanted.clone() });
        let body = json!({"token": token, "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), "permissions": wanted});
        let mut answer = answer("post", ACCESS_TOKENS, 201, &body);
        let date = app.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        answer.headers_mut().insert("date", HeaderValue::from_str(&date).unwrap());
        answer
    })
}
