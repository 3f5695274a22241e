//! `patchlift mail`: what each mail of a mailbox says.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::failure::Failure;
use super::screen;
use crate::apply::commit;
use crate::bytes::shown;
use crate::cli::MailArgs;
use crate::exit::Ending;
use crate::input;
use crate::mail::Options;
use crate::mail::trailers::BaseHints;
use crate::series::{Kind, Message, read_mailbox};

/// Runs the command.
pub fn run(args: &MailArgs) -> Ending {
    match show(args) {
        Ok(()) => Ending::Done,
        Err(failure) => screen::end(Err(failure), args.input.json),
    }
}

fn show(args: &MailArgs) -> Result<(), Failure> {
    let mailbox = input::read_mailbox(&args.input.mbox, args.input.max_size).map_err(Failure::Input)?;
    let options = Options { scissors: args.input.scissors, ..Options::default() };
    let messages = read_mailbox(&mailbox, options);
    let printed = if args.input.json {
        screen::print_json(&Mails { messages: messages.iter().map(View::of).collect() })
    } else {
        print_text(&mut anstream::stdout().lock(), &messages)
    };
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[derive(Debug, Serialize)]
struct Mails<'a> {
    messages: Vec<View<'a>>,
}

/// One mail for readers of JSON.
#[derive(Debug, Serialize)]
struct View<'a> {
    kind: Kind,
    number: Option<u32>,
    of: Option<u32>,
    version: u32,
    tags: &'a [String],
    author: Option<AuthorView<'a>>,
    date: Option<Text<'a>>,
    subject: Option<Text<'a>>,
    message: Option<Text<'a>>,
    commit_message: Option<Text<'a>>,
    patch: Option<Text<'a>>,
    message_id: Option<&'a str>,
    in_reply_to: Option<&'a str>,
    references: &'a [String],
    list_id: Option<&'a str>,
    patchwork_id: Option<u64>,
    parts: &'a [String],
    #[serde(flatten)]
    hints: &'a BaseHints,
    quoted_cr: bool,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct AuthorView<'a> {
    name: Text<'a>,
    email: Text<'a>,
}

/// Bytes as text where they are UTF-8, else as base64 with a flag.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Text<'a> {
    Utf8(Cow<'a, str>),
    Bytes { base64: String, encoding: &'static str },
}

impl<'a> Text<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Utf8(Cow::Borrowed(text)),
            Err(_) => Self::Bytes { base64: STANDARD.encode(bytes), encoding: "base64" },
        }
    }

    fn owned(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::Utf8(Cow::Owned(text)),
            Err(error) => Self::Bytes { base64: STANDARD.encode(error.as_bytes()), encoding: "base64" },
        }
    }
}

impl<'a> View<'a> {
    fn of(message: &'a Message) -> Self {
        let content = message.content.as_ref().ok();
        let author = content.and_then(|content| content.author.as_ref());
        let overview = &message.overview;
        Self {
            kind: message.kind,
            number: message.prefix.counter.map(|(number, _)| number),
            of: message.prefix.counter.map(|(_, total)| total),
            version: message.prefix.version,
            tags: &message.prefix.words,
            author: author.map(|a| AuthorView { name: Text::of(&a.name), email: Text::of(&a.email) }),
            date: content.and_then(|content| content.date.as_deref()).map(Text::of),
            subject: content.and_then(|content| content.subject.as_deref()).map(Text::of),
            message: content.map(|content| Text::of(&content.message)),
            commit_message: content.map(|content| Text::owned(commit::message(content))),
            patch: content.map(|content| Text::of(&content.patch)),
            message_id: overview.message_id.as_deref(),
            in_reply_to: overview.in_reply_to.as_deref(),
            references: &overview.references,
            list_id: overview.list_id.as_deref(),
            patchwork_id: overview.patchwork_id,
            parts: &overview.parts,
            hints: &message.hints,
            quoted_cr: content.is_some_and(|content| content.quoted_cr),
            error: message.content.as_ref().err().map(error_line),
        }
    }
}

fn error_line(error: &crate::mail::MailError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn print_text(out: &mut impl Write, messages: &[Message]) -> io::Result<()> {
    for (at, message) in messages.iter().enumerate() {
        let kind = match (message.kind, message.prefix.counter) {
            (Kind::Patch, Some((number, total))) => format!("patch {number}/{total}"),
            (Kind::Patch, None) => "patch".into(),
            (Kind::Cover, _) => "cover letter".into(),
            (Kind::Reply, _) => "reply".into(),
            (Kind::PullRequest, _) => "pull request".into(),
            (Kind::Other, _) => "other mail".into(),
        };
        writeln!(out, "{} {kind}: {}", at + 1, message.title())?;
        match &message.content {
            Ok(content) => {
                let date = shown(content.date.as_deref().unwrap_or_default(), 60);
                writeln!(out, "    {}, {date}", message.author())?;
                writeln!(
                    out,
                    "    message {} bytes, patch {} bytes",
                    content.message.len(),
                    content.patch.len()
                )?;
            }
            Err(error) => writeln!(out, "    cannot be read: {}", error_line(error))?,
        }
    }
    Ok(())
}
