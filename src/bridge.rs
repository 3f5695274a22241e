//! The loop: observe, decide, save, act, save. One series that fails never stops another.
//!
//! In reading order: [`ledger`] is the store as tasks use it, [`site`] what they share, `work` takes one step of one
//! series; `look`, `freeze`, `apply`, `start`, `follow` and `post` are the steps. [`errands`] is what is done for many
//! series at once: looking at the servers' newest, fetching trees, pushing, giving boxes, answering people.

pub mod answer;
mod apply;
pub mod decisions;
pub mod errands;
mod fetch;
mod follow;
mod freeze;
mod gate;
pub mod ledger;
mod look;
pub mod open;
mod post;
mod push;
mod replies;
pub mod sinks;
pub mod site;
mod start;
pub mod take;
mod tell;
mod work;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::listing::SeriesKey;
use crate::record::{Event, Record, Sink, State};
use crate::store::StoreError;
use errands::{Errand, Errands};
use site::{Site, apart};

/// When a run of the loop ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Never.
    Stopped,
    /// When nothing is left to do but to wait for others: mails, runs, people, failures to pass.
    Idle,
    /// When the clock shows this: the end of a recording.
    Clock(Timestamp),
}

/// How often people's requests are looked for.
const REQUESTS: Duration = Duration::from_millis(500);

/// How long an errand rests in which the program itself failed.
const AFTER_A_FAULT: Duration = Duration::from_secs(60);

/// How long is waited where nothing can be saved.
const AGAIN: Duration = Duration::from_secs(10);

/// A step that was begun so often in a row and never ended kills the bridge: its series is parked. Sudden ends of
/// other causes hit one step of one series that often hardly ever.
const DEATHS: u32 = 10;

/// Due series that are looked at in one turn.
const AT_ONCE_READ: u32 = 200;

/// The running bridge.
pub struct Bridge {
    site: Arc<Site>,
    errands: Errands,
    tasks: JoinSet<Result<Done, StoreError>>,
    busy: HashSet<SeriesKey>,
    until: Until,
    only: Option<SeriesKey>,
}

/// What a task has done.
enum Done {
    Series(SeriesKey),
    Errand(Errand, errands::Next),
}

impl Bridge {
    /// A bridge that is about to run.
    pub fn new(site: Arc<Site>, until: Until) -> Self {
        let errands = Errands::of(&site);
        Self { site, errands, tasks: JoinSet::new(), busy: HashSet::new(), until, only: None }
    }

    /// Works on this series only, and looks for no others.
    #[must_use]
    pub fn only(mut self, key: SeriesKey) -> Self {
        self.errands.without_looks();
        self.only = Some(key);
        self
    }

    /// Runs until it is idle, or for ever. Dropping the future stops everything in the middle; the next run goes on
    /// from what is saved.
    ///
    /// # Errors
    /// Nothing can be saved. A bridge that is to run for ever waits for what passes, such as a full disk.
    pub async fn run(mut self) -> Result<(), StoreError> {
        self.park_killers().await?;
        loop {
            match self.work().await {
                Err(error) if error.may_pass() && self.until == Until::Stopped => {
                    tracing::error!("{}; tried again", site::chain(&error));
                    // What was under way is not known to be saved: it begins again from what is.
                    self.tasks = JoinSet::new();
                    self.busy.clear();
                    self.errands = Errands::of(&self.site);
                    tokio::time::sleep(AGAIN).await;
                }
                ended => return ended,
            }
        }
    }

    async fn work(&mut self) -> Result<(), StoreError> {
        for tree in &self.site.config.trees {
            if tree.branches.iter().any(|branch| self.site.trees.resolve(&tree.base(branch)).is_none()) {
                self.site.only_says(|| format!("fetch the tree {} from {}", tree.name, tree.url));
            }
        }
        loop {
            let now = self.site.clock.now();
            self.begin_errands(now);
            let wake = self.begin_series(now).await?;
            match self.until {
                Until::Idle if self.is_idle().await? => return Ok(()),
                Until::Clock(end) if now >= end && self.tasks.is_empty() => return Ok(()),
                _ => {}
            }
            self.wait(wake).await?;
        }
    }

    /// Parks series whose step has ended the bridge again and again.
    async fn park_killers(&self) -> Result<(), StoreError> {
        let intents = self.site.ledger.with(|store| store.open_intents()).await?;
        for intent in intents.into_iter().filter(|intent| intent.times >= DEATHS) {
            let reason = format!("{} ended patchlift {} times in a row", intent.step, intent.times);
            let posting = intent.step == post::STEP;
            let telling = Sink::ALL.into_iter().find(|sink| sink.step() == intent.step);
            let edit = move |record: &mut Record, now| match record.state {
                State::Parked { .. } => vec![],
                _ if telling.is_some() => {
                    telling.into_iter().for_each(|sink| record.hush(sink));
                    vec![Event::Noted { words: reason }]
                }
                // What was decided stands, though it cannot be said.
                _ if posting => work::keep_silent(record),
                _ => vec![record.park(reason, now)],
            };
            self.site.ledger.edit(&intent.key, None, edit).await?;
            self.site.ledger.with(move |store| store.drop_intent(intent.id)).await?;
        }
        Ok(())
    }

