//! What was tested, and on what: the same rows in every rendering.

use crate::clean::{line, short_hex, web_url};
use crate::report::Report;
use crate::stage::{Fact, Stage};
use crate::verdict::Ending;
use crate::words::{self, LINE_MAX, counted, duration};

/// Most facts of one stage that are shown.
const FACTS_MAX: usize = 20;

impl Stage {
    /// What the stage found out, as it is shown: clean, commits and build ids by their first digits.
    pub fn shown_facts(&self) -> Vec<Fact> {
        let shown = |value: &str| {
            let id = value.len() >= 40 && value.bytes().all(|b| b.is_ascii_hexdigit());
            if id { short_hex(value) } else { line(value, LINE_MAX) }
        };
        let facts = self.facts.iter().take(FACTS_MAX);
        facts.map(|fact| Fact { label: line(&fact.label, 80), value: shown(&fact.value) }).collect()
    }
}

/// One row: a label and its value. Both are clean single lines, not yet escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is.
    pub label: &'static str,
    /// Its value.
    pub value: String,
    /// How the value is to be shown.
    pub kind: Kind,
}

/// How a value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Words.
    Prose,
    /// An identifier: fixed pitch.
    Code,
    /// A web address that passed [`web_url`].
    Link,
}

fn row(label: &'static str, kind: Kind, value: impl Into<String>) -> Option<Row> {
    let value = line(&value.into(), LINE_MAX);
    (!value.trim().is_empty()).then_some(Row { label, value, kind })
}

impl Report {
    /// The title of the series, for headings; never empty.
    pub fn series_title(&self) -> String {
        let title = line(&self.series.title, words::TITLE_MAX);
        if title.trim().is_empty() { "A series without a title".to_owned() } else { title }
    }

    /// What was tested on what, for the line below a title: `v2, 3 patches, by … on p8-lab-1, POWER8`.
    pub fn tested_in_one_line(&self) -> String {
        let part = |before: &str, text: &str| {
            let text = line(text, 120);
            if text.trim().is_empty() { String::new() } else { format!("{before}{}", text.trim()) }
        };
        // What follows the first comma of a CPU's name are its options.
        let cpu = self.machine.cpu.split(',').next().unwrap_or_default();
        format!(
            "v{}, {}{}{}{}{}",
            self.series.version,
            counted(self.series.patches.len(), "patch", "patches"),
            part(", by ", &self.series.author),
            part(", on top of ", &self.base.branch),
            part(", tested on ", &self.machine.name),
            part(", ", cpu),
        )
    }

    /// What was tested: author, version and size, commits.
    pub fn tested(&self) -> Vec<Row> {
        let series = &self.series;
        let size = counted(series.patches.len(), "patch", "patches");
        let base = match (line(&self.base.branch, LINE_MAX), short_hex(&self.base.commit)) {
            (branch, commit) if branch.is_empty() => commit,
            (branch, commit) if commit.is_empty() => branch,
            (branch, commit) => format!("{branch} at {commit}"),
        };
        let url = series.url.as_deref().and_then(web_url);
        [
            row("Author", Kind::Prose, &series.author),
            row("Series", Kind::Prose, format!("{}, v{}, {size}", line(&series.id, 80), series.version)),
            row("Mails", Kind::Link, url.unwrap_or_default()),
            row("Base", Kind::Code, base),
            row("Tested commit", Kind::Code, short_hex(&self.head)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// What it was tested on: box, kernel, what the base does there, how long it took.
    pub fn tested_on(&self) -> Vec<Row> {
        let machine = &self.machine;
        let kernel = self.kernel.as_ref();
        [
            row("Box", Kind::Prose, joined(&machine.name, &machine.model)),
            row("CPU", Kind::Prose, &machine.cpu),
            row("Kernel", Kind::Code, kernel.map_or("", |kernel| &kernel.release)),
            row("Build id", Kind::Code, kernel.map_or(String::new(), |kernel| short_hex(&kernel.build_id))),
            row("Compiler", Kind::Prose, kernel.map_or("", |kernel| &kernel.compiler)),
            row("Unpatched base", Kind::Prose, self.base_result()),
            row("Run", Kind::Prose, format!("{}, {}", self.began(), duration(self.seconds()))),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// When the run began, to the minute, in UTC.
    fn began(&self) -> String {
        self.started.strftime("%Y-%m-%d %H:%M UTC").to_string()
    }

    fn base_result(&self) -> String {
        let Some(baseline) = &self.baseline else { return "not tested on this box".to_owned() };
        let when = if baseline.made_now {
            "in this run".to_owned()
        } else {
            format!("on {}", baseline.tested.strftime("%Y-%m-%d"))
        };
        match baseline.ending {
            Ending::Passed => format!("passed {when}"),
            ending => {
                let reason = line(&baseline.reason, LINE_MAX);
                let colon = if reason.is_empty() { "" } else { ": " };
                format!("{}{colon}{reason} (tested {when})", words::ending(ending).to_lowercase())
            }
        }
    }
}

fn joined(name: &str, detail: &str) -> String {
    match (name.trim(), detail.trim()) {
        (name, "") => name.to_owned(),
        ("", detail) => detail.to_owned(),
        (name, detail) => format!("{name}, {detail}"),
    }
}
