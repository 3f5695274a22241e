//! Looks at series: at the newest of a server, and at one that was not whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::ledger::{Change, save, wake_followers};
use super::site::{Site, StepError, patience};
use crate::config::Server;
use crate::intake::{self, Completeness};
use crate::listing::{Listing, SeriesKey};
use crate::patchwork::PatchworkError;
use crate::record::decide::Wholeness;
use crate::record::{Event, Moment, Record};
use crate::store::{Save, Store, StoreError};

/// Looks at one series again.
pub(super) async fn look(site: &Site, mut record: Record) -> Result<Change, StepError> {
    let outside = site.outside(&record.key.server)?;
    let (server, _) = site.project(&record)?;
    let listing = outside.client.series(record.key.id).await?;
    let whole = wholeness(&listing);
    let events = record.observe(listing, &whole, &patience(server), site.clock.now());
    Ok(Change::of(record, events))
}

fn wholeness(listing: &Listing) -> Wholeness {
    let found = intake::completeness(listing);
    match found {
        Completeness::Whole => Wholeness::Whole,
        Completeness::Missing { .. } => Wholeness::Missing(found.words()),
        Completeness::Broken { reason } => Wholeness::Broken(reason),
    }
}

/// A look at the newest series of a server failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScanError {
    /// The server failed.
    #[error(transparent)]
    Patchwork(#[from] PatchworkError),
    /// Nothing can be saved.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Series on a page while nothing is new: one request, and a small one.
const PAGE: u32 = 30;

/// Series on a page of the very first look: the most a server gives.
const FIRST_PAGE: u32 = 250;

/// No look takes more pages than this: beyond it something is wrong with the server.
const PAGES_MAX: u32 = 200;

/// How far a look goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// So many of the newest.
    Newest(u32),
    /// Until so many in a row were there at the last complete look.
    Overlap {
        /// The highest number of the last complete look.
        watermark: u64,
        /// So many.
        known: u32,
    },
}

/// Looks at the newest series of a server and takes note of each before it remembers how far it got. Now and then as
/// far back as the very first look went.
///
/// # Errors
/// The server or the store failed; what was seen is saved, and the next look begins where this one did.
pub(super) async fn scan(site: &Arc<Site>, server: &Server) -> Result<u32, ScanError> {
    let name = server.client.name.clone();
    let watermark = {
        let name = name.clone();
        site.ledger.with(move |store| store.watermark(&name)).await?
    };
    let reconciled = watermark.and_then(|watermark| watermark.reconciled_at);
    let thorough = reconciled.is_none_or(|at| site.clock.now() >= at + server.reconcile_every);
    let (depth, per_page) = match &watermark {
        Some(watermark) if !thorough => {
            (Depth::Overlap { watermark: watermark.id, known: server.overlap }, PAGE)
        }
        _ => (Depth::Newest(server.backlog), FIRST_PAGE.min(server.backlog.max(1))),
    };
    let reached = pages(site, server, depth, per_page).await?;
    let now = site.clock.now();
    let highest = reached.highest.unwrap_or(0).max(watermark.map_or(0, |watermark| watermark.id));
    site.ledger
        .with(move |store| {
            store.set_watermark(&name, highest, now)?;
            if matches!(depth, Depth::Newest(_)) { store.set_reconciled(&name, now) } else { Ok(()) }
        })
        .await?;
    Ok(reached.new)
}

#[derive(Debug, Default)]
struct Reached {
    highest: Option<u64>,
    rows: u32,
    new: u32,
    known_in_a_row: u32,
}

