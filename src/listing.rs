//! What a Patchwork server says of a series: plain data, free of its JSON.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which series: the configured name of its server, and its number there. As text: `ozlabs/503389`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SeriesKey {
    /// The server's name in the configuration: ASCII letters, digits, `-`, `_` and `.` only.
    pub server: String,
    /// The number the server gave it.
    pub id: u64,
}

impl fmt::Display for SeriesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.server, self.id)
    }
}

impl From<SeriesKey> for String {
    fn from(key: SeriesKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for SeriesKey {
    type Error = BadKey;

    fn try_from(text: String) -> Result<Self, BadKey> {
        text.parse()
    }
}

/// A text that names no series.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected SERVER/NUMBER, not {text:?}")]
pub struct BadKey {
    /// What was given.
    pub text: String,
}

impl FromStr for SeriesKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let bad = || BadKey { text: text.to_owned() };
        let (server, id) = text.split_once('/').ok_or_else(bad)?;
        if !is_name(server) {
            return Err(bad());
        }
        Ok(Self { server: server.to_owned(), id: id.parse().map_err(|_| bad())? })
    }
}

/// Can it be the name of a server, a tree or a box? It becomes part of branch names and of paths.
pub fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with(['.', '-'])
}

/// Who sent it, as the server knows him.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitter {
    /// May be empty.
    pub name: String,
    /// The address, lower case.
    pub email: String,
}

/// One patch of a series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedPatch {
    /// The patch's number at the server.
    pub id: u64,
    /// Its Message-ID without the angle brackets.
    pub msgid: String,
    /// Its subject with the prefix as the server rewrote it: `[v2,2/3] hw/occ: Fix it`.
    pub name: String,
    /// Its page for people. Never a place to send a token to.
    pub web_url: Option<String>,
}

/// A series as the server lists it. The patches stand in the order of their numbers as far as the names tell them,
/// otherwise in the server's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The series' number at the server.
    pub id: u64,
    /// The project's `link_name`.
    pub project: String,
    /// The cover letter's subject, or the first patch's, or nothing.
    pub name: Option<String>,
    /// The server's `date`, verbatim: naive, and from the sender's Date header. Never compared with a clock.
    pub date: String,
    /// Who sent it.
    pub submitter: Submitter,
    /// From `[v2]`; 1 where there is none.
    pub version: u32,
    /// How many patches the subjects promise.
    pub total: u32,
    /// How many the server has.
    pub received_total: u32,
    /// The server's word for "whole". True also where numbers are missing or doubled.
    pub received_all: bool,
    /// The cover letter, if there is one.
    pub cover: Option<ListedPatch>,
    /// The patches.
    pub patches: Vec<ListedPatch>,
    /// Its page for people.
    pub web_url: Option<String>,
}

impl Listing {
    /// The mail a thread begins with: its cover letter, or else its first patch.
    pub fn first_mail(&self) -> Option<&ListedPatch> {
        self.cover.as_ref().or(self.patches.first())
    }
}

#[cfg(test)]
impl Listing {
    /// A whole series of these patches: number, and name as the server writes it.
    pub(crate) fn sample(patches: &[(u64, &str)]) -> Self {
        let patch = |(id, name): &(u64, &str)| ListedPatch {
            id: *id,
            msgid: format!("{id}@x"),
            name: (*name).to_owned(),
            web_url: None,
        };
        let total = u32::try_from(patches.len()).unwrap_or(u32::MAX);
        Self {
            id: 1,
            project: "p".to_owned(),
            name: None,
            date: "2026-11-20T02:00:00".to_owned(),
            submitter: Submitter { name: "A".to_owned(), email: "a@x".to_owned() },
            version: 1,
            total,
            received_total: total,
            received_all: true,
            cover: None,
            patches: patches.iter().map(patch).collect(),
            web_url: None,
        }
    }
}
