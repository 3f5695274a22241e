//! Check runs of a series without a report: it waits, is at work, or ended without one.

use jiff::Timestamp;
use patchlift_report::markdown::{Page, code};
use patchlift_report::words::{TITLE_MAX, duration};
use patchlift_report::{Fault, StageName};

use super::{Part, Target, over};
use crate::check_run::{CheckAction, CheckRun, CheckRunConclusion as Mark, CheckStatus, SUMMARY_MAX};
use crate::notice::{LiveStage, Notice, Standing};
use crate::notice_words::{self, live_into, stage_in_words, titled};

pub(super) fn whole(notice: &Notice, target: &Target) -> CheckRun {
    let status = match &notice.standing {
        Standing::Waiting => CheckStatus::Queued,
        Standing::Testing => CheckStatus::InProgress,
        Standing::Held { .. } => over(Mark::ActionRequired),
        Standing::Superseded { .. } => over(Mark::Cancelled),
        Standing::Pushed | Standing::AlreadyApplied { .. } => over(Mark::Neutral),
        Standing::Ended { fault: None, .. } => over(Mark::Success),
        Standing::Conflict { .. } => over(Mark::Failure),
        Standing::NotTested { fault: None, .. } => over(Mark::Neutral),
        Standing::Ended { fault: Some(fault), .. } | Standing::NotTested { fault: Some(fault), .. } => {
            over(mark(*fault))
        }
    };
    let title = notice_words::words(notice).title;
    let check = target.check(Part::Whole, status, &title, notice_words::page(notice, SUMMARY_MAX));
    let (began, ended) = match &notice.standing {
        Standing::Testing => (Some(notice.since), None),
        _ => (None, status.conclusion().map(|_| notice.since)),
    };
    let check = check.at(began, ended);
    match &notice.standing {
        Standing::Held { .. } => check.with_button(CheckAction::RUN_TESTS),
        Standing::Ended { .. } | Standing::NotTested { .. } => check.with_button(CheckAction::TEST_AGAIN),
        _ => check,
    }
}

/// Only the series' own fault is a failure.
fn mark(fault: Fault) -> Mark {
    match fault {
        Fault::Series => Mark::Failure,
        Fault::Base | Fault::Infrastructure | Fault::Hardware => Mark::Neutral,
    }
}

/// The steps of the run that is expected, at work, or was. None where no run is.
pub(super) fn steps(notice: &Notice, target: &Target) -> Vec<CheckRun> {
    let runs = match &notice.standing {
        Standing::Waiting
        | Standing::Testing
        | Standing::Ended { .. }
        | Standing::Superseded { .. }
        | Standing::NotTested { .. } => &Part::STEPS[..],
        Standing::Held { .. }
        | Standing::Conflict { .. }
        | Standing::AlreadyApplied { .. }
        | Standing::Pushed => &[],
    };
    runs.iter().map(|part| step(*part, notice, target)).collect()
}

fn step(part: Part, notice: &Notice, target: &Target) -> CheckRun {
    let seen = Seen::new(part, &notice.live);
    let (status, title) = if seen.passed {
        (over(Mark::Success), seen.how_long())
    } else if notice.standing.is_over() {
        seen.left(notice)
    } else {
        seen.going_on()
    };
    let ended = status.conclusion().map(|_| seen.ended.unwrap_or(notice.since));
    let mut page = Page::new(SUMMARY_MAX);
    page.text(&format!("{}\n\n{}\n\n", code(&titled(notice), TITLE_MAX), part.in_words()));
    if !seen.stages.is_empty() {
        live_into(&mut page, seen.stages.iter().copied());
    }
    target.check(part, status, &title, page.finish()).at(seen.started, ended)
}

/// What is seen of a part from outside.
struct Seen<'a> {
    /// The stages of the part that began, in order.
    stages: Vec<&'a LiveStage>,
    started: Option<Timestamp>,
    /// When the last of them ended, where all of them did.
    ended: Option<Timestamp>,
    /// All of its stages ended well.
    passed: bool,
}

impl<'a> Seen<'a> {
    fn new(part: Part, live: &'a [LiveStage]) -> Self {
        // A stage that was begun again counts as it is now.
        let newest = |name: &StageName| live.iter().rev().find(|stage| stage.stage == name.slug());
        let stages: Vec<_> = part.stages().iter().filter_map(newest).collect();
        let passed = stages.len() == part.stages().len()
            && stages.iter().all(|stage| stage.ended.is_some() && stage.passed);
        Self {
            started: stages.iter().filter_map(|stage| stage.started).min(),
            ended: stages.iter().map(|stage| stage.ended).max().flatten().filter(|_| passed),
            passed,
            stages,
        }
    }

    fn how_long(&self) -> String {
        let span = self.started.zip(self.ended).map(|(from, to)| to.duration_since(from).as_secs_f64());
        span.map_or_else(|| "Passed".to_owned(), |seconds| format!("Passed in {}", duration(seconds)))
    }

    fn going_on(&self) -> (CheckStatus, String) {
        let Some(last) = self.stages.last() else { return (CheckStatus::Queued, "Not begun".to_owned()) };
        let name = stage_in_words(&last.stage);
        let title = match (last.ended, last.passed) {
            (Some(_), false) => format!("{name} did not pass; the report will say whose fault it is"),
            _ => format!("At work: {name}"),
        };
        (CheckStatus::InProgress, title)
    }

    /// The series is not at work any more, and this part of its run did not come to a good end.
    fn left(&self, notice: &Notice) -> (CheckStatus, String) {
        let why = match &notice.standing {
            Standing::Ended { fault: None, summary } => return (over(Mark::Success), summary.clone()),
            Standing::Superseded { by } => {
                let left = if self.stages.is_empty() { "Not run" } else { "Not run to its end" };
                return (over(Mark::Cancelled), format!("{left}: superseded by {by}"));
            }
            Standing::Ended { summary, .. } => summary.clone(),
            Standing::NotTested { reason, .. } => reason.clone(),
            _ => notice_words::words(notice).title,
        };
        if self.stages.is_empty() {
            (over(Mark::Skipped), format!("Not run: {why}"))
        } else {
            (over(Mark::Neutral), format!("Its end is not known: {why}"))
        }
    }
}
