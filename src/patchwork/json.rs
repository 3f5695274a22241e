//! The server's JSON, versions 1.2 and 1.3, and what is taken over from it: bounded, without control characters.
//!
//! Only what is needed is named; everything else may be there, be missing or be anything. Texts for people are cut.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::answers::{Found, PatchText, PostedCheck, Project};
use crate::bytes::shown;
use crate::listing::{ListedPatch, Listing, Submitter};
use crate::record::{Check, CheckState};

/// Patchwork cuts names at 255 characters.
const NAME_LIMIT: usize = 1000;

/// A header line is at most 998 characters long, and an id is one word in it.
const MSGID_LIMIT: usize = 1000;

/// Addresses, user names, links, dates.
const TEXT_LIMIT: usize = 1000;

/// More patches of a series are not taken over; such a series is never whole.
pub(crate) const PATCH_LIMIT: usize = 2000;

/// More headers of a mail, or maintainers of a project, are not taken over.
const LIST_LIMIT: usize = 1000;

#[derive(Deserialize)]
pub(crate) struct SeriesJson {
    id: u64,
    project: ProjectName,
    name: Option<String>,
    #[serde(default)]
    date: Option<String>,
    submitter: Option<PersonJson>,
    version: Option<i64>,
    total: Option<i64>,
    received_total: Option<i64>,
    received_all: bool,
    cover_letter: Option<MailJson>,
    patches: Vec<MailJson>,
    web_url: Option<String>,
}

