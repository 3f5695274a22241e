//! Subjects: what is committed, and what the prefix says about the mail's place in a series.

use crate::bytes::{is_blank, shown, trim};

/// The subject as it is committed: "Re:", blanks, colons and "[…]" at its start dropped, runs of blanks squeezed.
pub fn committed(subject: &[u8]) -> Vec<u8> {
    let mut rest = subject;
    loop {
        rest = match rest {
            [b'r' | b'R', b'e' | b'E', b':', _, ..] => &rest[3..],
            [b' ' | b'\t' | b':', ..] => &rest[1..],
            [b'[', ..] => match memchr::memchr(b']', rest) {
                Some(end) => &rest[end + 1..],
                None => break,
            },
            _ => break,
        };
    }
    super::address::squeeze_blanks(trim(rest))
}

/// More words in brackets than this say nothing.
const WORD_LIMIT: usize = 20;

/// What stands before the title of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    /// Words in brackets that are neither version nor counter: "PATCH", "RFC", a tree's name.
    pub words: Vec<String>,
    /// 2 for "[PATCH v2]"; 1 where nothing is said.
    pub version: u32,
    /// (3, 5) for "3/5".
    pub counter: Option<(u32, u32)>,
    /// "Re:" or the like stands before the brackets.
    pub reply: bool,
}

impl Prefix {
    /// Reads the prefix of a subject that is already decoded.
    pub fn parse(subject: &[u8]) -> Self {
        let mut prefix = Self { words: Vec::new(), version: 1, counter: None, reply: false };
        let mut rest = trim(subject);
        loop {
            rest = match rest {
                [b'[', ..] => {
                    let Some(end) = memchr::memchr(b']', rest) else { break };
                    prefix.bracket(&rest[1..end]);
                    &rest[end + 1..]
                }
                [b' ' | b'\t' | b':', ..] => &rest[1..],
                // An answer says so first; "[PATCH] Re: x" is a patch with a strange title.
                [b'r' | b'R', b'e' | b'E', b':', ..] | [b'a' | b'A', b'w' | b'W', b':', ..] => {
                    prefix.reply |= prefix.words.is_empty() && prefix.counter.is_none();
                    &rest[3..]
                }
                _ => break,
            };
        }
        prefix
    }

    /// Does any word say so, case ignored?
    pub fn has_word(&self, wanted: &str) -> bool {
        self.words.iter().any(|word| word.eq_ignore_ascii_case(wanted))
    }

    fn bracket(&mut self, inside: &[u8]) {
        for token in inside.split(|&b| is_blank(b) || b == b',').filter(|token| !token.is_empty()) {
            if let Some(counter) = counter(token) {
                self.counter = self.counter.or(Some(counter));
            } else if let Some(version) = version(token) {
                self.version = version;
            } else if let Some((word, version)) = glued_version(token) {
                self.words.push(word);
                self.version = version;
            } else if self.words.len() < WORD_LIMIT {
                self.words.push(shown(token, 40));
            }
        }
    }
}

/// "03/12"; nothing that does not fit a sane series.
fn counter(token: &[u8]) -> Option<(u32, u32)> {
    let slash = memchr::memchr(b'/', token)?;
    Some((number(&token[..slash])?, number(&token[slash + 1..])?))
}

fn version(token: &[u8]) -> Option<u32> {
    number(token.strip_prefix(b"v").or_else(|| token.strip_prefix(b"V"))?)
}

/// "PATCHv2" as some people write it.
fn glued_version(token: &[u8]) -> Option<(String, u32)> {
    let word = token.get(..5).filter(|word| word.eq_ignore_ascii_case(b"PATCH"))?;
    Some((shown(word, 5), version(token[5..].strip_prefix(b"-").unwrap_or(&token[5..]))?))
}

/// A short decimal number: six digits are more than any series or version has.
fn number(digits: &[u8]) -> Option<u32> {
    let sane = (1..=6).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    sane.then(|| digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_subjects_lose_what_stands_in_front() {
        let table = [
            ("[PATCH 1/3] hw/occ: Fix  check", "hw/occ: Fix check"),
            ("Re: [PATCH] Re: x", "x"),
            ("re:", "re:"),
            ("[tag] : [x]y [keep]", "y [keep]"),
            ("[unclosed x", "[unclosed x"),
            ("rebase: x ", "rebase: x"),
        ];
        for (subject, expected) in table {
            assert_eq!(String::from_utf8(committed(subject.as_bytes())).unwrap(), expected);
        }
    }

    #[test]
    fn prefixes_are_read_in_every_common_spelling() {
        let table = [
            ("[PATCH v2 3/5] a", 2, Some((3, 5)), false),
            ("[RFC PATCH,v3,04/12] a", 3, Some((4, 12)), false),
            ("[v2,1/2] a", 2, Some((1, 2)), false),
            ("Re: [PATCHv4 0/2] a", 4, Some((0, 2)), true),
            ("[PATCH powerpc/next] a", 1, None, false),
            ("[PATCH 1/99999999] a", 1, None, false),
            ("plain", 1, None, false),
            ("[PATCH 1/2] Re: a", 1, Some((1, 2)), false),
        ];
        for (subject, version, counter, reply) in table {
            let prefix = Prefix::parse(subject.as_bytes());
            assert_eq!(
                (prefix.version, prefix.counter, prefix.reply),
                (version, counter, reply),
                "{subject}"
            );
        }
        assert!(Prefix::parse(b"[RFC PATCH] x").has_word("rfc"));
    }
}
