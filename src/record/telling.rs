//! What was said of a series at the sinks beside Patchwork.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Record, Trouble};

/// A place where people are told of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sink {
    /// Check runs, or commit statuses, on the mirror's commits.
    GitHub,
    /// A pull request on the mirror.
    PullRequest,
    /// A message in Slack.
    Slack,
    /// A reply by mail.
    Mail,
}

impl Sink {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::GitHub, Self::PullRequest, Self::Slack, Self::Mail];

    /// Its name where `status` says what is down.
    pub fn name(self) -> &'static str {
        match self {
            Self::GitHub => "github-checks",
            Self::PullRequest => "pull-requests",
            Self::Slack => "slack",
            Self::Mail => "mail",
        }
    }

    /// What is being done, in the journal.
    pub fn step(self) -> &'static str {
        match self {
            Self::GitHub => "marking its commits on GitHub",
            Self::PullRequest => "bringing its pull request up to date",
            Self::Slack => "telling Slack of it",
            Self::Mail => "writing a mail about it",
        }
    }

    /// What is being done, a fragment.
    pub fn words(self) -> &'static str {
        match self {
            Self::GitHub => "its checks on GitHub",
            Self::PullRequest => "its pull request",
            Self::Slack => "its message in Slack",
            Self::Mail => "its mail",
        }
    }
}

/// What one sink was told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telling {
    /// [`Record::news`] that was dealt with.
    #[serde(default)]
    pub heard: u64,
    /// SHA-256 of what was said last, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// By what the sink finds it again: its own JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<serde_json::Value>,
    /// Something was about to be said at this time, and what came of it is not known. Written before it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_doubt: Option<Timestamp>,
    /// Nothing is tried before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// What keeps it from being said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// It will never be taken as it is: not tried again until there is something new to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl Record {
    /// Is something to be said of it there now?
    pub fn owes(&self, sink: Sink, now: Timestamp) -> bool {
        let telling = self.tellings.get(&sink);
        let waits = telling.and_then(|telling| telling.not_before);
        let is_heard = telling.map_or(0, |telling| telling.heard) == self.news;
        (!is_heard || waits.is_some()) && waits.is_none_or(|until| until <= now)
    }

    /// When one of these sinks is to be looked after next. `None`: all have heard the newest.
    pub fn next_telling(&self, sinks: &[Sink]) -> Option<Timestamp> {
        let next = |sink: &Sink| {
            let telling = self.tellings.get(sink);
            let waits = telling.and_then(|telling| telling.not_before);
            let is_heard = telling.map_or(0, |telling| telling.heard) == self.news;
            // Long ago is at once.
            waits.or((!is_heard).then_some(Timestamp::UNIX_EPOCH))
        };
        sinks.iter().filter_map(next).min()
    }

    /// Says nothing more there until there is something new to say.
    pub fn hush(&mut self, sink: Sink) {
        let news = self.news;
        let telling = self.tellings.entry(sink).or_default();
        telling.heard = news;
        telling.not_before = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::{Listing, SeriesKey};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn each_sink_hears_all_news_in_its_own_time() {
        let key = SeriesKey { server: "s".into(), id: 7 };
        let mut record = Record::new(key, Listing::sample(&[(1, "x")]), at(0));
        let both = [Sink::GitHub, Sink::Slack];
        assert_eq!(record.next_telling(&both), None, "nothing was said, and nothing is to be");
        record.has_news(at(10));
        assert!(record.owes(Sink::Slack, at(10)) && record.owes(Sink::GitHub, at(10)));
        record.tellings.insert(Sink::GitHub, Telling { heard: record.news, ..Telling::default() });
        let later = Telling { heard: record.news, not_before: Some(at(70)), ..Telling::default() };
        record.tellings.insert(Sink::Slack, later);
        assert!(!record.owes(Sink::GitHub, at(99)) && !record.owes(Sink::Slack, at(69)));
        assert!(record.owes(Sink::Slack, at(70)));
        assert_eq!(record.next_telling(&both), Some(at(70)));
        // More news waits for what is down, and not for others.
        record.has_news(at(20));
        assert!(record.owes(Sink::GitHub, at(20)) && !record.owes(Sink::Slack, at(20)));
        record.hush(Sink::GitHub);
        record.hush(Sink::Slack);
        assert_eq!(record.next_telling(&both), None);
    }
}
