//! A store as it is after some months: ten thousand series in all states, with their mails, history and checks.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use patchlift::clock::Clock;
use patchlift::listing::{Listing, SeriesKey};
use patchlift::patchwork::{Api, Client, Settings};
use patchlift::record::state::{Base, Outcome, Run, Tried};
use patchlift::record::{Applied, Check, CheckState, Event, Moment, Posted, Record, State, Text, Trouble};
use patchlift::store::{Save, Store};
use patchlift_report::Fault;
use sha2::{Digest, Sha256};

use super::outside::{Outside, PATCHES, title};
use super::upstream;

const HOUR: u64 = 3600;

/// Boxes; each has a run at work.
pub(crate) const BOXES: [&str; 2] = ["p8", "p9"];

/// How the states are spread, in per cent.
const MIX: [(&str, u64); 9] = [
    ("queued", 30),
    ("passed", 20),
    ("pushed", 15),
    ("conflict", 15),
    ("held", 8),
    ("failed", 6),
    ("superseded", 3),
    ("incomplete", 2),
    ("given-up", 1),
];

/// What the states are, for the table's head.
pub(crate) fn mix() -> String {
    MIX.map(|(state, per_cent)| format!("{per_cent} % {state}")).join(", ")
}

/// The server's series as the bridge's own client reads them.
pub(crate) async fn listings(outside: &Outside, server: &str) -> Vec<Listing> {
    let client = Client::new(settings(outside, server), Clock::System).unwrap();
    let projects: Vec<String> = (0..super::outside::PROJECTS).map(|n| format!("project{n}")).collect();
    let mut listings = Vec::new();
    for page in 1.. {
        let found = client.newest(&projects, page, 250).await.unwrap();
        assert!(found.unusable.is_empty(), "{:?}", found.unusable);
        if found.rows == 0 {
            return listings;
        }
        listings.extend(found.listings);
    }
    unreachable!()
}

fn settings(outside: &Outside, server: &str) -> Settings {
    Settings {
        name: server.to_owned(),
        url: outside.url.parse().unwrap(),
        api: Api::V1_3,
        token: None,
        user_agent: "bench".to_owned(),
        connect_limit: Duration::from_secs(10),
        answer_limit: Duration::from_secs(10),
        whole_limit: Duration::from_secs(60),
        max_json: 64 << 20,
        max_mbox: 64 << 20,
        at_once: 4,
    }
}

/// Fills the store and gives the branches that the mirror has of it. Series whose mails are not all there are told to
/// the model.
pub(crate) fn fill(dir: &Path, servers: &[(&str, &Outside, Vec<Listing>)], base: &str) -> Vec<String> {
    let mut store = Store::open(dir).unwrap();
    let now = Timestamp::now();
    let mut branches = Vec::new();
    for (place, (server, outside, listings)) in servers.iter().enumerate() {
        for listings in listings.chunks(500) {
            let made: Vec<Made> =
                listings.iter().map(|listing| Made::of(server, place, listing, outside, base, now)).collect();
            let saves: Vec<Save<'_>> = made
                .iter()
                .map(|made| Save { mails: made.mails.as_deref(), ..Save::new(&made.record, &made.history) })
                .collect();
            store.save_all(&saves).unwrap();
            branches.extend(made.iter().filter_map(|made| branch(&made.record)));
        }
        let newest = listings.iter().map(|listing| listing.id).max().unwrap_or(0);
        store.set_watermark(server, newest, now).unwrap();
        store.set_reconciled(server, now).unwrap();
    }
    branches
}

/// The branch that the mirror has of it. Those of older ones were removed: it keeps 4000.
fn branch(record: &Record) -> Option<String> {
    let kept = ["queued", "running", "failed"].contains(&record.state.word());
    Some(record.state.applied().filter(|_| kept)?.branch.clone())
}

struct Made {
    record: Record,
    history: Vec<Moment>,
    mails: Option<Vec<u8>>,
}

impl Made {
    fn of(
        server: &str,
        place: usize,
        listing: &Listing,
        outside: &Outside,
        base: &str,
        now: Timestamp,
    ) -> Self {
        let id = listing.id;
        // Within the last week; the order has nothing to do with the state.
        let age = Duration::from_secs(id * 7919 % (7 * 24 * HOUR));
        let seen = now - age;
        let key = SeriesKey { server: server.to_owned(), id };
        let mut record = Record::new(key.clone(), listing.clone(), seen);
        record.due = None;
        let applied = applied(&key, base);
        record.state = state(&key, place, applied, now);
        match record.state.word() {
            "incomplete" => {
                // As old ones are looked at: every six hours, evenly.
                record.due = Some(now + Duration::from_secs(id * 7919 % (6 * HOUR)));
                let what = format!("{PATCHES}/{PATCHES} is missing");
                record.trouble =
                    Some(Trouble { whose: Fault::Series, what, times: 0, outages: 0, last: now });
            }
            "running" => record.due = Some(now),
            _ => {}
        }
        let has_text = !matches!(record.state.word(), "incomplete" | "given-up");
        if has_text {
            record.text = Some(text(id));
            record.queued = Some(seen);
            record.posted = posted(listing, &record.state, seen);
        }
        let became = |state: &str| Event::Became { state: state.to_owned(), words: "as it was".to_owned() };
        let words = ["settling", "received", "ready", "applied", record.state.word()];
        let history = [Event::Seen].into_iter().chain(words.map(became));
        let history = history.map(|event| Moment { at: seen, event }).collect();
        Self { record, history, mails: has_text.then(|| outside.mailbox(id).into_bytes()) }
    }
}

