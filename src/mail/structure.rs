//! What a Content-Type header says that matters for applying: boundary, charset, `format=flowed`, `delsp=yes`.

use crate::bytes::find_ignoring_case;

/// The attributes of one Content-Type header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContentType {
    /// The boundary between the parts, "--" included.
    pub boundary: Option<Vec<u8>>,
    /// The charset's name, empty where none is given.
    pub charset: Vec<u8>,
    /// Lines were broken softly (RFC 3676).
    pub flowed: bool,
    /// The blank before a soft break is not part of the text (RFC 3676 DelSp).
    pub delete_space: bool,
}

impl ContentType {
    /// Reads a header's value, which is already unfolded and decoded.
    pub fn parse(value: &[u8]) -> Self {
        let is = |name: &[u8], wanted: &[u8]| {
            attribute(value, name).is_some_and(|v| v.eq_ignore_ascii_case(wanted))
        };
        Self {
            boundary: attribute(value, b"boundary=").map(|boundary| [b"--", boundary].concat()),
            charset: attribute(value, b"charset=").unwrap_or_default().to_vec(),
            flowed: is(b"format=", b"flowed"),
            delete_space: is(b"delsp=", b"yes"),
        }
    }
}

/// The value after `name`, quoted or up to a semicolon or a blank.
fn attribute<'a>(value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = &value[find_ignoring_case(value, name)? + name.len()..];
    let (rest, ends): (&[u8], &[u8]) = match rest.strip_prefix(b"\"") {
        Some(quoted) => (quoted, b"\""),
        None => (rest, b"; \t"),
    };
    let end = rest.iter().position(|b| ends.contains(b) || *b == 0).unwrap_or(rest.len());
    Some(&rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_may_be_quoted_and_in_any_case() {
        let parsed =
            ContentType::parse(b"Multipart/mixed; BOUNDARY=\"a b\"; charset=utf-8; format=Flowed; DelSp=yes");
        assert_eq!(parsed.boundary.as_deref(), Some(&b"--a b"[..]));
        assert_eq!(parsed.charset, b"utf-8");
        assert!(parsed.flowed && parsed.delete_space);
        assert_eq!(ContentType::parse(b"text/plain"), ContentType::default());
    }
}
