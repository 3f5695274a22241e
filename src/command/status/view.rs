//! What `patchlift status` shows, as data.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, ToSpan as _};
use patchlift_report::clean;
use serde::Serialize;

use super::super::state_words::{self, STATES};
use super::Choice;
use crate::config::Config;
use crate::queue::{self, Busy, Place, Waiting};
use crate::record::{Record, State};
use crate::store::{Filter, Heartbeat, Store, StoreError};

/// A bridge that has given no sign of life for this long is not running: it gives one every 30 seconds.
const SILENT: i64 = 90;

/// So many series that came to an end are shown unless all are asked for.
const ENDED: u32 = 10;

/// The last so many runs tell how long one takes.
const RUNS: u32 = 20;

/// Everything.
#[derive(Debug, Serialize)]
pub(crate) struct View {
    /// When.
    pub(crate) now: Timestamp,
    /// The bridge.
    pub(crate) bridge: Bridge,
    /// The configured servers, and other far sides that are in trouble.
    pub(crate) servers: Vec<Server>,
    /// The branches of the trees.
    pub(crate) trees: Vec<Tree>,
    /// The boxes.
    pub(crate) boxes: Vec<OneBox>,
    /// How many series stand in each state, in all.
    pub(crate) counts: BTreeMap<String, u64>,
    /// The series that were asked for, in the order of [`STATES`], the newest first within one.
    pub(crate) series: Vec<Series>,
    /// Series whose records cannot be read.
    pub(crate) unreadable: Vec<Unreadable>,
}

/// The bridge.
#[derive(Debug, Serialize)]
pub(crate) struct Bridge {
    /// It gave a sign of life lately, and its process is there.
    pub(crate) running: bool,
    /// Its process, or that of the last one that did not end in order.
    pub(crate) pid: Option<u32>,
    /// Its last sign of life.
    pub(crate) last_sign: Option<Timestamp>,
}

/// A server.
#[derive(Debug, Serialize)]
pub(crate) struct Server {
    /// Its name.
    pub(crate) name: String,
    /// When it was looked at last.
    pub(crate) looked_at: Option<Timestamp>,
    /// The highest number seen there.
    pub(crate) newest: Option<u64>,
    /// What is wrong with it.
    pub(crate) trouble: Option<String>,
    /// Since when.
    pub(crate) trouble_since: Option<Timestamp>,
}

/// A branch of a tree.
#[derive(Debug, Serialize)]
pub(crate) struct Tree {
    /// `tree/branch`.
    pub(crate) base: String,
    /// Its commit.
    pub(crate) commit: Option<String>,
    /// When it was fetched.
    pub(crate) fetched_at: Option<Timestamp>,
    /// What is wrong with it.
    pub(crate) trouble: Option<String>,
    /// Since when.
    pub(crate) trouble_since: Option<Timestamp>,
}

/// A box.
#[derive(Debug, Serialize)]
pub(crate) struct OneBox {
    /// Its name.
    pub(crate) name: String,
    /// The series it is kept for.
    pub(crate) works_on: Option<String>,
    /// How long a run usually takes, in seconds.
    pub(crate) usual_seconds: Option<u64>,
}

/// A series.
#[derive(Debug, Serialize)]
pub(crate) struct Series {
    /// `server/number`.
    pub(crate) series: String,
    /// The project.
    pub(crate) project: String,
    /// The title, with its version from v2 on.
    pub(crate) title: String,
    /// Who sent it.
    pub(crate) author: String,
    /// Where it stands.
    pub(crate) state: &'static str,
    /// Nothing more happens by itself.
    #[serde(rename = "final")]
    pub(crate) ended: bool,
    /// Since when it stands there.
    pub(crate) since: Timestamp,
    /// More on where it stands.
    pub(crate) detail: String,
    /// What keeps it from going on.
    pub(crate) trouble: Option<String>,
    /// When something is done for it next.
    pub(crate) wakes: Option<Timestamp>,
    /// Its place among those that wait for a box.
    pub(crate) position: Option<usize>,
    /// When its run will begin.
    pub(crate) expected_start: Option<Timestamp>,
    /// Its branch.
    pub(crate) branch: Option<String>,
    /// The branch's commit.
    pub(crate) commit: Option<String>,
    /// The page of its run.
    pub(crate) run: Option<String>,
    /// Its page at the server.
    pub(crate) page: Option<String>,
}

/// A series whose record cannot be read.
#[derive(Debug, Serialize)]
pub(crate) struct Unreadable {
    /// `server/number`.
    pub(crate) series: String,
    /// Why.
    pub(crate) why: String,
}

impl View {
    /// Reads everything that was asked for.
    pub(super) fn of(
        config: &Config,
        store: &Store,
        choice: &Choice,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let found = chosen(store, choice)?;
        let holding = store.holding()?;
        let places = line(config, store, &holding, now)?;
        let places: BTreeMap<_, _> = places.iter().map(|place| (&place.key, place)).collect();
        let of = |record: &Record| Series::of(record, places.get(&record.key).copied(), now);
        let mut series: Vec<Series> = found.records.iter().map(of).collect();
        let rank = |series: &Series| STATES.iter().position(|state| *state == series.state);
        // Who waits for a box stands in the line's order; the sort keeps all else as it came.
        series.sort_by_key(|series| (rank(series), series.position));
        let unreadable = found
            .unreadable
            .into_iter()
            .map(|(key, why)| Unreadable { series: key.to_string(), why: clean::line(&why, 200) });
        Ok(Self {
            now,
            bridge: Bridge::of(store.heartbeat()?, now),
            servers: servers(config, store)?,
            trees: trees(config, store)?,
            boxes: boxes(config, store, &holding)?,
            counts: store.counts()?.into_iter().collect(),
            series,
            unreadable: unreadable.collect(),
        })
    }
}

