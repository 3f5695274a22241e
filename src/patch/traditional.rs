//! "---" and "+++" lines as `diff -u` writes them, with time stamps and no word about new or deleted files.

use super::hunk;
use super::name::{self, Ends};
use super::{Cursor, FilePatch, PatchError, Strip};
use crate::bytes::line_length;

/// Does a hunk follow a "+++" line here, so that the "---" line before it begins a change?
pub(crate) fn begins(after: &[u8]) -> bool {
    // 14: the shortest hunk header line.
    after.starts_with(b"+++ ") && {
        let hunk = &after[line_length(after)..];
        hunk.len() >= 14 && hunk.starts_with(b"@@ -")
    }
}

/// Reads the two lines.
pub(crate) fn read<'a>(cursor: &mut Cursor<'a>, strip: &mut Strip) -> Result<FilePatch<'a>, PatchError> {
    let line = cursor.line;
    let first = &cursor.take()[4..];
    let second = &cursor.take()[4..];
    if strip.guess {
        guess_levels(first, second, strip);
    }
    let levels = strip.levels;
    let mut file = FilePatch::default();
    if name::is_dev_null(first) {
        file.new_name = timed_name(second, None, levels);
        (file.is_new, file.is_delete) = (Some(true), Some(false));
    } else if name::is_dev_null(second) {
        file.old_name = timed_name(first, None, levels);
        (file.is_new, file.is_delete) = (Some(false), Some(true));
    } else {
        let old = timed_name(first, None, levels);
        let new = timed_name(second, old.as_deref(), levels);
        if is_epoch(first) {
            file.new_name = new;
            (file.is_new, file.is_delete) = (Some(true), Some(false));
        } else if is_epoch(second) {
            file.old_name = new;
            (file.is_new, file.is_delete) = (Some(false), Some(true));
        } else {
            file.old_name.clone_from(&new);
            file.new_name = new;
        }
    }
    if file.name().is_empty() { Err(PatchError::Nameless { line }) } else { Ok(file) }
}

/// Names without any directory on both lines can only be meant for `-p0`.
fn guess_levels(first: &[u8], second: &[u8], strip: &mut Strip) {
    let flat = |text: &[u8]| -> Option<bool> {
        if name::is_dev_null(text) {
            return None;
        }
        timed_name(text, None, 0).map(|name| !name.contains(&b'/'))
    };
    let (old, new) = (flat(first), flat(second));
    if old.or(new) == Some(true) && new.or(old) == Some(true) {
        strip.levels = 0;
        strip.guess = false;
    }
}

/// The name before a time stamp, or up to a tab.
fn timed_name(text: &[u8], default: Option<&[u8]>, levels: usize) -> Option<Vec<u8>> {
    if text.first() == Some(&b'"')
        && let Some(name) = name::find(text, None, levels, Ends::Tab)
    {
        return Some(name);
    }
    let line = &text[..memchr::memchr(b'\n', text).unwrap_or(text.len())];
    match stamp_length(line) {
        0 => name::find(text, default, levels, Ends::Tab),
        stamp => name::plain(&line[..line.len() - stamp], default, levels),
    }
}

/// The length of "  2024-01-31 10:20:30.123 +0100" or "  Thu Jan  1 00:00:00 1970" at the end of a line, its blanks
/// before included.
fn stamp_length(line: &[u8]) -> usize {
    let mut rest = line;
    let mut cut = |take: &dyn Fn(&[u8]) -> usize| {
        let length = take(rest);
        rest = &rest[..rest.len() - length];
        length
    };
    let zone = cut(&zone_length);
    let time = cut(&time_length);
    if time == 0 {
        return 0;
    }
    let date = cut(&date_length);
    if date == 0 {
        return 0;
    }
    let blanks = rest.iter().rev().take_while(|b| matches!(b, b' ' | b'\t')).count();
    if blanks == 0 { 0 } else { zone + time + date + blanks }
}

/// " +0100" or " +01:00" at the end.
fn zone_length(line: &[u8]) -> usize {
    for shape in [&b" z9999"[..], b" z99:99"] {
        if ends_in(line, shape) {
            return shape.len();
        }
    }
    usize::from(line.ends_with(b"Z"))
}

