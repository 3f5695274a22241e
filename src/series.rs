//! The mails of a series, in order.
//!
//! [`Message`] is one mail with its place in a series; [`assembly`] puts messages together and names what is wrong.

pub mod assembly;

pub use assembly::{Problem, Refused, Series, assemble, in_file_order};

use crate::bytes::{find, shown};
use crate::mail::overview::{self, asks_to_pull};
use crate::mail::subject::Prefix;
use crate::mail::trailers::BaseHints;
use crate::mail::{self, Content, MailError, Options, Overview};
use crate::mbox;

/// One mail and what it is in its series.
#[derive(Debug)]
pub struct Message {
    /// What makes a commit of it, or why it cannot be read.
    pub content: Result<Content, MailError>,
    /// What stands before its title.
    pub prefix: Prefix,
    /// What people and threads need.
    pub overview: Overview,
    /// What it says about its base.
    pub hints: BaseHints,
    /// Its part in the series.
    pub kind: Kind,
}

/// What a mail is in its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The letter before the patches, number 0.
    Cover,
    /// A patch.
    Patch,
    /// An answer to some mail.
    Reply,
    /// A request to pull from a repository; it holds no patches.
    PullRequest,
    /// None of these.
    Other,
}

impl Message {
    /// Reads one mail of a mailbox that was already cut.
    pub fn read(mail: &[u8], options: Options) -> Self {
        let content = mail::read(mail, options);
        let overview = overview::overview(mail);
        let Ok(content) = content else {
            let prefix = Prefix::parse(b"");
            return Self { content, prefix, overview, hints: BaseHints::default(), kind: Kind::Patch };
        };
        let prefix = Prefix::parse(&content.raw_subject);
        let hints = BaseHints::collect(&[&content.message, &content.patch]);
        let kind = kind(&content, &prefix, &overview);
        Self { content: Ok(content), prefix, overview, hints, kind }
    }

    /// Is there a diff in it?
    pub fn has_diff(&self) -> bool {
        self.content.as_ref().is_ok_and(|content| has_diff(&content.patch))
    }

    /// The subject without its prefix, for people.
    pub fn title(&self) -> String {
        let subject = self.content.as_ref().ok().and_then(|content| content.subject.as_deref());
        shown(subject.unwrap_or_default(), 300)
    }

    /// `Name <address>`, for people.
    pub fn author(&self) -> String {
        let author = self.content.as_ref().ok().and_then(|content| content.author.as_ref());
        author.map(|a| format!("{} <{}>", shown(&a.name, 200), shown(&a.email, 200))).unwrap_or_default()
    }
}

/// Reads all mails of a mailbox.
pub fn read_mailbox(mailbox: &[u8], options: Options) -> Vec<Message> {
    mbox::split(mailbox).iter().map(|mail| Message::read(mail, options)).collect()
}

fn kind(content: &Content, prefix: &Prefix, overview: &Overview) -> Kind {
    let with_diff = has_diff(&content.patch);
    if matches!(prefix.counter, Some((0, _))) {
        Kind::Cover
    } else if !with_diff && (asks_to_pull(&content.message) || asks_to_pull(&content.patch)) {
        Kind::PullRequest
    } else if prefix.reply {
        Kind::Reply
    } else if with_diff || prefix.counter.is_some() {
        Kind::Patch
    } else if overview.in_reply_to.is_some() {
        Kind::Reply
    } else {
        Kind::Other
    }
}

/// Does a diff begin anywhere in this text?
fn has_diff(text: &[u8]) -> bool {
    let line_begins = |mark: &[u8]| text.starts_with(mark) || find(text, &[b"\n", mark].concat()).is_some();
    line_begins(b"diff --git ") || (line_begins(b"--- ") && line_begins(b"+++ ") && line_begins(b"@@ -"))
}
