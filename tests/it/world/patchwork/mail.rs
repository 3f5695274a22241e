//! A mail as Patchwork reads it: subject, thread, text and diff.

use jiff::Timestamp;
use mail_parser::{MessageParser, MimeHeaders, PartType};

/// A mail that came in.
#[derive(Debug, Clone)]
pub(super) struct Mail {
    /// With its angle brackets.
    pub(super) msgid: String,
    /// The mails above it, the nearest first.
    pub(super) above: Vec<String>,
    /// The subject with its prefixes rewritten: `[v2,1/3] title`.
    pub(super) name: String,
    /// The title alone.
    pub(super) title: String,
    pub(super) prefixes: Vec<String>,
    pub(super) is_reply: bool,
    /// `(1, 3)`.
    pub(super) marker: Option<(u32, u32)>,
    pub(super) version: u32,
    /// Naive UTC.
    pub(super) date: jiff::civil::DateTime,
    pub(super) sender: (Option<String>, String),
    /// In order, still folded.
    pub(super) headers: Vec<(String, String)>,
    pub(super) content: String,
    pub(super) diff: Option<String>,
    pub(super) pull_url: Option<String>,
}

impl Mail {
    /// Reads a mail; `None`: Patchwork would not take it.
    pub(super) fn read(raw: &[u8], drop_prefix: &str) -> Option<Self> {
        let raw = without_separator(raw);
        let headers = headers(raw);
        let message = MessageParser::default().parse(raw)?;
        let value = |name: &str| {
            headers
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.as_str())
        };
        let subject = message.subject().unwrap_or_default();
        let (prefixes, title, is_reply) = clean_subject(subject, drop_prefix);
        let sender = message.from()?.first()?;
        let mut above = ids(value("In-Reply-To").unwrap_or_default());
        for id in ids(value("References").unwrap_or_default()).into_iter().rev() {
            if !above.contains(&id) {
                above.push(id);
            }
        }
        let (content, diff) = content_and_diff(&message, is_reply);
        let timestamp = value("Date").and_then(|date| jiff::fmt::rfc2822::parse(date.trim()).ok());
        let timestamp = timestamp.map_or_else(Timestamp::now, |zoned| zoned.timestamp());
        let pull_url = asks_to_pull(&content);
        Some(Self {
            msgid: ids(value("Message-ID")?).into_iter().next()?,
            above,
            name: with_prefixes(&prefixes, &title),
            version: version(&prefixes, &title),
            marker: prefixes.iter().find_map(|prefix| marker(prefix)),
            title,
            prefixes,
            is_reply,
            date: timestamp.to_zoned(jiff::tz::TimeZone::UTC).datetime(),
            sender: (sender.name().map(str::to_owned), sender.address()?.to_owned()),
            headers,
            content,
            diff,
            pull_url,
        })
    }
}

fn without_separator(raw: &[u8]) -> &[u8] {
    match raw.iter().position(|&byte| byte == b'\n') {
        Some(end) if raw.starts_with(b"From ") => &raw[end + 1..],
        _ => raw,
    }
}

/// Header lines with their folds, as Python's mail library keeps them.
fn headers(raw: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(raw).replace("\r\n", "\n");
    let head = text.split("\n\n").next().unwrap_or_default();
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in head.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.last_mut() {
                value.push('\n');
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push((name.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned()));
        }
    }
    headers
}

/// `<a@b>` in a header's value, each with its brackets.
fn ids(value: &str) -> Vec<String> {
    let ends = value.split('<').skip(1).filter_map(|piece| piece.split_once('>'));
    ends.map(|(id, _)| format!("<{id}>")).collect()
}

fn clean_subject(subject: &str, drop_prefix: &str) -> (Vec<String>, String, bool) {
    let mut rest = subject.trim();
    let lower = rest.to_ascii_lowercase();
    let is_reply = lower.starts_with("re:") || lower.starts_with("aw:");
    for mark in ["re:", "fwd:", "fw:"] {
        if lower.starts_with(mark) {
            rest = rest[mark.len()..].trim_start();
            break;
        }
    }
    let mut prefixes = Vec::new();
    while let Some((inside, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let words = inside.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty());
        let kept = words
            .filter(|word| !word.eq_ignore_ascii_case("patch") && !word.eq_ignore_ascii_case(drop_prefix));
        prefixes.extend(kept.map(str::to_owned));
        rest = after.trim_start();
    }
    (prefixes, rest.split_whitespace().collect::<Vec<_>>().join(" "), is_reply)
}

