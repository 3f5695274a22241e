//! The report as GitHub Markdown: job summaries and check runs.
//!
//! Text that others wrote stands in code spans and fenced blocks, where GitHub makes no mention, link, image or
//! HTML of it; titles and summaries, which are prose, are escaped character by character.

use std::fmt::Write as _;

use crate::clean::line;
use crate::comparison::Compared;
use crate::decisive::Source;
use crate::outline::{Kind, Row};
use crate::report::{Report, TestResult};
use crate::stage::{Lane, Stage, StageResult};
use crate::words::{self, LINE_MAX};

/// GitHub drops a job summary of more than 1 MiB with an error; this leaves room for what other steps wrote.
pub const JOB_SUMMARY_MAX: usize = 900 * 1024;

/// Most lines of one block of evidence.
const EVIDENCE_MAX: usize = 40;

impl Report {
    /// The report as GitHub Markdown of at most [`JOB_SUMMARY_MAX`] bytes.
    pub fn to_markdown(&self) -> String {
        self.to_markdown_within(JOB_SUMMARY_MAX)
    }

    /// The report as GitHub Markdown of at most `max` bytes. What matters most comes first, what does not fit
    /// is left out as whole rows and sections, and a note says so. Below 4 KiB even the verdict may not fit.
    pub fn to_markdown_within(&self, max: usize) -> String {
        let mut page = Page::new(max);
        heading(&mut page, self);
        cause(&mut page, self);
        self.reproduce_into(&mut page);
        page.section("What was tested, on what", |page| {
            page.table(&["", ""], self.tested().iter().chain(&self.tested_on()).map(outline_row));
            if self.series.patches.len() > 1 {
                let subjects: Vec<_> =
                    self.series.patches.iter().map(|patch| patch.subject.clone()).collect();
                page.text("\nPatches, in order:\n\n");
                page.fenced("text", &subjects);
            }
        });
        for lane in self.lanes() {
            stages(&mut page, self, lane);
        }
        self.tests_into(&mut page);
        console(&mut page, self);
        page.finish()
    }

    /// The tests as a section of a page; nothing where none was run.
    pub fn tests_into(&self, page: &mut Page) {
        let tests = self.compared_tests();
        if !tests.is_empty() {
            page.section("Tests", |page| {
                page.table(
                    &["Test", "Series", "Time", "Base", "Compared", "Why"],
                    tests.iter().map(test_row),
                );
            });
        }
    }

    /// What went wrong, as a section of a page; nothing where nothing did.
    pub fn cause_into(&self, page: &mut Page) {
        cause(page, self);
    }

    /// The commands that repeat the decisive step, as a section of a page; nothing where there are none.
    pub fn reproduce_into(&self, page: &mut Page) {
        if !self.reproduce.is_empty() {
            page.section("To repeat it", |page| page.fenced("sh", &self.reproduce));
        }
    }
}

/// Stages as a table.
pub fn stages_into<'a>(page: &mut Page, stages: impl Iterator<Item = &'a Stage>) {
    page.table(&["Stage", "Result", "Time", "Why"], stages.map(stage_row));
}

fn heading(page: &mut Page, report: &Report) {
    let ending = report.verdict.ending;
    let symbol = words::ending_tone(ending).symbol();
    let title = prose(&report.verdict.title, words::TITLE_MAX);
    page.text(&format!("## {symbol} {}: {title}\n\n", words::ending(ending)));
    page.text(&format!("{}\n\n", code(&report.series_title(), words::TITLE_MAX)));
    let summary = prose(&report.verdict.summary, words::SUMMARY_MAX);
    if !summary.is_empty() {
        page.text(&format!("{summary}\n\n"));
    }
    page.text(&format!("**{}** {}\n\n", words::blame(ending), words::who_acts(ending)));
    page.text(&format!("{}\n", prose(&words::box_state(report), 2 * LINE_MAX)));
}

fn cause(page: &mut Page, report: &Report) {
    let stage = report.decisive_stage();
    let evidence = report.evidence();
    if stage.is_none() && evidence.is_none() {
        return;
    }
    page.section("What went wrong", |page| {
        if let Some(stage) = stage {
            let reason = code(&words::stage_reason(&stage.result), LINE_MAX);
            page.text(&format!("{} ({}): {reason}\n", stage.name.in_words(), stage.lane));
        }
        if let Some(evidence) = evidence {
            match evidence.from {
                Source::Stage(_) => page.text("\n"),
                Source::Console(_) => page.text(&format!("\n{}:\n\n", evidence.from)),
            };
            let lines: Vec<_> = evidence.telling().collect();
            page.fenced("text", &lines);
        }
    });
}

fn stages(page: &mut Page, report: &Report, lane: Lane) {
    let mut stages = report.lane(lane).peekable();
    if stages.peek().is_none() {
        return;
    }
    page.section(&format!("Stages: {}", words::lane(lane).to_lowercase()), |page| {
        if let Some(why) = report.why_lane_never_ran(lane) {
            page.text(&format!("None of them was run: {}\n", code(&why, LINE_MAX)));
        } else {
            stages_into(page, stages);
        }
    });
}

fn console(page: &mut Page, report: &Report) {
    if report.events.is_empty() {
        return;
    }
    page.section("Console", |page| {
        let rows = report.events.iter().map(|event| {
            vec![
                event.line.to_string(),
                words::event_class(event.class).to_owned(),
                code(&event.kind, 40),
                code(&event.text, LINE_MAX),
            ]
        });
        page.table(&["Line", "Class", "Kind", "Text"], rows);
    });
}

