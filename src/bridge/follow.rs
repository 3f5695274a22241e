//! Follows a run to its end, and cancels one that nobody wants any more.

use std::time::Duration;

use jiff::Timestamp;
use patchlift_report::{Fault, Report};

use super::ledger::Change;
use super::site::{Site, StepError, ours};
use super::start::{may_still_show, poll_of};
use crate::github::{GitHub, GitHubError, RunView};
use crate::record::decide::in_words;
use crate::record::state::{Applied, Outcome, Run};
use crate::record::{Event, Record, State, Whose};

/// A run that ended for a fault of ours is repeated so often.
const ATTEMPTS: u32 = 2;

fn github(site: &Site) -> Result<&GitHub, StepError> {
    site.github.as_ref().ok_or_else(|| ours("there is no [github] in the configuration").into())
}

/// Looks how the run of a series is getting on.
pub(super) async fn follow(site: &Site, mut record: Record) -> Result<Change, StepError> {
    let State::Running { applied, run } = record.state.clone() else {
        return Ok(Change::of(record, vec![]));
    };
    let github = github(site)?;
    let Some(id) = run.id else { return Err(ours("the run has no number").into()) };
    let now = site.clock.now();
    let view = match github.run(id).await {
        Ok(view) => view,
        // A run that was just asked for may not be readable everywhere yet.
        Err(error @ GitHubError::NotFound { .. })
            if run.asked.is_some_and(|asked| may_still_show(site, asked)) =>
        {
            return Err(error.into());
        }
        Err(GitHubError::NotFound { .. }) => {
            let outcome = no_verdict("the run is not there any more: somebody deleted it".to_owned(), now);
            let event = conclude(&mut record, applied, run, outcome, now);
            return Ok(Change::of(record, vec![event]));
        }
        Err(error) => return Err(error.into()),
    };
    if view.is_over() {
        return finish(github, record, &view, now).await;
    }
    let started = began(github, &run, &view, now).await?;
    if let Some(reason) = too_long(site, &run, started, now) {
        if !site.only_says(|| format!("{}: cancel run {id}", record.key)) {
            github.cancel(id).await?;
        }
        let ended = Run { status: "completed".to_owned(), ..run };
        let event = conclude(&mut record, applied, ended, no_verdict(reason, now), now);
        return Ok(Change::of(record, vec![event]));
    }
    let mut events = Vec::new();
    if (&view.status, started) != (&run.status, run.started) {
        if run.started.is_none() && started.is_some() {
            events.push(Event::Noted { words: format!("run {id} is at work on {}", run.on) });
        }
        let run = Run { status: view.status, started, url: view.url.or(run.url.clone()), ..run };
        record.state = State::Running { applied, run };
        record.publish_at = Some(now);
    }
    record.trouble = None;
    record.due = Some(now + poll_of(site));
    Ok(Change::of(record, events))
}

/// The name of the workflow's job that has the box; the jobs before it run anywhere.
const JOB_ON_THE_BOX: &str = "test";

/// When a runner took the run. GitHub calls a run begun while its jobs still wait for their runners.
async fn began(
    github: &GitHub,
    run: &Run,
    view: &RunView,
    now: Timestamp,
) -> Result<Option<Timestamp>, StepError> {
    if run.started.is_some() || view.status != "in_progress" {
        return Ok(run.started);
    }
    let jobs = github.jobs(view.id).await?;
    let on_the_box = |name: &str| name.to_lowercase().contains(JOB_ON_THE_BOX);
    let taken = jobs.iter().filter(|job| jobs.len() == 1 || on_the_box(&job.name));
    Ok(taken.filter(|job| job.status == "in_progress").map(|job| job.started.unwrap_or(now)).next())
}

fn too_long(site: &Site, run: &Run, started: Option<Timestamp>, now: Timestamp) -> Option<String> {
    let settings = site.config.github.as_ref()?;
    let since = |then: Timestamp| Duration::try_from(now.duration_since(then)).unwrap_or_default();
    match started {
        Some(started) if since(started) > settings.run_limit => {
            Some(format!("the run did not end within {}", in_words(settings.run_limit)))
        }
        None if run.asked.is_some_and(|asked| since(asked) > settings.queued_limit) => {
            let limit = in_words(settings.queued_limit);
            Some(format!("no runner took the run within {limit}: is the runner of {} online?", run.on))
        }
        _ => None,
    }
}

