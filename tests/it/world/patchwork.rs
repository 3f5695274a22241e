//! A faked Patchwork: one state in memory, from which every answer over HTTP is made.
//!
//! Mails change the state by the rules of a real server ([`model`]); [`views`] and [`answers`] say what is seen of it.
//! Failures are put in with [`FakePatchwork::fails`]. What a real server answers was recorded, and a test in
//! `patchwork_client.rs` compares.

mod answers;
mod mail;
mod model;
mod views;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::response::Response;
use futures_util::stream;

use answers::{Question, Reply, answer};
use model::{Model, Project, User};

pub(crate) use model::Delivered;

/// A server on a free port of this machine; it ends when this is dropped.
pub(crate) struct FakePatchwork {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct Shared {
    origin: String,
    model: Mutex<Model>,
    faults: Mutex<Vec<Planned>>,
    requests: Mutex<Vec<Asked>>,
    /// Requests that are being answered, and the most of them so far.
    at_once: Mutex<(usize, usize)>,
}

/// A request that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// `GET` or `POST`.
    pub(crate) method: String,
    /// The path with its query.
    pub(crate) path: String,
    /// The `Authorization` header, verbatim.
    pub(crate) authorization: Option<String>,
    /// The `User-Agent` header.
    pub(crate) agent: String,
    /// What was sent.
    pub(crate) body: String,
}

/// A check as a person sees it on a patch's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenCheck {
    pub(crate) state: String,
    pub(crate) context: String,
    pub(crate) description: String,
    pub(crate) url: Option<String>,
    pub(crate) user: String,
}

/// What goes wrong instead of an answer.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// `Server Error (500)`, as HTML.
    ServerError,
    /// A proxy's page for a server that is down.
    BadGateway,
    /// The thing is not there.
    NotFound,
    /// Too many requests.
    TooMany {
        /// In seconds.
        retry_after: u64,
    },
    /// A wall against robots: 200, and a page.
    BotWall,
    /// Sent on to somewhere else.
    SentTo(String),
    /// The connection is closed without an answer.
    Reset,
    /// The connection is closed in the middle of the answer.
    HalfBody,
    /// No answer for so long; then the right one.
    Silence(Duration),
    /// What was asked is done, and the connection is closed without an answer.
    LostAnswer,
    /// Another body, of the right type.
    Body(String),
}

struct Planned {
    /// Part of `GET /api/1.3/series/?…`.
    part: String,
    fault: Fault,
    times: usize,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FakePatchwork {
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            origin: format!("http://{address}"),
            model: Mutex::default(),
            faults: Mutex::default(),
            requests: Mutex::default(),
            at_once: Mutex::default(),
        });
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let app = axum::Router::new().fallback(serve).with_state(shared.clone());
        // A runtime of its own: a test that waits for a process must not keep the server from answering it.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let serving = async move { axum::serve(listener, app).await };
                tokio::select! {
                    served = serving => served.unwrap(),
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        Self { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// There is a project, and a list with an address of the same name.
    pub(crate) fn has_project(&self, link_name: &str) {
        let mut model = locked(&self.shared.model);
        let id = model.projects.len() as u64 + 1;
        model.projects.push(Project {
            id,
            link_name: link_name.to_owned(),
            list_email: format!("{link_name}@lists.example.org"),
            maintainers: Vec::new(),
        });
    }

    /// There is a user with a token.
    pub(crate) fn has_user(&self, username: &str, email: &str, token: &str) {
        let mut model = locked(&self.shared.model);
        let id = model.users.len() as u64 + 1;
        model.users.push(User {
            id,
            username: username.to_owned(),
            email: email.to_owned(),
            token: token.to_owned(),
        });
    }

    /// A user may post checks in a project.
    pub(crate) fn lets_maintain(&self, username: &str, link_name: &str) {
        let mut model = locked(&self.shared.model);
        let user = model.users.iter().find(|user| user.username == username).unwrap().id;
        let project = model.projects.iter_mut().find(|project| project.link_name == link_name).unwrap();
        project.maintainers.push(user);
    }

    /// A mail comes in from a project's list. Mails from `git format-patch` have an id with `--thread` only.
    pub(crate) fn receives(&self, link_name: &str, mail: &[u8]) -> Delivered {
        let id = patchlift::mail::overview::overview(mail).message_id;
        assert!(id.is_some(), "a mail without a Message-ID is never taken in");
        let mut model = locked(&self.shared.model);
        let project = model.project(link_name).unwrap().id;
        model.deliver(project, mail)
    }

    /// All mails of a mailbox come in, one after the other; gives the numbers of their series, each once.
    pub(crate) fn receives_mailbox(&self, link_name: &str, mailbox: &[u8]) -> Vec<u64> {
        let mut all = Vec::new();
        for mail in patchlift::mbox::split(mailbox) {
            match self.receives(link_name, &mail) {
                Delivered::Patch { series, .. } | Delivered::Cover { series, .. }
                    if !all.contains(&series) =>
                {
                    all.push(series);
                }
                _ => {}
            }
        }
        all
    }

    /// Somebody answers a patch.
    pub(crate) fn receives_answer(&self, patch: u64, text: &str) {
        let mut model = locked(&self.shared.model);
        let patch = model.patches.iter_mut().find(|known| known.id == patch).unwrap();
        patch.comments.push(text.to_owned());
    }

    /// The newest answers are deleted.
    pub(crate) fn loses_answers(&self, count: usize) {
        let comments = &mut locked(&self.shared.model).comments;
        comments.truncate(comments.len() - count);
    }

    /// A series' patches by their numbers: what the server calls them.
    pub(crate) fn patches_of(&self, series: u64) -> Vec<u64> {
        let model = locked(&self.shared.model);
        let mut patches = model.patches_of(series);
        patches.sort_by_key(|patch| patch.number);
        patches.iter().map(|patch| patch.id).collect()
    }

    /// All checks of a patch, the oldest first.
    pub(crate) fn checks_of(&self, patch: u64) -> Vec<SeenCheck> {
        let model = locked(&self.shared.model);
        let checks = model.checks.iter().filter(|check| check.patch == patch);
        let user = |id| model.users.iter().find(|user| user.id == id).map(|user| user.username.clone());
        checks
            .map(|check| SeenCheck {
                state: check.state.to_owned(),
                context: check.context.clone(),
                description: check.description.clone().unwrap_or_default(),
                url: check.target_url.clone(),
                user: user(check.user).unwrap_or_default(),
            })
            .collect()
    }

    /// The next `times` requests whose `METHOD path?query` holds `part` go wrong. What was planned first comes first.
    pub(crate) fn fails(&self, part: &str, fault: Fault, times: usize) {
        locked(&self.shared.faults).push(Planned { part: part.to_owned(), fault, times });
    }

    /// Nothing goes wrong any more.
    pub(crate) fn recovers(&self) {
        locked(&self.shared.faults).clear();
    }

    /// The most requests that were being answered at the same time.
    pub(crate) fn most_at_once(&self) -> usize {
        locked(&self.shared.at_once).1
    }

    /// All requests since the start, or since this was asked last.
    pub(crate) fn takes_requests(&self) -> Vec<Asked> {
        std::mem::take(&mut *locked(&self.shared.requests))
    }
}

impl Drop for FakePatchwork {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // Nobody listens where the server ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A server that panicked has failed the test already.
            let _ = thread.join();
        }
    }
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    {
        let mut at_once = locked(&shared.at_once);
        at_once.0 += 1;
        at_once.1 = at_once.1.max(at_once.0);
    }
    let response = respond(&shared, request).await;
    locked(&shared.at_once).0 -= 1;
    response
}

