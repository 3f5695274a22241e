//! Header lines: recognised, unfolded, and their RFC 2047 words decoded.

use super::charset::{CharsetError, to_utf8};
use super::transfer;
use crate::bytes::{Lines, find, is_blank, strip_prefix_ignoring_case, trim_end, trim_start, until_nul};

/// A longer header is refused, in bytes. Recipients of a whole subsystem take some kilobytes.
pub(crate) const HEADER_LIMIT: usize = 1 << 20;

/// What stands where a header may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A header, its continuation lines joined with one blank each.
    Header(Vec<u8>),
    /// A line that is none, its line feed included.
    Text(Vec<u8>),
    /// Nothing any more.
    End,
}

/// Takes the next header or the line that ends the headers.
pub(crate) fn next_header(lines: &mut Lines<'_>) -> Next {
    let Some(first) = lines.next().map(trim_end) else { return Next::End };
    if first.is_empty() || !is_header(first) {
        return Next::Text([first, b"\n"].concat());
    }
    let mut header = first.to_vec();
    while matches!(lines.peek(), Some(b' ' | b'\t')) {
        // A line of blanks only adds nothing.
        let continuation = trim_end(lines.next().unwrap_or_default());
        // What goes beyond the limit is not kept: the header is refused anyway.
        if let Some((_, text)) = continuation.split_first()
            && header.len() <= HEADER_LIMIT
        {
            header.push(b' ');
            header.extend_from_slice(text);
        }
    }
    Next::Header(header)
}

/// Does this line look like "Name: value", or like the separator that mailboxes put before the headers?
pub(crate) fn is_header(line: &[u8]) -> bool {
    if line.starts_with(b"From ") || line.starts_with(b">From ") {
        return true;
    }
    let name = line.iter().position(|&b| !(33..=126).contains(&b) || b == b':');
    name.is_some_and(|end| line[end] == b':')
}

/// Does this line look like "Name: value"?
pub fn is_header_line(line: &[u8]) -> bool {
    !line.starts_with(b":") && is_header(line)
}

/// The value of a header of that name, blanks before it dropped.
pub(crate) fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    Some(trim_start(strip_prefix_ignoring_case(line, name)?.strip_prefix(b":")?))
}

/// Decodes the RFC 2047 words of a header.
///
/// # Errors
/// A word that begins and is not whole, an unknown encoding letter, or a charset that does not convert.
pub(crate) fn decode(value: &[u8]) -> Result<Vec<u8>, HeaderError> {
    let value = until_nul(value);
    let mut output = Vec::with_capacity(value.len());
    let (mut rest, mut first) = (value, true);
    while let Some(start) = find(rest, b"=?") {
        let before = &rest[..start];
        // Blanks between two encoded words are only there to fold the header.
        if first || before.iter().any(|&b| !is_blank(b)) {
            output.extend_from_slice(before);
        }
        first = false;
        let word = EncodedWord::parse(&rest[start + 2..])
            .ok_or_else(|| HeaderError::Word { text: crate::bytes::shown(&rest[start..], 60) })?;
        let decoded = match word.encoding {
            b'b' => transfer::base64(word.text),
            _ => transfer::quoted_printable(word.text, true),
        };
        output.extend_from_slice(&to_utf8(&decoded, word.charset).map_err(HeaderError::Charset)?);
        rest = word.rest;
    }
    output.extend_from_slice(rest);
    Ok(output)
}

struct EncodedWord<'a> {
    charset: &'a [u8],
    encoding: u8,
    text: &'a [u8],
    rest: &'a [u8],
}

impl<'a> EncodedWord<'a> {
    /// Reads what follows "=?".
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let charset_end = memchr::memchr(b'?', bytes)?;
        let encoding = bytes.get(charset_end + 1)?.to_ascii_lowercase();
        if !matches!(encoding, b'b' | b'q') || bytes.get(charset_end + 2) != Some(&b'?') {
            return None;
        }
        let text = &bytes[charset_end + 3..];
        let end = find(text, b"?=")?;
        Some(Self { charset: &bytes[..charset_end], encoding, text: &text[..end], rest: &text[end + 2..] })
    }
}

/// Why a header could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// An encoded word that is not one.
    #[error("damaged encoded word in a header: {text}")]
    Word {
        /// Where it begins.
        text: String,
    },
    /// Its charset is unknown or wrong.
    #[error("a header's text cannot be converted")]
    Charset(#[source] CharsetError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_unfolded_to_one_blank() {
        let mut lines = Lines::new(b"Subject: a  \n\t  b\n c\nnot a header\n");
        assert_eq!(next_header(&mut lines), Next::Header(b"Subject: a   b c".to_vec()));
        assert_eq!(next_header(&mut lines), Next::Text(b"not a header\n".to_vec()));
        assert_eq!(next_header(&mut lines), Next::End);
    }

    #[test]
    fn encoded_words_join_without_the_folding_blank() {
        let table: [(&[u8], &str); 5] = [
            (b"=?UTF-8?q?a_b?= =?UTF-8?b?w6k=?= c", "a bé c"),
            (b"x =?iso-8859-1?Q?=E9?=y", "x éy"),
            (b" =?utf-8?q?a?=", " a"),
            (b"plain", "plain"),
            (b"=?utf-8?q?a?= , =?utf-8?q?b?=", "a , b"),
        ];
        for (value, expected) in table {
            assert_eq!(String::from_utf8(decode(value).unwrap()).unwrap(), expected);
        }
        assert!(decode(b"=?utf-8?q?never ends").is_err());
        assert!(decode(b"=?utf-8?x?a?=").is_err());
        assert!(decode(b"=?no-such-charset?q?a?=").is_err());
    }
}
