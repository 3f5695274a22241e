//! The text of a patch to file changes, with the same rules of reading as `git apply`.
//!
//! In reading order: [`parse`] finds where each file's change begins, `git_header` and `traditional` read the lines
//! that name it, `hunk` its text changes, [`binary`] its binary ones; `name` takes file names out of such lines.

pub mod binary;
mod git_header;
mod hunk;
pub mod id;
mod name;
mod traditional;

use crate::bytes::{line_length, shown};
pub use binary::Binary;
pub use hunk::Hunk;
pub(crate) use name::unquote as unquote_name;

/// The change of one file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilePatch<'a> {
    /// The file's path before; `None` for a new file.
    pub old_name: Option<Vec<u8>>,
    /// The file's path after; `None` for a deleted file.
    pub new_name: Option<Vec<u8>>,
    /// The mode stated for the file before, as in a tree: 0o100644.
    pub old_mode: Option<u32>,
    /// The mode stated for the file after.
    pub new_mode: Option<u32>,
    /// Makes a new file; `None`: the patch does not say.
    pub is_new: Option<bool>,
    /// Deletes the file; `None`: the patch does not say.
    pub is_delete: Option<bool>,
    /// Moves the file.
    pub is_rename: bool,
    /// Copies the file.
    pub is_copy: bool,
    /// The hex id of the file before, as long as the patch gives it; may be empty.
    pub old_id: Vec<u8>,
    /// The hex id of the file after.
    pub new_id: Vec<u8>,
    /// The text changes.
    pub hunks: Vec<Hunk<'a>>,
    /// The patch says that this file is binary.
    pub is_binary: bool,
    /// The binary change, where its data are given.
    pub binary: Option<Binary>,
}

impl FilePatch<'_> {
    /// The path to name this file by.
    pub fn name(&self) -> &[u8] {
        self.new_name.as_deref().or(self.old_name.as_deref()).unwrap_or_default()
    }

    /// Lines that are added.
    pub fn lines_added(&self) -> u64 {
        self.hunks.iter().map(|hunk| hunk.added).sum()
    }

    /// Lines that are deleted.
    pub fn lines_deleted(&self) -> u64 {
        self.hunks.iter().map(|hunk| hunk.deleted).sum()
    }

    /// Is anything but the file's content changed?
    fn changes_metadata(&self) -> bool {
        let mode = matches!((self.old_mode, self.new_mode), (Some(old), Some(new)) if old != new);
        self.is_rename || self.is_copy || self.is_new == Some(true) || self.is_delete != Some(false) || mode
    }
}

/// Why a patch's text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// A hunk or a binary change that is cut off, counts wrong or holds a strange line.
    #[error("corrupt patch at line {line}")]
    Corrupt {
        /// The line of the patch, from 1.
        line: usize,
    },
    /// Binary data that are cut off or damaged. Git leaves such a file out without a word; see
    /// docs/git-differences.md.
    #[error("corrupt binary change at line {line}")]
    CorruptBinary {
        /// The line of the patch, from 1.
        line: usize,
    },
    /// "@@" lines before any file is named.
    #[error("a hunk without a file's name before it at line {line}: {text}")]
    Headless {
        /// The line of the patch, from 1.
        line: usize,
        /// The hunk's header.
        text: String,
    },
    /// The lines that name the file contradict each other.
    #[error("contradicting file headers at line {line}")]
    Inconsistent {
        /// The line of the patch, from 1.
        line: usize,
    },
    /// No name can be found for a change.
    #[error("no file name at line {line}")]
    Nameless {
        /// The line of the patch, from 1.
        line: usize,
    },
    /// A file's change says nothing.
    #[error("a file header with no change after it at line {line}")]
    Garbage {
        /// The line of the patch, from 1.
        line: usize,
    },
    /// A new file's patch takes lines away, or a deleted file's adds some.
    #[error("{file} is said to be new or deleted, and its hunks say otherwise")]
    NewOrDeleted {
        /// The file.
        file: String,
    },
    /// There is no diff in the text.
    #[error("no diff in the mail")]
    None,
    /// More files or hunks than a patch has.
    #[error("more than {limit} {what} in one patch")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// The most that are read.
        limit: usize,
    },
}

