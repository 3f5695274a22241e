//! The order of those who wait, boxes left aside.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::{Busy, LONG, TOO_LONG, Waiting};
use crate::listing::SeriesKey;

/// A sender's place among the senders; the smallest goes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Rank<'a> {
    /// His oldest series has waited long enough.
    Overdue { since: Timestamp, key: &'a SeriesKey },
    /// His most urgent series, and how many of his run or stand before it.
    Turn { priority: Reverse<i32>, turns: usize, since: Timestamp, key: &'a SeriesKey },
}

/// What one sender waits for.
#[derive(Debug, Default)]
struct Sender<'a> {
    /// Running, or already in the line.
    turns: usize,
    oldest_first: BTreeSet<(Timestamp, &'a SeriesKey)>,
    urgent_first: BTreeSet<(Reverse<i32>, Timestamp, &'a SeriesKey)>,
}

impl<'a> Sender<'a> {
    fn add(&mut self, waiting: &'a Waiting) {
        self.oldest_first.insert((waiting.since, &waiting.key));
        self.urgent_first.insert((Reverse(waiting.priority), waiting.since, &waiting.key));
    }

    /// The series that is his next, and how he ranks with it.
    fn next(&self, now: Timestamp) -> Option<Rank<'a>> {
        let &(since, key) = self.oldest_first.first()?;
        let limit = if self.turns == 0 { LONG } else { TOO_LONG };
        if waited(since, now) >= limit {
            return Some(Rank::Overdue { since, key });
        }
        let &(priority, since, key) = self.urgent_first.first()?;
        Some(Rank::Turn { priority, turns: self.turns, since, key })
    }

    fn take(&mut self, waiting: &'a Waiting) {
        self.turns += 1;
        self.oldest_first.remove(&(waiting.since, &waiting.key));
        self.urgent_first.remove(&(Reverse(waiting.priority), waiting.since, &waiting.key));
    }
}

/// Everybody who waits, first come first. A series that is named twice, or runs already, stands in it once or not.
pub(super) fn of<'a>(waiting: &'a [Waiting], busy: &[Busy], now: Timestamp) -> Vec<&'a Waiting> {
    let mut by_key: BTreeMap<&SeriesKey, &Waiting> = BTreeMap::new();
    for one in waiting {
        let kept = by_key.entry(&one.key).or_insert(one);
        if details(one) < details(kept) {
            *kept = one;
        }
    }
    by_key.retain(|key, _| !busy.iter().any(|busy| busy.key == **key));
    let mut senders: BTreeMap<&str, Sender<'_>> = BTreeMap::new();
    for one in by_key.values() {
        senders.entry(&one.sender).or_default().add(one);
    }
    for one in busy {
        if let Some(sender) = senders.get_mut(one.sender.as_str()) {
            sender.turns += 1;
        }
    }
    let mut ranks: BTreeSet<(Rank<'_>, &str)> =
        senders.iter().filter_map(|(name, sender)| Some((sender.next(now)?, *name))).collect();
    let mut line = Vec::with_capacity(by_key.len());
    while let Some((rank, name)) = ranks.pop_first() {
        let (Rank::Overdue { key, .. } | Rank::Turn { key, .. }) = rank;
        let (Some(sender), Some(&one)) = (senders.get_mut(name), by_key.get(key)) else { continue };
        sender.take(one);
        line.push(one);
        ranks.extend(sender.next(now).map(|rank| (rank, name)));
    }
    line
}

/// What decides between two entries of one series, whichever came first in the input.
fn details(one: &Waiting) -> impl Ord {
    (one.since, Reverse(one.priority), one.sender.as_str(), one.labels.as_slice())
}

fn waited(since: Timestamp, now: Timestamp) -> Duration {
    let millis = now.as_millisecond().saturating_sub(since.as_millisecond());
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
