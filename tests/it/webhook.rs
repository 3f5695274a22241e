//! Deliveries of GitHub's, over HTTP: what is taken, what is refused, and what becomes of it.

use std::net::SocketAddr;
use std::time::Duration;

use hmac::{Hmac, Mac as _};
use patchlift::bridge::ledger::Ledger;
use patchlift::clock::Clock;
use patchlift::record::State;
use patchlift::record::state::{Applied, Run};
use patchlift::store::{Save, Store, What};
use patchlift::webhook::{Settings, WebhookError, bind, serve};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::bridge::{SOON, Story, change};
use crate::store::samples::{applied, finished, key, run, stands};
use crate::world::process::{Bridge, within};

const SECRET: &str = "It's a Secret to Everybody";
const HEAD: &str = "9f3b6c2e71d84a05b6aa0c11d7c3f4e2a8b95d60";

fn signed(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

/// A store with a finished and a running series behind a webhook.
struct Hook {
    dir: tempfile::TempDir,
    address: SocketAddr,
    ledger: Ledger,
    _serving: tokio::task::JoinHandle<()>,
}

fn present() -> Applied {
    Applied { tip: HEAD.to_owned(), ..applied() }
}

fn settings() -> Settings {
    Settings { listen: ([127, 0, 0, 1], 0).into(), secret: SECRET.into(), app: Some(7) }
}

impl Hook {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let State::Finished { run: ended, outcome, .. } = finished(1) else { unreachable!() };
        let done = State::Finished { applied: present(), run: ended, outcome };
        let going = State::Running { applied: present(), run: Run { status: "queued".into(), ..run(9001) } };
        let later = jiff::Timestamp::now() + Duration::from_secs(3600);
        for record in [stands(1, done, None), stands(2, going, Some(later))] {
            store.create(&Save::new(&record, &[])).unwrap();
        }
        let ledger = Ledger::new(store, Clock::System, None);
        let listener = bind(&settings()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = ledger.clone();
        let serving = tokio::spawn(async move {
            serve(listener, settings(), served, Clock::System).await.unwrap();
        });
        Self { dir, address, ledger, _serving: serving }
    }

    fn request(&self, event: &str, id: &str, body: &[u8]) -> RequestBuilder {
        let request = reqwest::Client::new().post(format!("http://{}/github", self.address));
        request
            .header("x-github-event", event)
            .header("x-github-delivery", id)
            .header("content-type", "application/json")
            .body(body.to_vec())
    }

    async fn gets(&self, event: &str, id: &str, body: &Value) -> StatusCode {
        let body = body.to_string().into_bytes();
        let request = self.request(event, id, &body).header("x-hub-signature-256", signed(SECRET, &body));
        request.send().await.unwrap().status()
    }

    /// What is asked of the bridge.
    fn asked(&self) -> Vec<(String, What, String)> {
        let store = Store::read_only(self.dir.path()).unwrap();
        let requests = store.requests().unwrap().into_iter();
        requests.map(|(_, request)| (request.key.to_string(), request.what, request.who)).collect()
    }
}

fn rerequested(head: &str) -> Value {
    json!({"action": "rerequested", "sender": {"login": "octocat"},
        "check_run": {"id": 4, "external_id": format!("patchlift:ozlabs/1:v1:{head}:a1:boot"), "head_sha": head,
            "app": {"id": 7}}})
}

#[tokio::test]
async fn contract_11_only_what_github_signed_is_read() {
    let hook = Hook::new().await;
    let body = rerequested(HEAD).to_string().into_bytes();
    let good = signed(SECRET, &body);
    let sha1 = format!("sha1={}", &good[7..47]);
    let other = signed("another secret", &body);
    let tampered = [&body[..], b" "].concat();
    for (signature, sent, expected) in [
        (None, &body, 401),
        (Some(&sha1), &body, 401),
        (Some(&other), &body, 401),
        (Some(&good), &tampered, 401),
        (Some(&"sha256=".to_owned()), &body, 401),
    ] {
        let mut request = hook.request("check_run", "d-1", sent);
        if let Some(signature) = signature {
            request = request.header("x-hub-signature-256", signature);
        }
        let status = request.send().await.unwrap().status();
        assert_eq!(status.as_u16(), expected, "{signature:?}");
    }
    assert_eq!(hook.asked(), []);
    for (missing, expected) in [("x-github-delivery", 400), ("x-github-event", 400), ("content-type", 415)] {
        let mut request =
            hook.request("check_run", "d-1", &body).header("x-hub-signature-256", &good).build().unwrap();
        request.headers_mut().remove(missing);
        let answer = reqwest::Client::new().execute(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), expected, "without {missing}");
    }
    let form = b"payload=%7B%7D";
    let request = hook.request("check_run", "d-1", form).header("x-hub-signature-256", signed(SECRET, form));
    assert_eq!(request.send().await.unwrap().status(), 400, "signed, and no JSON");
    assert_eq!(hook.asked(), []);
    assert_eq!(hook.gets("ping", "d-0", &json!({"zen": "Keep it logically awesome."})).await, 200);
    let request = hook.request("check_run", "d-1", &body).header("x-hub-signature-256", &good);
    assert_eq!(request.send().await.unwrap().status(), 202);
    assert_eq!(hook.asked(), [("ozlabs/1".to_owned(), What::Retest, "@octocat on GitHub".to_owned())]);
}