fn with_prefixes(prefixes: &[String], title: &str) -> String {
    let name =
        if prefixes.is_empty() { title.to_owned() } else { format!("[{}] {title}", prefixes.join(",")) };
    name.chars().take(255).collect()
}

/// `1/3`, also glued to a word: `PATCH1/3`.
fn marker(prefix: &str) -> Option<(u32, u32)> {
    let (before, total) = prefix.split_once('/')?;
    let digits = before.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    Some((before[digits..].parse().ok()?, total.parse().ok()?))
}

fn version(prefixes: &[String], title: &str) -> u32 {
    let number = |word: &str| word.strip_prefix(['v', 'V'])?.parse().ok();
    let behind = || title.split('(').skip(1).find_map(|piece| number(piece.split_once(')')?.0));
    prefixes.iter().find_map(|prefix| number(prefix)).or_else(behind).unwrap_or(1)
}

fn content_and_diff(message: &mail_parser::Message<'_>, is_reply: bool) -> (String, Option<String>) {
    let (mut content, mut diff) = (String::new(), None);
    for part in &message.parts {
        let (PartType::Text(text) | PartType::Html(text)) = &part.body else { continue };
        let kind = part.content_type().and_then(|kind| kind.subtype()).unwrap_or("plain");
        match kind {
            "x-patch" | "x-diff" => diff = Some(text.to_string()),
            "plain" if is_reply || diff.is_some() => {
                content.push_str(text.trim());
                content.push('\n');
            }
            "plain" => {
                let (rest, found) = split_diff(text);
                diff = found;
                content.push_str(rest.trim());
                content.push('\n');
            }
            _ => {}
        }
    }
    (without_signature(&content), diff)
}

/// Everything behind a signature's mark is dropped.
fn without_signature(content: &str) -> String {
    let mut kept = String::new();
    for line in content.split_inclusive('\n') {
        let text = line.trim_end_matches('\n');
        if text == "-- " || (!text.is_empty() && text.bytes().all(|byte| byte == b'_')) {
            break;
        }
        kept.push_str(line);
    }
    kept.trim().to_owned()
}

/// What is said around a diff, and the diff: header lines, and hunks as long as their counts say.
fn split_diff(text: &str) -> (String, Option<String>) {
    let (mut around, mut diff) = (String::new(), String::new());
    let mut lines = text.split_inclusive('\n').peekable();
    let (mut before, mut after, mut binary) = (0_i64, 0_i64, false);
    while let Some(line) = lines.next() {
        if before > 0 || after > 0 {
            before -= i64::from(!line.starts_with(['+', '\\']));
            after -= i64::from(!line.starts_with(['-', '\\']));
            diff.push_str(line);
        } else if line.starts_with("diff ") || line.starts_with("Index: ") {
            binary = false;
            diff.push_str(line);
        } else if line.starts_with("--- ") && (lines.peek().is_some_and(|next| next.starts_with("+++ "))) {
            diff.push_str(line);
        } else if diff.is_empty() {
            around.push_str(line);
        } else if line.starts_with("@@ -") {
            (before, after) = counts(line);
            diff.push_str(line);
        } else if is_header(line) || (binary && line != "-- \n") {
            binary |= line.starts_with("GIT binary patch");
            diff.push_str(line);
        } else {
            around.push_str(line);
        }
    }
    (around, Some(diff).filter(|diff| !diff.is_empty()))
}

fn is_header(line: &str) -> bool {
    let marks = [
        "+++ ",
        "old mode ",
        "new mode ",
        "deleted file mode ",
        "new file mode ",
        "copy from ",
        "copy to ",
        "rename from ",
        "rename to ",
        "similarity index ",
        "dissimilarity index ",
        "index ",
        "GIT binary patch",
        "\\ No newline",
    ];
    marks.iter().any(|mark| line.starts_with(mark))
}

/// The line counts of `@@ -1,2 +3,4 @@`.
fn counts(header: &str) -> (i64, i64) {
    let mut words = header.split(' ').skip(1);
    let mut count = || match words.next().unwrap_or_default().split_once(',') {
        Some((_, count)) => count.parse().unwrap_or(0),
        None => 1,
    };
    (count(), count())
}

fn asks_to_pull(content: &str) -> Option<String> {
    let rest = &content[content.find("The following changes since commit")?..];
    let (_, rest) = rest.split_once("available in the Git repository at:")?;
    rest.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}
