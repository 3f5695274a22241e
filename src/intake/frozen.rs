//! The frozen text of a series: its mails as they were at the first look, and what they say.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::json_mail::mail_from_json;
use super::mailbox::{Matched, Reason};
use crate::bytes::{hex, shown, trim};
use crate::listing::{ListedPatch, Listing};
use crate::mail::Options;
use crate::patch;
use crate::patchwork::PatchText;
use crate::record::Text;
use crate::series::Message;

/// A frozen series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// Its mails.
    pub mails: Mails,
    /// What they say.
    pub text: Text,
}

/// The mails of a series.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mails {
    /// The letter before the patches.
    pub cover: Option<Vec<u8>>,
    /// The patches by their numbers, each a mail without a mailbox's separator. Never to be joined and cut again.
    pub patches: Vec<Vec<u8>>,
}

/// Why a series cannot be frozen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FreezeError {
    /// A pull request: its commits are in a repository, not in the mail. Nothing is to be tested.
    #[error("{name:?} is a pull request{}", from(url))]
    PullRequest {
        /// The patch's name.
        name: String,
        /// Where it asks to pull from.
        url: Option<String>,
    },
    /// A mail that should hold a patch holds none. Nothing is to be tested.
    #[error("there is no diff in {name:?}")]
    NoDiff {
        /// The patch's name.
        name: String,
    },
    /// The JSON of a patch is needed and was not given.
    #[error("the text of patch {patch} has still to be fetched")]
    TextMissing {
        /// The patch's number at the server.
        patch: u64,
    },
    /// The JSON is another patch's: the server changed its mind in between. The series is to be looked at again.
    #[error("patch {patch} is no longer what the series lists")]
    Foreign {
        /// The patch's number at the server.
        patch: u64,
    },
}

/// Freezes a whole series: the mails of its mailbox, and of `texts` those that the mailbox does not carry safely.
/// `cover` is its cover letter, where it has one.
///
/// # Errors
/// The cases of [`FreezeError`]. A mail that cannot be read, and a diff that cannot, is no error here: applying it
/// says what is wrong with it.
pub fn freeze(
    listing: &Listing,
    matched: Matched,
    texts: &[PatchText],
    cover: Option<&PatchText>,
) -> Result<Frozen, FreezeError> {
    let Matched { mails, from_json } = matched;
    let mut from_mailbox: std::collections::BTreeMap<u64, Vec<u8>> =
        mails.into_iter().map(|mail| (mail.patch, mail.mail)).collect();
    let mut frozen = Mails { cover: cover.map(mail_from_json), patches: Vec::new() };
    let mut reasons = Vec::new();
    for patch in &listing.patches {
        let mail = match from_mailbox.remove(&patch.id) {
            Some(mail) => mail,
            None => {
                let reason = from_json.iter().find(|(id, _)| *id == patch.id).map(|(_, reason)| *reason);
                let words = reason.unwrap_or(Reason::Missing).words();
                reasons.push(format!("{}: {words}", shown(patch.name.as_bytes(), 120)));
                mail_of(patch, texts)?
            }
        };
        frozen.patches.push(mail);
    }
    let text = describe(&frozen, reasons);
    Ok(Frozen { mails: frozen, text })
}

/// The mail of a patch from its JSON.
fn mail_of(patch: &ListedPatch, texts: &[PatchText]) -> Result<Vec<u8>, FreezeError> {
    let text = texts.iter().find(|text| text.id == patch.id);
    let text = text.ok_or(FreezeError::TextMissing { patch: patch.id })?;
    if text.msgid != patch.msgid {
        return Err(FreezeError::Foreign { patch: patch.id });
    }
    if text.diff.as_deref().is_some_and(|diff| !diff.trim().is_empty()) {
        return Ok(mail_from_json(text));
    }
    let name = shown(patch.name.as_bytes(), 120);
    let asks = crate::mail::overview::asks_to_pull(text.content.as_bytes());
    if asks || text.pull_url.is_some() {
        return Err(FreezeError::PullRequest { name, url: text.pull_url.clone() });
    }
    Err(FreezeError::NoDiff { name })
}

