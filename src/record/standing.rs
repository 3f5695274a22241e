//! What people are told of a series, made from its record each time. Pure.

use patchlift_publish::{Commits, Links, LiveStage, Notice, NoticePatch, Standing};
use patchlift_report::{Fault, Report};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::state::{Applied, Tried};
use super::{Record, State, Whose};
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
    let first = record.listing.cover.as_ref().or(record.listing.patches.first());
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
            let fault = (!outcome.passed).then(|| outcome.whose.map_or(Fault::Infrastructure, fault));
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

fn fault(whose: Whose) -> Fault {
    match whose {
        Whose::Series => Fault::Series,
        Whose::Base => Fault::Base,
        Whose::Infrastructure => Fault::Infrastructure,
        Whose::Hardware => Fault::Hardware,
    }
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
    use crate::record::state::Base;

    #[test]
    fn a_branch_that_is_not_pushed_yet_is_not_spoken_of() {
        let key = SeriesKey { server: "s".into(), id: 7 };
        let now = jiff::Timestamp::UNIX_EPOCH;
        let places =
            Places { branches: Some("https://github.com/o/m/tree/".to_owned()), ..Places::default() };
        let mut record = Record::new(key.clone(), Listing::sample(&[(1, "[PATCH] fix it")]), now);
        for held_back in [true, false] {
            let applied = Applied {
                base: Base { name: "t/next".into(), commit: "b".repeat(40), why: "x".into(), branch: None },
                passed_over: vec![],
                tip: "a".repeat(40),
                tree: "c".repeat(40),
                commits: vec!["a".repeat(40)],
                branch: "series/s/7".to_owned(),
                held_back,
            };
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