/// The largest patches of the Linux tree touch some 20 000 files.
const FILE_LIMIT: usize = 50_000;

/// How names are cut: `-p1` unless the first names without a directory say otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strip {
    pub(crate) levels: usize,
    /// Nothing fixed the level yet, so traditional headers may.
    pub(crate) guess: bool,
}

/// Where the reading is: the bytes that are left, and the line they begin at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    pub(crate) rest: &'a [u8],
    /// The number of the next line, from 1.
    pub(crate) line: usize,
    /// Bytes that binary changes may still inflate to; `None`: they are left empty.
    pub(crate) inflatable: Option<u64>,
}

impl<'a> Cursor<'a> {
    /// The next line, its line feed included; empty at the end.
    pub(crate) fn peek(&self) -> &'a [u8] {
        &self.rest[..line_length(self.rest)]
    }

    pub(crate) fn take(&mut self) -> &'a [u8] {
        let (line, rest) = self.rest.split_at(line_length(self.rest));
        self.rest = rest;
        self.line += 1;
        line
    }
}

/// Reads all file changes of a patch, in their order. `levels`: leading path components to drop, `None` for git's
/// own guess (1, or 0 where traditional headers name files without a directory).
///
/// # Errors
/// The cases of [`PatchError`]; text around the changes is passed over.
pub fn parse(text: &[u8], levels: Option<usize>) -> Result<Vec<FilePatch<'_>>, PatchError> {
    read(text, levels, Some(binary::CONTENT_LIMIT))
}

/// As [`parse`], for those who need the names and ids only: binary changes are not inflated, and their data are empty.
///
/// # Errors
/// The cases of [`PatchError`], but for binary data that do not inflate.
pub fn outline(text: &[u8]) -> Result<Vec<FilePatch<'_>>, PatchError> {
    read(text, None, None)
}

fn read(
    text: &[u8],
    levels: Option<usize>,
    inflatable: Option<u64>,
) -> Result<Vec<FilePatch<'_>>, PatchError> {
    let mut strip = Strip { levels: levels.unwrap_or(1), guess: levels.is_none() };
    let mut cursor = Cursor { rest: text, line: 1, inflatable };
    let mut files = Vec::new();
    while let Some(mut file) = next_header(&mut cursor, &mut strip)? {
        let header_line = cursor.line;
        hunk::read_all(&mut cursor, &mut file)?;
        if file.hunks.is_empty() {
            binary::read(&mut cursor, &mut file)?;
            if !file.is_binary && !file.changes_metadata() {
                return Err(PatchError::Garbage { line: header_line });
            }
        }
        files.push(file);
        if files.len() > FILE_LIMIT {
            return Err(PatchError::TooMany { what: "files", limit: FILE_LIMIT });
        }
    }
    if files.is_empty() { Err(PatchError::None) } else { Ok(files) }
}

