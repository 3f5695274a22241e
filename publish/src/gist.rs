//! What a notice says in pieces, for messages and mails: the words are those of [`crate::notice_words`]. No I/O, no
//! markup.

use patchlift_report::clean::line;
use patchlift_report::comparison::{Change, Compared};
use patchlift_report::words::{self, LINE_MAX, Tone, counted};
use patchlift_report::{Fault, Report, TestStatus};

use crate::notice::{Notice, Standing};
use crate::notice_words::{Words, words};

/// What a notice says. Every text is clean single lines, and not yet escaped for the place it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gist {
    /// Whether that is good.
    pub tone: Tone,
    /// A sign for it.
    pub symbol: &'static str,
    /// Where it stands in a few words: `Does not boot`, `Waits for a free box`.
    pub state: String,
    /// What happened, a fragment that follows the state and a colon; may be empty.
    pub what: String,
    /// What was tested on what and what failed, in sentences; may be empty.
    pub more: String,
    /// What happened as a sentence, unless the other sentences or the reasons say it too, and those sentences.
    pub sentences: String,
    /// Reasons, one each, where there may be several; may be empty.
    pub reasons: Vec<String>,
    /// Whose fault it is, one sentence; empty where nothing has been found yet.
    pub blame: String,
    /// Who has to act, and what they have to do, in sentences; may be empty.
    pub who_acts: String,
}

/// Most reasons that are listed: a series is tried on a handful of bases.
const REASONS_MAX: usize = 10;

impl Gist {
    fn new(words: Words, symbol: &'static str) -> Self {
        let (state, what) = words.title.split_once(": ").unwrap_or((&words.title, ""));
        let (blame, who_acts) = match words.who.split_once(". ") {
            Some((blame, who_acts)) => (format!("{blame}."), who_acts),
            // Nothing has been found yet that could be anybody's fault.
            None => (String::new(), words.who.as_str()),
        };
        let more = line(&words.what, words::SUMMARY_MAX);
        Self {
            tone: words.tone,
            symbol,
            state: state.trim_end_matches(':').to_owned(),
            what: what.trim_end_matches('.').to_owned(),
            sentences: more.clone(),
            more,
            reasons: words.list.iter().take(REASONS_MAX).map(|reason| line(reason, LINE_MAX)).collect(),
            blame,
            who_acts: who_acts.to_owned(),
        }
    }
}

/// As the beginning of a sentence; a file's or a function's name keeps its letters.
fn capital(text: &str) -> String {
    let first = text.split(' ').next().unwrap_or_default();
    let mut rest = text.chars();
    match rest.next() {
        Some(c) if first.chars().all(char::is_alphabetic) => c.to_uppercase().chain(rest).collect(),
        _ => text.to_owned(),
    }
}

impl Notice {
    /// What it says.
    pub fn gist(&self) -> Gist {
        let words = words(self);
        let symbol = match self.standing {
            Standing::Held { .. } => "✋",
            Standing::Waiting | Standing::Testing => "⏳",
            _ => words.tone.symbol(),
        };
        let gist = Gist::new(words, symbol);
        let said_twice = matches!(self.standing, Standing::AlreadyApplied { .. } | Standing::Pushed);
        if gist.what.is_empty() || !gist.reasons.is_empty() || said_twice {
            return gist;
        }
        Gist { sentences: format!("{}. {}", capital(&gist.what), gist.more), ..gist }
    }

    /// Its version, its size and its author: `v2, 2 patches, by Ada Author`.
    pub fn shown_size(&self) -> String {
        let author = match line(&self.author, 80) {
            name if name.is_empty() => line(&self.author_address, 80),
            name => name,
        };
        format!("v{}, {}, by {author}", self.version, counted(self.patches.len(), "patch", "patches"))
    }

    /// What it is put on: `powerpc/next at 0123456789ab (named as base-commit)`.
    pub fn shown_base(&self) -> Option<String> {
        let commits = self.commits.as_ref()?;
        let why = line(&commits.base_why, 120);
        let why = if why.is_empty() { why } else { format!(" ({why})") };
        let at = patchlift_report::clean::short_hex(&commits.base_commit);
        Some(format!("{} at {at}{why}", line(&commits.base, 80)))
    }

    /// The box it is or was tested on.
    pub fn shown_box(&self) -> Option<String> {
        let machine = self.report.as_ref().map(|report| &report.machine);
        let name = machine.map(|machine| line(&machine.name, 80)).filter(|name| !name.is_empty());
        let name = name.or_else(|| self.on.as_ref().map(|name| line(name, 80)))?;
        let model = machine.map(|machine| line(&machine.model, 80)).filter(|model| !model.is_empty());
        Some(model.map_or(name.clone(), |model| format!("{name}, {model}")))
    }
}

/// How many tests of the series passed and failed: `1 passed, 2 failed, 1 of them new`. None where the run did not
/// get as far as testing.
pub fn tests_in_one_line(report: &Report) -> Option<String> {
    let rows = report.compared_tests();
    if rows.is_empty() {
        return None;
    }
    let count = |wanted: &dyn Fn(&Compared<'_>) -> bool| rows.iter().filter(|row| wanted(row)).count();
    let status = |row: &Compared<'_>| row.series.map(|test| test.status);
    let passed = count(&|row| matches!(status(row), Some(TestStatus::Pass | TestStatus::Warn)));
    let bad = count(&failed);
    let mut text = format!("{passed} passed, {bad} failed");
    match count(&|row| failed(row) && is_new(row)) {
        _ if bad == 0 || report.baseline.is_none() => {}
        0 => text.push_str(" as on the base"),
        new if new == bad => text.push_str(", not so on the base"),
        new => text.push_str(&format!(", {new} of them new")),
    }
    match rows.len() - passed - bad {
        0 => {}
        silent => text.push_str(&format!(", {silent} without a result")),
    }
    Some(text)
}

fn failed(row: &Compared<'_>) -> bool {
    let status = row.series.map(|test| test.status);
    matches!(status, Some(TestStatus::Fail | TestStatus::Error | TestStatus::Interrupted))
}

/// Whether the base has no such failure, as far as is known.
fn is_new(row: &Compared<'_>) -> bool {
    match row.change {
        Change::NewFailure | Change::Lost => true,
        Change::NotOnBase | Change::BaseUnknown => failed(row),
        Change::Same | Change::KnownFailure | Change::Fixed => false,
    }
}

/// What fails and does not fail on the base, a line each: tests, or else the stage that decided. Empty unless the
/// series is to blame.
pub fn new_failures(report: &Report) -> Vec<String> {
    if report.verdict.fault() != Some(Fault::Series) {
        return Vec::new();
    }
    let rows = report.compared_tests();
    let tests: Vec<_> = rows.iter().filter(|row| is_new(row)).map(one_failure).collect();
    if !tests.is_empty() {
        return tests;
    }
    let stage = report.decisive_stage().into_iter();
    stage.map(|stage| format!("{}: {}", stage.name.in_words(), words::stage_reason(&stage.result))).collect()
}

fn one_failure(row: &Compared<'_>) -> String {
    let name = line(row.name, 160);
    let reason = row.series.map(|test| line(&test.reason, LINE_MAX)).filter(|reason| !reason.is_empty());
    match (row.series, reason) {
        (None, _) => format!("{name}: {}", words::change(row.change)),
        (Some(test), None) => format!("{name}: {}", words::test_status(test.status)),
        (Some(_), Some(reason)) => format!("{name}: {reason}"),
    }
}
