//! A mailbox from a file or standard input: read up to a limit, and recognised as mail before anything else is done.

use std::io::{self, Read};
use std::path::Path;

use crate::bytes::{Lines, find_ignoring_case, is_blank, line_length};
use crate::mail::header::is_header_line;
use crate::mbox::is_separator;

/// The default limit of a mailbox in MiB. The largest real series seen (686 patches) has 4 MiB; a binary firmware
/// patch may have 15.
pub const LIMIT_MIB: u64 = 32;

/// The most mails of a mailbox: ten times the longest series seen, and little enough to be held in memory whatever
/// is in them.
pub const MAIL_LIMIT: usize = 10_000;

/// Why there is no mailbox to read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file is not there.
    #[error("{path}: no such file")]
    NotFound {
        /// As given.
        path: String,
    },
    /// A folder.
    #[error("{path}: a folder, not a mailbox")]
    Folder {
        /// As given.
        path: String,
    },
    /// The file cannot be read.
    #[error("{path}: cannot be read")]
    Read {
        /// As given.
        path: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Nothing in it.
    #[error("{path}: the file is empty")]
    Empty {
        /// As given.
        path: String,
    },
    /// Larger than the limit.
    #[error("{path}: larger than {limit_mib} MiB, which no patch series is (--max-size raises the limit)")]
    TooLarge {
        /// As given.
        path: String,
        /// The limit.
        limit_mib: u64,
    },
    /// More mails than any series has.
    #[error("{path}: more than {limit} mails, which no patch series has")]
    TooMany {
        /// As given.
        path: String,
        /// The limit.
        limit: usize,
    },
    /// A web page, as servers send it instead of a mailbox.
    #[error("{path}: a web page (HTML), not a mailbox: was the address of the mbox meant?")]
    Html {
        /// As given.
        path: String,
    },
    /// No mail headers at its start.
    #[error("{path}: not a mailbox: it does not begin with a mail's headers")]
    NotMail {
        /// As given.
        path: String,
    },
}

/// Reads a mailbox from `path`, or from standard input for "-".
///
/// # Errors
/// It is not there, too large, or no mailbox.
pub fn read_mailbox(path: &Path, limit_mib: u64) -> Result<Vec<u8>, InputError> {
    let name = || if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() };
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => InputError::NotFound { path: name() },
        io::ErrorKind::IsADirectory => InputError::Folder { path: name() },
        _ => InputError::Read { path: name(), source },
    };
    let mut bytes = Vec::new();
    let limit = limit_mib.saturating_mul(1 << 20);
    if is_stdin(path) {
        io::stdin().lock().take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        // A file that is too large is known before it is read; a pipe is cut at the limit.
        if file.metadata().is_ok_and(|metadata| metadata.len() > limit) {
            return Err(InputError::TooLarge { path: name(), limit_mib });
        }
        file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() as u64 > limit {
        return Err(InputError::TooLarge { path: name(), limit_mib });
    }
    if Lines::new(&bytes).filter(|line| is_separator(line)).nth(MAIL_LIMIT).is_some() {
        return Err(InputError::TooMany { path: name(), limit: MAIL_LIMIT });
    }
    match judge(&bytes) {
        Content::Mail => Ok(bytes),
        Content::Empty => Err(InputError::Empty { path: name() }),
        Content::Html => Err(InputError::Html { path: name() }),
        Content::Other => Err(InputError::NotMail { path: name() }),
    }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Mail,
    Empty,
    Html,
    Other,
}

/// What these bytes look like, from their first lines.
fn judge(bytes: &[u8]) -> Content {
    let start = bytes.iter().position(|&b| !is_blank(b));
    // A byte order mark before HTML is common.
    let Some(start) = start else { return Content::Empty };
    let text = &bytes[start..];
    let first = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let head = &first[..first.len().min(1024)];
    if first.starts_with(b"<")
        && (find_ignoring_case(head, b"<html").or(find_ignoring_case(head, b"<!doctype")).is_some())
    {
        return Content::Html;
    }
    let line = &text[..line_length(text)];
    // A header's name before a colon; a NUL in the first lines is no text at all.
    if !head.contains(&0) && (is_separator(line) || is_header_line(line)) {
        Content::Mail
    } else {
        Content::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_told_apart() {
        let table: [(&[u8], Content); 8] = [
            (b"", Content::Empty),
            (b" \r\n\n", Content::Empty),
            (b"<!DOCTYPE html>\n<html>", Content::Html),
            (b"\n<html lang=en>", Content::Html),
            (b"\x7fELF\x02\x01\x01\0\0", Content::Other),
            (b"just some words\n", Content::Other),
            (b"From a Mon Sep 17 00:00:00 2001\nSubject: x\n", Content::Mail),
            (b"Return-Path: <a@b>\n\n", Content::Mail),
        ];
        for (bytes, expected) in table {
            assert_eq!(judge(bytes), expected, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
