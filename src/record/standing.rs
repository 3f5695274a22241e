//! What people are told of a series, made from its record each time. Pure.

use patchlift_publish::{Commits, Links, LiveStage, Notice, NoticePatch, Standing};
use patchlift_report::{Fault, Report};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::state::{Applied, Tried};
use super::{Record, State};
use crate::mail::subject;

/// Where things are that a notice points at; each address ends where the name of the thing begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Branches of the mirror: `https://github.com/example/linux-ci/tree/`.
    pub branches: Option<String>,
    /// The list's archive, by Message-ID: `https://lore.kernel.org/linuxppc-dev/`.
    pub archive: Option<String>,
    /// The bridge's own pages of series.
    pub pages: Option<String>,
}

/// A Message-ID in a path: what is left as it is, archives leave, too.
const IN_A_PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'@').remove(b'+');

/// What is to be said of a series; `None`: nothing, or nothing new.
pub fn notice(record: &Record, places: &Places, report: Option<Report>) -> Option<Notice> {
    let standing = standing(record)?;
    // What does not apply any more says nothing of commits that were made before.
    let about_commits = !matches!(standing, Standing::Conflict { .. } | Standing::AlreadyApplied { .. });
    let left = record.left.as_deref().filter(|_| about_commits);
    let applied = record.state.applied().or(left).filter(|applied| !applied.held_back);
    let run = record.state.run();
    let first = record.listing.first_mail();
    let message_id = first.map_or(String::new(), |first| first.msgid.clone());
    let branch = applied.and_then(|applied| Some(format!("{}{}", places.branches.as_ref()?, applied.branch)));
    let links = Links {
        patchwork: record.listing.web_url.clone(),
        thread: archived(places, &message_id),
        run: run.and_then(|run| run.url.clone()),
        branch: branch.filter(|_| standing_has_branch(&record.state)),
        page: places.pages.as_ref().map(|pages| format!("{pages}{}", record.key)),
    };
    let submitter = &record.listing.submitter;
    Some(Notice {
        key: record.key.to_string(),
        revision: record.revision,
        attempt: attempt(record),
        title: title(record),
        version: record.listing.version,
        author: if submitter.name.is_empty() { submitter.email.clone() } else { submitter.name.clone() },
        author_address: submitter.email.clone(),
        project: record.listing.project.clone(),
        patches: patches(record, applied),
        message_id,
        links,
        commits: applied.map(commits),
        on: run.map(|run| run.on.clone()),
        standing,
        since: record.since,
        live: run.map(|run| run.live.iter().map(live).collect()).unwrap_or_default(),
        report: report.map(Box::new),
    })
}

/// Which test of the series it is that is spoken of, from 1: the one it waits for, the one that runs, or the last one.
pub fn attempt(record: &Record) -> u32 {
    record.tests + 1
}

fn standing(record: &Record) -> Option<Standing> {
    let promised = !record.tellings.is_empty();
    Some(match &record.state {
        State::Held { reasons } => Standing::Held { reasons: reasons.clone() },
        State::Conflicts { tried } => {
            Standing::Conflict { tried: tried.iter().map(tried_in_words).collect() }
        }
        State::AlreadyApplied { base } => Standing::AlreadyApplied { base: base.shown() },
        State::Pushed { .. } => Standing::Pushed,
        State::Queued { .. } | State::Starting { .. } => Standing::Waiting,
        State::Running { run, .. } if run.started.is_none() => Standing::Waiting,
        State::Running { .. } => Standing::Testing,
        State::Finished { outcome, .. } => {
            let fault = (!outcome.passed).then(|| outcome.whose.unwrap_or(Fault::Infrastructure));
            Standing::Ended { fault, summary: outcome.summary.clone() }
        }
        // Nobody waits for news of a series of which nothing was said.
        State::Superseded { by, .. } if promised => Standing::Superseded { by: by.to_string() },
        State::Declined { reason, .. } | State::GivenUp { reason } if promised => not_tested(reason, None),
        State::Parked { reason, .. } if promised || record.text.is_some() => {
            not_tested(reason, Some(Fault::Infrastructure))
        }
        State::Follows { leader, .. } if promised => {
            not_tested(&format!("the same patches are tested as {leader}"), None)
        }
        State::Waiting if promised => {
            not_tested("its patches changed at the server; it is looked at again when it is whole", None)
        }
        _ => return None,
    })
}

fn not_tested(reason: &str, fault: Option<Fault>) -> Standing {
    Standing::NotTested { reason: reason.to_owned(), fault }
}

/// On the way to being tested, or tested: its branch is on the mirror.
fn standing_has_branch(state: &State) -> bool {
    state.applied().is_some() && !matches!(state, State::Applied { .. })
}

fn tried_in_words(tried: &Tried) -> String {
    format!("{}: {}", tried.base.shown(), tried.what())
}

fn title(record: &Record) -> String {
    let frozen = record.text.as_ref().map(|text| text.title.clone()).filter(|title| !title.is_empty());
    let listed = || record.listing.name.as_deref().map(without_prefix).unwrap_or_default();
    frozen.unwrap_or_else(listed)
}

/// `Fix it` of `[v2,2/3] Fix it`, as a server writes it.
pub fn without_prefix(name: &str) -> String {
    String::from_utf8_lossy(&subject::committed(name.as_bytes())).into_owned()
}

fn patches(record: &Record, applied: Option<&Applied>) -> Vec<NoticePatch> {
    let commit = |at: usize| applied.and_then(|applied| applied.commits.get(at)).cloned();
    let patch = |(at, name): (usize, &str)| NoticePatch { subject: without_prefix(name), commit: commit(at) };
    record.listing.patches.iter().map(|patch| patch.name.as_str()).enumerate().map(patch).collect()
}

