//! Whether there is anything to mail, what, and to whom.

use jiff::Timestamp;
use patchlift_report::Fault;
use patchlift_report::clean::line;
use serde::{Deserialize, Serialize};

use crate::mail::address::{Person, undecoded};
use crate::mail::text;
use crate::notice::{Notice, Standing};
use crate::notice_words::titled;

/// Longest Message-ID that is answered, in bytes: the ones of real lists have below a hundred.
const MESSAGE_ID_MAX: usize = 250;

/// What an operator wants mailed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplySettings {
    /// The sender. Its domain is that of the Message-IDs.
    pub from: Person,
    /// The list, for Cc. It has to be allowed like everybody else.
    pub list: Option<Person>,
    /// Addresses or `@domain`s that may be written to. Empty: nobody but `always_to`.
    pub allow: Vec<String>,
    /// Who gets every reply.
    pub always_to: Vec<Person>,
    /// Good news too.
    pub say_success: bool,
    /// Also what is not the series' fault.
    pub say_all: bool,
    /// Whom people may ask, for the end of the mail: an address or a web page.
    pub contact: Option<String>,
}

/// A mail, ready to be sent. The same notice makes the same mail, Message-ID and date included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Message-ID, without angle brackets.
    pub id: String,
    /// Message-ID of the mail that is answered, without angle brackets.
    pub in_reply_to: String,
    /// The sender.
    pub from: Person,
    /// Recipients; at least one.
    pub to: Vec<Person>,
    /// More recipients.
    pub cc: Vec<Person>,
    /// One clean line.
    pub subject: String,
    /// When the series came to stand where it does.
    pub date: Timestamp,
    /// Plain text, lines ended by `\n`.
    pub text: String,
}

/// The reply to a verdict or a conflict; none where nothing is to be said, or nobody may be told.
pub fn reply(notice: &Notice, settings: &ReplySettings) -> Option<Reply> {
    let what = worth_a_mail(notice, settings)?;
    // A mail outside of the thread would be spam.
    let in_reply_to = message_id(&notice.message_id)?.to_owned();
    let (to, cc) = recipients(notice, settings)?;
    Some(Reply {
        id: own_id(notice, what, settings.from.domain()),
        in_reply_to,
        from: settings.from.clone(),
        to,
        cc,
        subject: subject(&titled(notice)),
        date: notice.since,
        text: text::text(notice, settings.contact.as_deref()),
    })
}

/// A word for what the mail says, if it is to be said.
fn worth_a_mail(notice: &Notice, settings: &ReplySettings) -> Option<&'static str> {
    match &notice.standing {
        Standing::Conflict { .. } => Some("conflict"),
        Standing::Ended { fault, .. } => {
            let cancelled = notice
                .report
                .as_ref()
                .is_some_and(|report| report.verdict.ending == patchlift_report::Ending::Cancelled);
            let wanted = match fault {
                Some(Fault::Series) => true,
                None if cancelled => settings.say_all,
                None => settings.say_success || settings.say_all,
                Some(Fault::Base | Fault::Infrastructure | Fault::Hardware) => settings.say_all,
            };
            wanted.then_some("verdict")
        }
        Standing::Held { .. }
        | Standing::AlreadyApplied { .. }
        | Standing::Pushed
        | Standing::Waiting
        | Standing::Testing
        | Standing::Superseded { .. }
        | Standing::NotTested { .. } => None,
    }
}

/// To and Cc; none where nobody is left.
fn recipients(notice: &Notice, settings: &ReplySettings) -> Option<(Vec<Person>, Vec<Person>)> {
    let author = Person::new(&notice.author, &notice.author_address);
    let mut told: Vec<Person> = Vec::new();
    let allowed = |person: &Person| person.is_one_of(&settings.allow) && !person.is(&settings.from);
    let asked = author.into_iter().chain(settings.list.clone()).filter(allowed);
    for person in asked.chain(settings.always_to.iter().cloned()) {
        if !told.iter().any(|known| known.is(&person)) {
            told.push(person);
        }
    }
    let mut told = told.into_iter();
    Some((vec![told.next()?], told.collect()))
}

/// A Message-ID that can stand in a header; with or without its brackets.
fn message_id(text: &str) -> Option<&str> {
    let text = text.trim();
    let id = text.strip_prefix('<').and_then(|id| id.strip_suffix('>')).unwrap_or(text);
    let plain = id.bytes().all(|b| b.is_ascii_graphic() && !b"<>".contains(&b));
    (plain && id.contains('@') && id.len() <= MESSAGE_ID_MAX).then_some(id)
}

fn own_id(notice: &Notice, what: &str, domain: &str) -> String {
    let key = line(&notice.key, 100).replace('/', ".");
    let key = key.replace(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)), "-");
    // Two dots in a row are not allowed there.
    let parts = std::iter::once("patchlift").chain(key.split('.').filter(|part| !part.is_empty()));
    let key = parts.collect::<Vec<_>>().join(".");
    format!("{key}.r{}.a{}.{what}@{domain}", notice.revision, notice.attempt)
}

fn subject(title: &str) -> String {
    let title = undecoded(title);
    let already = title.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("re:"));
    if already { title } else { format!("Re: {title}") }
}
