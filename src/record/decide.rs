//! What comes next for a series, and what a new look at it changes.

use std::time::Duration;

use jiff::Timestamp;
use patchlift_report::Fault;

use super::{Event, Record, State, Trouble};
use crate::backoff;
use crate::listing::Listing;

/// What can be done for a series. Each is taken on its own: save, act, save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Ask the server for it again.
    Look,
    /// Fetch its mails and freeze them.
    Freeze,
    /// Ask policy, then make its commits.
    Apply,
    /// Start its run, or find it.
    Start,
    /// See how its run is getting on.
    Follow,
    /// Cancel its run.
    Cancel,
}

impl Step {
    /// What is being done, a fragment.
    pub fn words(self) -> &'static str {
        match self {
            Self::Look => "looking at it again",
            Self::Freeze => "fetching its mails",
            Self::Apply => "applying it",
            Self::Start => "starting its run",
            Self::Follow => "following its run",
            Self::Cancel => "cancelling its run",
        }
    }
}

/// The step that a series' state asks for. Pushing and choosing a box are done for many series at once, and are none.
pub fn next_step(state: &State) -> Option<Step> {
    match state {
        State::Waiting | State::Settling { .. } => Some(Step::Look),
        State::Whole => Some(Step::Freeze),
        State::Ready => Some(Step::Apply),
        State::Starting { .. } => Some(Step::Start),
        State::Running { .. } => Some(Step::Follow),
        State::Superseded { cancel: Some(_), .. } | State::Declined { cancel: Some(_), .. } => {
            Some(Step::Cancel)
        }
        _ => None,
    }
}

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The shortest time between two looks at one series.
    pub poll: Duration,
    /// Between the two looks that have to agree.
    pub settle: Duration,
    /// An incomplete series is given up after this time.
    pub give_up_after: Duration,
}

/// The longest time between two looks at an incomplete series: held mails are let through by people, within hours.
const LONGEST_LOOK: Duration = Duration::from_secs(6 * 3600);

impl Patience {
    /// When an incomplete series is looked at again: the older it is, the later, as missing mails come soon or never.
    fn next_look(&self, first_seen: Timestamp, now: Timestamp) -> Timestamp {
        let age = Duration::try_from(now.duration_since(first_seen)).unwrap_or_default();
        now + (age / 4).min(LONGEST_LOOK).max(self.poll)
    }
}

/// Is a listed series whole?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wholeness {
    /// All patches are there, each once.
    Whole,
    /// What is missing, in words.
    Missing(String),
    /// Why it makes no series, in words: more mails will not mend it.
    Broken(String),
}

/// More failures in a row than this of a kind that does not pass, and a series is parked.
const LASTING_LIMIT: u32 = 5;

/// More failures in a row than this of any kind, and a series is parked. At an hour each that is most of a day, while
/// its server answers to others.
const ANY_LIMIT: u32 = 24;

impl Record {
    /// Moves the series on, at `now`.
    pub fn enter(&mut self, state: State, words: impl Into<String>, now: Timestamp) -> Event {
        if matches!(self.state, State::Finished { .. }) && !matches!(state, State::Finished { .. }) {
            self.tests += 1;
        }
        if !matches!(state, State::Applied { .. }) {
            self.hold.clear();
        }
        if state.applied().is_some() {
            self.left = None;
        } else if let Some(applied) = self.state.applied() {
            self.left = Some(Box::new(applied.clone()));
        }
        self.state = state;
        self.since = now;
        self.trouble = None;
        self.unposted = None;
        self.due = next_step(&self.state).map(|_| now);
        self.has_news(now);
        Event::Became { state: self.state.word().to_owned(), words: words.into() }
    }

    /// Notes that a step failed; it is tried again later, or the series is parked.
    pub fn fail(&mut self, step: &str, failure: &Failure, now: Timestamp) -> Vec<Event> {
        let trouble = Trouble::after(self.trouble.as_ref(), failure, now);
        let (times, what) = (trouble.times, &failure.what);
        let failed = Event::Failed { step: step.to_owned(), whose: failure.whose, what: what.clone() };
        if !failure.wide && (times >= ANY_LIMIT || (failure.lasting && times >= LASTING_LIMIT)) {
            let reason = format!("{step} failed {times} times: {what}");
            return vec![failed, self.park(reason, now)];
        }
        self.due = Some(now + backoff::after(trouble.in_a_row(), failure.retry_after));
        self.trouble = Some(trouble);
        vec![failed]
    }

    /// Stops all work on the series until somebody asks for it. A run is not left behind with its box: it is cancelled,
    /// or given up where that is what fails.
    pub fn park(&mut self, reason: String, now: Timestamp) -> Event {
        if let State::Superseded { cancel, .. } | State::Declined { cancel, .. } = &mut self.state
            && cancel.take().is_some()
        {
            self.due = None;
            return Event::Noted { words: format!("its run is left alone: {reason}") };
        }
        let live = match &self.state {
            State::Running { run, .. } => Some(run.clone()),
            State::Starting { run, .. } => run.asked.map(|_| run.clone()),
            _ => None,
        };
        if let Some(run) = live {
            return self.enter(State::Declined { reason: reason.clone(), cancel: Some(run) }, reason, now);
        }
        let was = Box::new(self.state.clone());
        self.enter(State::Parked { reason: reason.clone(), was }, reason, now)
    }

