//! Walks one mail from its headers to its last line and sorts every line into message or patch.

use super::address::{self, Author};
use super::charset::{CharsetError, to_utf8};
use super::header::{self, HEADER_LIMIT, HeaderError, Next, next_header, value_of};
use super::marks::{begins_patch, is_format_patch_separator, is_scissors};
use super::structure::ContentType;
use super::subject;
use super::transfer::Encoding;
use crate::bytes::{Lines, is_blank};

/// How a mail is read; the default is what `git am` does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Drop everything above a scissors line ("-- >8 --").
    pub scissors: bool,
    /// Drop the CR of lines that were base64 or quoted-printable.
    pub strip_quoted_cr: bool,
}

/// What a mail says: the parts of a commit, as bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// The author: the in-body From where there is one, else the header. `None`: no From at all.
    pub author: Option<Author>,
    /// The subject as it is committed, prefixes dropped. `None`: no Subject at all.
    pub subject: Option<Vec<u8>>,
    /// The subject before its prefixes were dropped.
    pub raw_subject: Vec<u8>,
    /// The date as the mail gives it, not checked.
    pub date: Option<Vec<u8>>,
    /// The commit message without its subject.
    pub message: Vec<u8>,
    /// Everything from the first "---" or "diff" line on, never converted.
    pub patch: Vec<u8>,
    /// Encoded lines ended in CR LF; the CR was kept.
    pub quoted_cr: bool,
}

/// Why a mail cannot be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MailError {
    /// Nothing but blanks.
    #[error("the mail is empty")]
    Empty,
    /// A From, Subject, Date, Content-Type or Content-Transfer-Encoding header is damaged.
    #[error("header {name} cannot be read")]
    Header {
        /// The header's name.
        name: &'static str,
        /// What is wrong with it.
        #[source]
        source: HeaderError,
    },
    /// The message's text is not in the charset the mail states.
    #[error("the message's text cannot be converted")]
    Text(#[source] CharsetError),
    /// A NUL in what would become the commit's author, subject or date.
    #[error("header {name} holds a NUL byte")]
    Nul {
        /// The header's name.
        name: &'static str,
    },
    /// A header longer than any is.
    #[error("a header of more than {limit} bytes")]
    LongHeader {
        /// The most that is read.
        limit: usize,
    },
    /// A paragraph of encoded, softly broken lines that is longer than any text.
    #[error("a softly broken line of more than {limit} bytes")]
    SoftLine {
        /// The most that is read.
        limit: usize,
    },
    /// More nested parts than git reads.
    #[error("more than {limit} nested parts")]
    Nesting {
        /// The most that are read.
        limit: usize,
    },
}

/// Parts may nest this deep, as in git.
const NESTING_LIMIT: usize = 4;

/// A paragraph of encoded `format=flowed` text is shorter than this, in bytes.
const SOFT_LINE_LIMIT: usize = 1 << 16;

/// The headers that make the commit, in the order of [`Headers`].
const NAMES: [&str; 3] = ["From", "Subject", "Date"];

/// From, Subject and Date, where given.
type Headers = [Option<Vec<u8>>; 3];

/// Reads one mail.
///
/// # Errors
/// The cases of [`MailError`]; a mail that is merely odd is read as git reads it.
pub fn read(mail: &[u8], options: Options) -> Result<Content, MailError> {
    let start = mail.iter().position(|&b| !is_blank(b)).ok_or(MailError::Empty)?;
    let mut reader = Reader::new(&mail[start..], options);
    let first_line = reader.headers(true)?;
    reader.body(first_line)?;
    reader.finish()
}

struct Reader<'a> {
    lines: Lines<'a>,
    options: Options,
    /// The mail's own headers.
    outer: Headers,
    /// Headers at the top of the message text, which win over the mail's own.
    inner: Headers,
    /// An in-body header whose continuation may follow.
    pending: Vec<u8>,
    boundaries: Vec<Vec<u8>>,
    kind: ContentType,
    encoding: Encoding,
    /// A line without its end yet: half of an encoded line, or one that was broken softly.
    partial: Vec<u8>,
    at_top: bool,
    in_patch: bool,
    content: Content,
}