async fn respond(shared: &Shared, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let path = parts.uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let asked = Asked {
        method: parts.method.to_string(),
        path: path.clone(),
        authorization: header(AUTHORIZATION),
        agent: header(axum::http::header::USER_AGENT).unwrap_or_default(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let fault = shared.fault(&format!("{} {path}", parts.method));
    locked(&shared.requests).push(asked.clone());
    let reply = || shared.reply(&asked, parts.uri.path(), parts.uri.query().unwrap_or_default(), &body);
    match fault {
        None => whole(reply()),
        Some(Fault::Silence(time)) => {
            tokio::time::sleep(time).await;
            whole(reply())
        }
        Some(Fault::LostAnswer) => {
            reply();
            broken(None)
        }
        Some(Fault::Reset) => broken(None),
        Some(Fault::HalfBody) => broken(Some(reply())),
        Some(Fault::Body(text)) => whole(Reply { body: text.into_bytes(), ..reply() }),
        Some(Fault::ServerError) => whole(Reply::html(500, "Server Error (500)")),
        Some(Fault::BadGateway) => whole(Reply::html(502, "502 Bad Gateway")),
        Some(Fault::NotFound) => whole(Reply::detail(404, "Not found.")),
        Some(Fault::BotWall) => whole(Reply::html(200, "Making sure you&#39;re not a bot!")),
        Some(Fault::SentTo(to)) => whole(Reply { location: Some(to), ..Reply::html(302, "Found") }),
        Some(Fault::TooMany { retry_after }) => {
            whole(Reply { retry_after: Some(retry_after), ..Reply::html(429, "Too Many Requests") })
        }
    }
}

impl Shared {
    fn fault(&self, asked: &str) -> Option<Fault> {
        let mut faults = locked(&self.faults);
        let planned = faults.iter_mut().find(|planned| planned.times > 0 && asked.contains(&planned.part))?;
        planned.times -= 1;
        Some(planned.fault.clone())
    }

    fn reply(&self, asked: &Asked, path: &str, query: &str, body: &[u8]) -> Reply {
        let question = Question {
            method: &asked.method,
            path,
            query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            authorization: asked.authorization.as_deref(),
            body,
        };
        answer(&mut locked(&self.model), &self.origin, &question)
    }
}

fn whole(reply: Reply) -> Response {
    head(&reply).body(Body::from(reply.body)).unwrap()
}

/// A response that breaks off: after half of its body, or at once.
fn broken(reply: Option<Reply>) -> Response {
    let reply = reply.unwrap_or_else(|| Reply::of(200, "application/json", "{}"));
    let half = Bytes::copy_from_slice(&reply.body[..reply.body.len() / 2]);
    let cut = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let pieces: Vec<Result<Bytes, std::io::Error>> = vec![Ok(half), Err(cut)];
    head(&reply)
        .header(CONTENT_LENGTH, reply.body.len())
        .body(Body::from_stream(stream::iter(pieces)))
        .unwrap()
}

fn head(reply: &Reply) -> axum::http::response::Builder {
    let mut response = Response::builder().status(reply.status).header(CONTENT_TYPE, reply.content_type);
    if let Some(location) = &reply.location {
        response = response.header(LOCATION, location);
    }
    if let Some(seconds) = reply.retry_after {
        response = response.header(RETRY_AFTER, seconds);
    }
    response
}