fn word_of(id: u64) -> &'static str {
    let mut rest = id * 37 % 100;
    for (word, per_cent) in MIX {
        if rest < per_cent {
            return word;
        }
        rest -= per_cent;
    }
    unreachable!()
}

fn state(key: &SeriesKey, place: usize, applied: Applied, now: Timestamp) -> State {
    let run = |status: &str| Run {
        run_key: format!("{}-{}", key.server, key.id),
        id: Some(key.id),
        url: Some(format!("https://github.example.org/octo/kvm/actions/runs/{}", key.id)),
        on: BOXES[place].to_owned(),
        attempt: 1,
        status: status.to_owned(),
        asked: Some(now),
        started: Some(now),
        live: vec![],
        pushed: None,
        stopping: None,
    };
    if key.id == 1 {
        return State::Running { applied, run: run("in_progress") };
    }
    let outcome = |passed: bool| Outcome {
        passed,
        whose: (!passed).then_some(Fault::Series),
        summary: "the guest boots and all 312 tests pass".to_owned(),
        ended: now,
        reported: false,
    };
    match word_of(key.id) {
        "queued" => State::Queued { applied },
        "pushed" => State::Pushed { applied },
        "passed" => State::Finished { applied, run: run("completed"), outcome: outcome(true) },
        "failed" => State::Finished { applied, run: run("completed"), outcome: outcome(false) },
        "conflict" => State::Conflicts { tried: vec![tried(applied.base, key.id)] },
        "held" => State::Held { reasons: vec!["its sender is not known".to_owned()] },
        "superseded" => {
            let by = SeriesKey { server: key.server.clone(), id: key.id + 1 };
            State::Superseded { by, cancel: None }
        }
        "given-up" => State::GivenUp { reason: "not whole after 7 days".to_owned() },
        _ => State::Waiting,
    }
}

/// Is a mail of it missing?
pub(crate) fn is_incomplete(id: u64) -> bool {
    matches!(word_of(id), "incomplete" | "given-up") && id != 1
}

fn hex(text: &str) -> String {
    Sha256::digest(text).iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}

fn applied(key: &SeriesKey, base: &str) -> Applied {
    let commits: Vec<String> = (1..=PATCHES).map(|place| hex(&format!("{key}-{place}"))).collect();
    Applied {
        base: Base {
            name: "linux/master".into(),
            commit: base.into(),
            why: "the first that fits".into(),
            branch: Some("linux/master".into()),
        },
        passed_over: vec![],
        tip: commits.last().cloned().unwrap_or_default(),
        tree: hex(&format!("{key}-tree")),
        commits,
        branch: format!("series/{key}"),
        held_back: false,
    }
}

fn tried(base: Base, id: u64) -> Tried {
    Tried {
        base,
        patch: 2,
        subject: title(id),
        file: Some(upstream::path(id, 2)),
        hunk: Some("@@ -18,6 +18,7 @@".into()),
        reason: "the lines around it are not there".into(),
    }
}

fn text(id: u64) -> Text {
    let mut paths: Vec<String> = (1..=PATCHES).map(|place| upstream::path(id, place)).collect();
    paths.sort_unstable();
    Text {
        digest: hex(&format!("mails {id}")),
        patch_ids: (1..=PATCHES).map(|place| hex(&format!("patch {id} {place} as stored"))).collect(),
        title: title(id),
        words: vec!["PATCH".to_owned()],
        paths,
        base_commit: None,
        prerequisites: vec![],
        depends_on: vec![],
        change_id: None,
        from_json: vec![],
    }
}

/// Both checks on every patch.
fn posted(listing: &Listing, state: &State, at: Timestamp) -> Vec<Posted> {
    let check = |context: &str, patch: u64| Posted {
        patch,
        context: format!("patchlift-{context}"),
        check: Check {
            state: CheckState::Success,
            description: format!("all {PATCHES} patches apply to linux/master; {}", state.word()),
            url: None,
        },
        at,
        refused: None,
    };
    let both = |patch: u64| [check("apply", patch), check("kvm", patch)];
    listing.patches.iter().flat_map(|patch| both(patch.id)).collect()
}
