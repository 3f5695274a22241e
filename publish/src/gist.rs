//! What a notice says, in words: the same in a message, in a mail and beside a commit. No I/O, no markup.

use patchlift_report::clean::line;
use patchlift_report::comparison::{Change, Compared};
use patchlift_report::words::{self, LINE_MAX, SUMMARY_MAX, TITLE_MAX, Tone, counted};
use patchlift_report::{Ending, Fault, Report, StageName, TestStatus};

use crate::notice::{LiveStage, Notice, Standing};

/// What a notice says. Every text is clean single lines, and not yet escaped for the place it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gist {
    /// Whether that is good.
    pub tone: Tone,
    /// A sign for it.
    pub symbol: &'static str,
    /// Where it stands in two or three words: `Does not boot`, `Waiting`.
    pub state: &'static str,
    /// What happened, a fragment that follows the state and a colon; never empty.
    pub what: String,
    /// What was tested on what and what failed, in sentences; may be empty.
    pub more: String,
    /// Reasons, one each, where there are several; may be empty.
    pub reasons: Vec<String>,
    /// Whose fault it is, one sentence; empty where nothing has been found yet.
    pub blame: String,
    /// Who has to act, and what they have to do; one sentence; may be empty.
    pub who_acts: String,
}

const NOBODY: &str = "Nobody has to act.";

/// Most reasons that are listed: a series is tried on a handful of bases.
const REASONS_MAX: usize = 10;

impl Gist {
    fn new(tone: Tone, state: &'static str, what: impl Into<String>) -> Self {
        Self {
            tone,
            symbol: tone.symbol(),
            state,
            what: what.into(),
            more: String::new(),
            reasons: Vec::new(),
            blame: String::new(),
            who_acts: String::new(),
        }
    }

    fn symbol(self, symbol: &'static str) -> Self {
        Self { symbol, ..self }
    }

    fn blame(self, blame: &str, who_acts: &str) -> Self {
        Self { blame: blame.to_owned(), who_acts: who_acts.to_owned(), ..self }
    }

    fn reasons(self, reasons: &[String]) -> Self {
        let reasons = reasons.iter().take(REASONS_MAX).map(|reason| line(reason, LINE_MAX)).collect();
        Self { reasons, ..self }
    }
}

impl Notice {
    /// What it says.
    pub fn gist(&self) -> Gist {
        match &self.standing {
            Standing::Held { reasons } => {
                Gist::new(Tone::Calm, "Held", "nothing of it is run before a maintainer has looked at it")
                    .symbol("✋")
                    .reasons(reasons)
                    .blame("Nothing is held against the series.", &held_acts(&self.key))
            }
            Standing::Conflict { tried } => conflict(tried),
            Standing::AlreadyApplied { base } => {
                let what = format!("{} holds it already", line(base, 80));
                Gist::new(Tone::Calm, "Already applied", what).blame("Nothing was tested.", NOBODY)
            }
            Standing::Pushed => Gist::new(
                Tone::Calm,
                "Not tested",
                "its branch is on the mirror; no box is set up to test it",
            )
            .blame("Nothing is held against the series.", NOBODY),
            Standing::Waiting => {
                Gist::new(Tone::Calm, "Waiting", "it is tested as soon as a box is free").symbol("⏳")
            }
            Standing::Testing => Gist::new(Tone::Calm, "Testing", self.live_in_one_line()).symbol("⏳"),
            Standing::Ended { fault, summary } => ended(self, *fault, summary),
            Standing::Superseded { by } => {
                let what = format!("a newer version, {}, took its place", line(by, 80));
                Gist::new(Tone::Calm, "Superseded", what)
                    .blame("Nothing is held against this version.", NOBODY)
            }
            Standing::NotTested { reason, fault } => {
                Gist::new(fault_tone(*fault), "Not tested", some(reason, "no reason was given"))
                    // Whoever decided that knows why, and nobody else can do anything.
                    .blame(fault_blame(*fault), "")
            }
        }
    }

