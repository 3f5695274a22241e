//! Hunks: "@@ -1,2 +3,4 @@" and the lines that follow.

use super::{Cursor, FilePatch, PatchError, traditional};
use crate::bytes::shown;

/// One text change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk<'a> {
    /// The line it was made for in the old file, from 1; 0 for an empty file.
    pub old_start: u64,
    /// Old lines, context included.
    pub old_lines: u64,
    /// The line it comes to in the new file.
    pub new_start: u64,
    /// New lines, context included.
    pub new_lines: u64,
    /// Context lines before the first change.
    pub leading: u64,
    /// Context lines after the last change.
    pub trailing: u64,
    /// Lines added.
    pub added: u64,
    /// Lines deleted.
    pub deleted: u64,
    /// The "@@" line without its line feed.
    pub header: &'a [u8],
    /// The lines after it, each with its first character and line feed.
    pub body: &'a [u8],
}

/// The most hunks a patch may have: each needs at least 20 bytes of the mail.
const HUNK_LIMIT: usize = 500_000;

/// Reads all hunks that stand at the cursor.
pub(crate) fn read_all<'a>(cursor: &mut Cursor<'a>, file: &mut FilePatch<'a>) -> Result<(), PatchError> {
    while cursor.rest.len() > 4 && cursor.rest.starts_with(b"@@ -") {
        let line = cursor.line;
        file.hunks.push(read(cursor).ok_or(PatchError::Corrupt { line })?);
        if file.hunks.len() > HUNK_LIMIT {
            return Err(PatchError::TooMany { what: "hunks", limit: HUNK_LIMIT });
        }
    }
    traditional::settle(file);
    let contradiction = file.is_new == Some(true) && file.hunks.iter().any(|hunk| hunk.old_lines > 0)
        || file.is_delete == Some(true) && file.hunks.iter().any(|hunk| hunk.new_lines > 0);
    if contradiction {
        return Err(PatchError::NewOrDeleted { file: shown(file.name(), 200) });
    }
    Ok(())
}

/// Reads one hunk; `None`: it is corrupt.
fn read<'a>(cursor: &mut Cursor<'a>) -> Option<Hunk<'a>> {
    let header = cursor.take();
    let [old_start, old_lines, new_start, new_lines] = range_of(header)?;
    let mut hunk = Hunk {
        old_start,
        old_lines,
        new_start,
        new_lines,
        leading: 0,
        trailing: 0,
        added: 0,
        deleted: 0,
        header: header.strip_suffix(b"\n").unwrap_or(header),
        body: &[],
    };
    let body = cursor.rest;
    let (mut old_left, mut new_left) = (old_lines, new_lines);
    while old_left > 0 || new_left > 0 {
        let line = cursor.take();
        if !line.ends_with(b"\n") {
            return None;
        }
        match line[0] {
            b' ' | b'\n' => {
                old_left = old_left.checked_sub(1)?;
                new_left = new_left.checked_sub(1)?;
                if hunk.added == 0 && hunk.deleted == 0 {
                    hunk.leading += 1;
                }
                hunk.trailing += 1;
            }
            b'-' => {
                old_left = old_left.checked_sub(1)?;
                hunk.deleted += 1;
                hunk.trailing = 0;
            }
            b'+' => {
                new_left = new_left.checked_sub(1)?;
                hunk.added += 1;
                hunk.trailing = 0;
            }
            b'\\' if is_no_newline(line) => {}
            _ => return None,
        }
    }
    if hunk.added == 0 && hunk.deleted == 0 {
        return None;
    }
    // The note about the last line's missing line feed comes after the counts are used up.
    if cursor.rest.len() > 12 && cursor.rest.starts_with(b"\\ ") {
        cursor.take();
    }
    hunk.body = &body[..body.len() - cursor.rest.len()];
    Some(hunk)
}

/// "\ No newline at end of file" in any language: none is shorter than twelve bytes.
pub(crate) fn is_no_newline(line: &[u8]) -> bool {
    line.len() >= 12 && line.starts_with(b"\\ ")
}

/// Start and length before and after, from a "@@" line; a missing length is 1.
pub(crate) fn range_of(line: &[u8]) -> Option<[u64; 4]> {
    let rest = line.strip_suffix(b"\n")?.strip_prefix(b"@@ -")?;
    let (old, rest) = start_and_length(rest)?;
    let (new, rest) = start_and_length(rest.strip_prefix(b" +")?)?;
    rest.starts_with(b" @@").then_some([old.0, old.1, new.0, new.1])
}

fn start_and_length(text: &[u8]) -> Option<((u64, u64), &[u8])> {
    let (start, rest) = number(text)?;
    match rest.strip_prefix(b",") {
        Some(rest) => number(rest).map(|(length, rest)| ((start, length), rest)),
        None => Some(((start, 1), rest)),
    }
}

fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let value = std::str::from_utf8(&text[..digits]).ok()?.parse().ok()?;
    Some((value, &text[digits..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(range_of(b"@@ -1,2 +3,4 @@ fn\n"), Some([1, 2, 3, 4]));
        assert_eq!(range_of(b"@@ -0,0 +1 @@\n"), Some([0, 0, 1, 1]));
        for bad in
            [&b"@@ -1,2 +3,4\n"[..], b"@@ -a +1 @@\n", b"@@ -1 1 @@\n", b"@@ -99999999999999999999 +1 @@\n"]
        {
            assert_eq!(range_of(bad), None);
        }
    }
}