/// Finds and reads the next lines that name a file.
fn next_header<'a>(cursor: &mut Cursor<'a>, strip: &mut Strip) -> Result<Option<FilePatch<'a>>, PatchError> {
    let mut earlier = None;
    // Six bytes: what the shortest header line has.
    while !cursor.rest.is_empty() {
        let line = cursor.peek();
        if line.len() < 6 {
            cursor.take();
            continue;
        }
        if line.starts_with(b"@@ -") && hunk::range_of(line).is_some() {
            return Err(PatchError::Headless { line: cursor.line, text: shown(line, 80) });
        }
        if cursor.rest.len() < line.len() + 6 {
            return Ok(None);
        }
        if line.starts_with(b"diff --git ") {
            let mut after = *cursor;
            let header = git_header::read(&mut after, strip.levels, earlier.take())?;
            // Nothing known followed the line: it was prose.
            if after.line > cursor.line + 1 {
                *cursor = after;
                return Ok(Some(header));
            }
            earlier = header.old_name;
        } else if line.starts_with(b"--- ") && traditional::begins(&cursor.rest[line.len()..]) {
            return traditional::read(cursor, strip).map(Some);
        }
        cursor.take();
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIT: &[u8] = b"---\n f | 2 +-\n\ndiff --git a/dir/f b/dir/f\nindex 8d7bcbe..bf2b2f9 100644\n--- a/dir/f\n+++ b/dir/f\n@@ -1,2 +1,2 @@ fn\n a\n-b\n+c\n-- \n2.39\n";

    #[test]
    fn a_git_diff_with_prose_around_it() {
        let files = parse(GIT, None).unwrap();
        assert_eq!(files.len(), 1);
        let file = &files[0];
        assert_eq!(file.name(), b"dir/f");
        assert_eq!((file.old_id.as_slice(), file.old_mode), (&b"8d7bcbe"[..], Some(0o100_644)));
        let hunk = &file.hunks[0];
        assert_eq!((hunk.old_start, hunk.new_start, hunk.leading, hunk.trailing), (1, 1, 1, 0));
        assert_eq!(hunk.header, b"@@ -1,2 +1,2 @@ fn");
    }

    #[test]
    fn traditional_names_without_a_directory_mean_p0() {
        let files = parse(b"--- f.orig\n+++ f\n@@ -1 +1 @@\n-a\n+b\n", None).unwrap();
        assert_eq!(files[0].name(), b"f");
        let files =
            parse(b"--- a/x/f\t2024-01-01 00:00:00 +0000\n+++ b/x/f\n@@ -1 +1 @@\n-a\n+b\n", None).unwrap();
        assert_eq!(files[0].name(), b"x/f");
    }

    #[test]
    fn what_git_refuses_is_refused() {
        let table: [(&[u8], PatchError); 8] = [
            // Git holds the second file to the name of the first, after which nothing came.
            (
                b"diff --git a/x b/x\nGIT binary patch\ndiff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n",
                PatchError::Inconsistent { line: 5 },
            ),
            (b"diff --git a/ b/\nnew file mode 100644\n", PatchError::Nameless { line: 1 }),
            (b"nothing here at all\n", PatchError::None),
            (b"@@ -1 +1 @@\n-a\n+b\n", PatchError::Headless { line: 1, text: "@@ -1 +1 @@".into() }),
            (b"--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n", PatchError::Corrupt { line: 3 }),
            (b"diff --git a/f b/f\nindex 1234567..1234568 100644\n", PatchError::Garbage { line: 3 }),
            (
                b"diff --git a/f b/f\nnew file mode 100644\n--- /dev/null\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n",
                PatchError::NewOrDeleted { file: "f".into() },
            ),
            (
                b"diff --git a/f b/f\nnew file mode 100644\ndeleted file mode 100644\n",
                PatchError::Inconsistent { line: 3 },
            ),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text, None).unwrap_err(), expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn renames_copies_and_modes_need_no_hunk() {
        let text = b"diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\ndiff --git a/s b/s\nold mode 100644\nnew mode 100755\ndiff --git a/e b/e\nnew file mode 100644\nindex 0000000..e69de29\n";
        let files = parse(text, None).unwrap();
        assert!(files[0].is_rename);
        assert_eq!(
            (files[0].old_name.as_deref(), files[0].new_name.as_deref()),
            (Some(&b"x"[..]), Some(&b"y"[..]))
        );
        assert_eq!(files[1].new_mode, Some(0o100_755));
        assert_eq!((files[2].is_new, files[2].old_name.is_none()), (Some(true), true));
    }
}
