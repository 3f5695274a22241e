//! A patch's JSON to a mail that reads as the one its author sent.

use jiff::civil::DateTime;

use crate::bytes::{find_ignoring_case, strip_prefix_ignoring_case};
use crate::mail::{address, transfer};
use crate::patchwork::PatchText;

/// Makes one mail of a patch's headers, text and diff. Its lines may begin with anything, also like a mailbox's
/// separator: it is not to be cut again.
pub fn mail_from_json(text: &PatchText) -> Vec<u8> {
    let mut mail = Vec::new();
    let from = text.last("From").map(lenient);
    let munged = from.as_ref().is_some_and(|from| is_the_list(from, &text.list_email));
    match from.filter(|_| !munged) {
        Some(from) => push_header(&mut mail, "From", &from),
        // The list put itself in the sender's place; the server found out who it was.
        None => push_header(&mut mail, "From", &submitter(text)),
    }
    if let Some(date) = text.last("Date").map(lenient).or_else(|| received(&text.date)) {
        push_header(&mut mail, "Date", &date);
    }
    push_header(&mut mail, "Subject", &text.last("Subject").map(lenient).unwrap_or_default());
    push_header(&mut mail, "Message-ID", format!("<{}>", text.msgid).as_bytes());
    push_header(&mut mail, "X-Patchwork-Id", text.id.to_string().as_bytes());
    mail.extend_from_slice(
        b"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n",
    );
    mail.extend_from_slice(with_dashes(text.content.trim_end()).as_bytes());
    mail.push(b'\n');
    if let Some(diff) = &text.diff {
        // An attached file of format-patch is given as a whole: its head goes on with the message.
        if !diff.starts_with("From ") {
            mail.push(b'\n');
        }
        mail.extend_from_slice(diff.as_bytes());
    }
    mail
}

impl PatchText {
    /// The last value of a header: git goes by that one where a header is doubled.
    fn last(&self, name: &str) -> Option<&str> {
        let (_, values) = self.headers.iter().rfind(|(known, _)| known.eq_ignore_ascii_case(name))?;
        values.last().map(String::as_str)
    }
}

/// The text with what the server moved up from below the diff put under a line of dashes. Where the mail has such a
/// line the server did that itself; where it has none, the base would get into the commit's message.
fn with_dashes(content: &str) -> String {
    let mut at = content.len();
    for line in content.lines().rev() {
        let moved = line.is_empty() || is_about_the_base(line.as_bytes());
        if !moved || line.starts_with("---") {
            break;
        }
        at = content[..at].rfind('\n').unwrap_or(0);
    }
    let (message, below) = content.split_at(at);
    if below.trim().is_empty() || message.lines().any(|line| line.trim_end() == "---") {
        return content.to_owned();
    }
    format!("{message}\n---\n{}", below.trim_start())
}

/// Is this one of the lines that `git format-patch --base` writes below a diff?
pub(super) fn is_about_the_base(line: &[u8]) -> bool {
    line.starts_with(b"base-commit: ") || line.starts_with(b"prerequisite-patch-id: ")
}

/// One line, whatever the value holds.
fn push_header(mail: &mut Vec<u8>, name: &str, value: &[u8]) {
    mail.extend_from_slice(name.as_bytes());
    mail.extend_from_slice(b": ");
    let mut blank = false;
    for &byte in value {
        match byte {
            b'\r' | b'\n' | b'\t' | b' ' => blank = true,
            0..=31 | 127 => {}
            _ => {
                if std::mem::take(&mut blank) && !mail.ends_with(b" ") {
                    mail.push(b' ');
                }
                mail.push(byte);
            }
        }
    }
    mail.push(b'\n');
}

fn is_the_list(from: &[u8], list: &str) -> bool {
    !list.is_empty() && address::parse(from).email.eq_ignore_ascii_case(list.as_bytes())
}

fn submitter(text: &PatchText) -> Vec<u8> {
    let name = text.submitter.name.replace(['"', '\\'], "");
    let email = text.submitter.email.replace(['<', '>'], "");
    if name.is_empty() { email.into_bytes() } else { format!("\"{name}\" <{email}>").into_bytes() }
}

/// The server's date, which is naive UTC, as a mail has it.
fn received(date: &str) -> Option<Vec<u8>> {
    let date: DateTime = date.parse().ok()?;
    let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string().into_bytes())
}

/// A header's value with its raw bytes put back: the server wraps bytes of no stated charset in words of the charset
/// `unknown-8bit`, which nobody can read. What is not UTF-8 then is taken for Latin-1.
fn lenient(value: &str) -> Vec<u8> {
    const MARK: &[u8] = b"=?unknown-8bit?";
    let mut raw = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    let mut after_word = false;
    while let Some(at) = find_ignoring_case(rest, MARK) {
        let before = &rest[..at];
        let Some((decoded, behind)) = word(&rest[at + MARK.len()..]) else { break };
        // Blanks between two encoded words only fold the line.
        if !after_word || !before.trim_ascii().is_empty() {
            raw.extend_from_slice(before);
        }
        raw.extend_from_slice(&decoded);
        (rest, after_word) = (behind, true);
    }
    raw.extend_from_slice(rest);
    match String::from_utf8(raw) {
        Ok(text) => text.into_bytes(),
        Err(error) => error.as_bytes().iter().map(|&byte| char::from(byte)).collect::<String>().into_bytes(),
    }
}