impl<'a> Reader<'a> {
    fn new(mail: &'a [u8], options: Options) -> Self {
        Self {
            lines: Lines::new(mail),
            options,
            outer: Headers::default(),
            inner: Headers::default(),
            pending: Vec::new(),
            boundaries: Vec::new(),
            kind: ContentType::default(),
            encoding: Encoding::Plain,
            partial: Vec::new(),
            at_top: true,
            in_patch: false,
            content: Content::default(),
        }
    }

    /// Takes header lines; gives back the first line that is none. `last_wins`: a doubled header replaces the first.
    fn headers(&mut self, last_wins: bool) -> Result<Vec<u8>, MailError> {
        let mut last = Vec::new();
        loop {
            match next_header(&mut self.lines) {
                Next::Header(line) => {
                    self.header(&line, last_wins)?;
                    last = line;
                }
                Next::Text(line) => return Ok(line),
                // In a mail that is headers only, git takes the last one for text as well.
                Next::End => return Ok(last),
            }
        }
    }

    fn header(&mut self, line: &[u8], last_wins: bool) -> Result<(), MailError> {
        if line.len() > HEADER_LIMIT {
            return Err(MailError::LongHeader { limit: HEADER_LIMIT });
        }
        for (name, slot) in NAMES.into_iter().zip(&mut self.outer) {
            if let Some(value) = value_of(line, name.as_bytes())
                && (slot.is_none() || last_wins)
            {
                *slot = Some(decode(name, value)?);
                return Ok(());
            }
        }
        if let Some(value) = value_of(line, b"Content-Type") {
            let kind = ContentType::parse(&decode("Content-Type", value)?);
            if let Some(boundary) = &kind.boundary {
                if self.boundaries.len() == NESTING_LIMIT {
                    return Err(MailError::Nesting { limit: NESTING_LIMIT });
                }
                self.boundaries.push(boundary.clone());
            }
            self.kind = kind;
        } else if let Some(value) = value_of(line, b"Content-Transfer-Encoding") {
            self.encoding = Encoding::of_header(&decode("Content-Transfer-Encoding", value)?);
        } else if let Some(value) = value_of(line, b"Message-ID") {
            // Not used here, but git refuses a mail in which it is damaged.
            decode("Message-ID", value)?;
        }
        Ok(())
    }

    fn body(&mut self, first_line: Vec<u8>) -> Result<(), MailError> {
        let mut line = first_line;
        if !self.boundaries.is_empty() {
            match self.next_boundary() {
                Some(boundary) => line = boundary,
                None => return self.end(),
            }
        }
        loop {
            if self.is_boundary(&line) {
                let rest = std::mem::take(&mut self.partial);
                if !rest.is_empty() {
                    self.text(&rest)?;
                }
                match self.next_part(line)? {
                    Some(first) => line = first,
                    None => return self.end(),
                }
            }
            self.packed_line(&line)?;
            match self.lines.next() {
                Some(next) => line = next.to_vec(),
                None => return self.end(),
            }
        }
    }

    /// Flushes what was held back for a line that did not come.
    fn end(&mut self) -> Result<(), MailError> {
        let rest = std::mem::take(&mut self.partial);
        if !rest.is_empty() {
            self.text(&rest)?;
        }
        self.end_pending()
    }

    fn is_boundary(&self, line: &[u8]) -> bool {
        self.boundaries.last().is_some_and(|boundary| line.starts_with(boundary))
    }

    fn next_boundary(&mut self) -> Option<Vec<u8>> {
        loop {
            let line = self.lines.next()?;
            if self.is_boundary(line) {
                return Some(line.to_vec());
            }
        }
    }

    /// At a boundary: leaves parts that end here, reads the next part's headers, gives back its first line.
    fn next_part(&mut self, boundary_line: Vec<u8>) -> Result<Option<Vec<u8>>, MailError> {
        let mut line = boundary_line;
        let mut first_end = true;
        while let Some(boundary) = self.boundaries.last()
            && line[boundary.len().min(line.len())..].starts_with(b"--")
        {
            self.boundaries.pop();
            // However many parts end here, one empty line stands for their end.
            if std::mem::take(&mut first_end) {
                self.text(b"\n")?;
            }
            match self.next_boundary() {
                Some(next) => line = next,
                None => return Ok(None),
            }
        }
        self.encoding = Encoding::Plain;
        self.kind.charset.clear();
        self.headers(false)?;
        // The first line of a part always ends in a line feed, also at the end of the mail.
        Ok(self.lines.next().map(|line| [line.strip_suffix(b"\n").unwrap_or(line), b"\n"].concat()))
    }

