//! Text from the box, from mails and from compilers made safe to show: every character that could move a
//! cursor, hide, or turn the reading direction is gone, and the length is bounded.
//!
//! Escaping for HTML or Markdown comes after this, in the renderer: what is dangerous there depends on where
//! the text goes, what is dangerous here never is wanted.

/// One line of at most `max` characters: line breaks become spaces, tabs become spaces up to the next multiple
/// of eight, control and invisible formatting characters are dropped, trailing spaces are cut. A longer text
/// ends in `…`.
pub fn line(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    let mut count = 0;
    for c in text.chars() {
        let repeat = match c {
            '\t' => 8 - count % 8,
            _ => 1,
        };
        let Some(shown) = shown(c) else { continue };
        for _ in 0..repeat {
            if count == max {
                return ended(out);
            }
            out.push(shown);
            count += 1;
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Puts the mark of a cut in the place of the last character.
fn ended(mut out: String) -> String {
    if out.pop().is_some() {
        out.push('…');
    }
    out
}

/// The character to show for `c`, or none.
fn shown(c: char) -> Option<char> {
    match c {
        '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
        c if c.is_control() || invisible(c) => None,
        c => Some(c),
    }
}

/// Format characters that change how other characters are read without being seen: Unicode's category Cf, the
/// Hangul fillers, and variation selectors.
pub fn invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{8e2}'
        | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The URL if it is one that a reader may safely follow: http or https, at most 2000 bytes (what every browser
/// takes), and nothing in it that could end the attribute or the parentheses it stands in.
pub fn web_url(url: &str) -> Option<&str> {
    let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    let web = lower.starts_with("http://") || lower.starts_with("https://");
    let plain = url.bytes().all(|b| b.is_ascii_graphic() && !b"\"'`<>()[]{}|\\^*".contains(&b));
    (web && plain && url.len() <= 2000 && url.len() > "https://".len()).then_some(url)
}

/// An error and all that lies below it, joined by colons. Neither bounded nor cleaned.
pub fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The first twelve digits of a commit or a build id, the length kernel mails use.
pub fn short_hex(id: &str) -> String {
    line(id, 40).chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_loses_what_moves_or_hides_and_keeps_the_rest() {
        for (text, max, expect) in [
            ("plain", 10, "plain"),
            ("two\nlines\r\n", 20, "two lines"),
            ("\tx", 20, "        x"),
            ("ab\tx", 20, "ab      x"),
            ("\u{1b}[31mred\u{7}", 20, "[31mred"),
            ("user\u{202e}gnp.exe", 20, "usergnp.exe"),
            ("a\u{200b}b\u{e0041}c\u{0}d", 20, "abcd"),
            ("näïve 漢字", 20, "näïve 漢字"),
            ("exactly10!", 10, "exactly10!"),
            ("eleven char", 10, "eleven ch…"),
            ("anything", 0, ""),
            ("trailing   \n\n", 40, "trailing"),
        ] {
            assert_eq!(line(text, max), expect, "{text:?} cut to {max}");
        }
    }

    #[test]
    fn only_web_addresses_become_links() {
        for url in
            ["https://lore.kernel.org/r/1%2C2@x/", "http://10.0.0.1:8080/a?b=c&d=e#f", "HTTPS://EXAMPLE.ORG/"]
        {
            assert_eq!(web_url(url), Some(url));
        }
        for url in [
            "",
            "https://",
            "javascript:alert(1)",
            "java\nscript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "//example.org/",
            " https://example.org/",
            "https://example.org/ onclick=x",
            "https://example.org/\" onclick=x",
            "https://example.org/<b>",
            "https://example.org/)[x](y",
            "https://exämple.org/",
        ] {
            assert_eq!(web_url(url), None, "{url:?}");
        }
        assert_eq!(web_url(&format!("https://example.org/{}", "a".repeat(2000))), None);
    }
}
