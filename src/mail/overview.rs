//! A mail as people and threads see it: ids, lists, structure. Read with mail-parser.

use std::borrow::Cow;

use mail_parser::{HeaderValue, Message, MessageParser, MimeHeaders};

use crate::bytes::{find, shown};

/// What is shown or used to find a mail's place; never what is committed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overview {
    /// The Message-ID without its angle brackets.
    pub message_id: Option<String>,
    /// The mail this one answers.
    pub in_reply_to: Option<String>,
    /// The thread above this mail, oldest first.
    pub references: Vec<String>,
    /// The list's id.
    pub list_id: Option<String>,
    /// Patchwork's number of the patch.
    pub patchwork_id: Option<u64>,
    /// The content types of the leaves of the MIME tree.
    pub parts: Vec<String>,
    /// The first text part as a person reads it, cut to [`TEXT_LIMIT`] characters.
    pub text: String,
}

/// Headers and letter are in the first megabyte of a mail. Parsing needs some twenty bytes for each one of a hostile
/// mail.
const READ_LIMIT: usize = 1 << 20;

/// What a person needs of a cover letter on a page.
pub const TEXT_LIMIT: usize = 20_000;

/// A mail with more ids above it, or more parts, is not a patch mail.
const LIST_LIMIT: usize = 200;

/// Reads the overview of one mail; a mail that cannot be parsed gives an empty one.
pub fn overview(mail: &[u8]) -> Overview {
    let mail = without_separator(mail);
    let mail = &mail[..mail.len().min(READ_LIMIT)];
    let Some(message) = MessageParser::default().parse(mail) else { return Overview::default() };
    Overview {
        message_id: message.message_id().map(clean_id),
        in_reply_to: ids(message.in_reply_to()).pop(),
        references: ids(message.references()),
        list_id: message.list_id().as_text().map(|id| shown(id.as_bytes(), 200)),
        patchwork_id: message.header_raw("X-Patchwork-Id").and_then(|id| id.trim().parse().ok()),
        parts: message.parts.iter().take(LIST_LIMIT).filter_map(content_type).collect(),
        text: text_of(&message),
    }
}

/// A mailbox's separator is no header; mail-parser would take it for a broken one.
fn without_separator(mail: &[u8]) -> &[u8] {
    if mail.starts_with(b"From ") || mail.starts_with(b">From ") {
        &mail[crate::bytes::line_length(mail)..]
    } else {
        mail
    }
}

fn clean_id(id: &str) -> String {
    shown(id.as_bytes(), 300)
}

fn ids(value: &HeaderValue<'_>) -> Vec<String> {
    match value {
        HeaderValue::Text(id) => vec![clean_id(id)],
        HeaderValue::TextList(list) => list.iter().take(LIST_LIMIT).map(|id| clean_id(id)).collect(),
        _ => Vec::new(),
    }
}

fn content_type(part: &mail_parser::MessagePart<'_>) -> Option<String> {
    if part.is_multipart() {
        return None;
    }
    let kind = part.content_type().map_or(Cow::Borrowed("text/plain"), |kind| {
        Cow::Owned(format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("plain")))
    });
    Some(shown(kind.as_bytes(), 100))
}

fn text_of(message: &Message<'_>) -> String {
    let text = message.body_text(0).unwrap_or_default();
    let kept = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars().filter(kept).take(TEXT_LIMIT).collect()
}

/// Is this the text of a pull request, as `git request-pull` writes it?
pub fn asks_to_pull(text: &[u8]) -> bool {
    let since = find(text, b"The following changes since commit ");
    since.is_some_and(|at| find(&text[at..], b"available in the ").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_structure_come_from_mail_parser() {
        let mail = b"From x Mon Sep 17 00:00:00 2001\nMessage-ID: <a@b>\nIn-Reply-To: <c@d>\nReferences: <e@f>\n <c@d>\nX-Patchwork-Id: 42\nList-Id: <l.example.org>\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nhello\n--b\nContent-Type: text/x-patch\n\ndiff\n--b--\n";
        let seen = overview(mail);
        assert_eq!(seen.message_id.as_deref(), Some("a@b"));
        assert_eq!(seen.in_reply_to.as_deref(), Some("c@d"));
        assert_eq!(seen.references, ["e@f", "c@d"]);
        assert_eq!(seen.patchwork_id, Some(42));
        assert_eq!(seen.parts, ["text/plain", "text/x-patch"]);
        assert_eq!(seen.text.trim(), "hello");
    }

    #[test]
    fn request_pull_text_is_recognised() {
        assert!(asks_to_pull(
            b"The following changes since commit abc:\n\n  x\n\nare available in the Git repository at:\n"
        ));
        assert!(!asks_to_pull(b"available in the kernel"));
    }
}