    fn packed_line(&mut self, line: &[u8]) -> Result<(), MailError> {
        if self.encoding == Encoding::Plain {
            return self.soft_line(line);
        }
        let decoded = self.encoding.decode(line);
        let Some(end) = memchr::memchr(b'\n', &decoded) else {
            self.partial.extend_from_slice(&decoded);
            return Ok(());
        };
        // Soft lines are joined again and again here; without a limit that would take quadratic time.
        if self.kind.flowed && self.partial.len() > SOFT_LINE_LIMIT {
            return Err(MailError::SoftLine { limit: SOFT_LINE_LIMIT });
        }
        let mut first = std::mem::take(&mut self.partial);
        first.extend_from_slice(&decoded[..=end]);
        self.soft_line(&first)?;
        for line in Lines::new(&decoded[end + 1..]) {
            if line.ends_with(b"\n") {
                self.soft_line(line)?;
            } else {
                self.partial.extend_from_slice(line);
            }
        }
        Ok(())
    }

    /// Undoes RFC 3676 soft line breaks, and notes CR in encoded lines.
    fn soft_line(&mut self, line: &[u8]) -> Result<(), MailError> {
        if !self.kind.flowed {
            if let Some(text) = line.strip_suffix(b"\r\n") {
                self.content.quoted_cr = true;
                if self.options.strip_quoted_cr {
                    return self.text(&[text, b"\n"].concat());
                }
            }
            return self.text(line);
        }
        let text = line.strip_suffix(b"\n").map_or(line, |text| text.strip_suffix(b"\r").unwrap_or(text));
        if text == b"-- " {
            let held = std::mem::take(&mut self.partial);
            if !held.is_empty() {
                self.text(&held)?;
            }
            return self.text(line);
        }
        let (unstuffed, whole) = match text.first() {
            Some(b' ') => (&text[1..], &line[1..]),
            _ => (text, line),
        };
        if unstuffed.ends_with(b" ") {
            let keep = unstuffed.len() - usize::from(self.kind.delete_space);
            self.partial.extend_from_slice(&unstuffed[..keep]);
            return Ok(());
        }
        let mut joined = std::mem::take(&mut self.partial);
        joined.extend_from_slice(whole);
        self.text(&joined)
    }

    /// One line of the mail's text: to the message, or to the patch once that has begun.
    fn text(&mut self, line: &[u8]) -> Result<(), MailError> {
        if self.in_patch {
            self.content.patch.extend_from_slice(line);
            Ok(())
        } else {
            self.message_line(line)
        }
    }

    fn message_line(&mut self, line: &[u8]) -> Result<(), MailError> {
        if self.at_top && matches!(line, b"" | b"\n") {
            if !self.pending.is_empty() {
                self.end_pending()?;
                self.at_top = false;
            }
            return Ok(());
        }
        if self.at_top {
            self.at_top = self.inner_header(line)?;
            if self.at_top {
                return Ok(());
            }
        }
        let line = to_utf8(line, &self.kind.charset).map_err(MailError::Text)?;
        if self.options.scissors && is_scissors(&line) {
            self.content.message.clear();
            self.at_top = true;
            self.inner = Headers::default();
            return Ok(());
        }
        // The line that begins the patch was converted with the message; the patch's other lines never are.
        self.in_patch = begins_patch(&line);
        let part = if self.in_patch { &mut self.content.patch } else { &mut self.content.message };
        part.extend_from_slice(&line);
        Ok(())
    }

