//! Lines that mean something inside a mail's text: where the patch begins, scissors, quoted separators.

use crate::bytes::is_blank;

/// Does the patch begin here? A "diff -" or "Index: " line, "--- name", or "---" alone.
pub(super) fn begins_patch(line: &[u8]) -> bool {
    if line.starts_with(b"diff -") || line.starts_with(b"Index: ") {
        return true;
    }
    let Some(rest) = line.strip_prefix(b"---").filter(|rest| !rest.is_empty()) else { return false };
    // At the end of a mail without a last line feed nothing has to follow the blank.
    if rest[0] == b' ' && rest.get(1).is_none_or(|&b| !is_blank(b)) {
        return true;
    }
    let end = rest.iter().position(|&b| b == b'\n' || !is_blank(b));
    end.is_some_and(|at| rest[at] == b'\n')
}

/// The line `git format-patch` begins a mail with, quoted inside a message.
pub(super) fn is_format_patch_separator(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else { return false };
    rest.len() > 40
        && rest[..40].iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        && &rest[40..] == b" Mon Sep 17 00:00:00 2001\n"
}

/// A scissors line: mostly dashes with a pair of scissors, or such a line with words like "cut here" between.
pub(super) fn is_scissors(line: &[u8]) -> bool {
    let (mut perforation, mut gap, mut scissors) = (0_usize, 0_usize, 0_usize);
    let (mut first, mut last) = (None, 0);
    let mut in_perforation = false;
    let mut at = 0;
    while at < line.len() {
        if is_blank(line[at]) {
            if in_perforation {
                perforation += 1;
                gap += 1;
            }
            at += 1;
            continue;
        }
        last = at;
        first.get_or_insert(at);
        let pair = line.get(at..at + 2).is_some_and(|two| matches!(two, b">8" | b"8<" | b">%" | b"%<"));
        if line[at] == b'-' {
            in_perforation = true;
            perforation += 1;
        } else if pair {
            in_perforation = true;
            perforation += 2;
            scissors += 2;
            at += 1;
        } else {
            in_perforation = false;
        }
        at += 1;
    }
    let visible = first.map_or(0, |first| (last + 1).saturating_sub(first));
    // At least eight columns, of which a third is perforation and some of it scissors.
    scissors > 0 && visible >= 8 && visible < perforation * 3 && gap * 2 < perforation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patch_begins_at_these_lines_only() {
        let table: [(&[u8], bool); 10] = [
            (b"---\n", true),
            (b"--- \n", true),
            (b"--- a/f\n", true),
            (b"diff --git a/f b/f\n", true),
            (b"Index: f\n", true),
            (b"---- \n", false),
            (b"--- ", true),
            (b"---x\n", false),
            (b"---", false),
            (b"different\n", false),
        ];
        for (line, expected) in table {
            assert_eq!(begins_patch(line), expected, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn scissors_need_enough_perforation() {
        for yes in ["-- >8 --", "-- 8< -- cut here -- >8 --", "- - - >% - - -"] {
            assert!(is_scissors(yes.as_bytes()), "{yes}");
        }
        for no in ["-- >8", "--------", "a long text and then >8 --", ">8"] {
            assert!(!is_scissors(no.as_bytes()), "{no}");
        }
    }
}
