//! The questions that are put to a server.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use url::Url;

use super::answers::{Found, Page, PatchText, PostedCheck, Project};
use super::error::PatchworkError;
use super::exchange::{Answer, Expects, Method, Request};
use super::json::{CheckJson, FoundJson, NewCheck, ProjectJson, SeriesJson, TextJson, msgid};
use super::recording::{Recorder, Recording, Replay};
use super::wire::{Failure, SetupError, Wire, base, path_and_query};
use super::{Api, Settings};
use crate::bytes::shown;
use crate::clock::Clock;
use crate::listing::Listing;
use crate::record::Check;

/// What stands for itself in one segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The most rows a server puts on a page.
const PAGE_LIMIT: u32 = 250;

/// One Patchwork server. Clones share connections and limits.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    base: Url,
    clock: Clock,
    transport: Transport,
}

/// Where answers come from.
enum Transport {
    Live(Wire),
    Recording(Wire, Arc<Recorder>),
    Replayed(Replay),
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("name", &self.shared.settings.name).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the real server.
    ///
    /// # Errors
    /// The settings do not make one.
    pub fn new(settings: Settings, clock: Clock) -> Result<Self, SetupError> {
        let wire = Wire::new(&settings, clock.clone())?;
        Self::with(settings, clock, Transport::Live(wire))
    }

    /// A client of the real server that keeps every exchange in `dir`; see [`super::recording`].
    ///
    /// # Errors
    /// The settings do not make one, or the folder cannot be written.
    pub fn recording(settings: Settings, clock: Clock, dir: &Path) -> Result<Self, SetupError> {
        let recorder = Arc::new(Recorder::open(dir).map_err(SetupError::Recording)?);
        let wire = Wire::new(&settings, clock.clone())?;
        Self::with(settings, clock, Transport::Recording(wire, recorder))
    }

    /// A client that answers from a recording and asks nobody: by a replayed clock, or else in order.
    ///
    /// # Errors
    /// The server's address is none.
    pub fn replayed(settings: Settings, clock: Clock, recording: Recording) -> Result<Self, SetupError> {
        let replay = Replay::new(recording, &settings.name);
        Self::with(settings, clock, Transport::Replayed(replay))
    }

    fn with(settings: Settings, clock: Clock, transport: Transport) -> Result<Self, SetupError> {
        let base = base(&settings.url)?;
        Ok(Self { shared: Arc::new(Shared { settings, base, clock, transport }) })
    }

    /// The server's name in the configuration.
    pub fn name(&self) -> &str {
        &self.shared.settings.name
    }

