//! The lines after "diff --git" that say what happens to a file.

use super::name::{self, Ends};
use super::{Cursor, FilePatch, PatchError};
use crate::bytes::is_blank;

/// Reads a "diff --git" line and the known lines after it. Leaves the cursor at the first line that is neither.
/// `earlier`: the name of a "diff --git" line before this one after which nothing came. Git still holds the next file
/// to that name, so that a binary change without its index line is never passed over in silence.
pub(crate) fn read<'a>(
    cursor: &mut Cursor<'a>,
    levels: usize,
    earlier: Option<Vec<u8>>,
) -> Result<FilePatch<'a>, PatchError> {
    let first_line = cursor.line;
    let default = common_name(cursor.take(), levels);
    let mut header = Header {
        file: FilePatch {
            is_new: Some(false),
            is_delete: Some(false),
            old_name: earlier.clone(),
            new_name: earlier,
            ..FilePatch::default()
        },
        default,
        levels,
        line: first_line,
    };
    loop {
        let line = cursor.peek();
        if !line.ends_with(b"\n") {
            break;
        }
        header.line = cursor.line;
        if header.line(line)? == After::End {
            break;
        }
        cursor.take();
        let extensions = [
            header.file.is_new == Some(true),
            header.file.is_delete == Some(true),
            header.file.is_rename,
            header.file.is_copy,
        ];
        if extensions.into_iter().filter(|&set| set).count() > 1 {
            return Err(PatchError::Inconsistent { line: header.line });
        }
    }
    header.finish(first_line)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Next,
    End,
}

struct Header<'a> {
    file: FilePatch<'a>,
    /// The name both halves of the "diff --git" line agree on.
    default: Option<Vec<u8>>,
    levels: usize,
    line: usize,
}

impl<'a> Header<'a> {
    fn line(&mut self, line: &[u8]) -> Result<After, PatchError> {
        // Renames and copies name files without "a/" and "b/".
        let bare = self.levels.saturating_sub(1);
        let file = &mut self.file;
        if let Some(rest) = line.strip_prefix(b"--- ") {
            let is_new = file.is_new == Some(true);
            verify(&mut file.old_name, rest, is_new, self.levels, self.line)?;
        } else if let Some(rest) = line.strip_prefix(b"+++ ") {
            let is_delete = file.is_delete == Some(true);
            verify(&mut file.new_name, rest, is_delete, self.levels, self.line)?;
        } else if let Some(rest) = line.strip_prefix(b"old mode ") {
            file.old_mode = Some(mode(rest, self.line)?);
        } else if let Some(rest) = line.strip_prefix(b"new mode ") {
            file.new_mode = Some(mode(rest, self.line)?);
        } else if let Some(rest) = line.strip_prefix(b"deleted file mode ") {
            file.is_delete = Some(true);
            file.old_name.clone_from(&self.default);
            file.old_mode = Some(mode(rest, self.line)?);
        } else if let Some(rest) = line.strip_prefix(b"new file mode ") {
            file.is_new = Some(true);
            file.new_name.clone_from(&self.default);
            file.new_mode = Some(mode(rest, self.line)?);
        } else if let Some(rest) = line.strip_prefix(b"copy from ") {
            file.is_copy = true;
            file.old_name = name::find(rest, None, bare, Ends::Line);
        } else if let Some(rest) = line.strip_prefix(b"copy to ") {
            file.is_copy = true;
            file.new_name = name::find(rest, None, bare, Ends::Line);
        } else if let Some(rest) = strip_either(line, b"rename old ", b"rename from ") {
            file.is_rename = true;
            file.old_name = name::find(rest, None, bare, Ends::Line);
        } else if let Some(rest) = strip_either(line, b"rename new ", b"rename to ") {
            file.is_rename = true;
            file.new_name = name::find(rest, None, bare, Ends::Line);
        } else if let Some(rest) = line.strip_prefix(b"index ") {
            self.index(rest)?;
        } else if !line.starts_with(b"similarity index ") && !line.starts_with(b"dissimilarity index ") {
            return Ok(After::End);
        }
        Ok(After::Next)
    }

    /// "abc..def 100644": ids of any length up to 40 and, where it does not change, the mode.
    fn index(&mut self, rest: &[u8]) -> Result<(), PatchError> {
        let Some(dots) = crate::bytes::find(rest, b"..").filter(|&at| at <= 40) else { return Ok(()) };
        // Only the first dot counts.
        if memchr::memchr(b'.', rest) != Some(dots) {
            return Ok(());
        }
        self.file.old_id = rest[..dots].to_vec();
        let after = &rest[dots + 2..];
        let end = after.iter().position(|b| matches!(b, b' ' | b'\n')).unwrap_or(after.len());
        if end > 40 {
            return Ok(());
        }
        self.file.new_id = after[..end].to_vec();
        if let Some(text) = after[end..].strip_prefix(b" ") {
            self.file.old_mode = Some(mode(text, self.line)?);
        }
        Ok(())
    }