async fn pages(site: &Arc<Site>, server: &Server, depth: Depth, per_page: u32) -> Result<Reached, ScanError> {
    let Some(outside) = site.servers.get(&server.client.name) else { return Ok(Reached::default()) };
    let projects: Vec<String> = server.projects.iter().map(|project| project.name.clone()).collect();
    let mut reached = Reached::default();
    // Pages drift while new series come in: a series may be seen on two of them.
    let mut seen = BTreeSet::new();
    for page in 1..=PAGES_MAX {
        let found = outside.client.newest(&projects, page, per_page).await?;
        for error in &found.unusable {
            tracing::warn!(
                server = server.client.name,
                "a listed series cannot be used: {}",
                super::site::chain(error)
            );
        }
        let mut listings = found.listings;
        listings.retain(|listing| seen.insert(listing.id));
        let wanted = match depth {
            Depth::Newest(count) => count.saturating_sub(reached.rows) as usize,
            Depth::Overlap { .. } => usize::MAX,
        };
        for listing in &listings {
            reached.highest = reached.highest.max(Some(listing.id));
            reached.rows += 1;
            let known = matches!(depth, Depth::Overlap { watermark, .. } if listing.id <= watermark);
            reached.known_in_a_row = if known { reached.known_in_a_row + 1 } else { 0 };
        }
        listings.truncate(wanted);
        reached.new += note(site, server, listings).await?;
        let far_enough = match depth {
            Depth::Newest(count) => reached.rows >= count,
            Depth::Overlap { known, .. } => reached.known_in_a_row >= known,
        };
        if far_enough || found.rows < per_page as usize {
            return Ok(reached);
        }
    }
    tracing::warn!(server = server.client.name, "a look was ended after {PAGES_MAX} pages");
    Ok(reached)
}

/// Saves what a page says: new series become records, known ones are looked at.
async fn note(site: &Site, server: &Server, mut listings: Vec<Listing>) -> Result<u32, StoreError> {
    // In the order in which they were sent.
    listings.sort_by_key(|listing| listing.id);
    let now = site.clock.now();
    let name = server.client.name.clone();
    let projects: Vec<String> = server.projects.iter().map(|project| project.name.clone()).collect();
    let patience = patience(server);
    let (new, told) = site
        .ledger
        .with(move |store| {
            let (mut new, mut told) = (0, Vec::new());
            for listing in listings {
                // The store counts to i64::MAX; no server does.
                if !projects.contains(&listing.project) || i64::try_from(listing.id).is_err() {
                    continue;
                }
                let key = SeriesKey { server: name.clone(), id: listing.id };
                let known = match store.get(&key) {
                    // It is set aside, and no look may stop at it.
                    Err(StoreError::Unreadable { .. }) => continue,
                    known => known?,
                };
                match known {
                    None => {
                        create(store, key, listing, now)?;
                        new += 1;
                    }
                    Some(record) => {
                        let events = observe(store, record, listing, &patience, now)?;
                        told.push((key, events));
                    }
                }
            }
            Ok((new, told))
        })
        .await?;
    site.ledger.tell(&told);
    if new > 0 {
        site.ledger.news.notify_one();
    }
    Ok(new)
}

fn create(store: &mut Store, key: SeriesKey, listing: Listing, now: Timestamp) -> Result<(), StoreError> {
    let record = Record::new(key, listing, now);
    store.create(&Save::new(&record, &[Moment { at: now, event: Event::Seen }]))
}

fn observe(
    store: &mut Store,
    before: Record,
    listing: Listing,
    patience: &crate::record::decide::Patience,
    now: Timestamp,
) -> Result<Vec<Event>, StoreError> {
    // A series that waits is looked at even if nothing changed: time passes for it.
    if before.listing == listing && before.due.is_none_or(|due| due > now) {
        return Ok(vec![]);
    }
    let whole = wholeness(&listing);
    let mut record = before.clone();
    let events = record.observe(listing, &whole, patience, now);
    if record == before {
        return Ok(vec![]);
    }
    let mut changed = Vec::new();
    wake_followers(store, &before, &record, &mut changed, now)?;
    changed.push((record, events.clone()));
    save(store, &changed, None, now)?;
    Ok(events)
}