    /// A page (from 1) of the newest series of any of these projects (`link_name` or number), the newest first; of
    /// 250 rows at most. Beyond the last page there are no rows. A name that the server does not know gives no series
    /// and no error.
    ///
    /// # Errors
    /// No usable answer; single series that cannot be used are in [`Page::unusable`].
    pub async fn newest(
        &self,
        projects: &[String],
        page: u32,
        per_page: u32,
    ) -> Result<Page, PatchworkError> {
        let mut url = self.api("series/");
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("order", "-id");
            for project in projects {
                query.append_pair("project", project);
            }
            // The server would cut a larger page without a word, and it would look like the last one.
            let per_page = per_page.clamp(1, PAGE_LIMIT);
            query.append_pair("per_page", &per_page.to_string()).append_pair("page", &page.to_string());
        }
        let request = self.get(&url);
        match self.rows(&request).await {
            Ok(rows) => Ok(listings(&request, &rows)),
            Err(PatchworkError::NotFound { detail, .. }) if detail == "Invalid page." => {
                Ok(Page { listings: Vec::new(), unusable: Vec::new(), rows: 0 })
            }
            Err(error) => Err(error),
        }
    }

    /// One series.
    ///
    /// # Errors
    /// No usable answer.
    pub async fn series(&self, id: u64) -> Result<Listing, PatchworkError> {
        let series: SeriesJson = self.object(&self.api(&format!("series/{id}/"))).await?;
        Ok(series.into_listing())
    }

    /// A project by its `link_name` or number. The only question to which a wrong name is an error.
    ///
    /// # Errors
    /// No usable answer; [`PatchworkError::NotFound`] for a name the server does not know.
    pub async fn project(&self, name: &str) -> Result<Project, PatchworkError> {
        let segment = utf8_percent_encode(name, SEGMENT);
        let project: ProjectJson = self.object(&self.api(&format!("projects/{segment}/"))).await?;
        Ok(project.into_project())
    }

    /// The mailbox of a series: its patches by their numbers, without the cover letter. Not safe to be cut at its
    /// separators; see [`crate::intake`].
    ///
    /// # Errors
    /// No usable answer.
    pub async fn mbox(&self, series: u64) -> Result<Bytes, PatchworkError> {
        let url = self.page(&format!("series/{series}/mbox/"));
        let request = Request {
            method: Method::Get,
            target: path_and_query(&url),
            body: None,
            expects: Expects::Mailbox,
            limit: self.shared.settings.max_mbox,
        };
        Ok(self.ask(&request).await?.body)
    }

    /// One patch with its text.
    ///
    /// # Errors
    /// No usable answer.
    pub async fn patch(&self, id: u64) -> Result<PatchText, PatchworkError> {
        let text: TextJson = self.object(&self.api(&format!("patches/{id}/"))).await?;
        Ok(text.into_text())
    }

    /// One cover letter with its text.
    ///
    /// # Errors
    /// No usable answer.
    pub async fn cover(&self, id: u64) -> Result<PatchText, PatchworkError> {
        let text: TextJson = self.object(&self.api(&format!("covers/{id}/"))).await?;
        Ok(text.into_text())
    }

    /// The patches and cover letters with this Message-ID; brackets around it are dropped.
    ///
    /// # Errors
    /// No usable answer.
    pub async fn find(&self, message_id: &str) -> Result<Vec<Found>, PatchworkError> {
        let wanted = msgid(message_id);
        let mut found = Vec::new();
        for (list, is_cover) in [("patches/", false), ("covers/", true)] {
            let mut url = self.api(list);
            url.query_pairs_mut().append_pair("msgid", &wanted);
            let request = self.get(&url);
            for row in self.rows(&request).await? {
                let row: FoundJson = parse(&request, row.get().as_bytes())?;
                found.extend(row.into_found(&wanted, is_cover));
            }
        }
        Ok(found)
    }

    /// The newest check of that name on a patch. Checks are only ever added, and the newest counts.
    ///
    /// # Errors
    /// No usable answer.
    pub async fn latest_check(
        &self,
        patch: u64,
        context: &str,
    ) -> Result<Option<PostedCheck>, PatchworkError> {
        let mut url = self.api(&format!("patches/{patch}/checks/"));
        url.query_pairs_mut()
            .append_pair("context", context)
            .append_pair("order", "-date")
            .append_pair("per_page", "1");
        let checks: Vec<CheckJson> = self.object(&url).await?;
        Ok(checks.into_iter().find_map(|check| check.into_check(context)))
    }

    /// Adds a check to a patch. Every call that gets through adds one: after a failure of which
    /// [`PatchworkError::may_have_happened`] says so, the latest check is looked at first. An address that the server
    /// would refuse is left out.
    ///
    /// # Errors
    /// No usable answer; only status 201 is success.
    pub async fn post_check(&self, patch: u64, context: &str, check: &Check) -> Result<(), PatchworkError> {
        let url = self.api(&format!("patches/{patch}/checks/"));
        let mut request = self.get(&url);
        request.method = Method::Post;
        // A struct of texts and an enum always makes JSON.
        request.body = serde_json::to_string(&NewCheck::new(context, check)).ok();
        let answer = self.ask(&request).await?;
        if answer.status == 201 { Ok(()) } else { Err(status(&request, &answer)) }
    }

    pub(super) fn api(&self, rest: &str) -> Url {
        let version = match self.shared.settings.api {
            Api::V1_2 => "1.2",
            Api::V1_3 => "1.3",
        };
        self.page(&format!("api/{version}/{rest}"))
    }

    fn page(&self, rest: &str) -> Url {
        let mut url = self.shared.base.clone();
        url.set_path(&format!("{}{rest}", self.shared.base.path()));
        url
    }

    pub(super) fn get(&self, url: &Url) -> Request {
        Request {
            method: Method::Get,
            target: path_and_query(url),
            body: None,
            expects: Expects::Json,
            limit: self.shared.settings.max_json,
        }
    }

    pub(super) async fn object<T: DeserializeOwned>(&self, url: &Url) -> Result<T, PatchworkError> {
        let request = self.get(url);
        let answer = self.ask(&request).await?;
        parse(&request, &answer.body)
    }

    pub(super) async fn rows(&self, request: &Request) -> Result<Vec<Box<RawValue>>, PatchworkError> {
        let answer = self.ask(request).await?;
        parse(request, &answer.body)
    }

    /// Makes the exchange and looks at status and type.
    async fn ask(&self, request: &Request) -> Result<Answer, PatchworkError> {
        let answer = match self.exchange(request).await {
            Ok(answer) => answer,
            Err(failure) => return Err(unanswered(request, failure)),
        };
        if !(200..300).contains(&answer.status) {
            return Err(status(request, &answer));
        }
        let expected = request.expects.content_type();
        if !answer.is(expected) {
            return Err(PatchworkError::WrongType {
                asked: request.asked(),
                expected,
                content_type: answer.content_type.clone(),
                beginning: words(&answer.body),
            });
        }
        Ok(answer)
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, Failure> {
        let asked_at = self.shared.clock.now();
        match &self.shared.transport {
            Transport::Live(wire) => wire.exchange(request).await,
            Transport::Recording(wire, recorder) => {
                let result = wire.exchange(request).await;
                let (recorder, server) = (recorder.clone(), self.name().to_owned());
                let request = request.clone();
                let written = tokio::task::spawn_blocking(move || {
                    let written = recorder.write(asked_at, &server, &request, &result);
                    (written, result)
                });
                match written.await {
                    Ok((written, result)) => {
                        if let Err(error) = written {
                            // The recording is a copy for later: what is done now does not depend on it.
                            tracing::warn!(%error, "an exchange could not be recorded");
                        }
                        result
                    }
                    Err(error) => std::panic::resume_unwind(error.into_panic()),
                }
            }
            Transport::Replayed(replay) => {
                let by_clock = matches!(self.shared.clock, Clock::Replayed(_));
                replay.answer(request, by_clock.then_some(asked_at))
            }
        }
    }
}

