//! Ends a run before its time. Its last steps bring the box back, so the box is kept until GitHub says that the run is
//! over, or until it was ended by force.

use std::time::Duration;

use super::{github, looked_at};
use crate::bridge::ledger::{Change, Stand};
use crate::bridge::site::{Site, StepError};
use crate::bridge::start::{find, may_still_show, poll_of};
use crate::github::{GitHub, GitHubError, RunId};
use crate::record::decide::in_words;
use crate::record::state::{Run, Stopping};
use crate::record::{Event, Record, State};

/// How far the end of a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// It was just asked to end.
    Asked,
    /// It was asked, and still goes on.
    Waits,
    /// It did not end by itself, and was ended by force.
    Forced,
    /// It is not there any more.
    Gone,
}

/// Asks for the end of a run that is not over; by force where it was asked long ago. Why is saved before: whoever finds
/// the run cancelled after a crash knows that it was us.
pub(super) async fn stop(
    site: &Site,
    github: &GitHub,
    record: &mut Record,
    run: &mut Run,
    why: &str,
) -> Result<Stop, StepError> {
    let Some(id) = run.id else { return Ok(Stop::Gone) };
    let now = site.clock.now();
    let known = run.stopping.clone();
    if let Some(stopping) = known.as_ref().filter(|stopping| stopping.taken) {
        if now < stopping.asked + limit(site) {
            return Ok(Stop::Waits);
        }
        return done(github.force_cancel(id).await, Stop::Forced);
    }
    let stopping = known.clone().unwrap_or(Stopping { why: why.to_owned(), asked: now, taken: false });
    run.stopping = Some(stopping.clone());
    if known.is_none() && !save(site, record, run).await? {
        return Ok(Stop::Waits);
    }
    // Over already is the same: the next look says so.
    let stop = done(github.cancel(id).await, Stop::Asked)?;
    run.stopping = Some(Stopping { asked: now, taken: true, ..stopping });
    Ok(stop)
}

/// A run that somebody deleted has ended, too.
fn done<T>(asked: Result<T, GitHubError>, stop: Stop) -> Result<Stop, StepError> {
    match asked {
        Ok(_) => Ok(stop),
        Err(GitHubError::NotFound { .. }) => Ok(Stop::Gone),
        Err(error) => Err(error.into()),
    }
}

/// Saves the run as it is now. `false`: the series was moved on by something else meanwhile.
async fn save(site: &Site, record: &mut Record, run: &Run) -> Result<bool, StepError> {
    let stand = Stand::of(record);
    match &mut record.state {
        State::Running { run: there, .. } => *there = run.clone(),
        State::Superseded { cancel, .. } | State::Declined { cancel, .. } => *cancel = Some(run.clone()),
        _ => {}
    }
    Ok(site.ledger.commit(stand, Change::of(record.clone(), vec![]), None).await?)
}

fn limit(site: &Site) -> Duration {
    site.config.github.as_ref().map_or(Duration::from_secs(600), |settings| settings.cancel_limit)
}

/// What is said of a run that had to be ended by force.
pub(super) fn forced(site: &Site, id: RunId) -> String {
    format!(
        "run {id} did not end within {} after it was cancelled and was ended by force: its last steps may not have brought the box back",
        in_words(limit(site))
    )
}

/// Cancels the run of a series that nobody wants any more, step by step.
pub(in crate::bridge) async fn cancel(site: &Site, mut record: Record) -> Result<Change, StepError> {
    let Some(mut run) = record.state.run().cloned() else { return Ok(Change::of(record, vec![])) };
    let github = github(site)?;
    let now = site.clock.now();
    let Some(id) = number(site, github, &run).await? else {
        if run.asked.is_some_and(|asked| may_still_show(site, asked)) {
            record.due = Some(now + poll_of(site));
            return Ok(Change::of(record, vec![]));
        }
        return Ok(given_back(record, "its run had not begun".to_owned()));
    };
    if site.only_says(|| format!("{}: cancel run {id}", record.key)) {
        record.due = None;
        return Ok(Change::of(record, vec![]));
    }
    run.id = Some(id);
    let view = looked_at(site, github, &run, id).await?;
    if view.is_none_or(|view| view.is_over()) {
        return Ok(given_back(record, format!("run {id} is over")));
    }
    let event = match stop(site, github, &mut record, &mut run, "nobody wants it any more").await? {
        Stop::Asked => Some(Event::Noted { words: format!("run {id} cancelled") }),
        Stop::Waits => None,
        Stop::Forced => return Ok(given_back(record, forced(site, id))),
        Stop::Gone => return Ok(given_back(record, format!("run {id} is gone"))),
    };
    if let State::Superseded { cancel, .. } | State::Declined { cancel, .. } = &mut record.state {
        *cancel = Some(run);
    }
    record.trouble = None;
    record.due = Some(now + poll_of(site));
    Ok(Change::of(record, event.into_iter().collect()))
}

/// The run's number; `None`: there is none under its name.
async fn number(site: &Site, github: &GitHub, run: &Run) -> Result<Option<RunId>, GitHubError> {
    match (run.id, run.asked) {
        // A dry run asks for nothing that only looks further.
        _ if site.dry.is_some() => Ok(run.id),
        (Some(id), _) => Ok(Some(id)),
        // It may have been asked for in the very moment it was superseded.
        (None, Some(asked)) => Ok(find(github, run, asked).await?.map(|view| view.id)),
        (None, None) => Ok(None),
    }
}

/// Its box is free for others.
fn given_back(mut record: Record, words: String) -> Change {
    if let State::Superseded { cancel, .. } | State::Declined { cancel, .. } = &mut record.state {
        *cancel = None;
    }
    record.due = None;
    record.trouble = None;
    Change::of(record, vec![Event::Noted { words }])
}
