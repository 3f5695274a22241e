//! Tells the sinks beside Patchwork where series stand: what is owed is found by comparing what should be said with
//! what was said, so nothing is said twice and nothing is forgotten.

use std::sync::Arc;

use jiff::Timestamp;
use patchlift_publish::Notice;
use patchlift_report::Report;

use super::sinks::Said;
use super::site::{Site, apart};
use crate::backoff;
use crate::record::decide::Failure;
use crate::record::standing::{self, Places};
use crate::record::{Event, Record, Sink, State, Telling, Trouble};
use crate::store::StoreError;

/// What is being done, in the journal.
pub(super) const STEP: &str = "telling of it";

/// Series in one turn: a sink that is slow by its own rules keeps the others for this long only.
const AT_ONCE: u32 = 8;

/// After so many refusals in a row a sink is left until there is something new to say.
const TRIES: u32 = 12;

/// Tells what is owed of the series that have waited longest. Gives back whether there may be more.
pub(super) async fn tell(site: &Arc<Site>) -> Result<bool, StoreError> {
    if !site.sinks.any() {
        return Ok(false);
    }
    let now = site.clock.now();
    let due = site.ledger.with(move |store| store.to_tell(now, AT_ONCE)).await?;
    let more = due.len() >= AT_ONCE as usize;
    let mut turns = Vec::new();
    for record in due {
        let notice = notice(site, &record).await?;
        turns.push((record, notice));
    }
    let turns = Arc::new(turns);
    let mut tasks = tokio::task::JoinSet::new();
    for sink in site.sinks.configured() {
        let (site, turns) = (Arc::clone(site), Arc::clone(&turns));
        tasks.spawn(async move { at_one(&site, sink, &turns).await });
    }
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(done) => done?,
            Err(error) if error.is_panic() => tracing::error!("telling a sink: a fault in patchlift itself"),
            Err(_) => std::future::pending().await,
        }
    }
    for (record, notice) in turns.iter() {
        let (before, silent, site_sinks) = (record.tell_at, notice.is_none(), site.sinks.configured());
        let next = move |record: &mut Record, _| {
            // Something newer is to be said already.
            if record.tell_at == before {
                let times = site_sinks.iter().filter_map(|sink| record.tellings.get(sink)?.not_before);
                record.tell_at = times.filter(|_| !silent).min();
            }
            vec![]
        };
        site.ledger.edit(&record.key, None, next).await?;
    }
    Ok(more)
}

/// What is to be said of a series, with its report.
async fn notice(site: &Site, record: &Record) -> Result<Option<Notice>, StoreError> {
    let reported = matches!(&record.state, State::Finished { outcome, .. } if outcome.reported);
    let mut report = None;
    if reported {
        let (key, revision) = (record.key.clone(), record.revision);
        let bytes = site.ledger.with(move |store| store.report(&key, revision)).await?;
        // It was readable when it came; what cannot be read now is not what the verdict hangs on.
        report = bytes.and_then(|bytes| Report::from_json(&bytes).ok());
    }
    let places = Places {
        branches: site.sinks.branches.clone(),
        archive: site.config.of(record).and_then(|(_, project)| project.archive.clone()),
        pages: None,
    };
    Ok(standing::notice(record, &places, report))
}

/// Tells one sink of each series in turn.
async fn at_one(site: &Arc<Site>, sink: Sink, turns: &[(Record, Option<Notice>)]) -> Result<(), StoreError> {
    for (record, notice) in turns {
        let Some(notice) = notice else { continue };
        let intent = site.ledger.begin(&record.key, STEP).await?;
        let work = {
            let (site, record, notice) = (Arc::clone(site), record.clone(), notice.clone());
            apart(async move { one(&site, sink, &record, &notice).await })
        };
        match work.await {
            Some(done) => done?,
            None => keep_silent(site, sink, record).await?,
        }
        site.ledger.with(move |store| store.drop_intent(intent)).await?;
    }
    Ok(())
}

/// Says nothing more there until there is something new to say.
async fn keep_silent(site: &Site, sink: Sink, record: &Record) -> Result<(), StoreError> {
    let edit = move |record: &mut Record, _| {
        let telling = record.tellings.entry(sink).or_default();
        telling.not_before = None;
        vec![Event::Noted { words: format!("{} is left: a fault in patchlift itself", sink.words()) }]
    };
    site.ledger.edit(&record.key, None, edit).await
}

async fn one(site: &Site, sink: Sink, record: &Record, notice: &Notice) -> Result<(), StoreError> {
    let mut telling = record.tellings.get(&sink).cloned().unwrap_or_default();
    let now = site.clock.now();
    let Some(draft) = site.sinks.draft(sink, notice, &telling) else { return Ok(()) };
    let digest = draft.digest();
    if telling.said.as_deref() == Some(digest.as_str()) || telling.not_before.is_some_and(|at| at > now) {
        return Ok(());
    }
    if site.only_says(|| format!("{}: bring {} up to date", record.key, sink.words())) {
        return Ok(());
    }
    if let Some(until) = site.sinks.gate(sink).and_then(|gate| gate.closed(now)) {
        telling.not_before = Some(until);
        return keep(site, record, sink, telling, vec![]).await;
    }
    // Written down before anything is said: from here on it may be there.
    let in_doubt = telling.in_doubt;
    telling.in_doubt = Some(in_doubt.unwrap_or(now));
    keep(site, record, sink, telling.clone(), vec![]).await?;
    let said = site.sinks.say(&draft, telling.place.take(), in_doubt).await;
    let events = settle(site, sink, &mut telling, said, digest);
    if let Some(Event::Failed { what, .. }) = events.first() {
        tracing::warn!(series = %record.key, "{}: {what}", sink.words());
    }
    keep(site, record, sink, telling, events).await
}

/// What a sink's answer means for the telling.
fn settle(site: &Site, sink: Sink, telling: &mut Telling, said: Said, digest: String) -> Vec<Event> {
    let now = site.clock.now();
    telling.place = said.place;
    telling.not_before = None;
    let Some(failure) = said.failure else {
        if let Some(gate) = site.sinks.gate(sink) {
            gate.worked();
        }
        *telling = Telling { said: Some(digest), place: telling.place.take(), ..Telling::default() };
        return vec![];
    };
    if !said.may_have_happened {
        telling.in_doubt = None;
    }
    let known = telling.trouble.as_ref().is_some_and(|trouble| trouble.what == failure.what);
    let trouble = Trouble::after(telling.trouble.as_ref(), &failure, now);
    if (failure.lasting && !failure.wide) || trouble.times >= TRIES {
        telling.said = Some(digest);
        telling.refused = Some(failure.what.clone());
        telling.in_doubt = None;
    } else {
        let mut until = now + backoff::after(trouble.in_a_row(), failure.retry_after);
        if let Some(gate) = site.sinks.gate(sink).filter(|_| failure.down) {
            until = until.max(gate.failed(failure.retry_after, now));
        }
        telling.not_before = Some(until);
    }
    telling.trouble = Some(trouble);
    // The same trouble again is no news.
    if known { vec![] } else { vec![failed(sink, failure)] }
}

fn failed(sink: Sink, failure: Failure) -> Event {
    Event::Failed { step: sink.words().to_owned(), whose: failure.whose, what: failure.what }
}

async fn keep(
    site: &Site,
    record: &Record,
    sink: Sink,
    telling: Telling,
    events: Vec<Event>,
) -> Result<(), StoreError> {
    let edit = move |record: &mut Record, _: Timestamp| {
        record.tellings.insert(sink, telling);
        events
    };
    site.ledger.edit(&record.key, None, edit).await
}