fn listings(request: &Request, rows: &[Box<RawValue>]) -> Page {
    let mut page = Page { listings: Vec::new(), unusable: Vec::new(), rows: rows.len() };
    for row in rows {
        match parse::<SeriesJson>(request, row.get().as_bytes()) {
            Ok(series) => page.listings.push(series.into_listing()),
            Err(error) => page.unusable.push(error),
        }
    }
    page
}

pub(super) fn parse<T: DeserializeOwned>(request: &Request, body: &[u8]) -> Result<T, PatchworkError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let malformed = |field: String, source| PatchworkError::Malformed {
        asked: request.asked(),
        field: shown(field.as_bytes(), 200),
        source,
    };
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| malformed(error.path().to_string(), error.into_inner()))?;
    deserializer.end().map_err(|error| malformed(".".to_owned(), error))?;
    Ok(value)
}

fn unanswered(request: &Request, failure: Failure) -> PatchworkError {
    let asked = request.asked();
    match failure {
        Failure::Unreachable { connecting, source } => {
            PatchworkError::Unreachable { asked, connecting, source }
        }
        Failure::TooLarge { limit } => PatchworkError::TooLarge { asked, limit },
        Failure::Redirected { to } => PatchworkError::Redirected { asked, to },
        Failure::NotRecorded => PatchworkError::NotRecorded { asked },
    }
}

/// An answer that is no success. A page that says 404 is the server's word only where no JSON was to be expected.
fn status(request: &Request, answer: &Answer) -> PatchworkError {
    let asked = request.asked();
    let json = answer.is("application/json");
    let detail = if json { detail(&answer.body) } else { words(&answer.body) };
    match answer.status {
        403 if json && detail == "Invalid token." => PatchworkError::BadToken { asked },
        403 if json => PatchworkError::NoRights { asked, detail },
        404 if json || request.expects == Expects::Mailbox => PatchworkError::NotFound { asked, detail },
        status => PatchworkError::Status { asked, status, detail, retry_after: answer.retry_after },
    }
}

/// `{"detail": "…"}`, or the whole where the server names fields.
fn detail(body: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    match value.get("detail").and_then(serde_json::Value::as_str) {
        Some(detail) => shown(detail.as_bytes(), 300),
        None => shown(body, 300),
    }
}

/// The first words of a page, its tags left out.
fn words(page: &[u8]) -> String {
    // Enough for a head and a title.
    let text = String::from_utf8_lossy(&page[..page.len().min(4000)]);
    let outside = text.split('<').enumerate().map(|(at, piece)| match piece.split_once('>') {
        _ if at == 0 => piece,
        Some((_, outside)) => outside,
        None => "",
    });
    let words: Vec<&str> = outside.flat_map(str::split_whitespace).collect();
    shown(words.join(" ").as_bytes(), 120)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_shown_by_its_first_words() {
        let page = b"<!doctype html><title>Making sure you&#39;re not a bot!</title>\n <p>Loading";
        assert_eq!(words(page), "Making sure you&#39;re not a bot! Loading");
        assert_eq!(words(b"plain\x1b[31m text"), "plain[31m text");
    }

    #[test]
    fn a_field_that_cannot_be_used_is_named() {
        let request = Request {
            method: Method::Get,
            target: "/api/1.3/series/1/?x=y".to_owned(),
            body: None,
            expects: Expects::Json,
            limit: 1,
        };
        let body =
            br#"{"id":1,"project":{"link_name":"p"},"received_all":true,"patches":[{"id":1,"msgid":7}]}"#;
        let error = parse::<SeriesJson>(&request, body).err().unwrap();
        assert_eq!(error.to_string(), "GET /api/1.3/series/1/: patches[0].msgid cannot be used");
    }
}
