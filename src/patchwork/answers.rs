//! What the client gives back, apart from [`crate::listing::Listing`].

use super::PatchworkError;
use crate::listing::{Listing, Submitter};
use crate::record::CheckState;

/// One page of a list of series.
#[derive(Debug)]
pub struct Page {
    /// The series that can be used, in the server's order.
    pub listings: Vec<Listing>,
    /// One error for each that cannot; the others are none the worse for it.
    pub unusable: Vec<PatchworkError>,
    /// How many rows the server gave; 0 beyond its last page.
    pub rows: usize,
}

/// A project of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its number at the server.
    pub id: u64,
    /// Its name in addresses and filters.
    pub link_name: String,
    /// Its name for people; may be empty.
    pub name: String,
    /// The list's address; may be empty.
    pub list_email: String,
    /// The user names of those who may post checks on all its patches.
    pub maintainers: Vec<String>,
}

/// A patch or a cover letter with its text, as the server took it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchText {
    /// Its number at the server.
    pub id: u64,
    /// Its Message-ID without the angle brackets.
    pub msgid: String,
    /// Its subject with the prefix as the server rewrote it.
    pub name: String,
    /// From its Date header, or when it came where it has none: naive UTC, verbatim.
    pub date: String,
    /// Who sent it, also where the list put itself in his place.
    pub submitter: Submitter,
    /// The address of the project's list; may be empty.
    pub list_email: String,
    /// The mail's headers in order, each with all its values: still folded and encoded.
    pub headers: Vec<(String, Vec<String>)>,
    /// Everything before the diff.
    pub content: String,
    /// The diff. `None`: a cover letter or a pull request.
    pub diff: Option<String>,
    /// Where a pull request asks to pull from.
    pub pull_url: Option<String>,
    /// The state's slug, an open set; empty for a cover letter.
    pub state: String,
}

impl PatchText {
    /// The first value of a header, its name's case ignored.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, values) = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        values.first().map(String::as_str)
    }
}

/// A mail that the server knows by its Message-ID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its number at the server.
    pub id: u64,
    /// It is a cover letter, not a patch.
    pub is_cover: bool,
    /// The project's `link_name`.
    pub project: String,
    /// Its subject as the server rewrote it.
    pub name: String,
    /// The series it is in; at most one on today's servers.
    pub series: Vec<u64>,
}

/// A check as the server has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostedCheck {
    /// Its number at the server.
    pub id: u64,
    /// Its colour.
    pub state: CheckState,
    /// One line.
    pub description: String,
    /// Where more is to be seen.
    pub target_url: Option<String>,
    /// Who posted it, by the server's word: whoever may post can post in another's name.
    pub user: String,
}
