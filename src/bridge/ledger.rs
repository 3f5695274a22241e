//! The store as the bridge's tasks use it: one writer, and a change counts only for a series that still stands where
//! it stood.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;

use super::decisions::Decisions;
use crate::clock::Clock;
use crate::listing::SeriesKey;
use crate::record::kin::{Kin, can_lead, kin};
use crate::record::state::Same;
use crate::record::{Event, Moment, Record, State};
use crate::store::{IntentId, RequestId, Save, Store, StoreError};

/// The store, shared by all tasks of one bridge.
#[derive(Debug, Clone)]
pub struct Ledger {
    store: Arc<Mutex<Store>>,
    clock: Clock,
    /// Told whenever something was written that may be due earlier than what is waited for.
    pub news: Arc<Notify>,
    /// Where what became of series is kept beside a recording.
    decisions: Option<Arc<Decisions>>,
}

/// Where a series stood when a step began.
#[derive(Debug, Clone)]
pub struct Stand {
    key: SeriesKey,
    revision: u32,
    since: Timestamp,
    word: &'static str,
    publish_at: Option<Timestamp>,
    news: u64,
    released: bool,
}

impl Stand {
    /// Where it stands now.
    pub fn of(record: &Record) -> Self {
        Self {
            key: record.key.clone(),
            revision: record.revision,
            since: record.since,
            word: record.state.word(),
            publish_at: record.publish_at,
            news: record.news,
            released: record.released,
        }
    }

    /// Does it still stand there?
    fn holds(&self, record: &Record) -> bool {
        let here = (&record.key, record.revision, record.since, record.state.word());
        here == (&self.key, self.revision, self.since, self.word)
    }
}

/// A series as a step leaves it.
#[derive(Debug)]
pub struct Change {
    /// The series.
    pub record: Record,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// Its frozen mails, where they are new: then its kin is looked for, too.
    pub mails: Option<Vec<u8>>,
    /// Its report, where there is a new one.
    pub report: Option<Vec<u8>>,
}

impl Change {
    /// A series that was moved on.
    pub fn of(record: Record, events: Vec<Event>) -> Self {
        Self { record, events, mails: None, report: None }
    }
}

impl Ledger {
    /// Wraps an open store.
    pub fn new(store: Store, clock: Clock, decisions: Option<Decisions>) -> Self {
        let store = Arc::new(Mutex::new(store));
        Self { store, clock, news: Arc::new(Notify::new()), decisions: decisions.map(Arc::new) }
    }

    /// Tells the log, and who compares, what became of series.
    pub fn tell(&self, changed: &[(SeriesKey, Vec<Event>)]) {
        for (key, events) in changed {
            for event in events {
                tracing::info!(series = %key, "{}", event.words());
                if let (Event::Became { state, words }, Some(decisions)) = (event, &self.decisions) {
                    decisions.note(key, state, words);
                }
            }
        }
    }

