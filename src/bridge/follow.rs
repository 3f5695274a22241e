//! Follows a run to its end: how its stages get on, why nobody takes it, what it came to, and whether it is run again.
//!
//! `stages` reads its jobs, `ending` says what it came to, `stop` ends one that takes too long or that nobody wants.

mod ending;
mod stages;
mod stop;

use std::time::Duration;

use jiff::Timestamp;
use patchlift_report::Fault;

use self::ending::{Came, came, no_verdict, nobody_there};
use self::stop::Stop;
use super::ledger::Change;
use super::site::{Site, StepError, chain, ours};
use super::start::{may_still_show, poll_of};
use crate::github::{GitHub, GitHubError, RunId, RunView};
use crate::record::decide::in_words;
use crate::record::state::{Applied, Outcome, Run};
use crate::record::{Event, Record, State, Trouble};

pub(super) use self::stop::cancel;

/// A run that ended for a fault of ours is repeated so often.
const ATTEMPTS: u32 = 2;

fn github(site: &Site) -> Result<&GitHub, StepError> {
    site.github.as_ref().ok_or_else(|| ours("there is no [github] in the configuration").into())
}

/// A run as it is now; `None`: somebody deleted it.
async fn looked_at(
    site: &Site,
    github: &GitHub,
    run: &Run,
    id: RunId,
) -> Result<Option<RunView>, GitHubError> {
    match github.run(id).await {
        Ok(view) => Ok(Some(view)),
        // A run that was just asked for may not be readable everywhere yet.
        Err(error @ GitHubError::NotFound { .. })
            if run.asked.is_some_and(|asked| may_still_show(site, asked)) =>
        {
            Err(error)
        }
        Err(GitHubError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Looks how the run of a series is getting on.
pub(super) async fn follow(site: &Site, mut record: Record) -> Result<Change, StepError> {
    let State::Running { applied, run } = record.state.clone() else {
        return Ok(Change::of(record, vec![]));
    };
    let github = github(site)?;
    let Some(id) = run.id else { return Err(ours("the run has no number").into()) };
    let now = site.clock.now();
    let Some(view) = looked_at(site, github, &run, id).await? else {
        let outcome = no_verdict("the run is not there any more: somebody deleted it".to_owned(), now);
        let event = conclude(&mut record, applied, run, outcome, now);
        return Ok(Change::of(record, vec![event]));
    };
    if view.is_over() {
        return finish(github, record, &view, now).await;
    }
    let mut seen = seen(github, run.clone(), view, now).await?;
    let mut events = Vec::new();
    let nobody = nobody_takes(site, github, &seen).await?;
    if let Some(why) = too_long(site, &seen, nobody.as_deref(), now) {
        if site.only_says(|| format!("{}: cancel run {id}", record.key)) {
            record.due = None;
            return Ok(Change::of(record, vec![]));
        }
        match stop::stop(site, github, &mut record, &mut seen, &why).await? {
            Stop::Asked => events.push(Event::Noted { words: format!("run {id} cancelled: {why}") }),
            // What became of one that is gone, the next look says.
            Stop::Waits | Stop::Gone => {}
            Stop::Forced => {
                events.push(Event::Noted { words: stop::forced(site, id) });
                let came = Came::to_nothing(why, now);
                events.push(settle(&mut record, applied, seen, came, now));
                return Ok(Change::of(record, events));
            }
        }
    }
    if run.started.is_none() && seen.started.is_some() {
        events.push(Event::Noted { words: format!("run {id} is at work on {}", seen.on) });
    }
    if seen != run {
        record.state = State::Running { applied, run: seen };
        record.has_news(now);
    }
    events.extend(say_nobody(&mut record, nobody, now));
    record.due = Some(now + poll_of(site));
    Ok(Change::of(record, events))
}

/// A run as GitHub shows it now: its jobs are looked at as soon as one of them may be at work.
async fn seen(github: &GitHub, run: Run, view: RunView, now: Timestamp) -> Result<Run, GitHubError> {
    let mut seen = Run { url: view.url.or(run.url.clone()), status: view.status, ..run };
    if seen.status == "in_progress" {
        let jobs = github.jobs(view.id).await?;
        if let Some(job) = stages::on_the_box(&jobs, &seen.on) {
            seen.started = seen.started.or_else(|| stages::began(job, now));
            seen.live = stages::live(job);
        }
    }
    Ok(seen)
}

/// Why no runner takes a run that has waited for a while; `None`: nothing is known that keeps one from it.
async fn nobody_takes(site: &Site, github: &GitHub, run: &Run) -> Result<Option<String>, GitHubError> {
    if run.started.is_some() || run.asked.is_none_or(|asked| may_still_show(site, asked)) {
        return Ok(None);
    }
    match github.runners().await {
        Ok(runners) => Ok(nobody_there(runners.as_deref(), &run.on)),
        // It is only asked to say more.
        Err(error) if error.retry_after().is_none() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Shows that nobody takes a run where troubles are shown, and in its history once.
fn say_nobody(record: &mut Record, nobody: Option<String>, now: Timestamp) -> Option<Event> {
    let Some(what) = nobody else {
        record.trouble = None;
        return None;
    };
    let known = record.trouble.as_ref().is_some_and(|trouble| trouble.what == what);
    let trouble =
        Trouble { whose: Fault::Infrastructure, what: what.clone(), times: 0, outages: 0, last: now };
    record.trouble = Some(trouble);
    (!known).then_some(Event::Noted { words: what })
}

/// Why a run is to be ended, where it takes too long or is being ended already.
fn too_long(site: &Site, run: &Run, nobody: Option<&str>, now: Timestamp) -> Option<String> {
    if let Some(stopping) = &run.stopping {
        return Some(stopping.why.clone());
    }
    let settings = site.config.github.as_ref()?;
    let since = |then: Timestamp| Duration::try_from(now.duration_since(then)).unwrap_or_default();
    match run.started {
        Some(started) if since(started) > settings.run_limit => {
            Some(format!("the run did not end within {}", in_words(settings.run_limit)))
        }
        None if run.asked.is_some_and(|asked| since(asked) > settings.queued_limit) => {
            let why = nobody.map_or_else(
                || format!("see whether the runner with the label {} is online", run.on),
                str::to_owned,
            );
            Some(format!("no runner took the run within {}: {why}", in_words(settings.queued_limit)))
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
    let (report, came) = match github.report(view.id).await {
        Ok(report) => {
            let jobs = if report.is_none() { github.jobs(view.id).await? } else { vec![] };
            let came = came(report.as_deref(), view, &jobs, &applied, &run, now);
            (report, came)
        }
        Err(error) if error.is_final() => (None, Came::to_nothing(chain(&error), now)),
        Err(error) => return Err(error.into()),
    };
    // How long a box takes is learnt from runs that were at work.
    let started = run.started.or(view.started.filter(|_| came.outcome.reported));
    let run = Run { status: view.status.clone(), started, ..run };
    let event = settle(&mut record, applied, run, came, now);
    Ok(Change { report, ..Change::of(record, vec![event]) })
}

/// There is a verdict, or it is run once more.
fn settle(record: &mut Record, applied: Applied, run: Run, came: Came, now: Timestamp) -> Event {
    if came.may_pass && run.attempt < ATTEMPTS {
        again(record, applied, &run, &came.outcome, now)
    } else {
        conclude(record, applied, run, came.outcome, now)
    }
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
    // Unique: the same series on the same base may be tested again later.
    let run_key = format!("{}-{tip}-{}", key.replace('/', "-"), now.as_millisecond());
    Run::new(run_key, on, attempt)
}

fn conclude(record: &mut Record, applied: Applied, run: Run, outcome: Outcome, now: Timestamp) -> Event {
    let words = outcome.summary.clone();
    record.queued = None;
    record.enter(State::Finished { applied, run, outcome }, words, now)
}