    /// Is this line a header at the top of the message? If so it is taken.
    fn inner_header(&mut self, line: &[u8]) -> Result<bool, MailError> {
        if !self.pending.is_empty() && matches!(line.first(), Some(b' ' | b'\t')) {
            if self.options.scissors && is_scissors(line) {
                self.end_pending()?;
                return Ok(false);
            }
            if self.pending.ends_with(b"\n") {
                self.pending.pop();
            }
            self.pending.extend_from_slice(line);
            return Ok(true);
        }
        self.end_pending()?;
        if let Some(quoted) = line.strip_prefix(b">")
            && quoted.starts_with(b"From")
            && quoted.get(4).is_some_and(|&b| is_blank(b))
        {
            return Ok(is_format_patch_separator(quoted));
        }
        if line.starts_with(b"[PATCH]") && line.get(7).is_some_and(|&b| is_blank(b)) {
            self.inner[1] = Some(line.to_vec());
            return Ok(true);
        }
        let mut slots = NAMES.into_iter().zip(&self.inner);
        let known = slots.any(|(name, slot)| slot.is_none() && value_of(line, name.as_bytes()).is_some());
        if known {
            self.pending.extend_from_slice(line);
        }
        Ok(known)
    }

    fn end_pending(&mut self) -> Result<(), MailError> {
        let line = std::mem::take(&mut self.pending);
        for (name, slot) in NAMES.into_iter().zip(&mut self.inner) {
            if slot.is_none()
                && let Some(value) = value_of(&line, name.as_bytes())
            {
                *slot = Some(decode(name, value)?);
                break;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Content, MailError> {
        // A mail without a patch is a letter: what its text says about headers is text.
        let with_patch = !self.content.patch.is_empty();
        let mut chosen = Headers::default();
        for (at, name) in NAMES.into_iter().enumerate() {
            let inner = self.inner[at].take().filter(|_| with_patch);
            chosen[at] = inner.or_else(|| self.outer[at].take());
            if chosen[at].as_ref().is_some_and(|value| value.contains(&0)) {
                return Err(MailError::Nul { name });
            }
        }
        let [from, subject_value, date] = chosen;
        self.content.author = from.map(|value| address::parse(&value));
        self.content.subject = subject_value.as_deref().map(subject::committed);
        self.content.raw_subject = address::squeeze_blanks(&subject_value.unwrap_or_default());
        self.content.date = date.map(|value| address::squeeze_blanks(&value));
        Ok(self.content)
    }
}

fn decode(name: &'static str, value: &[u8]) -> Result<Vec<u8>, MailError> {
    header::decode(value).map_err(|source| MailError::Header { name, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(mail: &[u8]) -> Content {
        read(mail, Options::default()).unwrap()
    }

    #[test]
    fn a_plain_patch_mail() {
        let read = content(
            b"From: A <a@b.c>\nSubject: [PATCH 1/2] area: do\n it\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n\nWhy.\n\nSigned-off-by: A\n---\n f | 1 +\n\ndiff --git a/f b/f\n",
        );
        assert_eq!(read.subject.unwrap(), b"area: do it");
        assert_eq!(read.message, b"Why.\n\nSigned-off-by: A\n");
        assert!(read.patch.starts_with(b"---\n f | 1 +\n"));
    }

    #[test]
    fn headers_in_the_body_win_and_only_at_its_top() {
        let read = content(
            b"From: list <l@b.c>\nSubject: [PATCH] outer\n\nFrom: Real <r@b.c>\nSubject: inner\n more\n\nFrom: text\n---\nx\n",
        );
        assert_eq!(read.author.unwrap().email, b"r@b.c");
        assert_eq!(read.subject.unwrap(), b"inner more");
        assert_eq!(read.message, b"From: text\n");
    }

    #[test]
    fn scissors_cut_only_when_asked_for() {
        let mail = b"From: A <a@b.c>\nSubject: outer\n\nHello\n-- >8 --\nSubject: inner\n\nWhy\n---\nx\n";
        assert_eq!(content(mail).subject.unwrap(), b"outer");
        let cut = read(mail, Options { scissors: true, ..Options::default() }).unwrap();
        assert_eq!(cut.subject.unwrap(), b"inner");
        assert_eq!(cut.message, b"Why\n");
    }

    #[test]
    fn flowed_text_is_joined() {
        let mail = b"From: A <a@b.c>\nSubject: s\nContent-Type: text/plain; format=flowed; delsp=yes\n\nlong \nline\n  stuffed\n---\n";
        assert_eq!(content(mail).message, b"longline\n stuffed\n");
    }
}
