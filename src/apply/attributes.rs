//! What `.gitattributes` files say about merging a path.

use git2::{ObjectType, Oid};

use super::objects::{ObjectError, Objects};
use super::tree::{Tree, type_bits};
use crate::bytes::{Lines, is_blank, trim};

/// How a file's versions are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Driver {
    /// Line by line.
    #[default]
    Text,
    /// Not at all: a change on both sides conflicts.
    Binary,
    /// Line by line, and where both sides changed, first ours and then theirs.
    Union,
}

/// Looks up the merge driver of paths.
pub(crate) struct MergeAttributes;

/// Attribute files larger than this are not read; git's own limit is 100 MB, real ones have a few kilobytes.
const FILE_LIMIT: usize = 1 << 20;

impl MergeAttributes {
    /// The driver of one path: the last matching line of the file nearest to it counts.
    pub(crate) fn of(objects: &Objects<'_>, tree: &mut Tree, path: &[u8]) -> Result<Driver, ObjectError> {
        let below = Self::below_root(objects, tree, path)?;
        let driver =
            below.map_or_else(|| Self::last(objects, tree, path, std::iter::once(0)), |d| Ok(Some(d)));
        Ok(driver?.unwrap_or_default())
    }

    /// What the files in the directories above a path say, those of the root left out.
    pub(crate) fn below_root(
        objects: &Objects<'_>,
        tree: &mut Tree,
        path: &[u8],
    ) -> Result<Option<Driver>, ObjectError> {
        let starts = memchr::memchr_iter(b'/', path).map(|slash| slash + 1);
        Self::last(objects, tree, path, starts)
    }

    /// What the last of these files says; each stands in the directory that is `path` up to there.
    fn last(
        objects: &Objects<'_>,
        tree: &mut Tree,
        path: &[u8],
        starts: impl Iterator<Item = usize>,
    ) -> Result<Option<Driver>, ObjectError> {
        let mut driver = None;
        for start in starts {
            let file = [&path[..start], b".gitattributes"].concat();
            let Some(entry) = tree.get(objects, &file)?.filter(|entry| type_bits(entry.mode) == 0o100_000)
            else {
                continue;
            };
            let text = read(objects, entry.id)?;
            for line in Lines::new(&text) {
                if let Some(found) = line_driver(line, &path[start..]) {
                    driver = Some(found);
                }
            }
        }
        Ok(driver)
    }
}

impl Driver {
    /// A line for this path alone, as it would stand in the root's file.
    pub(crate) fn line_for(self, path: &[u8]) -> Vec<u8> {
        let mut line = b"\"/".to_vec();
        for &byte in path {
            match byte {
                // Once for the pattern, once for the quotes.
                b'*' | b'?' | b'[' | b'\\' => line.extend_from_slice(&[b'\\', b'\\', byte]),
                b'"' => line.extend_from_slice(b"\\\""),
                b'\n' => line.extend_from_slice(b"\\n"),
                _ => line.push(byte),
            }
            if byte == b'\\' {
                line.push(b'\\');
            }
        }
        line.extend_from_slice(match self {
            Self::Text => b"\" merge\n",
            Self::Binary => b"\" -merge\n",
            Self::Union => b"\" merge=union\n",
        });
        line
    }
}

fn read(objects: &Objects<'_>, id: Oid) -> Result<Vec<u8>, ObjectError> {
    let text = objects.read(id, ObjectType::Blob)?;
    Ok(if text.len() > FILE_LIMIT { Vec::new() } else { text.to_vec() })
}

/// What one line says about `path`, which is relative to the file's directory.
fn line_driver(line: &[u8], path: &[u8]) -> Option<Driver> {
    let line = trim(line);
    if line.is_empty() || line[0] == b'#' || line[0] == b'!' {
        return None;
    }
    let (pattern, rest) = match crate::patch::unquote_name(line) {
        Some((pattern, rest)) => (pattern, rest),
        None => {
            let end = line.iter().position(|&b| is_blank(b)).unwrap_or(line.len());
            (line[..end].to_vec(), &line[end..])
        }
    };
    let mut found = None;
    for word in rest.split(|&b| is_blank(b)) {
        match word {
            b"-merge" | b"binary" | b"merge=binary" => found = Some(Driver::Binary),
            b"merge=union" => found = Some(Driver::Union),
            b"merge" | b"!merge" | b"-binary" | b"!binary" => found = Some(Driver::Text),
            // A driver that only some configuration knows: git falls back to text.
            other if other.starts_with(b"merge=") => found = Some(Driver::Text),
            _ => {}
        }
    }
    found.filter(|_| pattern_matches(&pattern, path))
}

/// Patterns as in .gitignore: without a slash they match the name, else the path from the file's directory on.
fn pattern_matches(pattern: &[u8], path: &[u8]) -> bool {
    if pattern.ends_with(b"/") {
        return false;
    }
    if !pattern.contains(&b'/') {
        let name = memchr::memrchr(b'/', path).map_or(path, |slash| &path[slash + 1..]);
        return glob(pattern, name);
    }
    glob(pattern.strip_prefix(b"/").unwrap_or(pattern), path)
}

/// "*" and "?" stop at slashes, "**/" and "/**" do not.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (Ok(pattern), Ok(text)) = (std::str::from_utf8(pattern), std::str::from_utf8(text)) else {
        return pattern == text;
    };
    let built = globset::GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
    built.is_ok_and(|glob| glob.compile_matcher().is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_one_path_matches_it_and_nothing_else() {
        let path = b"d*r/a\\b\"c\nd?[e";
        let line = Driver::Union.line_for(path);
        assert_eq!(crate::patch::unquote_name(&line).unwrap().0, b"/d\\*r/a\\\\b\"c\nd\\?\\[e");
        assert_eq!(line_driver(&line, path), Some(Driver::Union));
        assert_eq!(line_driver(&line, b"dxr/a\\b\"c\nd?[e"), None);
    }

    #[test]
    fn lines_name_the_driver() {
        let table: [(&str, &str, Option<Driver>); 9] = [
            ("*.bin binary", "a/x.bin", Some(Driver::Binary)),
            ("*.bin -merge", "x.bin", Some(Driver::Binary)),
            ("CHANGES merge=union", "CHANGES", Some(Driver::Union)),
            ("/po/*.po merge=ours", "po/de.po", Some(Driver::Text)),
            ("po/*.po -merge", "x/po/de.po", None),
            ("**/po/*.po -merge", "x/po/de.po", Some(Driver::Binary)),
            ("*.c diff=cpp", "x.c", None),
            ("# *.c binary", "x.c", None),
            ("\"a b\" binary", "a b", Some(Driver::Binary)),
        ];
        for (line, path, expected) in table {
            assert_eq!(line_driver(line.as_bytes(), path.as_bytes()), expected, "{line}");
        }
    }
}