#[derive(Deserialize)]
struct ProjectName {
    link_name: String,
    list_email: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct PersonJson {
    name: Option<String>,
    email: Option<String>,
}

#[derive(Deserialize)]
struct MailJson {
    id: u64,
    msgid: String,
    name: Option<String>,
    web_url: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct ProjectJson {
    id: u64,
    link_name: String,
    name: Option<String>,
    list_email: Option<String>,
    maintainers: Option<Vec<UserJson>>,
}

#[derive(Deserialize)]
struct UserJson {
    username: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct TextJson {
    id: u64,
    msgid: String,
    name: Option<String>,
    date: Option<String>,
    submitter: Option<PersonJson>,
    project: Option<ProjectName>,
    headers: Headers,
    content: Option<String>,
    diff: Option<String>,
    pull_url: Option<String>,
    state: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct FoundJson {
    id: u64,
    msgid: String,
    name: Option<String>,
    project: ProjectName,
    series: Option<Vec<Numbered>>,
}

#[derive(Deserialize)]
struct Numbered {
    id: u64,
}

#[derive(Deserialize)]
pub(crate) struct CheckJson {
    id: u64,
    state: CheckState,
    context: String,
    description: Option<String>,
    target_url: Option<String>,
    user: Option<UserJson>,
}

/// The body of a new check. The server would honour a `user`, so none is sent.
#[derive(Serialize)]
pub(crate) struct NewCheck<'a> {
    state: CheckState,
    target_url: Option<&'a str>,
    context: &'a str,
    description: &'a str,
}

impl<'a> NewCheck<'a> {
    pub(crate) fn new(context: &'a str, check: &'a Check) -> Self {
        let target_url = check.url.as_deref().filter(|url| is_taken(url));
        Self { state: check.state, target_url, context, description: &check.description }
    }
}

/// Patchwork refuses a check whose address is longer than 200 characters or whose host has no dot; the check is worth
/// more than its address.
fn is_taken(url: &str) -> bool {
    let host = url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    url.chars().count() <= 200 && url.starts_with("http") && host.is_some_and(|host| host.contains('.'))
}

impl SeriesJson {
    pub(crate) fn into_listing(self) -> Listing {
        let patches: Vec<ListedPatch> =
            self.patches.into_iter().take(PATCH_LIMIT).map(MailJson::into_patch).collect();
        Listing {
            id: self.id,
            project: text(&self.project.link_name),
            name: self.name.map(|name| shown(name.as_bytes(), NAME_LIMIT)),
            date: text(&self.date.unwrap_or_default()),
            submitter: submitter(self.submitter),
            version: number(self.version.unwrap_or(1)),
            total: self.total.map_or(u32::try_from(patches.len()).unwrap_or(0), number),
            received_total: self.received_total.map_or(u32::try_from(patches.len()).unwrap_or(0), number),
            received_all: self.received_all,
            cover: self.cover_letter.map(MailJson::into_patch),
            patches: crate::intake::in_order(patches),
            web_url: self.web_url.and_then(|url| link(&url)),
        }
    }
}

impl MailJson {
    fn into_patch(self) -> ListedPatch {
        ListedPatch {
            id: self.id,
            msgid: msgid(&self.msgid),
            name: shown(self.name.unwrap_or_default().as_bytes(), NAME_LIMIT),
            web_url: self.web_url.and_then(|url| link(&url)),
        }
    }
}

impl ProjectJson {
    pub(crate) fn into_project(self) -> Project {
        let users = self.maintainers.unwrap_or_default().into_iter().take(LIST_LIMIT);
        Project {
            id: self.id,
            link_name: text(&self.link_name),
            name: text(&self.name.unwrap_or_default()),
            list_email: text(&self.list_email.unwrap_or_default()),
            maintainers: users.filter_map(|user| user.username.map(|name| text(&name))).collect(),
        }
    }
}

impl TextJson {
    pub(crate) fn into_text(self) -> PatchText {
        PatchText {
            id: self.id,
            msgid: msgid(&self.msgid),
            name: shown(self.name.unwrap_or_default().as_bytes(), NAME_LIMIT),
            date: text(&self.date.unwrap_or_default()),
            submitter: submitter(self.submitter),
            list_email: text(&self.project.and_then(|project| project.list_email).unwrap_or_default()),
            headers: self.headers.0,
            content: self.content.unwrap_or_default(),
            diff: self.diff,
            pull_url: self.pull_url.map(|url| text(&url)).filter(|url| !url.is_empty()),
            state: text(&self.state.unwrap_or_default()),
        }
    }
}

impl FoundJson {
    /// The mail, if it is the one that was asked for: a server that does not know the filter gives everything.
    pub(crate) fn into_found(self, wanted: &str, is_cover: bool) -> Option<Found> {
        (msgid(&self.msgid) == wanted).then(|| Found {
            id: self.id,
            is_cover,
            project: text(&self.project.link_name),
            name: shown(self.name.unwrap_or_default().as_bytes(), NAME_LIMIT),
            series: self.series.unwrap_or_default().iter().take(LIST_LIMIT).map(|series| series.id).collect(),
        })
    }
}

impl CheckJson {
    pub(crate) fn into_check(self, context: &str) -> Option<PostedCheck> {
        (self.context == context).then(|| PostedCheck {
            id: self.id,
            state: self.state,
            // Long texts are compared with what was sent, so this one is not cut.
            description: self.description.unwrap_or_default(),
            target_url: self.target_url.filter(|url| !url.is_empty()),
            user: text(&self.user.and_then(|user| user.username).unwrap_or_default()),
        })
    }
}

pub(crate) fn submitter(person: Option<PersonJson>) -> Submitter {
    let (name, email) = person.map(|person| (person.name, person.email)).unwrap_or_default();
    Submitter {
        name: text(&name.unwrap_or_default()),
        email: text(&email.unwrap_or_default()).to_lowercase(),
    }
}

fn text(text: &str) -> String {
    shown(text.as_bytes(), TEXT_LIMIT)
}

/// A Message-ID as written, its angle brackets dropped.
pub(crate) fn msgid(id: &str) -> String {
    let id = id.trim();
    let bare = id.strip_prefix('<').and_then(|id| id.strip_suffix('>')).unwrap_or(id);
    shown(bare.as_bytes(), MSGID_LIMIT)
}

/// An address for people to open; nothing but http.
fn link(url: &str) -> Option<String> {
    let plain = url.starts_with("https://") || url.starts_with("http://");
    (plain && url.len() <= TEXT_LIMIT).then(|| text(url))
}

/// What does not fit is brought to the nearest that does; no sane series has such a number.
fn number(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

/// Headers in the server's order: JSON objects lose theirs in an ordinary map.
struct Headers(Vec<(String, Vec<String>)>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeadersVisitor)
    }
}

/// A header that is there once is a text, one that is there more often a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum HeaderValue {
    One(String),
    Many(Vec<String>),
    Other(IgnoredAny),
}

struct HeadersVisitor;

impl<'de> Visitor<'de> for HeadersVisitor {
    type Value = Headers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of headers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
        let mut headers = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, HeaderValue>()? {
            let values = match value {
                HeaderValue::One(value) => vec![value],
                HeaderValue::Many(values) => values,
                HeaderValue::Other(_) => continue,
            };
            if headers.len() < LIST_LIMIT {
                headers.push((name, values));
            }
        }
        Ok(Headers(headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_keep_their_order_and_may_be_lists() {
        let Headers(headers) =
            serde_json::from_str(r#"{"Z":"1","Received":["a","b"],"A":null,"From":"x"}"#).unwrap();
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Z", "Received", "From"]);
        assert_eq!(headers[1].1, ["a", "b"]);
    }

    #[test]
    fn an_address_the_server_would_refuse_is_left_out_of_a_check() {
        let long = format!("https://ci.example.org/{}", "x".repeat(200));
        for (url, taken) in [
            ("https://ci.example.org/run/1", true),
            ("http://power8-runner:8080/run", false),
            ("javascript:alert(1)", false),
            (long.as_str(), false),
        ] {
            assert_eq!(is_taken(url), taken, "{url}");
        }
    }

    #[test]
    fn ids_lose_their_brackets_only() {
        for (id, bare) in [("<a@b>", "a@b"), ("a@b", "a@b"), (" <a@b>\n", "a@b"), ("<a@b", "<a@b")] {
            assert_eq!(msgid(id), bare);
        }
    }
}