/// What follows the charset of an encoded word, decoded, and what stands behind it.
fn word(rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let base64 = strip_prefix_ignoring_case(rest, b"b?");
    let text = base64.or_else(|| strip_prefix_ignoring_case(rest, b"q?"))?;
    let end = crate::bytes::find(text, b"?=")?;
    let decoded = match base64 {
        Some(_) => transfer::base64(&text[..end]),
        None => transfer::quoted_printable(&text[..end], true),
    };
    Some((decoded, &text[end + 2..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Submitter;
    use crate::mail::{Options, read};

    fn patch(headers: &[(&str, &str)], content: &str, diff: &str) -> PatchText {
        PatchText {
            id: 7,
            msgid: "a@b".to_owned(),
            name: String::new(),
            date: "2026-11-20T02:00:02".to_owned(),
            submitter: Submitter { name: "Jörg \"X\"".to_owned(), email: "j@example.com".to_owned() },
            list_email: "list@example.org".to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()]))
                .collect(),
            content: content.to_owned(),
            diff: Some(diff.to_owned()),
            pull_url: None,
            state: "new".to_owned(),
        }
    }

    const DIFF: &str = "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\r\n";

    #[test]
    fn a_mail_reads_as_the_one_that_was_sent() {
        let headers = [
            ("From", "=?utf-8?q?J=C3=B6rg?=\n <j@example.com>"),
            ("Subject", "[PATCH 1/2] hw/occ:\n\tFix it"),
            ("Date", "Fri, 20 Nov 2026 13:00:00 +1100"),
        ];
        let mail =
            mail_from_json(&patch(&headers, "From here on it works.\n\nSigned-off-by: J\n---\n f | 2", DIFF));
        let read = read(&mail, Options::default()).unwrap();
        assert_eq!(read.author.unwrap().name, "Jörg".as_bytes());
        assert_eq!(read.subject.unwrap(), b"hw/occ: Fix it");
        assert_eq!(read.date.unwrap(), b"Fri, 20 Nov 2026 13:00:00 +1100");
        assert_eq!(read.message, b"From here on it works.\n\nSigned-off-by: J\n");
        assert_eq!(read.patch, format!("---\n f | 2\n\n{DIFF}").as_bytes());
    }

    #[test]
    fn what_stood_below_the_diff_gets_into_no_message() {
        let base = "base-commit: a7b850715661aeede639be8e85d57efeec570188";
        for (content, message) in [
            (base.to_owned(), String::new()),
            (format!("Why.\n\n\n{base}\nprerequisite-patch-id: 12"), "Why.".to_owned()),
            (format!("Why.\n---\n f | 2\n\n{base}"), "Why.".to_owned()),
            (format!("{base}\nis the base."), format!("{base}\nis the base.")),
        ] {
            let mail = mail_from_json(&patch(&[("From", "A <a@b.c>"), ("Subject", "x")], &content, DIFF));
            let read = read(&mail, Options::default()).unwrap();
            assert_eq!(String::from_utf8(read.message).unwrap().trim(), message);
            let hints = crate::series::Message::read(&mail, Options::default()).hints;
            assert!(hints.base_commit.is_some());
        }
    }

    #[test]
    fn no_value_makes_another_header() {
        let headers = [
            ("From", "A <a@b.c>\nFrom: Evil <e@f.g>"),
            ("Subject", "x\r\n\r\nFrom: Evil <e@f.g>\r\u{0}y"),
            ("Date", "Fri, 20 Nov 2026 13:00:00 +1100\n\ndiff --git"),
        ];
        let mail = String::from_utf8(mail_from_json(&patch(&headers, "m", DIFF))).unwrap();
        let (head, _) = mail.split_once("\n\n").unwrap();
        let names: Vec<&str> = head.lines().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(
            names,
            [
                "From",
                "Date",
                "Subject",
                "Message-ID",
                "X-Patchwork-Id",
                "MIME-Version",
                "Content-Type",
                "Content-Transfer-Encoding"
            ]
        );
        assert!(head.contains("Subject: x From: Evil <e@f.g> y\n"), "{head}");
    }

    #[test]
    fn raw_bytes_of_unknown_charset_are_put_back() {
        for (value, expected) in [
            (
                "=?unknown-8bit?b?SsO2cmcgUm9oIDxqb2VyZy5yYXdAZXhhbXBsZS5kZT4=?=",
                "Jörg Roh <joerg.raw@example.de>",
            ),
            ("x =?unknown-8bit?q?J=F6?= =?UNKNOWN-8bit?Q?rg_R?= y", "x Jörg R y"),
            ("=?unknown-8bit?q?=C3?= =?unknown-8bit?q?=B6?=", "ö"),
            ("=?unknown-8bit?x?a?=", "=?unknown-8bit?x?a?="),
            ("=?utf-8?q?=C3=B6?=", "=?utf-8?q?=C3=B6?="),
        ] {
            assert_eq!(String::from_utf8(lenient(value)).unwrap(), expected);
        }
    }

    #[test]
    fn where_the_list_is_the_sender_the_submitter_is_meant() {
        let headers = [("From", "Joerg via list <list@example.org>"), ("Subject", "x")];
        let mail = mail_from_json(&patch(&headers, "m", DIFF));
        let read = read(&mail, Options::default()).unwrap();
        let author = read.author.unwrap();
        assert_eq!((author.name, author.email), ("Jörg X".into(), b"j@example.com".to_vec()));
        assert_eq!(read.date.unwrap(), b"Fri, 20 Nov 2026 02:00:02 +0000");
    }
}