    fn finish(mut self, first_line: usize) -> Result<FilePatch<'a>, PatchError> {
        let file = &mut self.file;
        if file.old_name.is_none() && file.new_name.is_none() {
            let name = self.default.take().ok_or(PatchError::Nameless { line: first_line })?;
            file.old_name = Some(name.clone());
            file.new_name = Some(name);
        }
        // Only what an earlier line has left, which git asserts not to be there.
        if file.is_new == Some(true) && file.old_name.is_some() {
            return Err(PatchError::Inconsistent { line: first_line });
        }
        if file.is_delete == Some(true) {
            file.new_name = None;
        }
        let new_missing = file.new_name.is_none() && file.is_delete != Some(true);
        let old_missing = file.old_name.is_none() && file.is_new != Some(true);
        // "diff --git a/ b/" agrees on a name without a letter.
        let empty = [&file.old_name, &file.new_name].into_iter().flatten().any(Vec::is_empty);
        if new_missing || old_missing || empty {
            return Err(PatchError::Nameless { line: first_line });
        }
        Ok(self.file)
    }
}

fn strip_either<'l>(line: &'l [u8], one: &[u8], other: &[u8]) -> Option<&'l [u8]> {
    line.strip_prefix(one).or_else(|| line.strip_prefix(other))
}

/// A "---" or "+++" line: gives the name, or must agree with the one known; "/dev/null" where there is no file.
fn verify(
    known: &mut Option<Vec<u8>>,
    text: &[u8],
    must_be_null: bool,
    levels: usize,
    line: usize,
) -> Result<(), PatchError> {
    let inconsistent = PatchError::Inconsistent { line };
    if must_be_null {
        return if known.is_none() && name::is_dev_null(text) { Ok(()) } else { Err(inconsistent) };
    }
    let found = name::find(text, None, levels, Ends::Tab);
    match known {
        None => *known = found,
        Some(name) if found.as_ref() == Some(name) => {}
        Some(_) => return Err(inconsistent),
    }
    Ok(())
}

/// An octal mode, made one of those a tree can hold.
fn mode(text: &[u8], line: usize) -> Result<u32, PatchError> {
    let text = crate::bytes::trim_start(text);
    let digits = text.iter().take_while(|b| matches!(b, b'0'..=b'7')).count();
    let blank_after = text.get(digits).is_some_and(|&b| is_blank(b));
    // More than eight digits are no mode.
    if digits == 0 || digits > 8 || !blank_after {
        return Err(PatchError::Inconsistent { line });
    }
    Ok(canonical_mode(text[..digits].iter().fold(0, |mode, digit| mode << 3 | u32::from(digit - b'0'))))
}

/// The tree mode that stands for `mode`: file, executable file, symlink, directory or submodule.
pub(crate) fn canonical_mode(mode: u32) -> u32 {
    match mode & 0o170_000 {
        0o100_000 if mode & 0o100 != 0 => 0o100_755,
        0o100_000 => 0o100_644,
        0o120_000 => 0o120_000,
        0o040_000 => 0o040_000,
        _ => 0o160_000,
    }
}

/// Two quoted paths of the longest kind.
const NAMES_LIMIT: usize = 1 << 15;

/// The name on which both halves of "diff --git a/name b/name" agree.
fn common_name(line: &[u8], levels: usize) -> Option<Vec<u8>> {
    let text = line.strip_prefix(b"diff --git ")?;
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    // Trying every blank of a huge line would take quadratic time.
    if text.len() > NAMES_LIMIT {
        return None;
    }
    let found = if text.first() == Some(&b'"') {
        let (first, rest) = name::unquote(text)?;
        let first = name::strip_tree_prefix(&first, levels)?.to_vec();
        let second = crate::bytes::trim_start(rest);
        let second = if second.first() == Some(&b'"') { name::unquote(second)?.0 } else { second.to_vec() };
        (name::strip_tree_prefix(&second, levels)? == first.as_slice()).then_some(first)
    } else if let Some(quote) = memchr::memchr(b'"', text) {
        let (second, _) = name::unquote(&text[quote..])?;
        let second = name::strip_tree_prefix(&second, levels)?.to_vec();
        let first = crate::bytes::trim_end(&text[..quote]);
        (name::strip_tree_prefix(first, levels)? == second.as_slice()).then_some(second)
    } else {
        twice(text, levels)
    };
    found.map(|name| name::single_slashes(&name))
}

/// A plain name that stands twice in the line, with one blank between.
fn twice(text: &[u8], levels: usize) -> Option<Vec<u8>> {
    let first = name::strip_tree_prefix(text, levels)?;
    let mut blanks = first.iter().enumerate().filter(|(_, b)| matches!(b, b' ' | b'\t'));
    let (length, _) = blanks.find(|&(at, _)| {
        // The second name ends the line, so its length says which blank to try.
        name::strip_tree_prefix(&first[at + 1..], levels).is_some_and(|second| second == &first[..at])
    })?;
    Some(first[..length].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_name_may_hold_blanks_and_quotes() {
        let table: [(&[u8], Option<&[u8]>); 6] = [
            (b"diff --git a/f b/f\n", Some(b"f")),
            (b"diff --git a/f g b/f g\n", Some(b"f g")),
            (b"diff --git \"a/t\\tx\" \"b/t\\tx\"\n", Some(b"t\tx")),
            (b"diff --git a/f b/g\n", None),
            (b"diff --git a/f b/f b/f b/f\n", Some(b"f b/f")),
            (b"diff --git f f\n", None),
        ];
        for (line, expected) in table {
            assert_eq!(common_name(line, 1).as_deref(), expected, "{}", String::from_utf8_lossy(line));
        }
    }
}