fn from(url: &Option<String>) -> String {
    url.as_ref().map(|url| format!(" of {}", shown(url.as_bytes(), 200))).unwrap_or_default()
}

/// More words in brackets, paths or dependencies say no more.
const LIST_LIMIT: usize = 256;

/// A series that touches more files than this is none; the list ends there.
const PATH_LIMIT: usize = 20_000;

/// What the mails say.
fn describe(mails: &Mails, from_json: Vec<String>) -> Text {
    let read = |mail: &Vec<u8>| Message::read(mail, Options::default());
    let cover = mails.cover.as_ref().map(read);
    let patches: Vec<Message> = mails.patches.iter().map(read).collect();
    let (mut paths, mut patch_ids) = (BTreeSet::new(), Vec::new());
    for (message, mail) in patches.iter().zip(&mails.patches) {
        let diff = message.content.as_ref().map_or(&[][..], |content| &content.patch);
        patch_ids.push(patch_id(diff, mail));
        for file in patch::parse(diff, None).unwrap_or_default() {
            let names = file.old_name.iter().chain(file.new_name.iter());
            paths.extend(names.map(|name| String::from_utf8_lossy(name).into_owned()));
        }
    }
    let mut text = Text {
        digest: hex(&Sha256::digest(mails.to_bytes())),
        patch_ids,
        title: cover.as_ref().or(patches.first()).map(Message::title).unwrap_or_default(),
        words: Vec::new(),
        paths: paths.into_iter().take(PATH_LIMIT).collect(),
        base_commit: None,
        prerequisites: Vec::new(),
        depends_on: Vec::new(),
        change_id: None,
        from_json,
    };
    for message in cover.iter().chain(&patches) {
        add_hints(&mut text, message);
    }
    text
}

/// Of hints that can be there only once, the first one counts, the cover letter's before all.
fn add_hints(text: &mut Text, message: &Message) {
    let hints = &message.hints;
    text.base_commit = text.base_commit.take().or_else(|| hints.base_commit.clone());
    text.change_id = text.change_id.take().or_else(|| hints.change_id.clone());
    add(&mut text.words, &message.prefix.words);
    add(&mut text.prerequisites, &hints.prerequisites);
    let ids: Vec<String> = hints.depends_on.iter().map(|on| message_id(on)).collect();
    add(&mut text.depends_on, &ids);
}

fn add(list: &mut Vec<String>, more: &[String]) {
    for value in more {
        if list.len() < LIST_LIMIT && !list.contains(value) {
            list.push(value.clone());
        }
    }
}

/// The Message-ID of a dependency: in brackets, at the end of an address of an archive or of Patchwork, or as it is.
fn message_id(on: &str) -> String {
    if let Some((_, rest)) = on.split_once('<')
        && let Some((id, _)) = rest.split_once('>')
    {
        return id.to_owned();
    }
    let word = on.split_whitespace().next().unwrap_or_default();
    if !word.contains("://") {
        return word.to_owned();
    }
    let decoded = |segment| percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned();
    let id = word.rsplit(['/', '?', '#']).map(decoded).find(|segment: &String| segment.contains('@'));
    shown(id.as_deref().unwrap_or(word).as_bytes(), 300)
}

/// git's stable id; for what has none the SHA-256 of the whole mail, so that only equal mails are equal.
fn patch_id(diff: &[u8], mail: &[u8]) -> String {
    patch::id::stable_id(diff).unwrap_or_else(|| hex(&Sha256::digest(trim(mail))))
}

/// Why stored mails cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailsError {
    /// They do not begin as mails of a version that is known.
    #[error("stored mails of an unknown format")]
    Format,
    /// A length leads beyond the end, or something is left over.
    #[error("stored mails are damaged at byte {at}")]
    Damaged {
        /// Where.
        at: usize,
    },
}