fn commits(applied: &Applied) -> Commits {
    Commits {
        head: applied.tip.clone(),
        branch: applied.branch.clone(),
        base: applied.base.name.clone(),
        base_commit: applied.base.commit.clone(),
        base_why: applied.base.why.clone(),
        base_branch: applied.base.branch.clone(),
    }
}

fn live(stage: &super::state::LiveStage) -> LiveStage {
    LiveStage { stage: stage.stage.clone(), started: stage.started, ended: stage.ended, passed: stage.passed }
}

fn archived(places: &Places, message_id: &str) -> Option<String> {
    let archive = places.archive.as_ref().filter(|_| !message_id.is_empty())?;
    Some(format!("{archive}{}", utf8_percent_encode(message_id, IN_A_PATH)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::{Listing, SeriesKey};
    use crate::record::state::{Base, Run};

    fn applied(held_back: bool) -> Applied {
        Applied {
            base: Base { name: "t/next".into(), commit: "b".repeat(40), why: "x".into(), branch: None },
            passed_over: vec![],
            tip: "a".repeat(40),
            tree: "c".repeat(40),
            commits: vec!["a".repeat(40)],
            branch: "series/s/7".to_owned(),
            held_back,
        }
    }

    fn queued(now: jiff::Timestamp) -> Record {
        let key = SeriesKey { server: "s".into(), id: 7 };
        let mut record = Record::new(key, Listing::sample(&[(1, "[PATCH] fix it")]), now);
        let applied = applied(false);
        let _ = record.enter(State::Queued { applied }, "", now);
        record.tellings.insert(crate::record::Sink::Slack, crate::record::Telling::default());
        record
    }

    /// Whoever was told that it waits is told what became of it, wherever it goes from there.
    #[test]
    fn nothing_that_was_said_is_left_waiting() {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let leader = SeriesKey { server: "s".into(), id: 3 };
        let same = crate::record::state::Same::Resend;
        let reason = "2/3 is missing".to_owned();
        for (state, part) in [
            (State::Follows { leader: leader.clone(), why: same }, "tested as s/3"),
            (State::GivenUp { reason: reason.clone() }, "2/3 is missing"),
            (State::Waiting, "its patches changed"),
            (State::Declined { reason: "not now".to_owned(), cancel: None }, "not now"),
        ] {
            let mut record = queued(now);
            let _ = record.enter(state, "", now);
            let said = notice(&record, &Places::default(), None).unwrap();
            let Standing::NotTested { reason, fault } = &said.standing else { panic!("{said:?}") };
            assert!(reason.contains(part) && fault.is_none(), "{reason}");
            record.tellings.clear();
            assert_eq!(notice(&record, &Places::default(), None), None, "nobody waits for news of it");
        }
        let mut record = queued(now);
        let _ = record.enter(State::Superseded { by: leader, cancel: None }, "", now);
        let said = notice(&record, &Places::default(), None).unwrap();
        assert!(matches!(said.standing, Standing::Superseded { .. }) && said.commits.is_some());
        // What does not apply says nothing of commits that were made, and perhaps tested, before.
        let _ = record.enter(State::Conflicts { tried: vec![] }, "", now);
        assert_eq!(notice(&record, &Places::default(), None).unwrap().commits, None);
    }

    #[test]
    fn each_test_of_a_series_has_its_number_from_its_wait_to_its_end() {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let mut record = queued(now);
        assert_eq!(attempt(&record), 1);
        let applied = record.state.applied().unwrap().clone();
        let run = Run { id: Some(1), status: "completed".into(), ..Run::new("k".into(), "p8", 1) };
        let outcome = crate::record::state::Outcome {
            passed: true,
            whose: None,
            summary: String::new(),
            ended: now,
            reported: false,
        };
        let _ = record.enter(State::Finished { applied: applied.clone(), run, outcome }, "", now);
        assert_eq!(attempt(&record), 1);
        let _ = record.enter(State::Ready, "tested again", now);
        let _ = record.enter(State::Queued { applied }, "", now);
        assert_eq!(attempt(&record), 2);
        let by = SeriesKey { server: "s".into(), id: 8 };
        let _ = record.enter(State::Superseded { by, cancel: None }, "", now);
        assert_eq!(attempt(&record), 2, "the first one's verdict is not spoken of");
    }

    #[test]
    fn a_branch_that_is_not_pushed_yet_is_not_spoken_of() {
        let key = SeriesKey { server: "s".into(), id: 7 };
        let now = jiff::Timestamp::UNIX_EPOCH;
        let places =
            Places { branches: Some("https://github.com/o/m/tree/".to_owned()), ..Places::default() };
        let mut record = Record::new(key.clone(), Listing::sample(&[(1, "[PATCH] fix it")]), now);
        for held_back in [true, false] {
            let applied = applied(held_back);
            let _ = record.enter(State::Queued { applied }, "", now);
            let said = notice(&record, &places, None).unwrap();
            let is_said =
                (said.commits.is_some(), said.links.branch.is_some(), said.patches[0].commit.is_some());
            assert_eq!(is_said, (!held_back, !held_back, !held_back));
            // Nor after it left the queue without a push.
            let declined = State::Declined { reason: "no".to_owned(), cancel: None };
            record.tellings.insert(crate::record::Sink::Slack, crate::record::Telling::default());
            let _ = record.enter(declined, "", now);
            assert_eq!(notice(&record, &places, None).unwrap().commits.is_some(), !held_back);
        }
    }
}