    /// Takes over what the server says of the series now.
    pub fn observe(
        &mut self,
        seen: Listing,
        whole: &Wholeness,
        patience: &Patience,
        now: Timestamp,
    ) -> Vec<Event> {
        let ids = |listing: &Listing| listing.patches.iter().map(|patch| patch.id).collect::<Vec<_>>();
        let (before, after) = (ids(&self.listing), ids(&seen));
        match &self.state {
            State::Waiting | State::Settling { .. } => {
                self.listing = seen;
                self.settle(after, whole, patience, now)
            }
            State::GivenUp { .. } if before == after => {
                self.listing = seen;
                if *whole == Wholeness::Whole { self.settle(after, whole, patience, now) } else { vec![] }
            }
            // Its run would test something else than what is shown: looked at again once the run has ended.
            state if before != after && state.run().is_some() && !state.is_final() => vec![],
            State::Superseded { .. } | State::Declined { .. } | State::Parked { .. } => {
                self.listing = seen;
                // Whoever takes it up again gets the patches that are there now.
                if before != after {
                    self.revision += 1;
                    self.forget_text();
                    if let State::Parked { was, .. } = &mut self.state {
                        **was = State::Waiting;
                    }
                }
                vec![]
            }
            _ if before != after => {
                self.listing = seen;
                self.revise(now)
            }
            _ => {
                let renamed = self.listing.name != seen.name;
                self.listing = seen;
                let words =
                    "its cover letter came late: the name changed, the frozen text did not".to_owned();
                if renamed { vec![Event::Noted { words }] } else { vec![] }
            }
        }
    }

    /// A patch was added after the series had been taken: it is another series now.
    fn revise(&mut self, now: Timestamp) -> Vec<Event> {
        self.revision += 1;
        self.forget_text();
        self.queued = None;
        let words = format!("its patches changed at the server: revision {}", self.revision);
        let event = self.enter(State::Waiting, words, now);
        self.left = None;
        vec![event]
    }

    /// What was read of its mails does not count any more.
    pub fn forget_text(&mut self) {
        self.text = None;
        self.hold.clear();
        self.from_json = false;
        self.released = false;
    }

    fn settle(
        &mut self,
        patches: Vec<u64>,
        whole: &Wholeness,
        patience: &Patience,
        now: Timestamp,
    ) -> Vec<Event> {
        if let Wholeness::Missing(what) = whole {
            return self.wait(what, patience, now);
        }
        match &self.state {
            State::Settling { patches: before } if *before == patches => {
                // The listing may show it early; the second look counts only after the settle time.
                if now < self.since + patience.settle {
                    self.due = Some(self.since + patience.settle);
                    return vec![];
                }
                vec![match whole {
                    Wholeness::Broken(why) => {
                        self.enter(State::GivenUp { reason: why.clone() }, why.clone(), now)
                    }
                    _ => self.enter(State::Whole, "seen twice the same", now),
                }]
            }
            _ => {
                let count = patches.len();
                let words =
                    format!("{count} {}, to be seen twice", if count == 1 { "patch" } else { "patches" });
                let event = self.enter(State::Settling { patches }, words, now);
                self.due = Some(now + patience.settle);
                vec![event]
            }
        }
    }

    fn wait(&mut self, what: &str, patience: &Patience, now: Timestamp) -> Vec<Event> {
        if now >= self.first_seen + patience.give_up_after {
            let reason = format!("not whole after {}: {what}", in_words(patience.give_up_after));
            return vec![self.enter(State::GivenUp { reason: reason.clone() }, reason, now)];
        }
        let known = self.trouble.as_ref().is_some_and(|trouble| trouble.what == what);
        let mut events = Vec::new();
        if !known || self.state != State::Waiting {
            events.push(self.enter(State::Waiting, what, now));
        }
        // What is missing is shown where troubles are shown.
        self.trouble =
            Some(Trouble { whose: Fault::Series, what: what.to_owned(), times: 0, outages: 0, last: now });
        self.due = Some(patience.next_look(self.first_seen, now));
        events
    }
}

/// A time span for people: `7 days`, `90 s`.
pub fn in_words(span: Duration) -> String {
    let seconds = span.as_secs();
    let (count, unit) = match seconds {
        s if s >= 2 * 86_400 && s % 86_400 < 3600 => (s / 86_400, "days"),
        s if s >= 2 * 3600 => (s / 3600, "hours"),
        s if s >= 120 => (s / 60, "minutes"),
        s => (s, "s"),
    };
    format!("{count} {unit}")
}

/// A step that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whose fault it is.
    pub whose: Fault,
    /// One line: what happened, and what to do.
    pub what: String,
    /// It will not pass by itself.
    pub lasting: bool,
    /// It is not about this series: the same holds for others. Nothing is parked for it.
    pub wide: bool,
    /// The other side is down: nobody need ask it for a while.
    pub down: bool,
    /// What the other side asked for.
    pub retry_after: Option<Duration>,
}

