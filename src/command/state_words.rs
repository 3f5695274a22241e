//! Where a series stands, in words for people. All that others wrote is made safe to show.

use std::time::Duration;

use jiff::Timestamp;
use patchlift_report::clean;

use crate::intake::completeness;
use crate::queue::Place;
use crate::record::decide::in_words;
use crate::record::state::{Same, Tried};
use crate::record::{Record, State};

/// Every word of [`State::word`], in the order in which `patchlift status` shows them.
pub(super) const STATES: [&str; 20] = [
    "running",
    "starting",
    "queued",
    "held",
    "parked",
    "applied",
    "ready",
    "received",
    "settling",
    "incomplete",
    "failed",
    "no-verdict",
    "passed",
    "conflict",
    "already-applied",
    "pushed",
    "follows",
    "superseded",
    "declined",
    "given-up",
];

/// Longest line of what others wrote.
const MAX: usize = 300;

/// What a series is called: its title, or else what the server calls it.
pub(super) fn title(record: &Record) -> String {
    let name = record.text.as_ref().map(|text| &text.title).or(record.listing.name.as_ref());
    let title = name.map(|name| clean::line(name, MAX)).filter(|title| !title.is_empty());
    let title = title.unwrap_or_else(|| "(no title)".to_owned());
    let version = record.listing.version;
    if version > 1 { format!("{title} (v{version})") } else { title }
}

/// Who sent it.
pub(super) fn author(record: &Record) -> String {
    let sender = &record.listing.submitter;
    clean::line(if sender.name.is_empty() { &sender.email } else { &sender.name }, 60)
}

/// How long ago, or how long from now.
pub(super) fn age(from: Timestamp, to: Timestamp) -> String {
    let span = Duration::try_from(to.duration_since(from)).unwrap_or_default();
    match span.as_secs() / 86_400 {
        days @ 2.. => format!("{days} days"),
        _ => in_words(span),
    }
}

/// What there is to say beyond the state's name, one line; empty where there is nothing.
pub(super) fn detail(record: &Record, place: Option<&Place>, now: Timestamp) -> String {
    let words = match &record.state {
        State::Waiting => completeness(&record.listing).words(),
        State::Settling { .. } => "it looks whole; the same has to be seen once more".to_owned(),
        State::Whole => "its mails are fetched next".to_owned(),
        State::Held { reasons } => {
            format!("{} (patchlift release {})", reasons.join("; "), record.key)
        }
        State::Ready => "it is applied next".to_owned(),
        State::Conflicts { tried } => conflict(tried),
        State::AlreadyApplied { base } => format!("{} holds all of it", base.name),
        State::Applied { applied } => format!("on {}; it is pushed next", applied.base.name),
        State::Queued { .. } => place.map_or_else(String::new, |place| queued(place, now)),
        State::Pushed { applied } => format!("branch {}", applied.branch),
        State::Starting { run, .. } => format!("on {}", run.on),
        State::Running { run, .. } => {
            let url = run.url.as_deref().and_then(clean::web_url).unwrap_or_default();
            let status = if run.started.is_some() { "" } else { ", waits for its runner" };
            format!("on {}{status}: {url}", run.on)
        }
        State::Finished { outcome, .. } => outcome.summary.clone(),
        State::Superseded { by, .. } => format!("by {by}"),
        State::Follows { leader, why: Same::CrossPost } => format!("the same mails are tested as {leader}"),
        State::Follows { leader, why: Same::Resend } => format!("the same patches are tested as {leader}"),
        State::Declined { reason, .. } | State::GivenUp { reason } => reason.clone(),
        State::Parked { reason, .. } => format!("{reason} (patchlift retest {})", record.key),
    };
    clean::line(&words, MAX)
}

fn conflict(tried: &[Tried]) -> String {
    let Some((first, others)) = tried.split_first() else { return String::new() };
    let others: Vec<&str> = others.iter().map(|tried| tried.base.name.as_str()).collect();
    let others = if others.is_empty() { String::new() } else { format!("; nor on {}", others.join(", ")) };
    format!("{}: {}{others}", first.base.name, first.what())
}

fn queued(place: &Place, now: Timestamp) -> String {
    let when = match place.expected_start {
        Some(start) if start <= now => "a box is free".to_owned(),
        Some(start) => format!("begins in about {}", age(now, start)),
        None => "nobody can say when it begins".to_owned(),
    };
    format!("number {} in the line, {when}", place.position)
}

/// What keeps its next step or its checks from being done; `None` where all goes well.
pub(super) fn trouble(record: &Record, now: Timestamp) -> Option<String> {
    // A series that is not whole says there what is missing: that is no failure.
    let step = record.trouble.as_ref().filter(|trouble| trouble.in_a_row() > 0);
    let told =
        [(step, ""), (record.unposted.as_ref(), "its checks: ")].into_iter().filter_map(|(trouble, of)| {
            let trouble = trouble?;
            let times = trouble.in_a_row();
            let times = if times > 1 { format!(", {times} times") } else { String::new() };
            Some(format!("{of}{} ({} ago{times})", clean::line(&trouble.what, MAX), age(trouble.last, now)))
        });
    let told: Vec<String> = told.collect();
    let next = record.wakes().filter(|next| *next > now).map(|next| format!("; again in {}", age(now, next)));
    (!told.is_empty()).then(|| told.join("; ") + &next.unwrap_or_default())
}
