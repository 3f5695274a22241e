//! Nothing that others wrote becomes markup, a link, a mention, or a command to the terminal.

use std::collections::BTreeSet;

use comrak::nodes::{AstNode, NodeValue};
use comrak::{Arena, Options, parse_document};
use html5gum::{Token, Tokenizer};
use patchlift_report::clean::line;
use patchlift_report::text::{TextStyle, stage_line};
use patchlift_report::{Report, sample};
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use crate::poison::{HOSTILE, any_ending, any_text, poisoned};

const ELEMENTS: &[&str] = &[
    "a", "article", "b", "body", "code", "dd", "details", "div", "dl", "dt", "footer", "h1", "h2", "head",
    "header", "html", "li", "main", "meta", "ol", "p", "pre", "rect", "section", "span", "strong", "style",
    "summary", "svg", "table", "tbody", "td", "th", "thead", "title", "tr", "ul",
];
const ATTRIBUTES: &[&str] = &[
    "aria-hidden",
    "aria-label",
    "aria-labelledby",
    "charset",
    "class",
    "content",
    "focusable",
    "height",
    "href",
    "http-equiv",
    "id",
    "lang",
    "name",
    "open",
    "rel",
    "role",
    "scope",
    "tabindex",
    "width",
    "x",
];

/// The page's text with entities resolved; fails on markup that the template does not have.
fn checked_html(report: &Report) -> String {
    let html = report.to_html();
    assert!(html.chars().all(|c| c == '\n' || !c.is_control()), "a control character");
    let mut text = String::new();
    for token in Tokenizer::new(&html) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name).into_owned();
                assert!(ELEMENTS.contains(&name.as_str()), "<{name}>");
                for (attribute, value) in &tag.attributes {
                    let attribute = String::from_utf8_lossy(attribute);
                    assert!(ATTRIBUTES.contains(&&*attribute), "<{name} {attribute}>");
                    let value = String::from_utf8_lossy(value);
                    assert!(
                        attribute != "href" || value.starts_with("https://") || value.starts_with("http://"),
                        "href {value}"
                    );
                }
            }
            Token::String(run) => text.push_str(&String::from_utf8_lossy(&run)),
            Token::Comment(_) => panic!("a comment"),
            Token::Error(error) => panic!("not well-formed: {error:?}"),
            Token::EndTag(_) | Token::Doctype(_) => {}
        }
    }
    text
}

/// What GitHub's parser makes of the report's Markdown: the texts in code, and the headings of its sections.
fn checked_markdown(report: &Report) -> (Vec<String>, Vec<String>) {
    let markdown = report.to_markdown();
    assert!(markdown.chars().all(|c| c == '\n' || !c.is_control()), "a control character");
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.autolink = true;
    options.extension.strikethrough = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.math_dollars = true;
    options.extension.alerts = true;
    let arena = Arena::new();
    let root = parse_document(&arena, &markdown, &options);
    let (mut code, mut headings, mut prose) = (Vec::new(), Vec::new(), String::new());
    for node in root.descendants() {
        match &node.data.borrow().value {
            NodeValue::Code(span) => code.push(span.literal.clone()),
            NodeValue::CodeBlock(block) => code.push(block.literal.clone()),
            NodeValue::Text(text) => prose.push_str(text),
            NodeValue::SoftBreak | NodeValue::Paragraph => prose.push('\n'),
            NodeValue::Heading(heading) => {
                prose.push('\n');
                let text = text_of(node);
                assert!(is_ours(&text), "a heading of level {}: {text}", heading.level);
                headings.extend((heading.level == 3).then_some(text));
            }
            NodeValue::Link(link) => assert_eq!(report.series.url.as_deref(), Some(link.url.as_str())),
            NodeValue::Document | NodeValue::Strong | NodeValue::Table(_) | NodeValue::TableRow(_) => {}
            NodeValue::TableCell => prose.push('\n'),
            other => panic!("{other:?} in:\n{markdown}"),
        }
    }
    let mentions = prose
        .match_indices(['@', '#'])
        .filter(|(at, _)| prose[at + 1..].starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-'));
    assert_eq!(mentions.count(), 0, "a mention or a reference in {prose:?}");
    let linked = report.series.url.as_deref().unwrap_or_default();
    assert!(!prose.replacen(linked, "", 1).contains("://"), "an address in {prose:?}");
    (code, headings)
}

fn text_of<'a>(node: &'a AstNode<'a>) -> String {
    let text = |node: &'a AstNode<'a>| match &node.data.borrow().value {
        NodeValue::Text(text) => Some(text.to_string()),
        _ => None,
    };
    node.descendants().filter_map(text).collect()
}

