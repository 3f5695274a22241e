//! Undoes base64 and quoted-printable, one line at a time.

use crate::bytes::{find_ignoring_case, until_nul};

/// How the bytes of a part are packed for transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Bytes as they are: 7bit, 8bit, binary or nothing said.
    #[default]
    Plain,
    /// RFC 2045 quoted-printable.
    QuotedPrintable,
    /// RFC 2045 base64.
    Base64,
}

impl Encoding {
    /// What a Content-Transfer-Encoding header's value names.
    pub fn of_header(value: &[u8]) -> Self {
        if find_ignoring_case(value, b"base64").is_some() {
            Self::Base64
        } else if find_ignoring_case(value, b"quoted-printable").is_some() {
            Self::QuotedPrintable
        } else {
            Self::Plain
        }
    }

    /// The decoded bytes of one line.
    pub fn decode(self, line: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => line.to_vec(),
            Self::QuotedPrintable => quoted_printable(line, false),
            Self::Base64 => base64(line),
        }
    }
}

/// Decodes quoted-printable; with `in_header`, "_" is a space as RFC 2047 says. What is no valid escape stays.
pub(crate) fn quoted_printable(input: &[u8], in_header: bool) -> Vec<u8> {
    let input = until_nul(input);
    let mut output = Vec::with_capacity(input.len());
    let mut at = 0;
    while let Some(&byte) = input.get(at) {
        at += 1;
        match byte {
            b'=' => match (input.get(at), input.get(at + 1)) {
                // A soft line break drops the rest of the line.
                (None | Some(b'\n'), _) => break,
                (Some(&high), Some(&low)) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    output.push(hex_digit(high) << 4 | hex_digit(low));
                    at += 2;
                }
                _ => output.push(b'='),
            },
            b'_' if in_header => output.push(b' '),
            other => output.push(other),
        }
    }
    output
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

/// Decodes base64; whatever is not of its alphabet is passed over, and bits that fill no byte are lost.
pub(crate) fn base64(input: &[u8]) -> Vec<u8> {
    let input = until_nul(input);
    let mut output = Vec::with_capacity(input.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0_u32, 0);
    for &byte in input {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            output.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_printable_keeps_what_is_no_escape() {
        assert_eq!(quoted_printable(b"a=3Db=zz_c=\n", false), b"a=b=zz_c");
        assert_eq!(quoted_printable(b"a_b", true), b"a b");
        assert_eq!(quoted_printable(b"ab=", false), b"ab");
    }

    #[test]
    fn base64_passes_over_foreign_characters() {
        assert_eq!(base64(b"aGVs bG8=\n"), b"hello");
        assert_eq!(base64(b"aGVsbG8"), b"hello");
        assert_eq!(base64(b""), b"");
    }
}
