//! The report as one self-contained HTML page: no script, no request, light and dark, phone and wide screen.
//!
//! The template shows; this module decides what it shows. Strings in the views are clean (see [`crate::clean`])
//! and not yet escaped: the template engine escapes every one of them.

use askama::Template;
use jiff::Timestamp;

use crate::clean::{line, short_hex};
use crate::comparison::Compared;
use crate::console::ConsoleEvent;
use crate::outline::{Kind, Row};
use crate::report::{Report, TestResult};
use crate::stage::{Fact, Lane, Stage, StageResult};
use crate::words::{self, LINE_MAX, Tone};

/// The page's only style sheet.
const CSS: &str = include_str!("../templates/report.css");

/// The source expression that lets the browser take [`CSS`] and no other style; a test compares it.
const CSS_HASH: &str = "sha256-3XB1+M8UEkz+8QS5q5MkUnsOkmK84jMrEDkWbCxLCYs=";

/// Most rows of one table. A page with more of them is of no use to anybody; `report.json` has them all.
const ROWS_MAX: usize = 2000;

/// Most lines of an excerpt or a trace; the contract allows 60.
const EXCERPT_MAX: usize = 120;

/// Most console events; a machine that prints more says nothing new.
const EVENTS_MAX: usize = 200;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    css: &'a str,
    css_hash: &'a str,
    verdict: VerdictView,
    cause: Option<Cause>,
    reproduce: Vec<String>,
    tested: Vec<Row>,
    tested_on: Vec<Row>,
    patches: Vec<PatchView>,
    lanes: Vec<LaneView>,
    tests: Vec<TestView>,
    tests_left: usize,
    events: Vec<EventView>,
    events_left: usize,
    run_id: String,
    generator: String,
    format: u32,
    ended: String,
}

struct VerdictView {
    tone: &'static str,
    symbol: &'static str,
    ending: &'static str,
    title: String,
    series: String,
    tested: String,
    summary: String,
    blame: &'static str,
    who_acts: &'static str,
    box_state: String,
    box_tone: &'static str,
    box_symbol: &'static str,
}

/// What decided: the stage, its reason, the lines that show it.
struct Cause {
    stage: &'static str,
    lane: String,
    reason: String,
    excerpt: String,
}

struct PatchView {
    commit: String,
    subject: String,
}

struct LaneView {
    title: &'static str,
    slug: String,
    total: String,
    /// Why nothing of it was run, where nothing was.
    never_ran: Option<String>,
    stages: Vec<StageView>,
}

struct StageView {
    name: &'static str,
    slug: &'static str,
    tone: &'static str,
    symbol: &'static str,
    result: String,
    time: String,
    /// Where the bar begins and how long it is, in per cent of the run.
    bar: (String, String),
    reason: String,
    facts: Vec<Fact>,
    log: String,
    excerpt: String,
}

struct TestView {
    name: String,
    tone: &'static str,
    symbol: &'static str,
    status: &'static str,
    time: String,
    base: &'static str,
    change: &'static str,
    change_tone: &'static str,
    reason: String,
    log: String,
}

struct EventView {
    line: u64,
    class: &'static str,
    kind: String,
    text: String,
    place: String,
    at: String,
    fingerprint: String,
    trace: String,
    open: bool,
}

impl Report {
    /// The report as one HTML page that needs nothing else: styles are inline, there is no script, and the
    /// page's content security policy forbids every request.
    pub fn to_html(&self) -> String {
        let tests = self.compared_tests();
        let decisive = self.decisive_event();
        let page = Page {
            css: CSS,
            css_hash: CSS_HASH,
            verdict: verdict_view(self),
            cause: cause(self),
            reproduce: self
                .reproduce
                .iter()
                .take(EXCERPT_MAX)
                .map(|command| line(command, LINE_MAX))
                .collect(),
            tested: self.tested(),
            tested_on: self.tested_on(),
            patches: self.series.patches.iter().take(ROWS_MAX).map(PatchView::new).collect(),
            lanes: self.lanes().into_iter().filter_map(|lane| lane_view(self, lane)).collect(),
            tests: tests.iter().take(ROWS_MAX).map(TestView::new).collect(),
            tests_left: tests.len().saturating_sub(ROWS_MAX),
            events: (self.events.iter().take(EVENTS_MAX).enumerate())
                .map(|(index, event)| EventView::new(event, decisive == Some(index)))
                .collect(),
            events_left: self.events.len().saturating_sub(EVENTS_MAX),
            run_id: line(&self.run_id, LINE_MAX),
            generator: line(&self.generator, LINE_MAX),
            format: self.format,
            ended: self.ended.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        };
        page.render().expect("a template written into a string has nothing that can fail")
    }
}

fn verdict_view(report: &Report) -> VerdictView {
    let ending = report.verdict.ending;
    let (tone, box_tone) = (words::ending_tone(ending), words::box_tone(report));
    VerdictView {
        tone: tone.slug(),
        symbol: tone_symbol(tone),
        ending: words::ending(ending),
        title: line(&report.verdict.title, words::TITLE_MAX),
        series: report.series_title(),
        tested: report.tested_in_one_line(),
        summary: line(&report.verdict.summary, words::SUMMARY_MAX),
        blame: words::blame(ending),
        who_acts: words::who_acts(ending),
        box_state: words::box_state(report),
        box_tone: box_tone.slug(),
        box_symbol: tone_symbol(box_tone),
    }
}