#[tokio::test]
async fn contract_11_a_delivery_is_obeyed_once_also_after_a_restart() {
    let hook = Hook::new().await;
    assert_eq!(hook.gets("check_run", "d-1", &rerequested(HEAD)).await, 202);
    assert_eq!(hook.gets("check_run", "d-1", &rerequested(HEAD)).await, 200, "sent again");
    assert_eq!(hook.gets("check_run", "d-2", &rerequested(HEAD)).await, 200, "the number is not signed");
    let other = rerequested("1111111111111111111111111111111111111111");
    assert_eq!(hook.gets("check_run", "d-1", &other).await, 200, "a number comes once");
    assert_eq!(hook.asked().len(), 1);
    hook._serving.abort();
    let again = Store::read_only(hook.dir.path()).unwrap();
    assert_eq!(again.requests().unwrap().len(), 1, "it is on the disk");
}

#[tokio::test]
async fn contract_11_no_more_than_25_mb_are_read() {
    let hook = Hook::new().await;
    let long = vec![b' '; (25 << 20) + 1];
    let signature = signed(SECRET, &long);
    let refused = hook.request("push", "d-1", &long).header("x-hub-signature-256", &signature).send().await;
    // It is refused by its length: the connection may end before all of it is sent.
    assert!(refused.is_err() || refused.unwrap().status() == 413);
    // Without a length, only as much is read.
    let mut stream = tokio::net::TcpStream::connect(hook.address).await.unwrap();
    let head = format!(
        "POST /github HTTP/1.1\r\nhost: x\r\nx-github-event: push\r\nx-github-delivery: d-1\r\n\
         content-type: application/json\r\nx-hub-signature-256: {signature}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    for piece in long.chunks(1 << 20) {
        let sent = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        // It may be refused by now.
        if stream.write_all(&sent).await.is_err() {
            break;
        }
    }
    let mut said = vec![0; 12];
    if stream.read_exact(&mut said).await.is_ok() {
        assert_eq!(said, b"HTTP/1.1 413");
    }
    let mut body = b"{}".to_vec();
    body.resize(25 << 20, b' ');
    let request = hook.request("push", "d-2", &body).header("x-hub-signature-256", signed(SECRET, &body));
    assert_eq!(request.send().await.unwrap().status(), 202, "what GitHub sends at most is taken");
}

#[tokio::test]
async fn a_button_of_older_commits_is_noted_and_not_obeyed() {
    let hook = Hook::new().await;
    let old = "1111111111111111111111111111111111111111";
    assert_eq!(hook.gets("check_run", "d-1", &rerequested(old)).await, 202);
    assert_eq!(hook.asked(), []);
    let history = hook.ledger.with(|store| store.history(&key(1))).await.unwrap();
    let said = history.last().unwrap().event.words();
    assert_eq!(said, "@octocat on GitHub pressed a button of commits that it does not have any more");
    let mut nobody = rerequested(HEAD);
    nobody["check_run"]["external_id"] = json!(format!("patchlift:ozlabs/77:v1:{HEAD}:a1:boot"));
    assert_eq!(hook.gets("check_run", "d-2", &nobody).await, 202);
    let mut foreign = rerequested(HEAD);
    foreign["check_run"]["app"]["id"] = json!(8);
    assert_eq!(hook.gets("check_run", "d-3", &foreign).await, 202);
    assert_eq!(hook.asked(), []);
    let mut button = rerequested(HEAD);
    button["action"] = json!("requested_action");
    button["requested_action"] = json!({"identifier": "run-tests"});
    assert_eq!(hook.gets("check_run", "d-4", &button).await, 202);
    assert_eq!(hook.asked()[0].1, What::Release);
}

