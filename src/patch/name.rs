//! File names out of diff header lines: quoted or plain, with leading components dropped.

use crate::bytes::is_blank;

/// Which blanks end a plain name, besides the line feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// Only the end of the line.
    Line,
    /// A tab, as `diff` puts one before its time stamp.
    Tab,
}

/// The name at the start of `text` (up to its line feed), `levels` leading components dropped.
pub(crate) fn find(text: &[u8], default: Option<&[u8]>, levels: usize, ends: Ends) -> Option<Vec<u8>> {
    if text.first() == Some(&b'"')
        && let Some((name, _)) = unquote(text)
        && let Some(stripped) = strip(&name, levels)
    {
        return Some(single_slashes(stripped));
    }
    let end =
        text.iter().position(|&b| b == b'\n' || (ends == Ends::Tab && b == b'\t')).unwrap_or(text.len());
    plain(&text[..end], default, levels)
}

/// A name that is all of `text`. A name that is the default with something after it ("f.orig") is the default.
pub(crate) fn plain(text: &[u8], default: Option<&[u8]>, levels: usize) -> Option<Vec<u8>> {
    let name = strip(text, levels).filter(|name| !name.is_empty());
    match (name, default) {
        (None, default) => default.map(single_slashes),
        (Some(name), Some(default)) if default.len() < name.len() && name.starts_with(default) => {
            Some(single_slashes(default))
        }
        (Some(name), _) => Some(single_slashes(name)),
    }
}

/// `name` without its first `levels` components.
fn strip(name: &[u8], levels: usize) -> Option<&[u8]> {
    let mut rest = name;
    for _ in 0..levels {
        rest = &rest[memchr::memchr(b'/', rest)? + 1..];
    }
    Some(rest)
}

/// As [`strip`], for the names of a "diff --git" line, which must not begin with the slash that is dropped.
pub(crate) fn strip_tree_prefix(name: &[u8], levels: usize) -> Option<&[u8]> {
    if levels == 0 {
        return (name.first() != Some(&b'/')).then_some(name);
    }
    if levels == 1 && name.first() == Some(&b'/') {
        return None;
    }
    strip(name, levels)
}

/// Runs of slashes become one.
pub(crate) fn single_slashes(name: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(name.len());
    for &byte in name {
        if byte != b'/' || clean.last() != Some(&b'/') {
            clean.push(byte);
        }
    }
    clean
}

/// Undoes C-style quoting at the start of `text`; gives the name and what follows the closing quote.
pub(crate) fn unquote(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text.strip_prefix(b"\"")?;
    let mut name = Vec::new();
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'"' => return Some((name, rest)),
            b'\n' => return None,
            b'\\' => {
                let (&escape, after) = rest.split_first()?;
                rest = after;
                let plain = match escape {
                    b'a' => 7,
                    b'b' => 8,
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'v' => 11,
                    b'f' => 12,
                    b'r' => b'\r',
                    b'\\' | b'"' => escape,
                    b'0'..=b'3' => {
                        let (digits, after) = rest.split_at_checked(2)?;
                        rest = after;
                        let octal = |b: u8| matches!(b, b'0'..=b'7').then(|| b - b'0');
                        (escape - b'0') << 6 | octal(digits[0])? << 3 | octal(digits[1])?
                    }
                    _ => return None,
                };
                name.push(plain);
            }
            other => name.push(other),
        }
    }
}

/// Is this "/dev/null", which stands for no file?
pub(crate) fn is_dev_null(text: &[u8]) -> bool {
    text.strip_prefix(b"/dev/null").and_then(|rest| rest.first()).is_some_and(|&b| is_blank(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unquoted_and_stripped() {
        type Case = (&'static [u8], usize, Ends, Option<&'static [u8]>);
        let table: [Case; 8] = [
            (b"a/dir/f\n", 1, Ends::Tab, Some(b"dir/f")),
            (b"a/f g\t2024\n", 1, Ends::Tab, Some(b"f g")),
            (b"f g\n", 0, Ends::Line, Some(b"f g")),
            (b"\"a/t\\tab\\303\\251\"\n", 1, Ends::Tab, Some(b"t\tab\xc3\xa9")),
            (b"a//x///y\n", 1, Ends::Tab, Some(b"/x/y")),
            (b"f\n", 1, Ends::Tab, None),
            (b"a/\n", 1, Ends::Tab, None),
            (b"x/y/z\n", 2, Ends::Tab, Some(b"z")),
        ];
        for (text, levels, ends, expected) in table {
            assert_eq!(
                find(text, None, levels, ends).as_deref(),
                expected,
                "{}",
                String::from_utf8_lossy(text)
            );
        }
        assert_eq!(find(b"b/f.new\n", Some(b"f"), 1, Ends::Tab).as_deref(), Some(&b"f"[..]));
    }
}