impl Trouble {
    /// One failure more, after those before it. What fails for everybody says nothing about this series, and is counted
    /// apart.
    pub fn after(before: Option<&Self>, failure: &Failure, now: Timestamp) -> Self {
        let (times, outages) = before.map_or((0, 0), |before| (before.times, before.outages));
        let (times, outages) = if failure.wide { (times, outages + 1) } else { (times + 1, outages) };
        Self { whose: failure.whose, what: failure.what.clone(), times, outages, last: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::SeriesKey;

    const PATIENCE: Patience = Patience {
        poll: Duration::from_secs(60),
        settle: Duration::from_secs(60),
        give_up_after: Duration::from_secs(7 * 86_400),
    };

    fn listing(patches: &[u64]) -> Listing {
        let names: Vec<String> = patches.iter().map(|id| format!("[{id}/3] x")).collect();
        let named: Vec<_> = patches.iter().copied().zip(names.iter().map(String::as_str)).collect();
        Listing { id: 7, total: 3, received_all: patches.len() >= 3, ..Listing::sample(&named) }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn seen(record: &mut Record, patches: &[u64], seconds: i64) -> String {
        let whole =
            if patches.len() < 3 { Wholeness::Missing("2/3 is missing".into()) } else { Wholeness::Whole };
        let events = record.observe(listing(patches), &whole, &PATIENCE, at(seconds));
        events.iter().map(Event::words).collect::<Vec<_>>().join("; ")
    }

    fn fresh() -> Record {
        Record::new(SeriesKey { server: "s".into(), id: 7 }, listing(&[1]), at(0))
    }

    #[test]
    fn a_series_is_taken_when_it_was_whole_twice() {
        let mut record = fresh();
        assert_eq!(seen(&mut record, &[1, 3], 0), "incomplete: 2/3 is missing");
        assert_eq!(record.due, Some(at(60)));
        assert_eq!(seen(&mut record, &[1, 3], 60), "", "said once");
        assert_eq!(seen(&mut record, &[1, 2, 3], 120), "settling: 3 patches, to be seen twice");
        assert_eq!(seen(&mut record, &[1, 2, 3], 130), "", "too early");
        assert_eq!(record.due, Some(at(180)));
        assert_eq!(seen(&mut record, &[1, 2, 3], 180), "received: seen twice the same");
        assert_eq!(next_step(&record.state), Some(Step::Freeze));
    }

    #[test]
    fn a_series_that_changes_between_two_looks_settles_again() {
        let mut record = fresh();
        seen(&mut record, &[1, 2, 3], 0);
        assert_eq!(seen(&mut record, &[1, 2, 4], 60), "settling: 3 patches, to be seen twice");
        assert_eq!(seen(&mut record, &[1, 2], 120), "incomplete: 2/3 is missing");
    }

    #[test]
    fn an_incomplete_series_is_looked_at_ever_more_rarely_and_given_up() {
        let mut record = fresh();
        let mut looks = 0;
        while record.state.word() != "given-up" {
            let due = record.due.unwrap();
            let seconds = due.as_second() - at(0).as_second();
            seen(&mut record, &[1, 3], seconds);
            looks += 1;
            assert!(looks < 100);
        }
        assert!((30..80).contains(&looks), "{looks}");
        assert_eq!(record.due, None);
        assert_eq!(record.state, State::GivenUp { reason: "not whole after 7 days: 2/3 is missing".into() });
        assert_eq!(
            seen(&mut record, &[1, 2, 3], 700_000),
            "incomplete: its patches changed at the server: revision 2",
            "still taken when it becomes whole"
        );
    }

    #[test]
    fn a_late_patch_makes_a_new_revision_but_not_under_a_run() {
        let mut record = fresh();
        let _ = record.enter(State::Ready, "", at(0));
        assert_eq!(
            seen(&mut record, &[1, 2, 3, 4], 9),
            "incomplete: its patches changed at the server: revision 2"
        );
        let _ = record.enter(State::Superseded { by: record.key.clone(), cancel: None }, "", at(0));
        assert_eq!(seen(&mut record, &[1, 2, 3], 9), "");
    }

    #[test]
    fn failures_end_in_a_park_and_never_in_a_spin() {
        let failure = |lasting| Failure {
            whose: Fault::Infrastructure,
            what: "502".into(),
            lasting,
            wide: false,
            down: false,
            retry_after: None,
        };
        for (lasting, most) in [(true, 5), (false, 24)] {
            let mut record = fresh();
            let mut now = at(0);
            for times in 1.. {
                let events = record.fail("fetching its mails", &failure(lasting), now);
                if times == most {
                    assert_eq!(
                        events.last().unwrap().words(),
                        format!("parked: fetching its mails failed {times} times: 502")
                    );
                    break;
                }
                assert!(record.due.unwrap() > now);
                now = record.due.unwrap();
            }
            assert_eq!(record.due, None);
        }
    }
}
