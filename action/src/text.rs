//! Bytes from outside, made safe to keep, to show and to match against.

/// Lines are cut at this many characters: longer than any line of a kernel, short enough for a report.
const MAX_CHARS: usize = 4000;

/// One line from a machine that is not trusted: invalid UTF-8 replaced, escape sequences and control
/// characters removed, tabs turned into blanks, cut at 4000 characters.
pub fn clean(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut out = String::with_capacity(text.len().min(MAX_CHARS));
    let mut chars = text.chars().peekable();
    let mut kept = 0;
    while let Some(c) = chars.next() {
        if kept == MAX_CHARS {
            break;
        }
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\t' => {
                out.push(' ');
                kept += 1;
            }
            c if c.is_control() || is_invisible(c) => {}
            c => {
                out.push(c);
                kept += 1;
            }
        }
    }
    out
}

/// Characters that change how a line looks without being seen, and the separators that would end it.
fn is_invisible(c: char) -> bool {
    patchlift_report::clean::invisible(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Skips the rest of an escape sequence: CSI up to its final byte, OSC and other strings up to their
/// terminator, otherwise intermediate bytes and one final byte. ECMA-48, 5.4 and 5.6.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => {
            for c in chars.by_ref() {
                if ('\u{40}'..='\u{7e}').contains(&c) {
                    break;
                }
            }
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(c) = chars.next() {
                if c == '\u{7}' {
                    break;
                }
                if c == '\u{1b}' {
                    chars.next_if_eq(&'\\');
                    break;
                }
            }
        }
        Some('\u{20}'..='\u{2f}') => {
            chars.next();
        }
        _ => {}
    }
}

/// `text` cut to at most `max` characters, with an ellipsis where something was cut.
pub fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

/// `text` reduced to what is safe in a file name, a branch and a kernel release: `[A-Za-z0-9._-]`, at most
/// `max` characters.
pub fn slug(text: &str, max: usize) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '_' };
    text.chars().take(max).map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean_removes_what_a_terminal_would_obey() {
        let cases: &[(&[u8], &str)] = &[
            (b"plain text\r\n", "plain text"),
            (b"\x1b[31mred\x1b[0m", "red"),
            (b"\x1b]0;title\x07after", "after"),
            (b"\x1b]8;;http://evil\x1b\\link", "link"),
            (b"\x1b(Bascii", "ascii"),
            (b"tab\there", "tab here"),
            (b"nul\0bell\x07del\x7f", "nulbelldel"),
            (b"bad \xff utf-8", "bad \u{fffd} utf-8"),
            (b"c1 \xc2\x9b31m", "c1 31m"),
            ("right\u{202e}to left".as_bytes(), "rightto left"),
            (b"\x1b[", ""),
            (b"", ""),
        ];
        for (input, expected) in cases {
            assert_eq!(clean(input), *expected, "{input:?}");
        }
    }

    #[test]
    fn clean_cuts_long_lines() {
        assert_eq!(clean(&vec![b'x'; 1 << 20]).len(), MAX_CHARS);
    }

    #[test]
    fn cut_counts_characters_and_shows_it() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
    }

    #[test]
    fn slug_keeps_only_safe_characters() {
        assert_eq!(slug("a/b c$(id)-1.2", 40), "a_b_c__id_-1.2");
        assert_eq!(slug("abcdef", 3), "abc");
    }
}
