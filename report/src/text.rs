//! The report on a terminal: one line for each ended stage while the run goes on, the whole at its end.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::clean::line;
use crate::comparison::Compared;
use crate::report::{Report, TestResult};
use crate::stage::{Stage, StageName, StageResult};
use crate::words::{self, LINE_MAX, Tone};

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextStyle {
    /// Colours and bold by ANSI escape sequences.
    pub ansi: bool,
    /// Symbols and lines beyond ASCII. What people wrote (names, subjects) is shown as it is either way.
    pub unicode: bool,
    /// Columns; lines that would be longer are cut or wrapped. Less than 40 counts as 40.
    pub width: usize,
}

impl Default for TextStyle {
    /// What is right for a file: no colours, Unicode, 100 columns.
    fn default() -> Self {
        Self { ansi: false, unicode: true, width: 100 }
    }
}

/// Columns from which stages are shown in columns: below, the longest result would leave its reason no room.
const ALIGNED_FROM: usize = 80;

/// Most tests and patches listed on a terminal; the HTML report has them all.
const LIST_MAX: usize = 40;

/// One line, without a line break, for a stage that has just ended.
///
/// ```text
/// ✓ series  Build the host kernel    4 min 12 s  passed
/// ```
pub fn stage_line(stage: &Stage, style: &TextStyle) -> String {
    let tone = words::stage_tone(&stage.result);
    let symbol = style.paint(tone, style.stage_symbol(&stage.result));
    let name = stage.name.in_words();
    let time = match stage.result {
        StageResult::Skipped { .. } => String::new(),
        _ => words::duration(stage.seconds()),
    };
    let result = words::stage_result(&stage.result);
    let reason = match words::stage_reason(&stage.result) {
        reason if reason.is_empty() => facts(stage),
        reason => reason,
    };
    if style.columns() < ALIGNED_FROM {
        let text = format!("{name} ({}) {result} {time} {reason}", stage.lane);
        return format!("{symbol} {}", style.cut(text.trim_end(), style.columns() - 2));
    }
    let name_columns = StageName::ALL.iter().map(|name| name.in_words().width()).max().unwrap_or(0);
    let head = format!("{:<6}  {name:<name_columns$}  {time:>11}  ", stage.lane.to_string());
    let room = style.columns().saturating_sub(2 + head.width() + result.width() + 2);
    let mut out = format!("{symbol} {head}{}", style.paint(tone, &result));
    if !reason.is_empty() {
        let _ = write!(out, "  {}", style.cut(&reason, room));
    }
    out
}

/// What a stage found out, on one line.
fn facts(stage: &Stage) -> String {
    let facts: Vec<_> =
        stage.shown_facts().iter().map(|fact| format!("{} {}", fact.label, fact.value)).collect();
    facts.join(", ")
}

impl Report {
    /// The whole report for a terminal: series, stages, tests, and last the verdict, where the eye is.
    pub fn to_text(&self, style: &TextStyle) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "{}", style.bold(&style.cut(&self.series_title(), style.columns())));
        for row in self.tested().iter().chain(&self.tested_on()) {
            style.labelled(&mut out, row.label, &row.value);
        }
        out.push('\n');
        for stage in &self.stages {
            let _ = writeln!(out, "{}", stage_line(stage, style));
        }
        tests(&mut out, &self.compared_tests(), style);
        evidence(&mut out, self, style);
        verdict(&mut out, self, style);
        out
    }
}

/// Most lines of evidence on a terminal, the length of a trace with its registers.
const EVIDENCE_MAX: usize = 30;

fn evidence(out: &mut String, report: &Report, style: &TextStyle) {
    let Some(evidence) = report.evidence() else { return };
    let _ = writeln!(out, "\n{}", style.dim(&evidence.from.to_string()));
    let lines: Vec<_> = evidence.telling().collect();
    for text in lines.iter().take(EVIDENCE_MAX) {
        let _ = writeln!(out, "  {}", style.cut(&line(text, LINE_MAX), style.columns() - 2));
    }
    if let Some(left) = lines.len().checked_sub(EVIDENCE_MAX).filter(|&left| left > 0) {
        let _ =
            writeln!(out, "  {}", style.dim(&format!("and {} more", words::counted(left, "line", "lines"))));
    }
}

fn verdict(out: &mut String, report: &Report, style: &TextStyle) {
    let ending = report.verdict.ending;
    let tone = words::ending_tone(ending);
    let rule = if style.unicode { "━" } else { "=" };
    let _ = writeln!(out, "\n{}", style.paint(tone, &rule.repeat(style.columns().min(72))));
    let title = format!("{}: {}", words::ending(ending), line(&report.verdict.title, words::TITLE_MAX));
    style.wrapped(out, &format!("{} ", style.tone_symbol(tone)), &title, |text| {
        style.paint(tone, &style.bold(text))
    });
    for text in [
        line(&report.verdict.summary, words::SUMMARY_MAX),
        words::blame(ending).to_owned(),
        words::who_acts(ending).to_owned(),
        words::box_state(report),
    ] {
        if !text.is_empty() {
            style.wrapped(out, "  ", &text, str::to_owned);
        }
    }
    if !report.reproduce.is_empty() {
        let _ = writeln!(out, "\n  To repeat it:");
        for command in report.reproduce.iter().take(LIST_MAX) {
            // A command that was cut would do something else: it may be longer than the terminal is wide.
            let _ = writeln!(out, "    {}", line(command, LINE_MAX));
        }
    }
}