fn cause(report: &Report) -> Option<Cause> {
    let stage = report.decisive_stage()?;
    // The trace of the decisive event stands right below, open: what it shows is not shown twice.
    let trace = report.decisive_event().map_or(&[][..], |index| &report.events[index].trace);
    let shown_below = stage.excerpt.iter().all(|text| trace.contains(text));
    Some(Cause {
        stage: stage.name.in_words(),
        lane: stage.lane.to_string(),
        reason: words::stage_reason(&stage.result),
        excerpt: if shown_below { String::new() } else { excerpt(&stage.excerpt) },
    })
}

fn lane_view(report: &Report, lane: Lane) -> Option<LaneView> {
    let cause = report.decisive_stage();
    let stages: Vec<_> = report
        .lane(lane)
        .map(|stage| StageView::new(stage, report, cause.is_some_and(|cause| std::ptr::eq(cause, stage))))
        .collect();
    let total = report.lane(lane).map(Stage::seconds).sum();
    (!stages.is_empty()).then(|| LaneView {
        title: words::lane(lane),
        slug: lane.to_string(),
        total: words::duration(total),
        never_ran: report.why_lane_never_ran(lane),
        stages,
    })
}

impl PatchView {
    fn new(patch: &crate::Patch) -> Self {
        Self { commit: short_hex(&patch.commit), subject: line(&patch.subject, LINE_MAX) }
    }
}

impl StageView {
    fn new(stage: &Stage, report: &Report, shown_above: bool) -> Self {
        let tone = words::stage_tone(&stage.result);
        let skipped = matches!(stage.result, StageResult::Skipped { .. });
        Self {
            name: stage.name.in_words(),
            slug: stage.name.slug(),
            tone: tone.slug(),
            symbol: stage_symbol(&stage.result),
            result: words::stage_result(&stage.result),
            time: if skipped { String::new() } else { words::duration(stage.seconds()) },
            bar: if skipped {
                (String::new(), String::new())
            } else {
                bar(stage, report.started, report.seconds())
            },
            reason: words::stage_reason(&stage.result),
            facts: stage.shown_facts(),
            log: line(stage.log.as_deref().unwrap_or_default(), LINE_MAX),
            excerpt: if shown_above { String::new() } else { excerpt(&stage.excerpt) },
        }
    }
}

impl TestView {
    fn new(row: &Compared<'_>) -> Self {
        let word =
            |test: Option<&TestResult>| test.map_or("no result", |test| words::test_status(test.status));
        let tone = words::test_tone(row);
        let text =
            |of: fn(&TestResult) -> &str| row.series.map_or(String::new(), |test| line(of(test), LINE_MAX));
        Self {
            name: line(row.name, LINE_MAX),
            tone: tone.slug(),
            symbol: tone_symbol(tone),
            status: word(row.series),
            time: row
                .series
                .map_or(String::new(), |test| words::duration(words::millis_to_seconds(test.millis))),
            base: word(row.base),
            change: words::change(row.change),
            change_tone: words::change_tone(row.change).slug(),
            reason: text(|test| &test.reason),
            log: text(|test| test.log.as_deref().unwrap_or_default()),
        }
    }
}

impl EventView {
    fn new(event: &ConsoleEvent, decisive: bool) -> Self {
        let place = match (event.lane, event.stage) {
            (Some(lane), Some(stage)) => format!("{lane}, {stage}"),
            (Some(lane), None) => lane.to_string(),
            (None, Some(stage)) => stage.to_string(),
            (None, None) => String::new(),
        };
        Self {
            line: event.line,
            class: words::event_class(event.class),
            kind: line(&event.kind, 80),
            text: line(&event.text, LINE_MAX),
            place,
            at: event.at.map_or(String::new(), |at| at.strftime("%H:%M:%S").to_string()),
            fingerprint: line(event.fingerprint.as_deref().unwrap_or_default(), LINE_MAX),
            trace: excerpt(&event.trace),
            open: decisive,
        }
    }
}

fn excerpt(lines: &[String]) -> String {
    let lines: Vec<_> = lines.iter().take(EXCERPT_MAX).map(|text| line(text, LINE_MAX)).collect();
    lines.join("\n")
}

/// Offset and length of a stage's bar in per cent of a run of `run_s` seconds that began at `began`.
fn bar(stage: &Stage, began: Timestamp, run_s: f64) -> (String, String) {
    let run_s = run_s.max(0.001);
    // Half a per cent is about a pixel on a phone: what took time is seen.
    let length = (100.0 * stage.seconds() / run_s).clamp(0.5, 100.0);
    let offset =
        (100.0 * stage.started.duration_since(began).as_secs_f64() / run_s).clamp(0.0, 100.0 - length);
    (format!("{offset:.1}%"), format!("{length:.1}%"))
}

fn tone_symbol(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "✓",
        Tone::Bad => "✗",
        Tone::Warn => "!",
        Tone::Calm => "–",
    }
}

fn stage_symbol(result: &StageResult) -> &'static str {
    match result {
        StageResult::Passed => "✓",
        StageResult::Failed { .. } => "✗",
        StageResult::TimedOut { .. } | StageResult::Interrupted => "!",
        StageResult::Skipped { .. } => "–",
    }
}