fn outline_row(row: &Row) -> Vec<String> {
    let value = match row.kind {
        // A checked address: nothing in it can end the angle brackets.
        Kind::Link => format!("<{}>", row.value),
        Kind::Prose | Kind::Code => code(&row.value, LINE_MAX),
    };
    vec![row.label.to_owned(), value]
}

fn stage_row(stage: &Stage) -> Vec<String> {
    let time = match stage.result {
        StageResult::Skipped { .. } => String::new(),
        _ => words::duration(stage.seconds()),
    };
    let result =
        format!("{} {}", words::stage_tone(&stage.result).symbol(), words::stage_result(&stage.result));
    let why = code(&words::stage_reason(&stage.result), LINE_MAX);
    vec![stage.name.in_words().to_owned(), result, time, why]
}

fn test_row(row: &Compared<'_>) -> Vec<String> {
    let word = |test: Option<&TestResult>| test.map_or("", |test| words::test_status(test.status)).to_owned();
    vec![
        code(row.name, 160),
        word(row.series),
        row.series.map_or(String::new(), |test| words::duration(words::millis_to_seconds(test.millis))),
        word(row.base),
        words::change(row.change).to_owned(),
        row.series.map_or(String::new(), |test| code(&test.reason, LINE_MAX)),
    ]
}

/// Text as prose in which nothing is markup, a mention, a reference or a link.
pub fn prose(text: &str, max: usize) -> String {
    let text = line(text, max);
    let mut out = String::new();
    let mut rest = text.trim_start().chars();
    while let Some(c) = rest.next() {
        if c.is_ascii_punctuation() && !",;'\"?%/".contains(c) {
            out.push('\\');
        }
        out.push(c);
        // GitHub looks for mentions, references and addresses in the finished text, where a backslash is gone.
        // A zero-width space stops it and keeps what people read.
        let next = rest.clone().next();
        let starts_word = next.is_some_and(|next| next.is_alphanumeric() || "_-".contains(next));
        let linked = match c {
            '@' | '#' => starts_word,
            ':' => next == Some('/'),
            '.' => starts_word && out.to_ascii_lowercase().ends_with("www\\."),
            _ => false,
        };
        if linked {
            out.push_str("&#8203;");
        }
    }
    out
}

/// Text as a code span that is also safe in a table's cell; empty for empty text.
pub fn code(text: &str, max: usize) -> String {
    let text = line(text, max);
    let text = text.trim();
    if text.is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    // A table's row is split at bars before code is looked for, so bars are escaped; a backslash before one
    // would turn the escape around, so it is set off.
    let text = text.replace("\\|", "\\ |").replace('|', "\\|");
    format!("{fence}{pad}{text}{pad}{fence}")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Markdown under a limit: what does not fit is left out as whole pieces, and a note at the end says so.
#[derive(Debug)]
pub struct Page {
    out: String,
    max: usize,
    cut: bool,
}

/// Said at the end of a page that lost something.
const CUT: &str = "\nThis summary was cut to fit; the whole report is in the run's files.\n";

impl Page {
    /// An empty page of at most `max` bytes.
    pub fn new(max: usize) -> Self {
        Self { out: String::new(), max: max.saturating_sub(CUT.len()), cut: false }
    }

    /// Adds `text` whole or not at all; says which.
    pub fn text(&mut self, text: &str) -> bool {
        let fits = self.out.len() + text.len() <= self.max;
        if fits {
            self.out.push_str(text);
        } else {
            self.cut = true;
        }
        fits
    }

    /// Adds a heading and what is below it.
    pub fn section(&mut self, title: &str, body: impl FnOnce(&mut Self)) {
        if self.text(&format!("\n### {title}\n\n")) {
            body(self);
        }
    }

    /// Adds a table; its cells are Markdown already.
    pub fn table(&mut self, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
        let rule = vec!["---"; head.len()].join(" | ");
        if !self.text(&format!("| {} |\n| {rule} |\n", head.join(" | "))) {
            return;
        }
        for row in rows {
            if !self.text(&format!("| {} |\n", row.join(" | "))) {
                return;
            }
        }
    }

    /// A fenced block of the first lines, as many as evidence has at most, fewer where they do not fit.
    pub fn fenced(&mut self, language: &str, lines: &[impl AsRef<str>]) {
        let clean: Vec<_> =
            lines.iter().take(EVIDENCE_MAX).map(|text| line(text.as_ref(), LINE_MAX)).collect();
        let longest = clean.iter().map(|text| longest_run(text)).max().unwrap_or(0);
        let fence = "`".repeat(3.max(longest + 1));
        let mut block = format!("{fence}{language}\n");
        let room = self.max.saturating_sub(self.out.len() + fence.len() + 1);
        let mut shown = 0;
        for text in &clean {
            if block.len() + text.len() + 1 > room {
                break;
            }
            let _ = writeln!(block, "{text}");
            shown += 1;
        }
        let _ = writeln!(block, "{fence}");
        self.text(&block);
        if shown < lines.len() {
            self.text(&format!("\nand {} more\n", words::counted(lines.len() - shown, "line", "lines")));
        }
    }

    /// The page.
    pub fn finish(mut self) -> String {
        if self.cut {
            self.out.push_str(CUT);
        }
        self.out
    }
}