    /// Does something with the store where nothing else runs any more.
    ///
    /// # Errors
    /// What `work` gives.
    pub fn now<T>(&self, work: impl FnOnce(&mut Store) -> Result<T, StoreError>) -> Result<T, StoreError> {
        work(&mut self.store.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does something with the store, away from the threads that wait for the network.
    ///
    /// # Errors
    /// What `work` gives.
    pub async fn with<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
    {
        let store = Arc::clone(&self.store);
        let done = tokio::task::spawn_blocking(move || {
            work(&mut store.lock().unwrap_or_else(PoisonError::into_inner))
        });
        match done.await {
            Ok(result) => result,
            // `work` holds no state of its own: its panic is this task's.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is going down, and nothing waits for the answer any more.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// A series.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn get(&self, key: &SeriesKey) -> Result<Option<Record>, StoreError> {
        let key = key.clone();
        self.with(move |store| readable(store, &key)).await
    }

    /// Writes down that a step begins.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn begin(&self, key: &SeriesKey, step: &'static str) -> Result<IntentId, StoreError> {
        let (key, now) = (key.clone(), self.clock.now());
        self.with(move |store| store.begin(&key, step, "", now)).await
    }

    /// Saves what a step changed, with all that follows for other series, in one transaction. `false`: the series was
    /// moved on by something else meanwhile, and the change is dropped.
    ///
    /// # Errors
    /// The store cannot be written; then nothing is.
    pub async fn commit(
        &self,
        stand: Stand,
        change: Change,
        closes: Option<IntentId>,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let saved = self.with(move |store| commit(store, &stand, change, closes, now)).await?;
        self.tell(saved.as_deref().unwrap_or_default());
        self.news.notify_one();
        Ok(saved.is_some())
    }

    /// Changes a series as it stands now. `edit` gives what happened, or nothing.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub async fn edit<F>(
        &self,
        key: &SeriesKey,
        answers: Option<RequestId>,
        edit: F,
    ) -> Result<(), StoreError>
    where
        F: FnOnce(&mut Record, Timestamp) -> Vec<Event> + Send + 'static,
    {
        let (key, now) = (key.clone(), self.clock.now());
        let drop = move |store: &mut Store| {
            answers.map_or(Ok(()), |answers| store.drop_request(answers)).map(|()| Vec::new())
        };
        let changed = self
            .with(move |store| {
                let Some(current) = readable(store, &key)? else { return drop(store) };
                let mut record = current.clone();
                let events = edit(&mut record, now);
                if record == current && events.is_empty() {
                    return drop(store);
                }
                let mut others = Vec::new();
                wake_followers(store, &current, &record, &mut others, now)?;
                others.push((record, events));
                save(store, &others, answers, now)?;
                Ok(told(others))
            })
            .await?;
        self.tell(&changed);
        self.news.notify_one();
        Ok(())
    }
}

/// A series. One that cannot be read is set aside, as if it were not there: the others go on.
pub(super) fn readable(store: &Store, key: &SeriesKey) -> Result<Option<Record>, StoreError> {
    match store.get(key) {
        Err(StoreError::Unreadable { .. }) => Ok(None),
        found => found,
    }
}

/// Series and what happened to them.
pub(super) type Changed = Vec<(Record, Vec<Event>)>;

/// What happened to which series.
type Told = Vec<(SeriesKey, Vec<Event>)>;

fn told(changed: Changed) -> Told {
    changed.into_iter().map(|(record, events)| (record.key, events)).collect()
}

fn moments(events: &[Event], at: Timestamp) -> Vec<Moment> {
    events.iter().map(|event| Moment { at, event: event.clone() }).collect()
}

/// Saves all of it in one transaction.
pub(super) fn save(
    store: &mut Store,
    changed: &Changed,
    answers: Option<RequestId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let moments: Vec<_> = changed.iter().map(|(_, events)| moments(events, now)).collect();
    let answers = answers.as_slice();
    let saves: Vec<_> = changed
        .iter()
        .zip(&moments)
        .enumerate()
        .map(|(at, ((record, _), moments))| {
            let save = Save::of(record, moments);
            if at + 1 == changed.len() { Save { answers, ..save } } else { save }
        })
        .collect();
    store.save_all(&saves)
}

fn commit(
    store: &mut Store,
    stand: &Stand,
    change: Change,
    closes: Option<IntentId>,
    now: Timestamp,
) -> Result<Option<Told>, StoreError> {
    let current = readable(store, &stand.key)?;
    let Some(current) = current.filter(|current| stand.holds(current)) else {
        if let Some(intent) = closes {
            store.drop_intent(intent)?;
        }
        return Ok(None);
    };
    let Change { mut record, mut events, mails, report } = change;
    record.priority = current.priority;
    // Sinks are told beside the series' own steps.
    record.tellings.clone_from(&current.tellings);
    // A release that came while its step was taken is not asked for twice.
    if current.released && !stand.released && !record.released && record.revision == current.revision {
        record.released = true;
        if matches!(record.state, State::Held { .. }) {
            events.push(record.enter(State::Ready, "released", now));
        }
    }
    // Whom it follows has got on meanwhile: there is more to be said than was said just now.
    if current.publish_at.is_some() && current.publish_at != stand.publish_at {
        record.publish_at = current.publish_at;
    }
    if record.news == stand.news {
        (record.news, record.tell_at) = (current.news, current.tell_at);
    } else {
        // Both may have something new to say.
        record.news += current.news - stand.news;
    }
    let mut others = Vec::new();
    if mails.is_some() {
        relate(store, &mut record, &mut events, &mut others, now)?;
    }
    wake_followers(store, &current, &record, &mut others, now)?;
    for other in others.clone() {
        if let Some(before) = readable(store, &other.0.key)? {
            wake_followers(store, &before, &other.0, &mut others, now)?;
        }
    }
    let main = moments(&events, now);
    let other_moments: Vec<_> = others.iter().map(|(_, events)| moments(events, now)).collect();
    let mut saves: Vec<_> =
        others.iter().zip(&other_moments).map(|((record, _), moments)| Save::of(record, moments)).collect();
    saves.push(Save {
        mails: mails.as_deref(),
        report: report.as_deref(),
        closes,
        ..Save::of(&record, &main)
    });
    store.save_all(&saves)?;
    others.push((record, events));
    Ok(Some(told(others)))
}

/// What a series says, its followers say.
pub(super) fn wake_followers(
    store: &Store,
    before: &Record,
    after: &Record,
    others: &mut Changed,
    now: Timestamp,
) -> Result<(), StoreError> {
    if before.state == after.state {
        return Ok(());
    }
    // Its patches changed, or it will not be tested: that is about this one only.
    let alone = matches!(
        after.state,
        State::Waiting | State::Settling { .. } | State::Declined { .. } | State::GivenUp { .. }
    );
    for mut follower in store.followers(&after.key)? {
        if others.iter().any(|(other, _)| other.key == follower.key) {
            continue;
        }
        let events = if alone {
            vec![follower.enter(State::Ready, format!("{} is not tested for it any more", after.key), now)]
        } else {
            follower.has_news(now);
            vec![]
        };
        others.push((follower, events));
    }
    wake_dependents(store, after, others, now)
}

/// Why a series is not applied yet that needs another one.
pub(super) fn depends_on(key: &SeriesKey) -> String {
    format!("it depends on {key}, which is ")
}

/// Series that wait for this one look whether they can be applied now.
fn wake_dependents(
    store: &Store,
    needed: &Record,
    others: &mut Changed,
    now: Timestamp,
) -> Result<(), StoreError> {
    if needed.can_be_built_on().is_none() && !needed.state.is_final() {
        return Ok(());
    }
    let why = depends_on(&needed.key);
    for mut waiting in store.in_state(&["ready"])? {
        let waits = waiting.trouble.as_ref().is_some_and(|trouble| trouble.what.starts_with(&why));
        if waits
            && waiting.due.is_some_and(|due| due > now)
            && others.iter().all(|(other, _)| other.key != waiting.key)
        {
            waiting.due = Some(now);
            others.push((waiting, vec![]));
        }
    }
    Ok(())
}

/// Finds a series' place among its kin, now that its text is known: it follows the same patches that are there
/// already, gives way to a newer version, and takes the place of older ones.
fn relate(
    store: &Store,
    record: &mut Record,
    events: &mut Vec<Event>,
    others: &mut Changed,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut near = Vec::new();
    for key in store.by_patch_ids(record.text.as_ref().map_or(&[], |text| &text.patch_ids))? {
        near.extend(readable(store, &key)?);
    }
    near.extend(store.by_submitter(
        &record.key.server,
        &record.listing.project,
        &record.listing.submitter.email,
    )?);
    near.retain(|other| other.key != record.key);
    near.sort_by(|a, b| (a.first_seen, &a.key).cmp(&(b.first_seen, &b.key)));
    near.dedup_by(|a, b| a.key == b.key);
    let same = |other: &Record| match kin(record, other) {
        Some(Kin::Same(why)) if can_lead(other) => Some(why),
        _ => None,
    };
    if let Some((leader, why)) = near.iter().find_map(|other| Some((other.clone(), same(other)?))) {
        if leader.key < record.key || leader.state.run().is_some() {
            events.push(follow(record, &leader.key, why, now));
            return Ok(());
        }
        // Nothing has been tested yet, so the first that was sent leads, in whatever order they were fetched.
        let mut later = leader;
        let event = follow(&mut later, &record.key, why, now);
        near.retain(|other| other.key != later.key);
        // Whoever followed it follows the new leader.
        for mut follower in store.followers(&later.key)? {
            if follower.key != record.key {
                let event = follow(&mut follower, &record.key, why, now);
                near.retain(|other| other.key != follower.key);
                others.push((follower, vec![event]));
            }
        }
        others.push((later, vec![event]));
    }
    for other in near {
        match kin(record, &other) {
            Some(Kin::Newer) => {
                let words = format!("version {} is there: {}", other.listing.version, other.key);
                events.push(record.enter(State::Superseded { by: other.key, cancel: None }, words, now));
                return Ok(());
            }
            Some(Kin::Older) => others.extend(superseded(other, record, now)),
            _ => {}
        }
    }
    Ok(())
}

fn follow(record: &mut Record, leader: &SeriesKey, why: Same, now: Timestamp) -> Event {
    let words = format!("the same patches as {leader}");
    record.enter(State::Follows { leader: leader.clone(), why }, words, now)
}

/// An older version that gives way; `None`: what is said of it stands.
fn superseded(mut older: Record, newer: &Record, now: Timestamp) -> Option<(Record, Vec<Event>)> {
    let gone = matches!(
        older.state,
        State::Finished { .. } | State::Superseded { .. } | State::Declined { .. } | State::GivenUp { .. }
    );
    if gone {
        return None;
    }
    let cancel = older.state.run().cloned();
    let words = format!("by version {}: {}", newer.listing.version, newer.key);
    let event = older.enter(State::Superseded { by: newer.key.clone(), cancel }, words, now);
    Some((older, vec![event]))
}