fn tests(out: &mut String, rows: &[Compared<'_>], style: &TextStyle) {
    if rows.is_empty() {
        return;
    }
    let name_columns =
        rows.iter().map(|row| line(row.name, LINE_MAX).width()).max().unwrap_or(0).clamp(4, 44);
    let _ = writeln!(out, "\n  {:<name_columns$}  {:<11}  {:>11}  base", "test", "series", "time");
    for row in rows.iter().take(LIST_MAX) {
        let tone = words::test_tone(row);
        let name = style.cut(&line(row.name, LINE_MAX), name_columns);
        let pad = name_columns.saturating_sub(name.width());
        let word = |test: Option<&TestResult>| test.map_or("-", |test| words::test_status(test.status));
        let time =
            row.series.map_or(String::new(), |test| words::duration(words::millis_to_seconds(test.millis)));
        let head = format!("{:<11}  {time:>11}  {:<11}  ", word(row.series), word(row.base));
        let reason = row.series.map_or(String::new(), |test| line(&test.reason, LINE_MAX));
        let colon = if reason.is_empty() { "" } else { ": " };
        let tail = format!("{}{colon}{reason}", words::change(row.change));
        let room = style.columns().saturating_sub(2 + name_columns + 2 + head.width());
        let _ = writeln!(
            out,
            "{} {name}{:pad$}  {}{}",
            style.paint(tone, style.tone_symbol(tone)),
            "",
            style.paint(tone, &head),
            style.cut(&tail, room.max(8)),
        );
    }
    if rows.len() > LIST_MAX {
        let _ = writeln!(out, "  and {} more in the HTML report", rows.len() - LIST_MAX);
    }
}

impl TextStyle {
    fn columns(&self) -> usize {
        self.width.max(40)
    }

    fn stage_symbol(&self, result: &StageResult) -> &'static str {
        match (result, self.unicode) {
            (StageResult::Passed, true) => "✓",
            (StageResult::Passed, false) => "+",
            (StageResult::Failed { .. }, true) => "✗",
            (StageResult::Failed { .. }, false) => "x",
            (StageResult::TimedOut { .. } | StageResult::Interrupted, _) => "!",
            (StageResult::Skipped { .. }, true) => "·",
            (StageResult::Skipped { .. }, false) => "-",
        }
    }

    fn tone_symbol(&self, tone: Tone) -> &'static str {
        match (tone, self.unicode) {
            (Tone::Good, true) => "✓",
            (Tone::Good, false) => "+",
            (Tone::Bad, true) => "✗",
            (Tone::Bad, false) => "x",
            (Tone::Warn, _) => "!",
            (Tone::Calm, true) => "·",
            (Tone::Calm, false) => "-",
        }
    }

    fn paint(&self, tone: Tone, text: &str) -> String {
        let style = Style::new();
        self.styled(
            match tone {
                Tone::Good => style.fg_color(Some(AnsiColor::Green.into())),
                Tone::Bad => style.fg_color(Some(AnsiColor::Red.into())),
                Tone::Warn => style.fg_color(Some(AnsiColor::Yellow.into())),
                Tone::Calm => style.dimmed(),
            },
            text,
        )
    }

    fn bold(&self, text: &str) -> String {
        self.styled(Style::new().bold(), text)
    }

    fn dim(&self, text: &str) -> String {
        self.styled(Style::new().dimmed(), text)
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if self.ansi && !text.is_empty() { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// `text` in at most `columns` columns; where it is longer, its end is replaced by `…` or `...`.
    fn cut(&self, text: &str, columns: usize) -> String {
        if text.width() <= columns {
            return text.to_owned();
        }
        let mark = if self.unicode { "…" } else { "..." };
        let room = columns.saturating_sub(mark.width());
        let mut used = 0;
        let kept: String = text
            .chars()
            .take_while(|c| {
                used += c.width().unwrap_or(0);
                used <= room
            })
            .collect();
        format!("{}{mark}", kept.trim_end())
    }

    /// A label in its column, and a value wrapped beside it.
    fn labelled(&self, out: &mut String, label: &str, value: &str) {
        self.wrapped(out, &format!("  {label:<16}"), value, str::to_owned);
    }

    /// `text` wrapped at blanks, `first` before its first line and as many blanks before the others.
    fn wrapped(&self, out: &mut String, first: &str, text: &str, paint: impl Fn(&str) -> String) {
        let indent = first.width();
        let mut before = first.to_owned();
        for text in wrap(text, self.columns().saturating_sub(indent)) {
            let _ = writeln!(out, "{before}{}", paint(&text));
            before = " ".repeat(indent);
        }
    }
}

/// `text` in lines of at most `columns` columns, 20 at least, broken at blanks; a longer word stays whole. One line
/// at least.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let room = columns.max(20);
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let Some(current) = lines.last_mut() else { break };
        if current.is_empty() {
            current.push_str(word);
        } else if current.width() + 1 + word.width() <= room {
            current.push(' ');
            current.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