fn chosen(store: &Store, choice: &Choice) -> Result<crate::store::Found, StoreError> {
    let any = Filter { project: choice.project.clone(), ..Filter::default() };
    if let Some(state) = &choice.state {
        return store.listed(&Filter { states: vec![state.clone()], ..any });
    }
    if choice.all {
        return store.listed(&any);
    }
    let mut found = store.listed(&Filter { open: true, ..any.clone() })?;
    let parked = Filter { states: vec!["parked".to_owned()], ..any.clone() };
    let ended = STATES.iter().skip_while(|state| **state != "failed").map(ToString::to_string).collect();
    let ended = Filter { states: ended, limit: ENDED, ..any };
    let mut seen: BTreeSet<_> = found.records.iter().map(|record| record.key.clone()).collect();
    for filter in [parked, ended] {
        let more = store.listed(&filter)?.records;
        found.records.extend(more.into_iter().filter(|record| seen.insert(record.key.clone())));
    }
    Ok(found)
}

/// The line of those that wait for a box, as the bridge forms it.
fn line(
    config: &Config,
    store: &Store,
    holding: &[Record],
    now: Timestamp,
) -> Result<Vec<Place>, StoreError> {
    let waiting = store.in_state(&["queued"])?;
    let waiting: Vec<Waiting> = waiting.iter().map(|record| config.waiting(record)).collect();
    let mut busy = Vec::new();
    for record in holding {
        let Some(on) = record.state.holds() else { continue };
        busy.extend(Busy::of(record, queue::usual(&store.run_times(on, RUNS)?)));
    }
    Ok(queue::order(&waiting, &busy, &config.boxes, now))
}

impl Series {
    pub(crate) fn of(record: &Record, place: Option<&Place>, now: Timestamp) -> Self {
        let place = place.filter(|_| matches!(record.state, State::Queued { .. }));
        let applied = record.state.applied();
        let web = |url: &Option<String>| url.as_deref().and_then(clean::web_url).map(str::to_owned);
        Self {
            series: record.key.to_string(),
            project: clean::line(&record.listing.project, 100),
            title: state_words::title(record),
            author: state_words::author(record),
            state: record.state.word(),
            ended: record.state.is_final(),
            since: record.since,
            detail: state_words::detail(record, place, now),
            trouble: state_words::trouble(record, now),
            wakes: record.wakes(),
            position: place.map(|place| place.position),
            expected_start: place.and_then(|place| place.expected_start),
            branch: applied.map(|applied| applied.branch.clone()),
            commit: applied.map(|applied| applied.tip.clone()),
            run: record.state.run().and_then(|run| web(&run.url)),
            page: web(&record.listing.web_url),
        }
    }
}

impl Bridge {
    fn of(beat: Option<Heartbeat>, now: Timestamp) -> Self {
        let lately = |beat: &Heartbeat| beat.at + SILENT.seconds() > now;
        Self {
            running: beat.as_ref().is_some_and(|beat| lately(beat) && is_there(beat.pid)),
            pid: beat.map(|beat| beat.pid),
            last_sign: beat.map(|beat| beat.at),
        }
    }
}

/// Is there a process of this number?
fn is_there(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    // A process of another user may not be signalled, but it is there.
    pid.is_some_and(|pid| !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH)))
}

fn servers(config: &Config, store: &Store) -> Result<Vec<Server>, StoreError> {
    let mut troubles = store.server_troubles()?;
    let mut servers = Vec::new();
    for server in &config.servers {
        let name = server.client.name.clone();
        let mark = store.watermark(&name)?;
        let trouble = troubles.iter().position(|one| one.server == name).map(|at| troubles.remove(at));
        servers.push(Server {
            looked_at: mark.map(|mark| mark.scanned_at),
            newest: mark.map(|mark| mark.id),
            trouble: trouble.as_ref().map(|trouble| clean::line(&trouble.what, 200)),
            trouble_since: trouble.map(|trouble| trouble.since),
            name,
        });
    }
    // GitHub, the mirror, and servers that were taken out of the configuration.
    servers.extend(troubles.into_iter().map(|trouble| Server {
        name: trouble.server,
        looked_at: None,
        newest: None,
        trouble: Some(clean::line(&trouble.what, 200)),
        trouble_since: Some(trouble.since),
    }));
    Ok(servers)
}

fn trees(config: &Config, store: &Store) -> Result<Vec<Tree>, StoreError> {
    let known = store.trees()?;
    let mut trees = Vec::new();
    for tree in &config.trees {
        for branch in &tree.branches {
            let state = known.iter().find(|state| state.tree == tree.name && state.branch == *branch);
            let (trouble, since) = state.and_then(|state| state.trouble.clone()).unzip();
            trees.push(Tree {
                base: tree.base(branch),
                commit: state.and_then(|state| state.commit.clone()),
                fetched_at: state.and_then(|state| state.fetched_at),
                trouble: trouble.map(|trouble| clean::line(&trouble, 200)),
                trouble_since: since,
            });
        }
    }
    Ok(trees)
}

fn boxes(config: &Config, store: &Store, holding: &[Record]) -> Result<Vec<OneBox>, StoreError> {
    let of = |one: &queue::TestBox| {
        let works_on = holding.iter().find(|record| record.state.holds() == Some(&one.name));
        let usual = queue::usual(&store.run_times(&one.name, RUNS)?);
        Ok(OneBox {
            name: one.name.clone(),
            works_on: works_on.map(|record| record.key.to_string()),
            usual_seconds: usual.map(|usual| usual.as_secs()),
        })
    };
    config.boxes.iter().map(of).collect()
}
