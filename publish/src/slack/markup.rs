//! Text for Slack. Three characters are all that its markup starts with (`<!channel>`, `<@U1>`, `<https://…>`):
//! with them escaped nothing mentions anybody and nothing is a link.
//!
//! Slack's limits count characters or bytes, it does not say which. Here everything is counted in the bytes of its
//! JSON, which is never less.

use patchlift_report::clean::{line, web_url};

/// Longest address that becomes a link, in bytes and escaped: longer ones would leave no room for the message.
const URL_MAX: usize = 500;

/// One line of text that others wrote, for an object of type `plain_text`; at most `max` bytes. Cut between
/// characters, never inside an escape.
pub fn plain(text: &str, max: usize) -> String {
    let text = line(text, max);
    let whole: usize = text.chars().map(cost).sum();
    if whole <= max {
        return text.chars().map(Escaped).fold(String::with_capacity(whole), Escaped::append);
    }
    let room = max.saturating_sub('…'.len_utf8());
    let mut used = 0;
    let kept = text.chars().take_while(|&c| {
        used += cost(c);
        used <= room
    });
    let mut out = kept.map(Escaped).fold(String::new(), Escaped::append);
    out.truncate(out.trim_end().len());
    out.push('…');
    out
}

/// One line of text that others wrote, as a code span for an object of type `mrkdwn`: no emphasis and no emoji are
/// made of it. Empty for empty text.
pub fn code(text: &str, max: usize) -> String {
    let text = text.replace('`', "'");
    let text = plain(text.trim(), max.saturating_sub(2));
    if text.is_empty() { text } else { format!("`{text}`") }
}

/// A link; none where the address is not one that a reader may follow.
pub fn link(url: Option<&str>, label: &str) -> Option<String> {
    let url = plain(web_url(url?)?, usize::MAX);
    (url.len() <= URL_MAX).then(|| format!("<{url}|{label}>"))
}

/// What text takes in JSON, in bytes.
pub fn size(text: &str) -> usize {
    text.chars().map(|c| if matches!(c, '"' | '\\' | '\n') { 2 } else { c.len_utf8() }).sum()
}

fn cost(c: char) -> usize {
    match c {
        '&' => 5,
        '<' | '>' => 4,
        '"' | '\\' | '\n' => 2,
        c => c.len_utf8(),
    }
}

struct Escaped(char);

impl Escaped {
    fn append(mut out: String, Self(c): Self) -> String {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
        out
    }
}

/// Lines under a limit: whole ones only, so that nothing is cut inside markup.
#[derive(Debug)]
pub struct Lines {
    text: String,
    left: usize,
    left_out: usize,
}

impl Lines {
    /// Room for `max` bytes.
    pub fn new(max: usize) -> Self {
        // What is said at the end of a list that was cut.
        Self { text: String::new(), left: max.saturating_sub(40), left_out: 0 }
    }

    /// Adds a line if there is room, and counts it otherwise.
    pub fn push(&mut self, text: &str) {
        let size = size(text) + 2;
        if self.left_out > 0 || size > self.left {
            self.left_out += 1;
            return;
        }
        self.left -= size;
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text);
    }

    /// The lines, and how many there was no room for.
    pub fn finish(mut self) -> String {
        if self.left_out > 0 {
            self.text.push_str(&format!("\n… and {} more", self.left_out));
        }
        self.text
    }
}

/// Lines of a console or a shell in fixed pitch, at most `max` bytes and `most` lines.
pub fn fenced<'a>(lines: impl IntoIterator<Item = &'a str>, most: usize, max: usize) -> String {
    let mut kept = Lines::new(max.saturating_sub(10));
    for (number, text) in lines.into_iter().enumerate() {
        if number >= most {
            kept.left_out += 1;
            continue;
        }
        // Three in a row would end the block.
        kept.push(&plain(&text.replace("```", "'''"), max));
    }
    let text = kept.finish();
    if text.is_empty() { text } else { format!("```\n{text}\n```") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_others_wrote_is_markup() {
        for (text, max, expect) in [
            ("<!channel> & <@U1>", 80, "&lt;!channel&gt; &amp; &lt;@U1&gt;"),
            ("two\nlines\u{202e}", 80, "two lines"),
            ("a & b", 9, "a &amp; b"),
            ("a & b", 8, "a…"),
            ("&&&&", 13, "&amp;&amp;…"),
            ("漢字漢字", 12, "漢字漢字"),
            ("漢字漢字", 11, "漢字…"),
            ("😀😀", 7, "😀…"),
            ("say \"no\"", 10, "say \"no\""),
            ("say \"no\"", 9, "say \"…"),
            ("", 5, ""),
        ] {
            let seen = plain(text, max);
            assert_eq!(seen, expect, "{text} in {max}");
            assert!(size(&seen) <= max, "{text} in {max}");
        }
    }

    #[test]
    fn code_stays_code() {
        for (text, expect) in [
            ("kvm_exit", "`kvm_exit`"),
            ("a `b` *c*", "`a 'b' *c*`"),
            ("<!here>", "`&lt;!here&gt;`"),
            ("  ", ""),
        ] {
            assert_eq!(code(text, 80), expect);
        }
        assert_eq!(fenced(["a", "``` b", "c"], 2, 500), "```\na\n''' b\n… and 1 more\n```");
        assert_eq!(fenced([], 9, 500), "");
    }

    #[test]
    fn only_web_addresses_become_links() {
        let url = "https://example.org/?a=1&b=2";
        assert_eq!(link(Some(url), "Run").unwrap(), "<https://example.org/?a=1&amp;b=2|Run>");
        for url in ["javascript:alert(1)", "https://example.org/|x", "https://example.org/>x", ""] {
            assert_eq!(link(Some(url), "Run"), None, "{url}");
        }
        assert_eq!(link(Some(&format!("https://example.org/{}", "a".repeat(500))), "Run"), None);
    }

    #[test]
    fn a_list_keeps_whole_lines() {
        let mut lines = Lines::new(62);
        for text in ["0123456789", "012345678901234567890", "x"] {
            lines.push(text);
        }
        assert_eq!(lines.finish(), "0123456789\n… and 2 more", "the order is kept: what is cut is the end");
    }
}
