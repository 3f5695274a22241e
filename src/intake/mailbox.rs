//! The mails of a series' mailbox, each given to its patch, and those that the mailbox does not carry safely.
//!
//! The server joins mails without escaping what looks like a separator in a body, so a body can imitate the next
//! mail. Mails are therefore cut only where the server's own number and the Message-ID of an expected patch follow,
//! and a mail about which there is any doubt is taken from the server's JSON instead.

use std::collections::BTreeMap;
use std::fmt;

use git2::{ObjectType, Oid};

use super::json_mail::is_about_the_base;
use crate::bytes::{Lines, find, find_ignoring_case, strip_prefix_ignoring_case, trim};
use crate::listing::Listing;
use crate::mail::{self, Options};
use crate::mbox::is_separator;
use crate::patch::{self, FilePatch};
use crate::patchwork::msgid;

/// The line the server puts before each mail begins so.
const SEPARATOR: &[u8] = b"From patchwork ";

/// A mailbox, matched with the patches of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    /// The mails that can be used, in the patches' order.
    pub mails: Vec<MailOf>,
    /// The patches that have to be taken from the server's JSON, and why.
    pub from_json: Vec<(u64, Reason)>,
}

/// One patch's mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailOf {
    /// The patch's number at the server.
    pub patch: u64,
    /// The mail, without its separator.
    pub mail: Vec<u8>,
}

/// Why a mail of the mailbox is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// What the mailbox gives does not apply; the bytes of the JSON are nearer to the author's.
    NotApplied,
    /// The mailbox has no mail with the patch's number and Message-ID.
    Missing,
    /// It has more than one.
    Doubled,
    /// Its text imitates the separator of the server's mailbox.
    Smuggled,
    /// Its text holds a line that tools take for the beginning of a mail.
    FromLine,
    /// There is a CR in it; the server drops some and keeps others.
    CarriageReturn,
    /// A header in bytes of an unknown charset, which the server made unreadable.
    UnknownCharset,
    /// It cannot be read.
    Unreadable,
    /// There is no diff in it, or none that can be read.
    NoDiff,
    /// What its author wrote below the diff stands in its message.
    MovedUp,
    /// A new file has not the content that the patch itself says it has: the server changed its bytes.
    Altered,
}