#[tokio::test]
async fn a_run_that_went_on_is_looked_at_now_and_not_believed() {
    let hook = Hook::new().await;
    let before = hook.ledger.get(&key(2)).await.unwrap().unwrap();
    assert!(before.due.unwrap() > jiff::Timestamp::now());
    let body = json!({"action": "completed", "workflow_run": {"id": 9001, "status": "completed", "conclusion": "success"}});
    assert_eq!(hook.gets("workflow_run", "d-1", &body).await, 202);
    let after = hook.ledger.get(&key(2)).await.unwrap().unwrap();
    assert!(after.due.unwrap() <= jiff::Timestamp::now());
    assert_eq!(after.state, before.state);
    let job = json!({"action": "queued", "workflow_job": {"id": 5, "run_id": 1}});
    assert_eq!(hook.gets("workflow_job", "d-2", &job).await, 202, "somebody else's run");
}

#[tokio::test]
async fn the_health_page_tells_the_age_of_the_last_sign_of_life() {
    let hook = Hook::new().await;
    let ask = || async {
        let answer = reqwest::get(format!("http://{}/healthz", hook.address)).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(ask().await, (200, "ok: it begins\n".to_owned()));
    let beat = |age: u64| {
        let at = jiff::Timestamp::now() - Duration::from_secs(age);
        hook.ledger.with(move |store| store.beat(at))
    };
    beat(20).await.unwrap();
    let (status, said) = ask().await;
    assert!(status == 200 && said.starts_with("ok: the last sign of life is 2"), "{said}");
    beat(600).await.unwrap();
    assert_eq!(ask().await.0, 503);
}

#[tokio::test]
async fn an_address_that_is_taken_is_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let error = bind(&Settings { listen, ..settings() }).await.unwrap_err();
    assert!(matches!(error, WebhookError::Listen { .. }));
    assert_eq!(error.to_string(), format!("cannot listen at {listen} ([webhook] listen)"));
}

pub(crate) const BRIDGES_SECRET: &str = "a-webhook-secret-that-must-never-be-seen";

/// The bridge of this story listens for deliveries.
pub(crate) fn listens(story: &Story) {
    story.lab.keep_secret("webhook-secret", BRIDGES_SECRET);
    let webhook = "[webhook]\nlisten = \"127.0.0.1:0\"\nsecret = { file = \"webhook-secret\" }\n[github]\n";
    story.configured("[github]\n", webhook);
}

/// A delivery about a check run, as GitHub sends it to a bridge's program.
pub(crate) fn delivered(bridge: &Bridge, id: &'static str, body: &Value) -> u16 {
    let said = bridge.said();
    let address = said.split("deliveries come in at ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let body = body.to_string().into_bytes();
    let signature = signed(BRIDGES_SECRET, &body);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let request = reqwest::Client::new().post(&address).body(body);
        let request = request.header("x-github-event", "check_run").header("x-github-delivery", id);
        let request =
            request.header("content-type", "application/json").header("x-hub-signature-256", signature);
        request.send().await.unwrap().status().as_u16()
    })
}

/// All of it, with the bridge's own program: a person presses "re-run" beside the commit, and it is tested again.
#[test]
fn a_button_tests_a_series_again() {
    let story = Story::of(&[change("a", "fix a", 1)]);
    listens(&story);
    let bridge = story.lab.start(None);
    let passed = story.becomes(&bridge, 1, "passed");
    let tip = passed.state.applied().unwrap().tip.clone();
    let mut body = rerequested(&tip);
    body["check_run"]["external_id"] = json!(format!("patchlift:fake/1:v1:{tip}:a1:boot"));
    assert_eq!(delivered(&bridge, "d-1", &body), 202);
    assert!(
        within(SOON, || (story.lab.github.model().runs.len() == 2).then_some(())).is_some(),
        "{}",
        bridge.said()
    );
    let history = story.history(1);
    assert!(
        history.iter().any(|line| line.contains("@octocat on GitHub wants it tested again")),
        "{history:#?}"
    );
    assert!(!bridge.said().contains("must-never-be-seen"));
}