    /// The title of the series, for headings; never empty.
    pub fn shown_title(&self) -> String {
        some(&line(&self.title, TITLE_MAX), "A series without a title")
    }

    /// Its version, its size and its author: `v2, 2 patches, by Ada Author`.
    pub fn shown_size(&self) -> String {
        let author = some(&line(&self.author, 80), &line(&self.author_address, 80));
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

    /// The stage that is at work: `step 5, Boot it once`.
    fn live_in_one_line(&self) -> String {
        match self.live.iter().rposition(|stage| stage.ended.is_none()) {
            Some(at) => format!("step {}, {}", at + 1, self.live[at].in_words()),
            None if self.live.is_empty() => "it has begun".to_owned(),
            None => format!("step {} is over", self.live.len()),
        }
    }
}

impl LiveStage {
    /// The stage's name as people read it.
    pub fn in_words(&self) -> String {
        let known = StageName::ALL.into_iter().find(|name| name.slug() == self.stage);
        known.map_or_else(|| line(&self.stage, 80), |name| name.in_words().to_owned())
    }
}

fn some(text: &str, otherwise: &str) -> String {
    let text = line(text, LINE_MAX);
    if text.trim().is_empty() { otherwise.to_owned() } else { text }
}

fn held_acts(key: &str) -> String {
    let key = line(key, 80);
    format!("A maintainer has to look at it: patchlift release {key}, or patchlift refuse {key}.")
}

fn conflict(tried: &[String]) -> Gist {
    let what = match tried.len() {
        0 => "it fits no base".to_owned(),
        1 => "it does not fit the base that was tried".to_owned(),
        count => format!("it fits none of the {count} bases that were tried"),
    };
    let mut gist = Gist::new(Tone::Bad, "Does not apply", what).reasons(tried).blame(
        "This is the series' fault: it cannot be tested as it is.",
        "The author of the series has to act: rebase it, and send it as a new version.",
    );
    gist.more = "Patches are applied as git am does it. Nothing was built or run.".to_owned();
    gist
}

fn ended(notice: &Notice, fault: Option<Fault>, summary: &str) -> Gist {
    let Some(report) = &notice.report else { return without_report(fault, summary) };
    let ending = report.verdict.ending;
    let what = some(&line(&report.verdict.title, TITLE_MAX), "the report does not say what happened");
    let mut gist = Gist::new(words::ending_tone(ending), words::ending(ending), what);
    gist.more = line(&report.verdict.summary, SUMMARY_MAX);
    gist.blame(words::blame(ending), words::who_acts(ending))
}

fn without_report(fault: Option<Fault>, summary: &str) -> Gist {
    let what = some(summary, "there is no report");
    match fault {
        None => Gist::new(Tone::Good, words::ending(Ending::Passed), what)
            .blame(words::blame(Ending::Passed), words::who_acts(Ending::Passed)),
        Some(fault) => {
            let state = match fault {
                Fault::Series => "Failed",
                Fault::Base => words::ending(Ending::BaseBroken),
                Fault::Infrastructure => words::ending(Ending::Infrastructure),
                Fault::Hardware => words::ending(Ending::Hardware),
            };
            Gist::new(fault_tone(fault), state, what).blame(fault_blame(fault), fault_acts(fault))
        }
    }
}

fn fault_tone(fault: Fault) -> Tone {
    if fault == Fault::Series { Tone::Bad } else { Tone::Warn }
}

fn fault_blame(fault: Fault) -> &'static str {
    match fault {
        Fault::Series => "This is the series' fault.",
        Fault::Base | Fault::Infrastructure | Fault::Hardware => words::blame(Ending::Infrastructure),
    }
}

fn fault_acts(fault: Fault) -> &'static str {
    match fault {
        Fault::Series => "The author of the series has to act.",
        Fault::Base => "Whoever keeps the base has to act.",
        Fault::Infrastructure => "The operator of the lab has to act.",
        Fault::Hardware => "The operator of the box has to look at its hardware.",
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
