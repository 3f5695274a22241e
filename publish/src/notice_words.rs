//! The fixed sentences about a series that has no report, or none yet, and the page that is made of them. No I/O.

use patchlift_report::clean::{line, short_hex, web_url};
use patchlift_report::markdown::{Page, code, prose};
use patchlift_report::words::{self, LINE_MAX, TITLE_MAX, Tone, counted};
use patchlift_report::{Fault, Report, StageName};

use crate::notice::{LiveStage, Notice, Standing};

/// For whoever never heard of this program.
pub const WHAT_THIS_IS: &str = "patchlift takes patch series from mailing lists, builds each on its base, boots it on \
                                real POWER8 hardware and runs KVM guests there.";

/// Most reasons or bases that are listed.
const LISTED_MAX: usize = 20;

/// What there is to say of where a series stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// How good or bad that is.
    pub tone: Tone,
    /// One line.
    pub title: String,
    /// What happened, in sentences; plain text.
    pub what: String,
    /// Whose fault it is and who has to act, in fixed sentences.
    pub who: String,
    /// What belongs to it, an entry each: reasons, bases that were tried.
    pub list: Vec<String>,
}

const NOT_BLAMED: &str = "Nothing is held against the series. Nobody has to act.";

const NOBODY: &str = "Nobody has to act.";

/// The report that a series' verdict stands on: none while it is tested once more, and none of other commits.
pub fn report_of(notice: &Notice) -> Option<&Report> {
    let head = notice.commits.as_ref().map(|commits| commits.head.as_str());
    let report = notice.report.as_deref().filter(|report| Some(report.head.as_str()) == head);
    report.filter(|_| notice.standing.is_over())
}

/// The words for a notice. Where it has a report, the report's own verdict.
pub fn words(notice: &Notice) -> Words {
    if let Some(report) = report_of(notice) {
        let ending = report.verdict.ending;
        return Words {
            tone: words::ending_tone(ending),
            title: format!("{}: {}", words::ending(ending), line(&report.verdict.title, TITLE_MAX)),
            what: line(&report.verdict.summary, words::SUMMARY_MAX),
            who: format!("{} {}", words::blame(ending), words::who_acts(ending)),
            list: Vec::new(),
        };
    }
    let made = |tone, title: &str, what: &str, who: &str| Words {
        tone,
        title: line(title, TITLE_MAX),
        what: what.to_owned(),
        who: who.to_owned(),
        list: Vec::new(),
    };
    let on = notice.on.as_deref().map_or_else(|| "a box".to_owned(), |on| line(on, 60));
    match &notice.standing {
        Standing::Held { reasons } => held(reasons),
        Standing::Conflict { tried } => conflict(tried),
        Standing::AlreadyApplied { base } => made(
            Tone::Calm,
            &format!("Not tested: {base} holds it already"),
            &format!(
                "{} holds every patch of the series already: there is nothing to test.",
                line(base, 100)
            ),
            NOBODY,
        ),
        Standing::Pushed => made(
            Tone::Calm,
            "Applies; not tested: there is no box for it",
            "The series applies and its branch is there. There is no box to test it on, so nothing is said of whether it works.",
            NOBODY,
        ),
        Standing::Waiting => made(
            Tone::Calm,
            "Waits for a free box",
            "The series applies. It is built, booted and tested as soon as a box is free.",
            NOBODY,
        ),
        Standing::Testing => made(
            Tone::Calm,
            &format!("Testing on {on}: {}", at_work(&notice.live)),
            &format!("The series is being built, booted and tested on {on}."),
            NOBODY,
        ),
        Standing::Ended { fault, summary } => ended(*fault, summary),
        Standing::Superseded { by } => made(
            Tone::Calm,
            &format!("Superseded by {by}"),
            &format!(
                "A newer version took its place: {}. This one is not tested any further.",
                line(by, 100)
            ),
            NOBODY,
        ),
        Standing::NotTested { reason, fault } => Words {
            tone: match fault {
                Some(Fault::Series) => Tone::Bad,
                Some(_) => Tone::Warn,
                None => Tone::Calm,
            },
            ..made(
                Tone::Warn,
                &format!("Not tested: {reason}"),
                "The series was not tested, so nothing is said of whether it works.",
                fault.map_or(NOT_BLAMED, acts),
            )
        },
    }
}

