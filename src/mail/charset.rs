//! Text of any charset to UTF-8, strict as iconv is: what cannot be converted is an error, never a question mark.

use std::borrow::Cow;

use encoding_rs::Encoding;

/// Converts `bytes` from the charset `name`; no name, or UTF-8, leaves them as they are.
///
/// # Errors
/// The charset is unknown, or the bytes are not valid in it.
pub fn to_utf8<'a>(bytes: &'a [u8], name: &[u8]) -> Result<Cow<'a, [u8]>, CharsetError> {
    if name.is_empty() || is_utf8(name) {
        return Ok(Cow::Borrowed(bytes));
    }
    let error = |problem| CharsetError { charset: crate::bytes::shown(name, 40), problem };
    let label = plain_label(name);
    match family(&label) {
        Family::Ascii if bytes.is_ascii() => Ok(Cow::Borrowed(bytes)),
        Family::Ascii => Err(error(Problem::Invalid)),
        Family::Latin1 => {
            Ok(Cow::Owned(bytes.iter().map(|&b| char::from(b)).collect::<String>().into_bytes()))
        }
        Family::LatinOver(encoding) => {
            let text = bytes.iter().map(|byte| match byte {
                0x80..0xa0 => Some(char::from(*byte)),
                _ => encoding.decode_without_bom_handling_and_without_replacement(&[*byte])?.chars().next(),
            });
            let text: Option<String> = text.collect();
            text.map(|text| Cow::Owned(text.into_bytes())).ok_or_else(|| error(Problem::Invalid))
        }
        Family::Web => {
            let encoding = Encoding::for_label_no_replacement(spelling(&label))
                .ok_or_else(|| error(Problem::Unknown))?;
            let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
            // Browsers turn the holes of the Windows code pages into control characters; they are no text.
            let holes = encoding.name().starts_with("windows-");
            let text = text.filter(|text| !(holes && text.contains(|c| ('\u{80}'..'\u{a0}').contains(&c))));
            let text = text.ok_or_else(|| error(Problem::Invalid))?;
            Ok(Cow::Owned(with_iconvs_characters(&label, &text).into_bytes()))
        }
    }
}

/// The few characters that iconv reads as others than the browsers do, of the charsets that mails are written in. The
/// rest of their tables is the same where both have a character; tested against glibc 2.36, see
/// docs/git-differences.md.
fn with_iconvs_characters(label: &[u8], text: &str) -> String {
    const JAPANESE: [(char, char); 6] =
        [('～', '〜'), ('∥', '‖'), ('－', '−'), ('￠', '¢'), ('￡', '£'), ('￢', '¬')];
    let pairs: &[&[(char, char)]] = match label {
        b"gb2312" | b"euccn" | b"euc-cn" | b"cn-gb" => &[&[('·', '・'), ('—', '―')]],
        b"shift_jis" | b"shift-jis" | b"sjis" | b"ms_kanji" | b"csshiftjis" => {
            &[&JAPANESE, &[('\\', '¥'), ('~', '‾')]]
        }
        b"euc-jp" | b"eucjp" => &[&JAPANESE],
        b"koi8-u" | b"koi8u" => &[&[('ў', '╝'), ('Ў', '╬')]],
        b"macintosh" | b"mac" => &[&[('∆', 'Δ'), ('\u{f8ff}', '\u{e01e}')]],
        _ => &[],
    };
    let other =
        |c: char| pairs.iter().copied().flatten().find(|(from, _)| *from == c).map_or(c, |(_, to)| *to);
    text.chars().map(other).collect()
}

/// The name as iconv takes it: characters that no name has are passed over, and so is what follows "//".
fn plain_label(name: &[u8]) -> Vec<u8> {
    let name = &name[..crate::bytes::find(name, b"//").unwrap_or(name.len())];
    let known = name.iter().filter(|b| b.is_ascii_alphanumeric() || b"_-.,:".contains(b));
    known.map(u8::to_ascii_lowercase).collect()
}

