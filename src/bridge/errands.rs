//! What is done for many series at once, each at its own pace: looking at servers, fetching trees, pushing, giving
//! boxes to series, and doing what people asked for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::look::{self, ScanError};
use super::push;
use super::site::{Site, chain};
use crate::queue::{self, Busy};
use crate::record::{Event, Record, State};
use crate::store::{Request, RequestId, StoreError, TreeState, What};
use crate::trees::Moved;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Errand {
    /// Do what people asked for.
    Answer,
    /// Look at the newest series of a server.
    Look(String),
    /// Fetch a tree.
    Fetch(String),
    /// Push branches to the mirror.
    Push,
    /// Remove branches that nobody needs any more.
    Expire,
    /// Keep the repository small and fast.
    Upkeep,
    /// Give free boxes to waiting series.
    Assign,
    /// Show that the bridge is alive.
    Beat,
}

/// Not what a bridge that is just started has to do, and not what somebody waits for who runs it once.
const LATER: [Errand; 2] = [Errand::Expire, Errand::Upkeep];

/// When an errand is to be run again.
#[derive(Debug, Clone, Copy)]
pub struct Next(pub Timestamp);

/// People wait for an answer at a prompt.
const ANSWER_EVERY: Duration = Duration::from_millis(500);
/// Short enough that branches are pushed together, and not felt by people.
const PUSH_EVERY: Duration = Duration::from_secs(1);
const ASSIGN_EVERY: Duration = Duration::from_secs(1);
const REPLAYED_EVERY: Duration = Duration::from_secs(60);
/// Branches live for days.
const EXPIRE_EVERY: Duration = Duration::from_secs(600);
const UPKEEP_EVERY: Duration = Duration::from_secs(86_400);
const BEAT_EVERY: Duration = Duration::from_secs(10);

/// All errands of a bridge and when each is due.
#[derive(Debug, Default)]
pub struct Errands {
    idle: BTreeMap<Errand, Timestamp>,
    running: Vec<Errand>,
    done_once: Vec<Errand>,
}

impl Errands {
    /// Those that the configuration asks for; all are due now.
    pub fn of(site: &Site) -> Self {
        let looks = site.config.servers.iter().map(|server| Errand::Look(server.client.name.clone()));
        let fetches = site.config.trees.iter().map(|tree| Errand::Fetch(tree.name.clone()));
        // Nothing is fetched, shown or done for people where nothing is to be written.
        let fetches = fetches.filter(|_| site.dry.is_none());
        let others =
            [Errand::Push, Errand::Assign, Errand::Answer, Errand::Expire, Errand::Upkeep, Errand::Beat];
        let others = others.into_iter().take(if site.dry.is_none() { 6 } else { 2 });
        let idle: BTreeMap<_, _> =
            looks.chain(fetches).chain(others).map(|errand| (errand, Timestamp::UNIX_EPOCH)).collect();
        let mut errands = Self { idle, ..Self::default() };
        for errand in LATER {
            if let Some(at) = errands.idle.get_mut(&errand) {
                *at = site.clock.now() + EXPIRE_EVERY;
            }
        }
        errands
    }

    /// Looks at no server.
    pub fn without_looks(&mut self) {
        self.idle.retain(|errand, _| !matches!(errand, Errand::Look(_)));
    }

    /// Takes out those that are due.
    pub fn due(&mut self, now: Timestamp) -> Vec<Errand> {
        let due: Vec<Errand> =
            self.idle.iter().filter(|(_, at)| **at <= now).map(|(errand, _)| errand.clone()).collect();
        for errand in &due {
            self.idle.remove(errand);
            self.running.push(errand.clone());
        }
        due
    }