impl Reason {
    /// In words, a sentence fragment.
    pub fn words(self) -> &'static str {
        match self {
            Self::NotApplied => "it does not apply as the mailbox gives it",
            Self::Missing => "the mailbox does not hold it",
            Self::Doubled => "the mailbox holds it more than once",
            Self::Smuggled => "its text imitates the beginning of another mail",
            Self::FromLine => "a line of its text begins like a mail",
            Self::CarriageReturn => "its lines end in CR",
            Self::UnknownCharset => "a header is in an unknown charset",
            Self::Unreadable => "its mail cannot be read",
            Self::NoDiff => "its mail holds no readable diff",
            Self::MovedUp => "what stood below its diff got into its message",
            Self::Altered => "its mail does not give the file that the patch names",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl Matched {
    /// Nothing from the mailbox: everything is to be taken from the server's JSON.
    pub fn none(listing: &Listing, reason: Reason) -> Self {
        let from_json = listing.patches.iter().map(|patch| (patch.id, reason)).collect();
        Self { mails: Vec::new(), from_json }
    }
}

/// Gives each patch its mail.
pub fn match_mailbox(listing: &Listing, mailbox: &[u8]) -> Matched {
    let expected: BTreeMap<u64, &str> =
        listing.patches.iter().map(|patch| (patch.id, patch.msgid.as_str())).collect();
    let cuts = cuts(mailbox, &expected);
    let mut pieces: BTreeMap<u64, Vec<&[u8]>> = BTreeMap::new();
    for (at, cut) in cuts.iter().enumerate() {
        let end = cuts.get(at + 1).map_or(mailbox.len(), |next| next.separator);
        pieces.entry(cut.patch).or_default().push(&mailbox[cut.begin..end]);
    }
    let before_double = before_doubles(&cuts);
    let mut matched = Matched { mails: Vec::new(), from_json: Vec::new() };
    for patch in &listing.patches {
        let checked = match pieces.get(&patch.id).map(Vec::as_slice) {
            None | Some([]) => Err(Reason::Missing),
            Some([_]) if before_double.contains(&patch.id) => Err(Reason::Smuggled),
            Some([mail]) => check(mail).map(|()| *mail),
            Some(_) => Err(Reason::Doubled),
        };
        match checked {
            Ok(mail) => matched.mails.push(MailOf { patch: patch.id, mail: mail.to_vec() }),
            Err(reason) => matched.from_json.push((patch.id, reason)),
        }
    }
    matched
}

/// A place where an expected mail begins.
struct Cut {
    /// Where its separator begins.
    separator: usize,
    /// Where its headers begin.
    begin: usize,
    patch: u64,
}

fn cuts(mailbox: &[u8], expected: &BTreeMap<u64, &str>) -> Vec<Cut> {
    let mut cuts = Vec::new();
    let mut at = 0;
    for line in Lines::new(mailbox) {
        let begin = at + line.len();
        if line.starts_with(SEPARATOR)
            && let Some(patch) = expected_patch(&mailbox[begin..], expected)
        {
            cuts.push(Cut { separator: at, begin, patch });
        }
        at = begin;
    }
    cuts
}

/// The patch whose number and Message-ID these headers carry.
fn expected_patch(mail: &[u8], expected: &BTreeMap<u64, &str>) -> Option<u64> {
    let (mut id, mut message_id) = (None, None);
    for line in unfolded_headers(mail) {
        // The server's own number stands first; a sender may have put one below.
        if let Some(value) = strip_prefix_ignoring_case(&line, b"X-Patchwork-Id:") {
            id = id.or_else(|| std::str::from_utf8(trim(value)).ok()?.parse::<u64>().ok());
        } else if let Some(value) = strip_prefix_ignoring_case(&line, b"Message-ID:") {
            message_id.get_or_insert_with(|| msgid(&String::from_utf8_lossy(value)));
        }
    }
    let id = id?;
    (*expected.get(&id)? == message_id?).then_some(id)
}

/// The header lines of a mail, their folds undone; nothing of its body.
fn unfolded_headers(mail: &[u8]) -> Vec<Vec<u8>> {
    let mut headers: Vec<Vec<u8>> = Vec::new();
    for line in Lines::new(mail).take_while(|line| !trim(line).is_empty()) {
        match headers.last_mut() {
            Some(last) if line.starts_with(b" ") || line.starts_with(b"\t") => last.extend_from_slice(line),
            _ => headers.push(line.to_vec()),
        }
    }
    headers
}

/// The patches whose mail was cut off by a second mail of the same number.
fn before_doubles(cuts: &[Cut]) -> Vec<u64> {
    let mut times: BTreeMap<u64, usize> = BTreeMap::new();
    for cut in cuts {
        *times.entry(cut.patch).or_default() += 1;
    }
    let doubled = |cut: &Cut| times.get(&cut.patch).is_some_and(|times| *times > 1);
    cuts.windows(2).filter(|pair| doubled(&pair[1])).map(|pair| pair[0].patch).collect()
}

/// Can this mail be used as it stands?
fn check(mail: &[u8]) -> Result<(), Reason> {
    if Lines::new(mail).any(|line| line.starts_with(SEPARATOR)) {
        return Err(Reason::Smuggled);
    }
    if Lines::new(mail).any(is_separator) {
        return Err(Reason::FromLine);
    }
    if memchr::memchr(b'\r', mail).is_some() {
        return Err(Reason::CarriageReturn);
    }
    let headers = &mail[..find(mail, b"\n\n").unwrap_or(mail.len())];
    if find_ignoring_case(headers, b"=?unknown-8bit?").is_some() {
        return Err(Reason::UnknownCharset);
    }
    let content = mail::read(mail, Options::default()).map_err(|_| Reason::Unreadable)?;
    let has_dashes = Lines::new(&content.patch).next().is_some_and(|line| trim(line) == b"---");
    if !has_dashes && Lines::new(&content.message).any(is_about_the_base) {
        return Err(Reason::MovedUp);
    }
    let files = patch::parse(&content.patch, None).map_err(|_| Reason::NoDiff)?;
    if files.iter().any(is_altered) { Err(Reason::Altered) } else { Ok(()) }
}

/// Does a new file differ from what its `index` line says of it?
fn is_altered(file: &FilePatch<'_>) -> bool {
    let is_new = file.is_new == Some(true) && !file.is_binary && file.new_id.len() >= 7;
    let [hunk] = file.hunks.as_slice() else { return false };
    if !is_new || file.new_id.len() > 40 {
        return false;
    }
    let mut content = Vec::with_capacity(hunk.body.len());
    for line in Lines::new(hunk.body) {
        match line.split_first() {
            Some((b'+', text)) => content.extend_from_slice(text),
            Some((b'\\', _)) if content.ends_with(b"\n") => content.truncate(content.len() - 1),
            _ => {}
        }
    }
    let id = Oid::hash_object(ObjectType::Blob, &content).map(|id| id.to_string());
    id.is_ok_and(|id| !id.as_bytes().starts_with(&file.new_id.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests;