    fn begin_errands(&mut self, now: Timestamp) {
        for errand in self.errands.due(now) {
            let site = Arc::clone(&self.site);
            self.tasks.spawn(async move {
                let run = {
                    let (site, errand) = (Arc::clone(&site), errand.clone());
                    apart(async move { errands::run(&site, &errand).await })
                };
                let next = match run.await {
                    Some(next) => next?,
                    None => {
                        tracing::error!("{errand:?}: a fault in patchlift itself");
                        errands::Next(site.clock.now() + AFTER_A_FAULT)
                    }
                };
                Ok(Done::Errand(errand, next))
            });
        }
    }

    /// Starts work on series that are due, as many as may be worked on at once. Gives the next time at which one is.
    async fn begin_series(&mut self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let free = self.site.config.at_once.saturating_sub(self.busy.len());
        if free == 0 {
            return Ok(None);
        }
        let due: Vec<Record> = match self.only.clone() {
            Some(key) => self.site.ledger.get(&key).await?.into_iter().collect(),
            None => self.site.ledger.with(move |store| store.due(now, AT_ONCE_READ)).await?,
        };
        let later = due.iter().filter_map(Record::wakes).filter(|wakes| *wakes > now).min();
        let mut waiting = due
            .into_iter()
            .filter(|record| record.wakes().is_some_and(|wakes| wakes <= now))
            .map(|record| record.key)
            .filter(|key| !self.busy.contains(key))
            .collect::<Vec<_>>();
        waiting.truncate(free);
        for key in waiting {
            self.busy.insert(key.clone());
            let site = Arc::clone(&self.site);
            self.tasks.spawn(async move {
                work::work(site, key.clone()).await?;
                Ok(Done::Series(key))
            });
        }
        match later {
            Some(later) => Ok(Some(later)),
            None => self.site.ledger.with(move |store| store.next_due_after(now)).await,
        }
    }

    /// Waits until a task ends, something was written, or something is due.
    async fn wait(&mut self, wake: Option<Timestamp>) -> Result<(), StoreError> {
        let now = self.site.clock.now();
        let wake = [wake, self.errands.next()].into_iter().flatten().min().unwrap_or(now + REQUESTS);
        let news = Arc::clone(&self.site.ledger.news);
        let idle = self.tasks.is_empty();
        tokio::select! {
            done = self.tasks.join_next(), if !idle => match done {
                Some(Ok(Ok(Done::Series(key)))) => { self.busy.remove(&key); }
                Some(Ok(Ok(Done::Errand(errand, next)))) => self.errands.done(&errand, next),
                Some(Ok(Err(error))) => return Err(error),
                // A panic in the frame of a step or errand, where nothing can be saved about it.
                Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Some(Err(_)) | None => {}
            },
            () = news.notified() => {}
            // A replayed clock moves on only when nothing is under way.
            () = self.site.clock.wait_until(wake), if idle || !self.site.clock.is_replayed() => {}
        }
        Ok(())
    }

    /// Is nothing left but waiting for others?
    async fn is_idle(&self) -> Result<bool, StoreError> {
        if !self.tasks.is_empty() || !self.errands.all_done_once() {
            return Ok(false);
        }
        let open = match &self.only {
            Some(key) => self.site.ledger.get(key).await?.into_iter().collect(),
            None => self.site.ledger.with(|store| store.unfinished()).await?,
        };
        let now = self.site.clock.now();
        if !self.site.ledger.with(move |store| store.to_tell(now, 1)).await?.is_empty() {
            return Ok(false);
        }
        let mirror_is_down = self.site.mirror_gate.closed(now).is_some();
        let is_down = |record: &Record| {
            let outside = self.site.servers.get(&record.key.server);
            outside.is_none_or(|outside| outside.gate.closed(now).is_some())
        };
        Ok(!open.iter().any(|record| !is_down(record) && goes_on_by_itself(record, mirror_is_down)))
    }
}

/// Will this series get on within moments, without anybody else?
fn goes_on_by_itself(record: &Record, mirror_is_down: bool) -> bool {
    let moving = match record.state {
        State::Settling { .. } | State::Whole | State::Ready => record.due.is_some(),
        State::Applied { .. } => !mirror_is_down,
        _ => false,
    };
    let unsaid = record.publish_at.is_some() && record.unposted.is_none();
    (moving && record.trouble.is_none()) || unsaid
}