/// Every stored text begins so; the digit is the format's version.
const MAGIC: &[u8] = b"patchlift mails 1\n";

impl Mails {
    /// The mails as bytes: the magic line, then the cover letter (or nothing) and each patch, each with its length
    /// before it: four bytes, the highest first. `FF FF FF FF` stands for no cover letter.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        match &self.cover {
            Some(cover) => push(&mut bytes, cover),
            None => bytes.extend_from_slice(&NOTHING.to_be_bytes()),
        }
        for mail in &self.patches {
            push(&mut bytes, mail);
        }
        bytes
    }

    /// Reads what [`Mails::to_bytes`] wrote.
    ///
    /// # Errors
    /// The bytes are of another format, or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MailsError> {
        let mut rest = bytes.strip_prefix(MAGIC).ok_or(MailsError::Format)?;
        let damaged = |rest: &[u8]| MailsError::Damaged { at: bytes.len() - rest.len() };
        let mut mails = Self { cover: pull(&mut rest).map_err(|()| damaged(rest))?, patches: Vec::new() };
        while !rest.is_empty() {
            let mail = pull(&mut rest).ok().flatten();
            mails.patches.push(mail.ok_or_else(|| damaged(rest))?);
        }
        Ok(mails)
    }
}

/// Stands for a mail that is not there. No mail is so long.
const NOTHING: u32 = u32::MAX;

fn push(bytes: &mut Vec<u8>, mail: &[u8]) {
    // Answers are limited far below; what does not fit would be cut, and is refused when read.
    let length = u32::try_from(mail.len()).unwrap_or(NOTHING - 1);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(mail);
}

/// Takes the next mail; `None` where a mark says that there is none.
fn pull(rest: &mut &[u8]) -> Result<Option<Vec<u8>>, ()> {
    let (length, after) = rest.split_first_chunk::<4>().ok_or(())?;
    let length = u32::from_be_bytes(*length);
    if length == NOTHING {
        *rest = after;
        return Ok(None);
    }
    let (mail, after) = after.split_at_checked(length as usize).ok_or(())?;
    *rest = after;
    Ok(Some(mail.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails_come_back_as_they_were() {
        for mails in [
            Mails::default(),
            Mails { cover: None, patches: vec![b"a".to_vec(), Vec::new(), b"From x\n".to_vec()] },
            Mails { cover: Some(b"\xff\n".to_vec()), patches: vec![vec![b'x'; 70_000]] },
        ] {
            assert_eq!(Mails::from_bytes(&mails.to_bytes()), Ok(mails));
        }
    }

    #[test]
    fn damaged_mails_are_refused() {
        let whole = Mails { cover: Some(b"letter".to_vec()), patches: vec![b"one".to_vec()] }.to_bytes();
        for length in 0..whole.len() {
            // Cut behind the cover letter it is a series without patches.
            let cut = Mails::from_bytes(&whole[..length]);
            assert!(cut.is_err() || cut.unwrap().patches.is_empty(), "{length}");
        }
        assert_eq!(Mails::from_bytes(b"patchlift mails 2\n"), Err(MailsError::Format));
        let huge = [MAGIC, &[0xff, 0xff, 0xff, 0xfe]].concat();
        assert_eq!(Mails::from_bytes(&huge), Err(MailsError::Damaged { at: MAGIC.len() }));
    }

    #[test]
    fn dependencies_are_message_ids() {
        for (on, id) in [
            ("<a@b>", "a@b"),
            ("a@b", "a@b"),
            ("https://lore.kernel.org/linuxppc-dev/a@b/", "a@b"),
            ("https://pw.example.org/project/p/patch/a%2Bc@b/", "a+c@b"),
            ("series \"x\" <a@b> v2", "a@b"),
        ] {
            assert_eq!(message_id(on), id);
        }
    }
}