fn is_ours(heading: &str) -> bool {
    let sections = ["What went wrong", "To repeat it", "What was tested, on what", "Tests", "Console"];
    sections.contains(&heading)
        || heading.starts_with("Stages: ")
        || heading.starts_with(['✅', '❌', '⚠', '➖'])
}

/// No escape sequence but the colours that the style asks for, no line that is too long.
fn check_text(report: &Report) {
    for style in [
        TextStyle::default(),
        TextStyle { ansi: true, unicode: true, width: 60 },
        TextStyle { ansi: false, unicode: false, width: 0 },
    ] {
        let text = report.to_text(&style);
        let plain = if style.ansi { without_colours(&text) } else { text };
        assert!(plain.chars().all(|c| c == '\n' || !c.is_control()), "a control character in {plain:?}");
        for stage in &report.stages {
            let line = without_colours(&stage_line(stage, &style));
            assert!(line.width() <= style.width.max(40), "{} columns: {line}", line.width());
            assert!(!line.contains('\n'));
        }
    }
}

/// The text without the colour sequences that this crate writes; any other sequence stays and is found.
fn without_colours(text: &str) -> String {
    let mut plain = text.to_owned();
    for colour in ["0", "1", "2", "31", "32", "33"] {
        plain = plain.replace(&format!("\u{1b}[{colour}m"), "");
    }
    plain
}

#[test]
fn hostile_text_stays_text_in_every_field() {
    for ending in sample::ENDINGS {
        for hostile in HOSTILE {
            let report = poisoned(ending, hostile);
            let shown = line(hostile, 400);
            let html = checked_html(&report);
            let times = html.matches(shown.trim()).count();
            assert!(times >= 10, "{shown:?} is on the page {times} times");
            let (code, headings) = checked_markdown(&report);
            assert_eq!(
                headings,
                checked_markdown(&sample::report(ending)).1,
                "sections hide after {shown:?}"
            );
            let in_code = shown.trim().replace("\\|", "\\ |");
            assert!(code.iter().any(|text| text.contains(in_code.as_str())), "{shown:?} is not in {code:?}");
            check_text(&report);
        }
    }
}

proptest! {
    // Nothing is written into the source tree; a failure prints its smallest case.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_stays_text(ending in any_ending(), text in any_text()) {
        let report = poisoned(ending, &text);
        checked_html(&report);
        checked_markdown(&report);
        check_text(&report);
    }

    #[test]
    fn markdown_keeps_its_limit(ending in any_ending(), text in any_text(), max in 0_usize..20_000) {
        let report = poisoned(ending, &text);
        let markdown = report.to_markdown_within(max);
        prop_assert!(markdown.len() <= max.max(200), "{} bytes", markdown.len());
    }
}

#[test]
fn a_report_of_absurd_size_gives_pages_of_sane_size() {
    let mut report = poisoned(patchlift_report::Ending::FailsTests, &"漢`|<".repeat(2000));
    let test = report.tests[0].clone();
    report.tests = (0..5_000)
        .map(|n| patchlift_report::TestResult { name: format!("test {n}"), ..test.clone() })
        .collect();
    let event = report.events[0].clone();
    report.events = vec![event; 5_000];
    report.reproduce = vec!["x".repeat(10_000); 5_000];
    report.stages[0].excerpt = vec!["y".repeat(10_000); 5_000];
    assert!(report.to_markdown().len() < 1 << 20);
    assert!(report.to_html().len() < 8 << 20);
    assert!(report.to_text(&TextStyle::default()).len() < 256 << 10);
    // Rows are left out whole, never cut in the middle.
    let cells: BTreeSet<_> = report
        .to_markdown()
        .lines()
        .filter(|line| line.starts_with("| `test"))
        .map(|row| row.ends_with(" |"))
        .collect();
    assert_eq!(cells, BTreeSet::from([true]));
}