fn held(reasons: &[String]) -> Words {
    let title = match reasons {
        [] => "Waits for a maintainer".to_owned(),
        [reason] => format!("Waits for a maintainer: {reason}"),
        [reason, more @ ..] => {
            let more = counted(more.len(), "more reason", "more reasons");
            format!("Waits for a maintainer: {reason}, and {more}")
        }
    };
    Words {
        tone: Tone::Warn,
        title: line(&title, TITLE_MAX),
        what: "Nothing of the series is run before a maintainer has looked at it. Why:".to_owned(),
        who: "This is not held against the series. A maintainer of this system has to act: let it run, or refuse it."
            .to_owned(),
        list: reasons.to_vec(),
    }
}

fn conflict(tried: &[String]) -> Words {
    let first = tried.first().map_or(String::new(), |first| format!(": {first}"));
    Words {
        tone: Tone::Bad,
        title: line(&format!("Does not apply{first}"), TITLE_MAX),
        what: "The series fits none of the bases that were tried, so nothing was built:".to_owned(),
        who: "This is the series' fault. Its author has to act: rebase it, or send it with the base-commit that it was made on."
            .to_owned(),
        list: tried.to_vec(),
    }
}

fn ended(fault: Option<Fault>, summary: &str) -> Words {
    const NOTHING: &str = "The test came to no result: nothing can be said of the series.";
    let (tone, before, what) = match fault {
        None => (Tone::Good, "Passed", "The series was built, booted and tested."),
        Some(Fault::Series) => {
            (Tone::Bad, "Failed", "The series was tested and failed. There is no report that says more.")
        }
        Some(Fault::Base) => (Tone::Warn, "Base is broken", NOTHING),
        Some(Fault::Infrastructure) => (Tone::Warn, "Lab failed", NOTHING),
        Some(Fault::Hardware) => (Tone::Warn, "Hardware error", NOTHING),
    };
    let who = fault.map_or("No fault was found in the series. Nobody has to act.", acts);
    Words {
        tone,
        title: line(&format!("{before}: {summary}"), TITLE_MAX),
        what: what.to_owned(),
        who: who.to_owned(),
        list: Vec::new(),
    }
}

/// Whose fault it is, and who has to act.
fn acts(fault: Fault) -> &'static str {
    match fault {
        Fault::Series => "This is the series' fault. Its author has to act.",
        Fault::Base => {
            "This is not the author's fault: the base fails without the series. Whoever keeps it has to act."
        }
        Fault::Infrastructure => {
            "This is not the author's fault. Nothing is held against the series. The operator of the lab has to act."
        }
        Fault::Hardware => {
            "This is not the author's fault. Nothing is held against the series. The operator of the box has to act."
        }
    }
}

/// What the run does now.
fn at_work(live: &[LiveStage]) -> String {
    let stage = live.iter().rev().find(|stage| stage.ended.is_none()).or(live.last());
    stage.map_or_else(|| "begins".to_owned(), |stage| stage_in_words(&stage.stage))
}

/// A stage's name as people read it; one that is not known as it is.
pub fn stage_in_words(slug: &str) -> String {
    let known = StageName::ALL.into_iter().find(|name| name.slug() == slug);
    known.map_or_else(|| line(slug, 60), |name| name.in_words().to_owned())
}

