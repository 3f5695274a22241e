//! From header to name and address, with git's rules.

use crate::bytes::{is_blank, trim};

/// Who wrote a mail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Author {
    /// The name; the address where the header gives no usable name.
    pub name: Vec<u8>,
    /// The address without its angle brackets.
    pub email: Vec<u8>,
}

/// A name longer than this is no name to git, which then shows the address.
const NAME_LIMIT: usize = 60;

/// Reads a From header's decoded value.
pub fn parse(value: &[u8]) -> Author {
    let value = squeeze_blanks(value);
    let mut text = unquote(&value);
    let Some(at) = memchr::memchr(b'@', &text) else {
        return without_at(&value);
    };
    let start = text[..at].iter().rposition(|&b| is_blank(b) || b == b'<').map_or(0, |before| before + 1);
    if start > 0 && text[start - 1] == b'<' {
        text[start - 1] = b' ';
    }
    let end =
        text[start..].iter().position(|b| b" \n\t\r\x0b\x0c>".contains(b)).map_or(text.len(), |n| start + n);
    let email = text[start..end].to_vec();
    // The byte that ended the address goes with it.
    text.drain(start..(end + 1).min(text.len()));
    let name = squeeze_blanks(&text);
    let mut name = trim(&name);
    if let Some(inner) = name.strip_prefix(b"(").and_then(|rest| rest.strip_suffix(b")")) {
        name = inner;
    }
    Author { name: usable(name, &email).to_vec(), email }
}

/// "Name <address>" with no @ in the address, or nothing at all.
fn without_at(value: &[u8]) -> Author {
    let Some(open) = memchr::memchr(b'<', value) else { return Author::default() };
    let Some(close) = memchr::memchr(b'>', &value[open..]).map(|n| open + n) else {
        return Author::default();
    };
    let email = value[open + 1..close].to_vec();
    let name = trim(&value[..open]);
    Author { name: usable(name, &email).to_vec(), email }
}

fn usable<'a>(name: &'a [u8], email: &'a [u8]) -> &'a [u8] {
    let strange = name.iter().any(|b| b"@<>".contains(b));
    if name.is_empty() || name.len() > NAME_LIMIT || strange { email } else { name }
}

/// Every run of blanks becomes one space.
pub(crate) fn squeeze_blanks(text: &[u8]) -> Vec<u8> {
    let mut squeezed = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            blank if is_blank(blank) => {
                if squeezed.last() != Some(&b' ') {
                    squeezed.push(b' ');
                }
            }
            other => squeezed.push(other),
        }
    }
    squeezed
}

/// Drops the quotes of quoted strings and the backslashes of quoted pairs; comments keep their parentheses.
fn unquote(text: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(text.len());
    let (mut quoted, mut depth, mut literally) = (false, 0_usize, false);
    for &byte in text {
        let inside = quoted || depth > 0;
        match byte {
            _ if literally => {
                output.push(byte);
                literally = false;
            }
            b'\\' if inside => literally = true,
            b'"' if depth == 0 => quoted = !quoted,
            b'(' if !quoted => {
                depth += 1;
                output.push(byte);
            }
            b')' if depth > 0 => {
                depth -= 1;
                output.push(byte);
            }
            _ => output.push(byte),
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_git_reads_them() {
        let long = [b"x".repeat(61), b" <a@b.c>".to_vec()].concat();
        let table: [(&[u8], &str, &str); 9] = [
            (b"A U Thor <a.u.thor@example.com>", "A U Thor", "a.u.thor@example.com"),
            (b"bare@example.com", "bare@example.com", "bare@example.com"),
            (b"a@b.c (John Doe)", "John Doe", "a@b.c"),
            (b"John (zzz) Doe <a@b.c> (Comment)", "John (zzz) Doe (Comment)", "a@b.c"),
            (b"\"Doe, \\\"J\\\"\" <a@b.c>", "Doe, \"J\"", "a@b.c"),
            (b"John Doe <johndoe>", "John Doe", "johndoe"),
            (b"nobody", "", ""),
            (b"<a@b.c>", "a@b.c", "a@b.c"),
            (&long, "a@b.c", "a@b.c"),
        ];
        for (value, name, email) in table {
            let author = parse(value);
            assert_eq!(String::from_utf8_lossy(&author.name), name);
            assert_eq!(String::from_utf8_lossy(&author.email), email);
        }
    }
}
