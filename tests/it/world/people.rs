//! Where people are told: one GitHub with the workflow's repository and the mirror's, made of the two fakes there are,
//! and a Slack.

use std::sync::mpsc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::github::TOKEN;

#[expect(dead_code, unused_imports, reason = "the tests of publish/ look at more of it")]
#[path = "../../../publish/tests/it/fake_github.rs"]
pub(crate) mod marks;
#[expect(dead_code, reason = "the tests of publish/ look at more of it")]
#[path = "../../../publish/tests/it/fake_slack.rs"]
pub(crate) mod slack;

/// The GitHub with check runs and pull requests, the Slack, and the one address at which all of GitHub is.
pub(crate) struct People {
    pub(crate) marks: marks::FakeGitHub,
    pub(crate) slack: slack::FakeSlack,
    /// `http://127.0.0.1:…/`.
    pub(crate) github: String,
}

impl People {
    /// Starts them; `runs` is the address of the GitHub that has the workflow.
    pub(crate) fn start(runs: &str) -> Self {
        let (tell, told) = mpsc::channel();
        let runs = runs.trim_end_matches('/').to_owned();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let marks = marks::FakeGitHub::start("").await;
                let slack = slack::FakeSlack::start().await;
                let now = jiff::Timestamp::now().as_second();
                slack.memory(|memory| memory.began = u64::try_from(now).ok());
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let github = format!("http://{}/", listener.local_addr().unwrap());
                let door = Door { marks: marks.url.clone(), runs, client: reqwest::Client::new() };
                tell.send(Self { marks, slack, github }).unwrap();
                let app = Router::new().fallback(pass).with_state(door);
                axum::serve(listener, app).await.unwrap();
            });
        });
        told.recv().unwrap()
    }
}

/// `"kvm"` of `octo/kvm`.
fn name(repository: &str) -> String {
    format!("\"{}\"", repository.split('/').nth(1).unwrap())
}

#[derive(Clone)]
struct Door {
    marks: String,
    runs: String,
    client: reqwest::Client,
}

/// Takes a request to the GitHub that knows about it.
async fn pass(State(door): State<Door>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let about_marks = path.starts_with("/app/")
        || path.starts_with(&format!("/repos/{}/", marks::REPOSITORY))
        || path.ends_with("/installation");
    let to = if about_marks { &door.marks } else { &door.runs };
    // Either asks for the App's installation; there is one.
    let path = if path.ends_with("/installation") {
        format!("/repos/{}/installation", marks::REPOSITORY)
    } else {
        path.to_owned()
    };
    let mut headers = head.headers;
    headers.remove("host");
    if !about_marks && let Some(shown) = headers.get_mut("authorization") {
        // The other one knows one token only. That the App got one for this repository is seen where it was given.
        *shown = HeaderValue::from_str(&format!("Bearer {TOKEN}")).unwrap();
    }
    let mut body = to_bytes(body, 32 << 20).await.unwrap().to_vec();
    if path.ends_with("/access_tokens") {
        // It has one repository: a token for the other one is one for that.
        let (other, own) = (name(super::github::REPOSITORY), name(marks::REPOSITORY));
        body = String::from_utf8(body).unwrap().replace(&other, &own).into_bytes();
        headers.remove("content-length");
    }
    let sent =
        door.client.request(head.method, format!("{to}{path}")).headers(headers).body(body).send().await;
    let Ok(answer) = sent else { return StatusCode::BAD_GATEWAY.into_response() };
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers().iter().filter(|(name, _)| *name != "transfer-encoding") {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.bytes().await.unwrap_or_default())).unwrap()
}

/// A real SMTP server, and the mails that it took.
pub(crate) struct MailServer {
    child: std::process::Child,
    mails: mpsc::Receiver<String>,
    pub(crate) port: u16,
}

impl MailServer {
    /// Starts the one that `.ci/tools` installs; `None`, said loudly, where it is not, and a failure where `CI=true`.
    pub(crate) fn start() -> Option<Self> {
        use std::io::BufRead as _;
        use std::process::{Command, Stdio};
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let tools = Command::new(here.join(".ci/tools")).arg("--installed").output().unwrap();
        if !tools.status.success() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "what .ci/tools installs is missing");
            eprintln!("SKIPPED: there is no SMTP server: run .ci/tools");
            return None;
        }
        let folder = String::from_utf8(tools.stdout).unwrap();
        let script = here.join("publish/tests/it/smtp_sink.py");
        let mut command = Command::new(std::path::Path::new(folder.trim()).join("python"));
        command.arg(script).arg("plain").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = std::io::BufReader::new(child.stdout.take().unwrap());
        let (tell, mails) = mpsc::channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let port = mails.recv_timeout(std::time::Duration::from_secs(30)).unwrap().parse().unwrap();
        Some(Self { child, mails, port })
    }

    /// All mails that have come since this was asked last.
    pub(crate) fn mails(&self) -> Vec<serde_json::Value> {
        self.mails.try_iter().map(|mail| serde_json::from_str(&mail).unwrap()).collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