/// " 10:20:30.123456789" or " 10:20:30" at the end.
fn time_length(line: &[u8]) -> usize {
    let fraction = line.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let whole = line.len() - fraction;
    if fraction > 0 && line[..whole].ends_with(b".") && ends_in(&line[..whole - 1], b" 99:99:99") {
        return fraction + 1 + 9;
    }
    if ends_in(line, b" 99:99:99") { 9 } else { 0 }
}

/// "2024-01-31" at the end, as every diff of this century writes it, or "24-01-31".
fn date_length(line: &[u8]) -> usize {
    [&b"9999-99-99"[..], b"99-99-99"].into_iter().find(|shape| ends_in(line, shape)).map_or(0, <[u8]>::len)
}

/// Does the line end in this shape? "9" is any digit, "z" a sign.
fn ends_in(line: &[u8], shape: &[u8]) -> bool {
    line.len() >= shape.len()
        && line[line.len() - shape.len()..].iter().zip(shape).all(|(byte, wanted)| match wanted {
            b'9' => byte.is_ascii_digit(),
            b'z' => matches!(byte, b'+' | b'-'),
            b' ' => matches!(byte, b' ' | b'\t'),
            _ => byte == wanted,
        })
}

/// A time stamp at the beginning of 1970 in UTC: `diff -N` says "no such file" that way.
fn is_epoch(text: &[u8]) -> bool {
    let line = &text[..memchr::memchr(b'\n', text).unwrap_or(text.len())];
    let Some(tab) = memchr::memrchr(b'\t', line) else { return false };
    let stamp = &line[tab + 1..];
    let (date, rest) = stamp.split_at(stamp.len().min(11));
    let day = match date {
        b"1969-12-31 " => -1_i64,
        b"1970-01-01 " => 0,
        _ => return false,
    };
    let number =
        |at: std::ops::Range<usize>| -> Option<i64> { std::str::from_utf8(rest.get(at)?).ok()?.parse().ok() };
    let (Some(hour), Some(minute)) = (number(0..2), number(3..5)) else { return false };
    let Some(seconds) = rest.get(5..).and_then(|rest| rest.strip_prefix(b":00")) else { return false };
    let zeros =
        seconds.strip_prefix(b".").map_or(0, |rest| 1 + rest.iter().take_while(|&&b| b == b'0').count());
    let zone = crate::bytes::trim_start(&seconds[zeros..]);
    let digits: Vec<u8> = zone.iter().skip(1).copied().filter(|&b| b != b':').collect();
    let Some(offset) = std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse::<i64>().ok()) else {
        return false;
    };
    let sign = if zone.first() == Some(&b'-') { -1 } else { 1 };
    let east = sign * (offset / 100 * 60 + offset % 100);
    digits.len() == 4 && (day * 24 + hour) * 60 + minute - east == 0
}

/// Hunks decide what the two lines left open: several hunks, or old and new lines, mean that the file stays.
pub(crate) fn settle(file: &mut FilePatch<'_>) {
    let old: u64 = file.hunks.iter().map(|hunk: &hunk::Hunk<'_>| hunk.old_lines).sum();
    let new: u64 = file.hunks.iter().map(|hunk| hunk.new_lines).sum();
    let several = file.hunks.len() > 1;
    if file.is_new.is_none() && (old > 0 || several) {
        file.is_new = Some(false);
    }
    if file.is_delete.is_none() && (new > 0 || several) {
        file.is_delete = Some(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_no_part_of_the_name() {
        let table: [(&[u8], &[u8]); 5] = [
            (b"a/f\t2024-01-31 10:20:30.000000000 +0100\n", b"f"),
            (b"a/f 2024-01-31 10:20:30 +0100\n", b"f"),
            (b"a/f g\tsomething\n", b"f g"),
            (b"a/f g\n", b"f g"),
            (b"a/f 2024-01-31\n", b"f 2024-01-31"),
        ];
        for (text, expected) in table {
            assert_eq!(timed_name(text, None, 1).unwrap(), expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn the_epoch_is_recognised_in_any_zone() {
        assert!(is_epoch(b"a/f\t1970-01-01 00:00:00.000000000 +0000\n"));
        assert!(is_epoch(b"a/f\t1969-12-31 16:00:00.000000000 -0800\n"));
        assert!(is_epoch(b"a/f\t1970-01-01 01:00:00 +01:00\n"));
        assert!(!is_epoch(b"a/f\t1970-01-01 01:00:00 +0000\n"));
        assert!(!is_epoch(b"a/f\n"));
    }
}