/// The web's spelling of names that only iconv knows.
fn spelling(label: &[u8]) -> &[u8] {
    match label {
        b"koi8r" => b"koi8-r",
        b"koi8u" => b"koi8-u",
        b"eucjp" => b"euc-jp",
        b"euckr" => b"euc-kr",
        b"euccn" | b"euc-cn" | b"cn-gb" => b"gb2312",
        b"cp932" | b"ms932" => b"shift_jis",
        b"cp936" | b"ms936" | b"windows-936" => b"gbk",
        b"big5hkscs" => b"big5-hkscs",
        b"cp949" | b"ms949" | b"uhc" => b"windows-949",
        b"cp950" => b"big5",
        b"cp874" => b"windows-874",
        b"latin7" => b"iso-8859-13",
        b"latin8" => b"iso-8859-14",
        b"latin9" | b"latin-9" => b"iso-8859-15",
        b"latin10" => b"iso-8859-16",
        // Browsers take it for KOI8-U, which has other characters in nine places.
        b"koi8-ru" => b"",
        other => other,
    }
}

/// The charset names that need other rules than the browsers' encoding standard, which reads
/// ASCII and Latin-1 as windows-1252.
enum Family {
    Ascii,
    Latin1,
    /// An ISO charset that browsers read as this Windows code page: the same but for the control characters.
    LatinOver(&'static Encoding),
    Web,
}

fn family(label: &[u8]) -> Family {
    match label {
        // No name is left: only plain text is the same in every charset.
        b"" | b"us-ascii" | b"ascii" | b"us" | b"iso646-us" | b"iso_646.irv:1991" | b"ansi_x3.4-1968"
        | b"ansi_x3.4-1986" | b"iso-ir-6" | b"cp367" | b"ibm367" | b"csascii" => Family::Ascii,
        b"iso-8859-1" | b"iso8859-1" | b"iso_8859-1" | b"iso88591" | b"8859_1" | b"latin1" | b"latin-1"
        | b"l1" | b"iso-ir-100" | b"iso_8859-1:1987" | b"cp819" | b"ibm819" | b"csisolatin1" => {
            Family::Latin1
        }
        b"iso-8859-9" | b"iso8859-9" | b"iso_8859-9" | b"latin5" | b"l5" => {
            Family::LatinOver(encoding_rs::WINDOWS_1254)
        }
        b"iso-8859-11" | b"iso8859-11" | b"tis-620" => Family::LatinOver(encoding_rs::WINDOWS_874),
        _ => Family::Web,
    }
}

fn is_utf8(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"utf-8") || name.eq_ignore_ascii_case(b"utf8")
}

/// Why text could not be turned into UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("charset {charset}: {problem}")]
pub struct CharsetError {
    /// The name as the mail gives it.
    pub charset: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a charset or with text in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// No converter knows this name.
    Unknown,
    /// The text holds bytes that this charset does not have.
    Invalid,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unknown => "not known",
            Self::Invalid => "the text is not valid in it",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charsets_convert_or_fail_loudly() {
        let table: [(&str, &[u8], Option<&str>); 13] = [
            // What browsers read as other characters, and a name that they do not know.
            ("gb2312", b"\xa1\xa4\xa1\xaa", Some("・―")),
            ("Shift_JIS", b"\x5c\x81\x60", Some("¥〜")),
            ("EUC-JP", b"\\\xa1\xc1", Some("\\〜")),
            ("koi8-u", b"\xae", Some("╝")),
            ("cp949", b"\x81\x42", Some("갃")),
            ("", b"a\xff", None),
            ("ISO-8859-1", b"caf\xe9 \x80", Some("café \u{80}")),
            ("windows-1252", b"\x80", Some("€")),
            ("koi8-r", b"\xf0", Some("П")),
            ("gb2312", b"\xc4\xe3", Some("你")),
            ("iso-2022-jp", b"\x1b$B$3\x1b(B", Some("こ")),
            ("utf-8", "é".as_bytes(), Some("é")),
            ("us-ascii", b"plain", Some("plain")),
        ];
        for (name, bytes, expected) in table {
            let converted = to_utf8(bytes, name.as_bytes()).unwrap();
            assert_eq!(converted.as_ref(), expected.map_or(bytes, str::as_bytes), "{name}");
        }
        assert_eq!(to_utf8(b"\x81", b"windows-1252").unwrap_err().problem, Problem::Invalid);
        assert_eq!(to_utf8(b"x\x85\xfd", b"iso-8859-9").unwrap().as_ref(), "x\u{85}ı".as_bytes());
        assert_eq!(to_utf8(b"\xf0", b"koi8-ru").unwrap_err().problem, Problem::Unknown);
        assert_eq!(to_utf8(b"x", b"unknown-8bit").unwrap_err().problem, Problem::Unknown);
        assert_eq!(to_utf8(b"\xe9", b"us-ascii").unwrap_err().problem, Problem::Invalid);
    }
}
