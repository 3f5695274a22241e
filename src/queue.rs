//! Which series gets which box, and when. Pure.
//!
//! The rules, in this order:
//! 1. A free box is never left idle while a series waits that fits it.
//! 2. Whoever has waited for [`LONG`] and has nothing running goes first, with his oldest series; after [`TOO_LONG`]
//!    also if he has something running. Only one series of a sender at a time, so a flood of old series gets its turn
//!    and no more.
//! 3. Higher priority goes first.
//! 4. Senders take turns: who has fewer series running or before him goes first.
//! 5. Older series go first.
//!
//! Nothing starves: after [`TOO_LONG`] a sender's oldest series has only series before it that have waited longer, and
//! of those there are only so many. `line` puts the series in that order; `boxes` gives them their boxes.

mod boxes;
mod line;

use std::time::Duration;

use jiff::Timestamp;

use crate::listing::SeriesKey;
use crate::record::Record;

/// A box that tests series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestBox {
    /// Its name. [`crate::listing::is_name`] holds.
    pub name: String,
    /// What it is: `power8`, `kvm-hv`. A project's series run on boxes that have all labels the project asks for.
    pub labels: Vec<String>,
}

impl TestBox {
    /// Has it all these labels?
    pub fn fits(&self, labels: &[String]) -> bool {
        labels.iter().all(|label| self.labels.contains(label))
    }
}

/// A series that waits for a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which series.
    pub key: SeriesKey,
    /// Its submitter's address.
    pub sender: String,
    /// Higher is tested earlier.
    pub priority: i32,
    /// Since when it waits.
    pub since: Timestamp,
    /// What its box has to have.
    pub labels: Vec<String>,
}

impl Waiting {
    /// A series that waits, with what its project asks for.
    pub fn of(record: &Record, priority: i32, labels: &[String]) -> Self {
        Self {
            key: record.key.clone(),
            sender: record.listing.submitter.email.clone(),
            priority: record.priority.saturating_add(priority),
            since: record.queued.unwrap_or(record.since),
            labels: labels.to_vec(),
        }
    }
}

/// A box at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    /// The box's name.
    pub on: String,
    /// The series it works on.
    pub key: SeriesKey,
    /// That series' submitter.
    pub sender: String,
    /// Since when.
    pub since: Timestamp,
    /// How long a run usually takes on this box: [`usual`].
    pub usual: Option<Duration>,
}

impl Busy {
    /// The box that a series holds; `None` where it holds none.
    pub fn of(record: &Record, usual: Option<Duration>) -> Option<Self> {
        Some(Self {
            on: record.state.holds()?.to_owned(),
            key: record.key.clone(),
            sender: record.listing.submitter.email.clone(),
            since: record.state.run().and_then(|run| run.started).unwrap_or(record.since),
            usual,
        })
    }
}

/// Where a waiting series stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which series.
    pub key: SeriesKey,
    /// The box it gets now.
    pub on: Option<String>,
    /// Its place in the line, from 1. Who gets a box now stands before all others.
    pub position: usize,
    /// When it will begin, by how long runs usually take; now, for who gets a box now. `None`: nobody can say, or no
    /// box fits it.
    pub expected_start: Option<Timestamp>,
}

/// Who waits so long and has nothing running goes before higher priorities.
pub const LONG: Duration = Duration::from_secs(24 * 3600);

/// Who waits so long goes before higher priorities in any case.
pub const TOO_LONG: Duration = Duration::from_secs(3 * 24 * 3600);

/// Gives the free boxes to those who are first in the line, and everybody else a place in it. The same input in any
/// order gives the same answer, sorted by position.
pub fn order(waiting: &[Waiting], busy: &[Busy], boxes: &[TestBox], now: Timestamp) -> Vec<Place> {
    let line = line::of(waiting, busy, now);
    boxes::places(&line, busy, boxes, now)
}

/// The median of earlier runs' times: one run that hung, or failed in its first minute, does not move it.
pub fn usual(times: &[Duration]) -> Option<Duration> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    // The lower one of two in the middle: a waiting time said too short is corrected on the next look.
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests;
