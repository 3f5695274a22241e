//! What is done for many series at once, each at its own pace: looking at servers, fetching trees, pushing, giving
//! boxes to series, and doing what people asked for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::look::{self, ScanError};
use super::site::{Site, chain};
use super::{answer, fetch, push, replies, tell};
use crate::queue::{self, Busy};
use crate::record::{Record, Sink, State};
use crate::store::StoreError;

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
    /// Tell a sink beside Patchwork.
    Tell(Sink),
    /// Show that the bridge is alive.
    Beat,
}

/// Not what a bridge that is just started has to do, and not what somebody waits for who runs it once.
const LATER: [Errand; 2] = [Errand::Expire, Errand::Upkeep];

/// No errand rests for longer than the longest time between two fetches. One that does was put off by a clock that has
/// been set back since.
const FARTHEST: Duration = Duration::from_secs(32 * 86_400);

/// When an errand is to be run again.
#[derive(Debug, Clone, Copy)]
pub struct Next(pub Timestamp);

/// People wait for an answer at a prompt.
const ANSWER_EVERY: Duration = Duration::from_millis(500);
/// Short enough that branches are pushed together, and not felt by people.
const PUSH_EVERY: Duration = Duration::from_secs(1);
const ASSIGN_EVERY: Duration = Duration::from_secs(1);
const TELL_EVERY: Duration = Duration::from_secs(1);
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
        let others = others.chain(site.sinks.configured().into_iter().map(Errand::Tell));
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
        let due: Vec<Errand> = self
            .idle
            .iter()
            .filter(|(_, at)| **at <= now || **at > now + FARTHEST)
            .map(|(errand, _)| errand.clone())
            .collect();
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
            answer::answer(site).await?;
            later(ANSWER_EVERY)
        }
        Errand::Look(server) => look(site, server).await,
        Errand::Fetch(tree) => fetch::fetch(site, tree).await,
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
        Errand::Tell(sink) => {
            let more = tell::tell(site, *sink).await?;
            later(if more { Duration::ZERO } else { often(site, TELL_EVERY) })
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
    let server = site.config.servers.iter().find(|server| server.client.name == name);
    let (Some(server), Some(outside)) = (server, site.servers.get(name)) else {
        return Ok(Next(site.clock.now() + Duration::from_secs(86_400)));
    };
    match look::scan(site, server).await {
        Ok(new) => {
            outside.gate.worked();
            // A server that does not tell of answers still has series.
            let trouble = match replies::listen(site, server).await {
                Ok(()) => None,
                Err(ScanError::Store(error)) => return Err(error),
                Err(ScanError::Patchwork(error)) => Some(format!("answers on the list: {}", chain(&error))),
            };
            if let Some(what) = &trouble {
                tracing::warn!(server = name, "{what}");
            }
            note_trouble(site, name, trouble).await?;
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
    // Who is next does not depend on how long runs take.
    let busy: Vec<_> = holding.iter().filter_map(|record| Busy::of(record, None)).collect();
    let places = queue::order(&waiting, &busy, &site.config.boxes, now);
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
