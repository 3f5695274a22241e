//! Commit objects, byte for byte as `git am` makes them.

use git2::{ObjectType, Oid};

use super::objects::{ObjectError, Objects};
use super::refusal::{Reason, Refusal, Stop};
use crate::bytes::{Lines, shown, trim, trim_end};
use crate::date::{self, Moment};
use crate::mail::Content;

/// Who commits, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committer {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
    /// A fixed moment; `None`: each mail's own date, so that the same mails give the same commits.
    pub when: Option<Moment>,
}

impl Default for Committer {
    fn default() -> Self {
        Self { name: "patchlift".into(), email: "patchlift@localhost".into(), when: None }
    }
}

/// A mail that was checked to make a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    author: Vec<u8>,
    when: Moment,
    message: Vec<u8>,
}

impl Letter {
    /// Checks what git checks before it makes a commit.
    pub(crate) fn of(content: &Content) -> Result<Self, Stop> {
        let who = content.author.clone().unwrap_or_default();
        let name = without_crud(&who.name);
        if name.is_empty() {
            return Err(Refusal::whole(Reason::NoAuthor).into());
        }
        let date = content.date.as_deref().unwrap_or_default();
        let when = date::parse(date).ok_or_else(|| Refusal::whole(Reason::Date { text: shown(date, 60) }))?;
        let author = [&name, &b" <"[..], &without_crud(&who.email), b">"].concat();
        let message = message(content);
        if message.contains(&0) {
            return Err(Refusal::whole(Reason::NulInMessage).into());
        }
        Ok(Self { author, when, message })
    }

    /// Makes the commit object.
    pub(crate) fn commit(
        &self,
        objects: &Objects<'_>,
        tree: Oid,
        parent: Oid,
        committer: &Committer,
    ) -> Result<Oid, ObjectError> {
        let mut content = format!("tree {tree}\nparent {parent}\nauthor ").into_bytes();
        content.extend_from_slice(&self.author);
        let (name, email) =
            (without_crud(committer.name.as_bytes()), without_crud(committer.email.as_bytes()));
        content.extend_from_slice(format!(" {}\ncommitter ", self.when).as_bytes());
        content.extend_from_slice(&[&name, &b" <"[..], &email].concat());
        content.extend_from_slice(format!("> {}\n\n", committer.when.unwrap_or(self.when)).as_bytes());
        content.extend_from_slice(&self.message);
        objects.make(ObjectType::Commit, utf8(content), None)
    }
}

/// Subject and message with the blanks cleaned as git does before it commits.
pub fn message(content: &Content) -> Vec<u8> {
    let mut text = content.subject.clone().unwrap_or_default();
    text.extend_from_slice(b"\n\n");
    text.extend_from_slice(&content.message);
    let mut clean = Vec::with_capacity(text.len());
    let mut empty_before = 0_usize;
    for line in Lines::new(&text) {
        let line = trim_end(line);
        if line.is_empty() {
            empty_before += 1;
            continue;
        }
        if empty_before > 0 && !clean.is_empty() {
            clean.push(b'\n');
        }
        empty_before = 0;
        clean.extend_from_slice(line);
        clean.push(b'\n');
    }
    clean
}

/// A name or address without what git drops from their ends, and without what would break the commit's lines.
fn without_crud(text: &[u8]) -> Vec<u8> {
    let crud = |b: &u8| *b <= 32 || b",:;<>\"\\'".contains(b);
    let Some(start) = text.iter().position(|b| !crud(b)) else { return Vec::new() };
    let end = text.iter().rposition(|b| !crud(b)).map_or(start, |at| at + 1);
    text[start..end].iter().copied().filter(|b| !b"\n<>".contains(b)).collect()
}

/// Bytes that are no UTF-8 are taken for Latin-1 one by one, as git does for a commit.
fn utf8(content: Vec<u8>) -> Vec<u8> {
    if std::str::from_utf8(&content).is_ok_and(|text| !text.chars().any(is_noncharacter)) {
        return content;
    }
    let mut clean = Vec::with_capacity(content.len() + 16);
    let mut rest = content.as_slice();
    while !rest.is_empty() {
        let valid = match std::str::from_utf8(rest) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or_default(),
        };
        let good = valid.char_indices().find(|(_, c)| is_noncharacter(*c)).map_or(valid.len(), |(at, _)| at);
        clean.extend_from_slice(&rest[..good]);
        rest = &rest[good..];
        if let Some((&byte, after)) = rest.split_first() {
            clean.extend_from_slice(char::from(byte).encode_utf8(&mut [0; 4]).as_bytes());
            rest = after;
        }
    }
    clean
}

/// Code points that no text holds; git takes them for damage.
fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code)
}

/// `Name <address>` to its two halves; `None` where it is not of that form or would not stand in a commit.
pub fn parse_committer(text: &str) -> Option<(String, String)> {
    let (name, rest) = text.split_once('<')?;
    let email = rest.strip_suffix('>')?;
    let usable = |part: &str| {
        let trimmed = trim(part.as_bytes());
        !trimmed.is_empty() && without_crud(trimmed) == trimmed
    };
    (usable(name) && usable(email)).then(|| (name.trim().to_owned(), email.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Options, read};

    #[test]
    fn messages_are_cleaned_as_git_cleans_them() {
        let mail = b"From: A <a@b.c>\nSubject: s\n\n\nWhy. \t\n\n\n\nMore.\n\n---\nx\n";
        assert_eq!(message(&read(mail, Options::default()).unwrap()), b"s\n\nWhy.\n\nMore.\n");
        assert_eq!(message(&Content::default()), b"");
    }

    #[test]
    fn names_lose_what_git_drops() {
        assert_eq!(without_crud(b" 'J. <Doe> Jr.' "), b"J. Doe Jr.");
        assert_eq!(without_crud(b"\"\""), b"");
    }

    #[test]
    fn bytes_that_are_no_utf8_become_latin1() {
        assert_eq!(utf8(b"caf\xe9 \xc3\xa9".to_vec()), "café é".as_bytes());
        assert_eq!(utf8("\u{ffff}x".into()), "ï¿¿x".as_bytes());
    }

    #[test]
    fn a_committer_is_a_name_and_an_address() {
        assert_eq!(parse_committer("Bot <bot@example.com>"), Some(("Bot".into(), "bot@example.com".into())));
        for bad in ["Bot", "Bot <>", "<a@b>", "Bot <a@b> x", "Bot\n <a@b"] {
            assert_eq!(parse_committer(bad), None, "{bad}");
        }
    }
}