    /// Puts one back.
    pub fn done(&mut self, errand: &Errand, next: Next) {
        self.running.retain(|running| running != errand);
        self.idle.insert(errand.clone(), next.0);
        if !self.done_once.contains(errand) {
            self.done_once.push(errand.clone());
        }
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Timestamp> {
        self.idle.values().min().copied()
    }

    /// Has each been run, failed or not?
    pub fn all_done_once(&self) -> bool {
        let done = |errand: &Errand| self.done_once.contains(errand) || LATER.contains(errand);
        self.idle.keys().chain(&self.running).all(done)
    }
}

/// Runs an errand.
///
/// # Errors
/// The store failed; other failures are shown, and the errand is run again later.
pub async fn run(site: &Arc<Site>, errand: &Errand) -> Result<Next, StoreError> {
    let later = |wait: Duration| Ok(Next(site.clock.now() + wait));
    match errand {
        Errand::Answer => {
            answer(site).await?;
            later(ANSWER_EVERY)
        }
        Errand::Look(server) => look(site, server).await,
        Errand::Fetch(tree) => fetch(site, tree).await,
        Errand::Push => {
            let not_before = push::push(site).await?;
            let soon = site.clock.now() + often(site, PUSH_EVERY);
            Ok(Next(not_before.map_or(soon, |not_before| not_before.max(soon))))
        }
        Errand::Expire => {
            push::expire(site).await?;
            later(EXPIRE_EVERY)
        }
        Errand::Upkeep => {
            site.trees.forget_others(&site.config.trees);
            if let Err(error) = site.trees.upkeep().await {
                tracing::warn!("{}", chain(&error));
            }
            later(UPKEEP_EVERY)
        }
        Errand::Assign => {
            assign(site).await?;
            later(often(site, ASSIGN_EVERY))
        }
        Errand::Beat => {
            let now = site.clock.now();
            site.ledger.with(move |store| store.beat(now)).await?;
            later(BEAT_EVERY)
        }
    }
}

/// A replayed clock jumps from errand to errand: frequent ones would make a week long.
fn often(site: &Site, usual: Duration) -> Duration {
    if site.clock.is_replayed() { REPLAYED_EVERY } else { usual }
}

async fn look(site: &Arc<Site>, name: &str) -> Result<Next, StoreError> {
    let now = site.clock.now();
    let server = site.config.servers.iter().find(|server| server.client.name == name);
    let (Some(server), Some(outside)) = (server, site.servers.get(name)) else {
        return Ok(Next(Timestamp::MAX));
    };
    let watermark = {
        let name = name.to_owned();
        site.ledger.with(move |store| store.watermark(&name)).await?
    };
    let reconciled = watermark.and_then(|watermark| watermark.reconciled_at);
    let thorough = reconciled.is_none_or(|at| now >= at + server.reconcile_every);
    match look::scan(site, server, thorough).await {
        Ok(new) => {
            outside.gate.worked();
            note_trouble(site, name, None).await?;
            if new > 0 {
                tracing::info!(server = name, new, "new series");
            }
            Ok(Next(site.clock.now() + server.poll))
        }
        Err(ScanError::Store(error)) => Err(error),
        Err(ScanError::Patchwork(error)) => {
            tracing::warn!(server = name, "{}", chain(&error));
            note_trouble(site, name, Some(chain(&error))).await?;
            let until = outside.gate.failed(error.retry_after(), site.clock.now());
            Ok(Next(until.max(site.clock.now() + server.poll.min(Duration::from_secs(60)))))
        }
    }
}

/// Notes that a far side is in trouble, or is not any more.
pub(super) async fn note_trouble(site: &Site, name: &str, what: Option<String>) -> Result<(), StoreError> {
    let (name, now) = (name.to_owned(), site.clock.now());
    site.ledger
        .with(move |store| {
            let known = store.server_troubles()?.into_iter().any(|trouble| trouble.server == name);
            // Nothing is written where all is well, and was.
            if what.is_none() && !known {
                Ok(())
            } else {
                store.set_server_trouble(&name, what.as_deref(), now)
            }
        })
        .await
}

/// The shortest time after which a failed fetch is tried again.
const FETCH_AGAIN: Duration = Duration::from_secs(30);

async fn fetch(site: &Arc<Site>, name: &str) -> Result<Next, StoreError> {
    let Some(tree) = site.config.trees.iter().find(|tree| tree.name == name) else {
        return Ok(Next(Timestamp::MAX));
    };
    let known = site.ledger.with(|store| store.trees()).await?;
    let last = known.iter().filter(|state| state.tree == name).filter_map(|state| state.fetched_at).min();
    let has_all = tree.branches.iter().all(|branch| site.trees.resolve(&tree.base(branch)).is_some());
    let now = site.clock.now();
    if let Some(last) = last.filter(|last| has_all && *last + tree.fetch_every > now) {
        return Ok(Next(last + tree.fetch_every));
    }
    let (moved, trouble) = match site.trees.fetch(tree).await {
        Ok(fetched) => {
            let missing = (!fetched.missing.is_empty())
                .then(|| format!("no branch {} upstream", fetched.missing.join(", ")));
            (Some(fetched.moved), missing)
        }
        Err(error) => (None, Some(chain(&error))),
    };
    let now = site.clock.now();
    if let Some(what) = &trouble {
        tracing::warn!(tree = name, "{what}");
    }
    for branch in &tree.branches {
        let before = known.iter().find(|state| state.tree == name && state.branch == *branch);
        let state = TreeState {
            tree: name.to_owned(),
            branch: branch.clone(),
            commit: site.trees.resolve(&tree.base(branch)).map(|commit| commit.to_string()),
            fetched_at: if moved.is_some() { Some(now) } else { before.and_then(|before| before.fetched_at) },
            trouble: trouble.clone().map(|what| (what, now)),
        };
        site.ledger.with(move |store| store.set_tree(&state)).await?;
    }
    match moved {
        Some(moved) => {
            apply_anew(site, name, &moved).await?;
            Ok(Next(now + tree.fetch_every))
        }
        None => Ok(Next(now + tree.fetch_every.min(FETCH_AGAIN))),
    }
}

/// Series that waited for a base, or whose base moved under a path they touch, are applied anew.
async fn apply_anew(site: &Arc<Site>, tree: &str, moved: &[Moved]) -> Result<(), StoreError> {
    let words = ["ready", "conflict", "already-applied", "queued", "pushed"];
    let records = site.ledger.with(move |store| store.in_state(&words)).await?;
    let concerned = {
        let (site, tree, moved) = (Arc::clone(site), tree.to_owned(), moved.to_vec());
        // Trees are compared, which takes its time for many series.
        let compare = move || {
            records.into_iter().filter(|record| concerns(&site, record, &tree, &moved)).collect::<Vec<_>>()
        };
        tokio::task::spawn_blocking(compare).await.unwrap_or_default()
    };
    for record in concerned {
        let edit = |record: &mut Record, now| match &record.state {
            State::Ready => {
                record.due = Some(now);
                vec![]
            }
            State::Conflicts { .. }
            | State::AlreadyApplied { .. }
            | State::Queued { .. }
            | State::Pushed { .. } => {
                vec![record.enter(State::Ready, "its base moved under a file it touches", now)]
            }
            _ => vec![],
        };
        site.ledger.edit(&record.key, None, edit).await?;
    }
    Ok(())
}

fn concerns(site: &Site, record: &Record, tree: &str, moved: &[Moved]) -> bool {
    let paths = record.text.as_ref().map_or(&[][..], |text| &text.paths);
    let under = |name: &str| {
        moved.iter().any(|moved| {
            format!("{tree}/{}", moved.branch) == name
                && moved.from.is_none_or(|from| site.trees.moved_under(from, moved.to, paths))
        })
    };
    match &record.state {
        State::Ready => true,
        State::Conflicts { tried } => {
            moved.iter().any(|moved| moved.from.is_none())
                || tried.iter().any(|tried| under(&tried.base.name))
        }
        State::AlreadyApplied { base } => under(&base.name),
        State::Queued { applied } | State::Pushed { applied } => under(&applied.base.name),
        _ => false,
    }
}

/// Gives free boxes to the series that are next.
async fn assign(site: &Arc<Site>) -> Result<(), StoreError> {
    if site.github.is_none() || site.config.boxes.is_empty() {
        return Ok(());
    }
    let boxes: Vec<String> = site.config.boxes.iter().map(|one| one.name.clone()).collect();
    let (holding, queued) = site
        .ledger
        .with(move |store| {
            let holding = store.holding()?;
            // A long queue is read only when there is something to give.
            let all_busy = boxes.iter().all(|name| holding.iter().any(|one| one.state.holds() == Some(name)));
            let queued = if all_busy { vec![] } else { store.in_state(&["queued"])? };
            Ok((holding, queued))
        })
        .await?;
    if queued.is_empty() {
        return Ok(());
    }
    let now = site.clock.now();
    let waiting: Vec<_> = queued.iter().map(|record| site.config.waiting(record)).collect();
    let places = queue::order(&waiting, &busy(&holding), &site.config.boxes, now);
    for place in places {
        let Some(on) = place.on else { continue };
        if site.only_says(|| format!("{}: give box {on} to it", place.key)) {
            continue;
        }
        let edit = move |record: &mut Record, now: Timestamp| {
            let State::Queued { applied } = record.state.clone() else { return vec![] };
            let run = super::follow::next_run(&record.key.to_string(), &applied, &on, 1, now);
            let words = format!("on {on}");
            vec![record.enter(State::Starting { applied, run }, words, now)]
        };
        site.ledger.edit(&place.key, None, edit).await?;
    }
    Ok(())
}

fn busy(holding: &[Record]) -> Vec<Busy> {
    let of = |record: &Record| {
        Some(Busy {
            on: record.state.holds()?.to_owned(),
            key: record.key.clone(),
            sender: record.listing.submitter.email.clone(),
            since: record.since,
            usual: None,
        })
    };
    holding.iter().filter_map(of).collect()
}

/// Does what people asked for.
async fn answer(site: &Arc<Site>) -> Result<(), StoreError> {
    let requests = site.ledger.with(|store| store.requests()).await?;
    for (id, request) in requests {
        let Request { key, what, who, .. } = request;
        let edit = move |record: &mut Record, now: Timestamp| {
            let mut events = vec![Event::Asked { words: asked(&what, &who) }];
            events.extend(obey(record, what, &who, now));
            events
        };
        let id: RequestId = id;
        site.ledger.edit(&key, Some(id), edit).await?;
    }
    Ok(())
}

fn asked(what: &What, who: &str) -> String {
    match what {
        What::Release => format!("{who} lets it run"),
        What::Refuse { reason } => format!("{who} refuses it: {reason}"),
        What::Retest => format!("{who} wants it tested again"),
        What::Priority { priority } => format!("{who} gives it priority {priority}"),
    }
}

fn obey(record: &mut Record, what: What, who: &str, now: Timestamp) -> Vec<Event> {
    match what {
        What::Priority { priority } => {
            record.priority = priority;
            vec![]
        }
        What::Refuse { reason } => {
            let cancel = match &record.state {
                State::Finished { .. } | State::Superseded { .. } | State::Declined { .. } => None,
                state => state.run().cloned(),
            };
            let reason = if reason.is_empty() { format!("refused by {who}") } else { reason };
            let words = reason.clone();
            vec![record.enter(State::Declined { reason, cancel }, words, now)]
        }
        What::Release => {
            record.released = true;
            match &record.state {
                State::Held { .. } | State::Declined { cancel: None, .. } => {
                    begin_again(record, "released", now)
                }
                State::Parked { .. } => again(record, now),
                _ => vec![],
            }
        }
        What::Retest => again(record, now),
    }
}

/// From the frozen text on, or from the very beginning where there is none.
fn begin_again(record: &mut Record, words: &str, now: Timestamp) -> Vec<Event> {
    let state = if record.text.is_some() { State::Ready } else { State::Waiting };
    vec![record.enter(state, words, now)]
}

fn again(record: &mut Record, now: Timestamp) -> Vec<Event> {
    match &record.state {
        // A parked series goes on where it stood: its run may still be there.
        State::Parked { was, .. } => {
            let was = (**was).clone();
            vec![record.enter(was, "taken up again", now)]
        }
        state if state.run().is_some() && !state.is_final() => {
            vec![Event::Noted { words: "it is being tested already".to_owned() }]
        }
        _ => {
            record.queued = None;
            begin_again(record, "tested again", now)
        }
    }
}