/// Puts verdict, blame, what is tested and how far it is on a page of Markdown.
pub fn page(notice: &Notice, max: usize) -> String {
    let mut page = Page::new(max);
    let words = words(notice);
    page.text(&format!("## {} {}\n\n", words.tone.symbol(), prose(&words.title, TITLE_MAX)));
    page.text(&format!("{}\n\n", code(&titled(notice), TITLE_MAX)));
    page.text(&format!("{}\n", prose(&words.what, words::SUMMARY_MAX)));
    if !words.list.is_empty() {
        page.text("\n");
    }
    for entry in words.list.iter().take(LISTED_MAX) {
        page.text(&format!("* {}\n", code(entry, LINE_MAX)));
    }
    // Fixed sentences: nothing in them is anybody else's.
    page.text(&format!("\n**{}**\n", words.who));
    if let Some(report) = report_of(notice) {
        report.cause_into(&mut page);
        report.reproduce_into(&mut page);
        report.tests_into(&mut page);
    }
    page.section("What is tested, on what", |page| {
        page.table(&["", ""], rows(notice).into_iter());
        patches(notice, page);
    });
    if !notice.live.is_empty() {
        page.section("How far it is", |page| live_into(page, notice.live.iter()));
    }
    page.text(&format!("\n{WHAT_THIS_IS}\n"));
    page.finish()
}

/// The title, never empty.
pub(crate) fn titled(notice: &Notice) -> String {
    let title = line(&notice.title, TITLE_MAX);
    if title.trim().is_empty() { "A series without a title".to_owned() } else { title }
}

fn rows(notice: &Notice) -> Vec<Vec<String>> {
    let links = &notice.links;
    let link = |url: &Option<String>| url.as_deref().and_then(web_url).map(|url| format!("<{url}>"));
    let size = counted(notice.patches.len(), "patch", "patches");
    let commits = notice.commits.as_ref();
    let author = format!("{} <{}>", notice.author, notice.author_address);
    let again = if notice.attempt > 1 { format!(", test {}", notice.attempt) } else { String::new() };
    [
        ("Author", Some(code(&author, LINE_MAX))),
        ("Series", Some(code(&format!("{}, v{}, {size}{again}", notice.key, notice.version), LINE_MAX))),
        ("Mails", link(&links.thread)),
        ("Patchwork", link(&links.patchwork)),
        ("Base", notice.shown_base().map(|base| code(&base, LINE_MAX))),
        ("Tested commit", commits.map(|on| code(&short_hex(&on.head), 40))),
        ("Branch", link(&links.branch).or_else(|| commits.map(|on| code(&on.branch, LINE_MAX)))),
        ("Box", notice.on.as_ref().map(|on| code(on, 100))),
        ("Run", link(&links.run)),
        ("All of it", link(&links.page)),
    ]
    .into_iter()
    .filter_map(|(label, value)| Some(vec![label.to_owned(), value?]))
    .collect()
}

fn patches(notice: &Notice, page: &mut Page) {
    if notice.patches.len() > 1 {
        let subjects: Vec<_> = notice.patches.iter().map(|patch| patch.subject.as_str()).collect();
        page.text("\nPatches, in order:\n\n");
        page.fenced("text", &subjects);
    }
}

/// Stages that are seen from outside as a table.
pub(crate) fn live_into<'a>(page: &mut Page, live: impl Iterator<Item = &'a LiveStage>) {
    page.table(&["Stage", "State", "Time"], live.map(live_row));
}

fn live_row(stage: &LiveStage) -> Vec<String> {
    let (tone, state) = match (stage.ended, stage.passed) {
        (None, _) => (Tone::Calm, "at work"),
        (Some(_), true) => (Tone::Good, "passed"),
        (Some(_), false) => (Tone::Warn, "did not pass; the report will say why"),
    };
    let time = stage.started.zip(stage.ended).map_or_else(String::new, |(from, to)| {
        words::duration(to.duration_since(from).as_secs_f64().max(0.0))
    });
    vec![prose(&stage_in_words(&stage.stage), 80), format!("{} {state}", tone.symbol()), time]
}
