//! A patch's id: the same for the same change, wherever its lines stand and however they are indented.
//!
//! It is the number that `git patch-id --stable` prints: the sum of one SHA-1 a file, over the lines of its header
//! and hunks without their blanks; line numbers, file ids and everything around the diff are left out.

use sha1::{Digest, Sha1};

use crate::bytes::{Lines, hex, is_blank, until_nul};

/// A SHA-1.
type Sum = [u8; 20];

/// What `git patch-id --stable` prints for the first diff in this text, in hex; `None` where it prints nothing.
pub fn stable_id(text: &[u8]) -> Option<String> {
    let mut reader =
        Reader { sum: [0; 20], hash: Sha1::new(), taken: 0, place: Place::Outside, ids: Vec::new() };
    for line in Lines::new(text) {
        if !reader.line(line) {
            if reader.taken > 0 {
                break;
            }
            // Nothing was taken yet: git begins anew behind it.
            reader =
                Reader { sum: [0; 20], hash: Sha1::new(), taken: 0, place: Place::Outside, ids: Vec::new() };
        }
    }
    if reader.taken == 0 {
        return None;
    }
    reader.end_file();
    Some(hex(&reader.sum))
}

/// Where the reader stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first `diff` line.
    Outside,
    /// In a file's header.
    Header,
    /// In a file's binary change.
    Binary,
    /// In a hunk that still wants so many lines.
    Hunk { before: i64, after: i64 },
}

struct Reader {
    sum: Sum,
    hash: Sha1,
    /// How many bytes were hashed.
    taken: usize,
    place: Place,
    /// The ids of the file before and after, as its `index` line gives them.
    ids: Vec<u8>,
}

impl Reader {
    /// Takes a line; false where the patch ends before it.
    fn line(&mut self, line: &[u8]) -> bool {
        let is_diff = line.starts_with(b"diff ");
        // "\ No newline at end of file", in any language.
        if line.starts_with(b"\\ ") && line.len() > 12 {
            return true;
        }
        if is_commit_line(line) {
            return false;
        }
        match self.place {
            Place::Outside if !is_diff => return true,
            Place::Outside => self.place = Place::Header,
            Place::Header => {
                if line.starts_with(b"GIT binary patch") || line.starts_with(b"Binary files") {
                    let ids = std::mem::take(&mut self.ids);
                    self.hash.update(&ids);
                    self.taken += ids.len();
                    self.end_file();
                    self.place = Place::Binary;
                    return true;
                }
                if let Some(ids) = line.strip_prefix(b"index ") {
                    self.ids = file_ids(ids);
                    return true;
                }
                if line.starts_with(b"--- ") {
                    // This line and the "+++" line count as one line each way.
                    self.place = Place::Hunk { before: 1, after: 1 };
                } else if !line.first().is_some_and(u8::is_ascii_alphabetic) {
                    return false;
                }
            }
            Place::Binary => {
                // Git leaves out the line that ends a binary change.
                if is_diff {
                    self.place = Place::Header;
                }
                return true;
            }
            Place::Hunk { before: 0, after: 0 } => {
                if line.starts_with(b"@@ -") {
                    let (before, after) = lines_of(line);
                    self.place = Place::Hunk { before, after };
                    return true;
                }
                if !is_diff {
                    return false;
                }
                self.end_file();
                self.place = Place::Header;
            }
            Place::Hunk { .. } => {}
        }
        if let Place::Hunk { before, after } = &mut self.place {
            *before -= i64::from(matches!(line.first(), Some(b'-' | b' ')));
            *after -= i64::from(matches!(line.first(), Some(b'+' | b' ')));
        }
        self.take(line);
        true
    }

    /// Hashes a line without its blanks.
    fn take(&mut self, line: &[u8]) {
        let kept: Vec<u8> = until_nul(line).iter().copied().filter(|&byte| !is_blank(byte)).collect();
        self.hash.update(&kept);
        self.taken += kept.len();
    }

    /// Adds the file's hash to the sum, the first byte being the lowest.
    fn end_file(&mut self) {
        let hash: Sum = self.hash.finalize_reset().into();
        let mut carry = 0_u16;
        for (sum, byte) in self.sum.iter_mut().zip(hash) {
            carry += u16::from(*sum) + u16::from(byte);
            *sum = carry.to_le_bytes()[0];
            carry >>= 8;
        }
    }
}

/// `commit <id>` or `From <id>`, with which another patch begins.
fn is_commit_line(line: &[u8]) -> bool {
    let id = line.strip_prefix(b"commit ").or_else(|| line.strip_prefix(b"From ")).unwrap_or(line);
    id.len() >= 40 && id[..40].iter().all(u8::is_ascii_hexdigit)
}

/// Both ids of an `index` line, one after the other, the mode left out.
fn file_ids(line: &[u8]) -> Vec<u8> {
    let end = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len().saturating_sub(1));
    let ids = &line[..end];
    match crate::bytes::find(ids, b"..") {
        Some(dots) => [&ids[..dots], &ids[dots + 2..]].concat(),
        None => Vec::new(),
    }
}

/// How many lines a hunk has before and after: 1 where its header gives no number.
fn lines_of(header: &[u8]) -> (i64, i64) {
    let text = String::from_utf8_lossy(&header[4..]).into_owned();
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let range = |text: &str| {
        let rest = text[digits(text)..].to_owned();
        match rest.strip_prefix(',') {
            Some(count) => {
                let end = digits(count);
                (count[..end].parse().unwrap_or(0), count[end..].to_owned())
            }
            None => (1, rest),
        }
    };
    let (before, rest) = range(&text);
    match rest.strip_prefix(" +") {
        Some(rest) => (before, range(rest).0),
        None => (before, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str =
        "diff --git a/f b/f\nindex 1..2 100644\n--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@ x\n c\n-a\n+b\n";

    #[test]
    fn line_numbers_blanks_and_words_around_do_not_count() {
        let id = stable_id(DIFF.as_bytes()).unwrap();
        let moved = DIFF.replace("-1,2 +1,2", "-71,2 +72,2").replace("+b", "+ b").replace("1..2", "3..4");
        assert_eq!(stable_id(format!("words\n---\n f | 1\n\n{moved}-- \n2.43.0\n").as_bytes()).unwrap(), id);
        assert_ne!(stable_id(DIFF.replace("+b", "+c").as_bytes()).unwrap(), id);
        assert_ne!(stable_id(DIFF.replace("b/f", "b/g").as_bytes()).unwrap(), id);
    }

    #[test]
    fn the_order_of_files_does_not_count() {
        let other = DIFF.replace("/f", "/g");
        assert_eq!(
            stable_id(format!("{DIFF}{other}").as_bytes()),
            stable_id(format!("{other}{DIFF}").as_bytes())
        );
    }

    #[test]
    fn without_a_diff_there_is_no_id() {
        for text in ["", "words\n", "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n"] {
            assert_eq!(stable_id(text.as_bytes()), None, "{text}");
        }
    }
}
