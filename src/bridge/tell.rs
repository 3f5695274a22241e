//! Tells the sinks beside Patchwork where series stand: what is owed is found by comparing what should be said with
//! what was said, so nothing is said twice and nothing is forgotten.

use std::sync::Arc;

use jiff::Timestamp;
use patchlift_publish::Notice;
use patchlift_report::Report;

use super::errands::note_trouble;
use super::sinks::Said;
use super::site::{Site, apart};
use crate::backoff;
use crate::record::decide::Failure;
use crate::record::standing::{self, Places};
use crate::record::{Event, Record, Sink, State, Telling, Trouble};
use crate::store::StoreError;

/// Series in one turn, so that what changes meanwhile is seen.
const AT_ONCE: usize = 8;

/// Series that are looked at for those of which a sink has not heard: a slow sink leaves this many to the others.
const READ: u32 = 200;

/// After so many refusals in a row a sink is left until there is something new to say.
const TRIES: u32 = 12;

/// Tells a sink what is owed of the series that have waited longest. Gives back whether there may be more.
pub(super) async fn tell(site: &Arc<Site>, sink: Sink) -> Result<bool, StoreError> {
    let now = site.clock.now();
    let mut due = site.ledger.with(move |store| store.to_tell(now, READ)).await?;
    due.retain(|record| record.owes(sink, now));
    let more = due.len() > AT_ONCE;
    for record in due.into_iter().take(AT_ONCE) {
        let intent = site.ledger.begin(&record.key, sink.step()).await?;
        let work = {
            let (site, record) = (Arc::clone(site), record.clone());
            apart(async move { one(&site, sink, &record).await })
        };
        if let Some(done) = work.await {
            done?;
        } else {
            let words = format!("{} is left: a fault in patchlift itself", sink.words());
            let hush = move |record: &mut Record, _| {
                record.hush(sink);
                vec![Event::Noted { words }]
            };
            edit(site, &record, hush).await?;
        }
        site.ledger.with(move |store| store.drop_intent(intent)).await?;
    }
    Ok(more)
}

/// Changes what is known of a series' tellings, and when the next is due.
async fn edit(
    site: &Site,
    record: &Record,
    change: impl FnOnce(&mut Record, Timestamp) -> Vec<Event> + Send + 'static,
) -> Result<(), StoreError> {
    let sinks = site.sinks.configured();
    let edit = move |record: &mut Record, now| {
        let events = change(record, now);
        record.tell_at = record.next_telling(&sinks);
        events
    };
    site.ledger.edit(&record.key, None, edit).await
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

async fn one(site: &Site, sink: Sink, record: &Record) -> Result<(), StoreError> {
    let mut telling = record.tellings.get(&sink).cloned().unwrap_or_default();
    let now = site.clock.now();
    telling.heard = record.news;
    telling.not_before = None;
    let notice = notice(site, record).await?;
    let draft = notice.as_ref().and_then(|notice| site.sinks.draft(sink, notice, &telling));
    let owed = draft.map(|draft| (draft.digest(), draft));
    // What was about to be said when the bridge was killed may be there in place of this.
    let is_sure = telling.in_doubt.is_none();
    let owed = owed.filter(|(digest, _)| !is_sure || telling.said.as_deref() != Some(digest.as_str()));
    let Some((digest, draft)) = owed else {
        telling.trouble = None;
        return keep(site, record, sink, telling, vec![]).await;
    };
    if site.only_says(|| format!("{}: bring {} up to date", record.key, sink.words())) {
        return keep(site, record, sink, telling, vec![]).await;
    }
    if let Some(until) = site.sinks.gate(sink).closed(now) {
        telling.not_before = Some(until);
        return keep(site, record, sink, telling, vec![]).await;
    }
    // Written down before anything is said: from here on it may be there.
    let in_doubt = telling.in_doubt;
    telling.in_doubt = Some(in_doubt.unwrap_or(now));
    // Not heard before it is said: a bridge that is killed here begins again.
    let unheard = Telling { heard: record.news.wrapping_sub(1), ..telling.clone() };
    keep(site, record, sink, unheard, vec![]).await?;
    let said = site.sinks.say(&draft, telling.place.take(), in_doubt).await;
    match &said.failure {
        None => note_trouble(site, sink.name(), None).await?,
        Some(failure) if failure.down => {
            note_trouble(site, sink.name(), Some(failure.what.clone())).await?;
        }
        Some(_) => {}
    }
    let events = settle(site, sink, &mut telling, said, digest, in_doubt);
    if let Some(Event::Failed { what, .. }) = events.first() {
        tracing::warn!(series = %record.key, "{}: {what}", sink.words());
    }
    keep(site, record, sink, telling, events).await
}

/// What a sink's answer means for the telling.
fn settle(
    site: &Site,
    sink: Sink,
    telling: &mut Telling,
    said: Said,
    digest: String,
    in_doubt: Option<Timestamp>,
) -> Vec<Event> {
    let now = site.clock.now();
    telling.place = said.place;
    telling.not_before = None;
    let Some(failure) = said.failure else {
        site.sinks.gate(sink).worked();
        let (heard, place) = (telling.heard, telling.place.take());
        *telling = Telling { heard, said: Some(digest), place, ..Telling::default() };
        return vec![];
    };
    if !said.may_have_happened {
        // What was in doubt before is so still: the look-up may be what failed.
        telling.in_doubt = in_doubt;
    }
    let known = telling.trouble.as_ref().is_some_and(|trouble| trouble.what == failure.what);
    let trouble = Trouble::after(telling.trouble.as_ref(), &failure, now);
    if (failure.lasting && !failure.wide) || trouble.times >= TRIES {
        telling.said = Some(digest);
        telling.refused = Some(failure.what.clone());
    } else {
        let mut until = now + backoff::after(trouble.in_a_row(), failure.retry_after);
        if failure.down {
            until = until.max(site.sinks.gate(sink).failed(failure.retry_after, now));
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
    let keep = move |record: &mut Record, _: Timestamp| {
        record.tellings.insert(sink, telling);
        events
    };
    edit(site, record, keep).await
}
