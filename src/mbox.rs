//! Mailbox bytes to single mails, as `git mailsplit` cuts them.

use std::borrow::Cow;

use crate::bytes::{Lines, is_blank};

/// Cuts a mailbox into its mails.
///
/// A mail begins at a line "From … HH:MM … YYYY"; a line "From " without such a date belongs to the mail it stands
/// in, which general mailbox readers get wrong. A file that does not begin with such a line is one mail. CR before
/// LF is dropped, as `git am` does without `--keep-cr`. The separator line stays at the head of its mail.
pub fn split(mailbox: &[u8]) -> Vec<Cow<'_, [u8]>> {
    let start = mailbox.iter().position(|&b| !is_blank(b)).unwrap_or(mailbox.len());
    let body = &mailbox[start..];
    if body.is_empty() {
        return Vec::new();
    }
    if !is_separator(&body[..crate::bytes::line_length(body)]) {
        return vec![without_cr(body)];
    }
    let mut mails = Vec::new();
    let (mut begin, mut at) = (0, 0);
    for line in Lines::new(body) {
        if at > begin && is_separator(line) {
            mails.push(without_cr(&body[begin..at]));
            begin = at;
        }
        at += line.len();
    }
    mails.push(without_cr(&body[begin..]));
    mails
}

/// Is this the line that begins a mail in a mailbox?
///
/// Only a time of day followed by a year after 1990 tells it from prose that begins with "From ".
pub fn is_separator(line: &[u8]) -> bool {
    // 20: the length of the shortest line that can hold "From ", a time and a year.
    if line.len() < 20 || !line.starts_with(b"From ") {
        return false;
    }
    let digit = |at: Option<usize>| at.and_then(|at| line.get(at)).is_some_and(u8::is_ascii_digit);
    // The last byte is the line feed and can't be the colon.
    let Some(colon) = line[5..line.len() - 2].iter().rposition(|&b| b == b':').map(|at| at + 5) else {
        return false;
    };
    let time =
        [colon.checked_sub(4), colon.checked_sub(2), colon.checked_sub(1), Some(colon + 1), Some(colon + 2)];
    time.into_iter().all(digit) && year_after(&line[(colon + 3).min(line.len())..]) > 90
}

/// The number at the start of `bytes`, blanks and a sign before it allowed, 0 where there is none.
fn year_after(bytes: &[u8]) -> i64 {
    let text = crate::bytes::trim_start(bytes);
    let (negative, text) = match text.first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let mut year = 0_i64;
    for digit in text.iter().take_while(|b| b.is_ascii_digit()) {
        year = year.saturating_mul(10).saturating_add(i64::from(digit - b'0'));
    }
    if negative { -year } else { year }
}

fn without_cr(mail: &[u8]) -> Cow<'_, [u8]> {
    if crate::bytes::find(mail, b"\r\n").is_none() {
        return Cow::Borrowed(mail);
    }
    let mut clean = Vec::with_capacity(mail.len());
    for line in Lines::new(mail) {
        match line.strip_suffix(b"\r\n") {
            Some(text) => clean.extend_from_slice(&[text, b"\n"].concat()),
            None => clean.extend_from_slice(line),
        }
    }
    Cow::Owned(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_time_and_a_year_make_a_separator() {
        let table: [(&[u8], bool); 8] = [
            (b"From patchwork Fri Nov 20 02:00:02 2026\n", true),
            (b"From 667d8940e719cddee1cfe237cbbe215e20270b09 Mon Sep 17 00:00:00 2001\n", true),
            (b"From mboxrd@z Thu Jan  1 00:00:00 1970\n", true),
            (b"From the manual we know that it is 10:20 now\n", false),
            (b"From x Mon Sep 17 00:00:00 90\n", false),
            (b"From x Mon Sep 17 00:00:00 91\n", true),
            (b"From 10:00:00 2001\n", false),
            (b">From x Mon Sep 17 00:00:00 2001\n", false),
        ];
        for (line, expected) in table {
            assert_eq!(is_separator(line), expected, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn prose_beginning_with_from_does_not_split_a_mail() {
        let mailbox = b"\n\nFrom a Mon Sep 17 00:00:00 2001\nSubject: x\r\n\r\nFrom here on\nFrom b Mon Sep 17 00:00:00 2001\ny\n";
        let mails = split(mailbox);
        assert_eq!(mails.len(), 2);
        assert_eq!(&*mails[0], b"From a Mon Sep 17 00:00:00 2001\nSubject: x\n\nFrom here on\n");
        assert_eq!(&*mails[1], b"From b Mon Sep 17 00:00:00 2001\ny\n");
    }

    #[test]
    fn a_file_without_a_separator_is_one_mail() {
        assert_eq!(split(b"Subject: x\n\nFrom b Mon Sep 17 00:00:00 2001\n").len(), 1);
        assert!(split(b" \n\t\r\n").is_empty());
    }
}
