//! Records to store, in every state.

use jiff::Timestamp;
use patchlift::listing::{ListedPatch, Listing, SeriesKey, Submitter};
use patchlift::record::state::{Base, Outcome, Run, Same, Tried};
use patchlift::record::{Applied, Record, State, Text};
use patchlift_report::Fault;
use serde_json::json;

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

pub(crate) fn key(id: u64) -> SeriesKey {
    SeriesKey { server: "ozlabs".to_owned(), id }
}

pub(crate) fn patch(id: u64) -> ListedPatch {
    ListedPatch { id, msgid: format!("{id}@example.org"), name: format!("[{id}] a patch"), web_url: None }
}

pub(crate) fn listing(id: u64) -> Listing {
    Listing {
        id,
        project: "linuxppc-dev".to_owned(),
        name: Some("hw/occ: Fix it".to_owned()),
        date: "2026-11-20T02:00:02".to_owned(),
        submitter: Submitter { name: "Ada".to_owned(), email: "ada@example.org".to_owned() },
        version: 1,
        total: 2,
        received_total: 2,
        received_all: true,
        cover: Some(patch(10 * id)),
        patches: vec![patch(10 * id + 1), patch(10 * id + 2)],
        web_url: None,
    }
}

/// A series that was seen `id` seconds after the beginning.
pub(crate) fn record(id: u64) -> Record {
    Record::new(key(id), listing(id), at(i64::try_from(id).unwrap()))
}

pub(crate) fn stands(id: u64, state: State, due: Option<Timestamp>) -> Record {
    Record { state, due, ..record(id) }
}

pub(crate) fn text(patch_ids: &[&str]) -> Text {
    Text {
        digest: "d1".to_owned(),
        patch_ids: patch_ids.iter().map(ToString::to_string).collect(),
        title: "Fix it".to_owned(),
        words: vec!["PATCH".to_owned()],
        paths: vec!["hw/occ.c".to_owned()],
        base_commit: None,
        prerequisites: Vec::new(),
        depends_on: Vec::new(),
        change_id: None,
        from_json: Vec::new(),
    }
}

pub(crate) fn base() -> Base {
    Base { name: "powerpc/next".to_owned(), commit: "b1".to_owned(), why: "given".to_owned(), branch: None }
}

pub(crate) fn tried() -> Tried {
    Tried {
        base: base(),
        patch: 2,
        subject: "hw/occ: Fix it".to_owned(),
        file: Some("hw/occ.c".to_owned()),
        hunk: Some("@@ -1 +1 @@".to_owned()),
        reason: "the lines are not there".to_owned(),
    }
}

pub(crate) fn applied() -> Applied {
    Applied {
        base: base(),
        passed_over: vec![tried()],
        tip: "c2".to_owned(),
        tree: "t2".to_owned(),
        commits: vec!["c1".to_owned(), "c2".to_owned()],
        branch: "series/ozlabs/1".to_owned(),
        held_back: false,
    }
}

pub(crate) fn run(id: u64) -> Run {
    Run {
        id: Some(id),
        url: Some("https://github.example/run/7".to_owned()),
        run_key: "k7".to_owned(),
        on: "p8".to_owned(),
        attempt: 1,
        status: "completed".to_owned(),
        asked: Some(at(0)),
        started: Some(at(10)),
        live: vec![],
        pushed: None,
        stopping: None,
    }
}

pub(crate) fn outcome() -> Outcome {
    Outcome {
        passed: false,
        whose: Some(Fault::Series),
        summary: "2 of 40 tests failed".to_owned(),
        ended: at(610),
        reported: true,
    }
}

pub(crate) fn finished(id: u64) -> State {
    State::Finished { applied: applied(), run: run(id), outcome: outcome() }
}

/// Every state, and how it lies in the store. What is here was released: a change that breaks this test makes the
/// stores of all who use patchlift unreadable.
pub(crate) fn states() -> Vec<(State, serde_json::Value)> {
    let base_json = json!({"name": "powerpc/next", "commit": "b1", "why": "given"});
    let tried_json = json!({"base": base_json, "patch": 2, "subject": "hw/occ: Fix it", "file": "hw/occ.c",
        "hunk": "@@ -1 +1 @@", "reason": "the lines are not there"});
    let applied_json = json!({"base": base_json, "passed_over": [tried_json], "tip": "c2", "tree": "t2",
        "commits": ["c1", "c2"], "branch": "series/ozlabs/1"});
    let run_json = json!({"id": 7, "url": "https://github.example/run/7", "run_key": "k7", "on": "p8", "attempt": 1,
        "status": "completed", "asked": "2023-11-14T22:13:20Z", "started": "2023-11-14T22:13:30Z"});
    let outcome_json = json!({"passed": false, "whose": "series", "summary": "2 of 40 tests failed",
        "ended": "2023-11-14T22:23:30Z", "reported": true});
    vec![
        (State::Waiting, json!({"is": "waiting"})),
        (State::Settling { patches: vec![11, 12] }, json!({"is": "settling", "patches": [11, 12]})),
        (State::Whole, json!({"is": "whole"})),
        (State::Held { reasons: vec!["why".to_owned()] }, json!({"is": "held", "reasons": ["why"]})),
        (State::Ready, json!({"is": "ready"})),
        (State::Conflicts { tried: vec![tried()] }, json!({"is": "conflicts", "tried": [tried_json]})),
        (State::AlreadyApplied { base: base() }, json!({"is": "already_applied", "base": base_json})),
        (State::Applied { applied: applied() }, json!({"is": "applied", "applied": applied_json})),
        (State::Queued { applied: applied() }, json!({"is": "queued", "applied": applied_json})),
        (State::Pushed { applied: applied() }, json!({"is": "pushed", "applied": applied_json})),
        (
            State::Starting { applied: applied(), run: run(7) },
            json!({"is": "starting", "applied": applied_json, "run": run_json}),
        ),
        (
            State::Running { applied: applied(), run: run(7) },
            json!({"is": "running", "applied": applied_json, "run": run_json}),
        ),
        (
            finished(7),
            json!({"is": "finished", "applied": applied_json, "run": run_json, "outcome": outcome_json}),
        ),
        (
            State::Superseded { by: key(9), cancel: Some(run(7)) },
            json!({"is": "superseded", "by": "ozlabs/9", "cancel": run_json}),
        ),
        (
            State::Follows { leader: key(9), why: Same::CrossPost },
            json!({"is": "follows", "leader": "ozlabs/9", "why": "cross_post"}),
        ),
        (
            State::Declined { reason: "RFC".into(), cancel: None },
            json!({"is": "declined", "reason": "RFC", "cancel": null}),
        ),
        (State::GivenUp { reason: "2/3".into() }, json!({"is": "given_up", "reason": "2/3"})),
        (
            State::Parked { reason: "it fails".into(), was: Box::new(State::Ready) },
            json!({"is": "parked", "reason": "it fails", "was": {"is": "ready"}}),
        ),
    ]
}