async fn finish(
    github: &GitHub,
    mut record: Record,
    view: &RunView,
    now: Timestamp,
) -> Result<Change, StepError> {
    let State::Running { applied, run } = record.state.clone() else {
        return Ok(Change::of(record, vec![]));
    };
    let (report, outcome) = match github.report(view.id).await {
        Ok(report) => {
            let outcome = read(report.as_deref(), view, &applied, now);
            (report, outcome)
        }
        Err(error) if error.is_final() => (None, no_verdict(super::site::chain(&error), now)),
        Err(error) => return Err(error.into()),
    };
    let ours = !outcome.passed && outcome.whose == Some(Whose::Infrastructure);
    let run = Run { status: view.status.clone(), started: run.started.or(view.started), ..run };
    let event = if ours && run.attempt < ATTEMPTS {
        again(&mut record, applied, &run, &outcome, now)
    } else {
        conclude(&mut record, applied, run, outcome, now)
    };
    Ok(Change { report, ..Change::of(record, vec![event]) })
}

/// The box is kept for a second run.
fn again(record: &mut Record, applied: Applied, run: &Run, outcome: &Outcome, now: Timestamp) -> Event {
    let next = next_run(&record.key.to_string(), &applied, &run.on, run.attempt + 1, now);
    let words = format!("once more: {}", outcome.summary);
    record.enter(State::Starting { applied, run: next }, words, now)
}

/// A run that is about to be asked for.
pub(super) fn next_run(key: &str, applied: &Applied, on: &str, attempt: u32, now: Timestamp) -> Run {
    let tip = applied.tip.get(..12).unwrap_or(&applied.tip);
    Run {
        // Unique: the same series on the same base may be tested again later.
        run_key: format!("{}-{tip}-{}", key.replace('/', "-"), now.as_millisecond()),
        id: None,
        url: None,
        on: on.to_owned(),
        attempt,
        status: String::new(),
        asked: None,
        started: None,
    }
}

fn conclude(record: &mut Record, applied: Applied, run: Run, outcome: Outcome, now: Timestamp) -> Event {
    let words = outcome.summary.clone();
    record.queued = None;
    record.enter(State::Finished { applied, run, outcome }, words, now)
}

fn no_verdict(summary: String, now: Timestamp) -> Outcome {
    Outcome { passed: false, whose: Some(Whose::Infrastructure), summary, ended: now, reported: false }
}

/// Longest summary that is kept.
const SUMMARY_MAX: usize = 400;

/// What a run came to. Without a readable report on these very commits there is no verdict, whatever GitHub says.
fn read(report: Option<&[u8]>, view: &RunView, applied: &Applied, now: Timestamp) -> Outcome {
    let conclusion = view.conclusion.as_deref().unwrap_or("no conclusion");
    let Some(report) = report else {
        return no_verdict(format!("the run ended ({conclusion}) without a report"), now);
    };
    let report = match Report::from_json(report) {
        Ok(report) => report,
        Err(error) => {
            return no_verdict(
                format!("the run's report cannot be read: {}", super::site::chain(&error)),
                now,
            );
        }
    };
    if report.head != applied.tip && !report.head.is_empty() {
        return no_verdict("the run's report is about another commit".to_owned(), now);
    }
    let ending = report.verdict.ending;
    let whose = ending.fault().map(|fault| match fault {
        Fault::Series => Whose::Series,
        Fault::Base => Whose::Base,
        Fault::Hardware => Whose::Hardware,
        _ => Whose::Infrastructure,
    });
    let passed = whose.is_none() && ending == patchlift_report::Ending::Passed;
    // A pass needs to be about these commits, not about none.
    if passed && report.head != applied.tip {
        return no_verdict("the run's report names no commit".to_owned(), now);
    }
    let summary = patchlift_report::clean::line(&report.verdict.title, SUMMARY_MAX);
    Outcome {
        passed,
        whose: whose.or((!passed).then_some(Whose::Infrastructure)),
        summary,
        ended: now,
        reported: true,
    }
}

/// Cancels the run of a series that nobody wants any more.
pub(super) async fn cancel(site: &Site, mut record: Record) -> Result<Change, StepError> {
    let Some(run) = record.state.run().cloned() else { return Ok(Change::of(record, vec![])) };
    let github = github(site)?;
    let now = site.clock.now();
    let id = match (run.id, run.asked) {
        (Some(id), _) => Some(id),
        // It may have been asked for in the very moment it was superseded.
        (None, Some(asked)) => match github.find_run(&run.run_key, asked).await? {
            Some(view) => Some(view.id),
            None if may_still_show(site, asked) => {
                record.due = Some(now + poll_of(site));
                return Ok(Change::of(record, vec![]));
            }
            None => None,
        },
        (None, None) => None,
    };
    if let Some(id) = id
        && !site.only_says(|| format!("{}: cancel run {id}", record.key))
    {
        match github.cancel(id).await {
            // Somebody deleted it.
            Ok(_) | Err(GitHubError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    match &mut record.state {
        State::Superseded { cancel, .. } | State::Declined { cancel, .. } => *cancel = None,
        _ => {}
    }
    record.due = None;
    record.trouble = None;
    let words = id.map_or("its run had not begun".to_owned(), |id| format!("run {id} cancelled"));
    Ok(Change::of(record, vec![Event::Noted { words }]))
}
