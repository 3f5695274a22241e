//! One step of one series: written down, taken, saved.

use std::sync::Arc;

use super::errands::note_trouble;
use super::ledger::{Change, Stand};
use super::site::{Site, StepError, apart, ours};
use super::{apply, follow, freeze, look, post, start};
use crate::listing::SeriesKey;
use crate::record::Record;
use crate::record::decide::{Failure, Step, next_step};
use crate::store::StoreError;

/// Does what is due for a series: its step, then its checks.
///
/// # Errors
/// The store failed; everything else is noted in the series' record.
pub(super) async fn work(site: Arc<Site>, key: SeriesKey) -> Result<(), StoreError> {
    let now = site.clock.now();
    let due = |record: &Record| record.due.is_some_and(|due| due <= now);
    let Some(record) = site.ledger.get(&key).await? else { return Ok(()) };
    if due(&record) {
        match next_step(&record.state) {
            Some(step) => take(&site, record, step).await?,
            None => site.ledger.edit(&key, None, |record, _| forget_due(record)).await?,
        }
    }
    let Some(record) = site.ledger.get(&key).await? else { return Ok(()) };
    if record.publish_at.is_some_and(|at| at <= now) {
        let posting = {
            let site = Arc::clone(&site);
            apart(async move { post::post(&site, record).await })
        };
        match posting.await {
            Some(posted) => posted?,
            None => site.ledger.edit(&key, None, |record, _| keep_silent(record)).await?,
        }
    }
    Ok(())
}

/// Says nothing more until there is something new to say.
pub(super) fn keep_silent(record: &mut Record) -> Vec<crate::record::Event> {
    record.publish_at = None;
    vec![crate::record::Event::Noted { words: "its checks are left: a fault in patchlift itself".to_owned() }]
}

fn forget_due(record: &mut Record) -> Vec<crate::record::Event> {
    record.due = None;
    vec![]
}

async fn take(site: &Arc<Site>, record: Record, step: Step) -> Result<(), StoreError> {
    let stand = Stand::of(&record);
    if let Some(until) = closed(site, &record, step) {
        let mut later = record;
        later.due = Some(until);
        site.ledger.commit(stand, Change::of(later, vec![]), None).await?;
        return Ok(());
    }
    let intent = site.ledger.begin(&record.key, step.words()).await?;
    let acting = {
        let (site, record) = (Arc::clone(site), record.clone());
        apart(async move { act(&site, record, step).await })
    };
    let fault = || Err(Failure { lasting: true, ..ours("a fault in patchlift itself") }.into());
    let result = acting.await.unwrap_or_else(fault);
    match result {
        Ok(change) => {
            opened(site, &record, step);
            if is_githubs(step) {
                note_trouble(site, "github", None).await?;
            }
            site.ledger.commit(stand, change, Some(intent)).await?;
        }
        Err(StepError::Store(error)) => return Err(error),
        Err(StepError::Failed(failure)) => {
            if failure.down && is_githubs(step) {
                note_trouble(site, "github", Some(failure.what.clone())).await?;
            }
            // The step may have saved something before it failed: that a run was asked for, above all.
            let mut record = site.ledger.get(&record.key).await?.unwrap_or(record);
            let now = site.clock.now();
            tracing::warn!(series = %record.key, step = step.words(), "{}", failure.what);
            let events = record.fail(step.words(), &failure, now);
            if failure.down
                && let Some(gate) = gate(site, &record, step)
            {
                record.due = record.due.max(Some(gate.failed(failure.retry_after, now)));
            }
            site.ledger.commit(stand, Change::of(record, events), Some(intent)).await?;
        }
    }
    Ok(())
}

fn is_githubs(step: Step) -> bool {
    matches!(step, Step::Start | Step::Follow | Step::Cancel)
}

/// The gate a step has to pass.
fn gate<'s>(site: &'s Site, record: &Record, step: Step) -> Option<&'s super::gate::Gate> {
    match step {
        Step::Look | Step::Freeze => site.servers.get(&record.key.server).map(|outside| &outside.gate),
        Step::Start | Step::Follow | Step::Cancel => Some(&site.github_gate),
        Step::Apply => None,
    }
}

fn closed(site: &Site, record: &Record, step: Step) -> Option<jiff::Timestamp> {
    gate(site, record, step)?.closed(site.clock.now())
}

fn opened(site: &Site, record: &Record, step: Step) {
    if let Some(gate) = gate(site, record, step) {
        gate.worked();
    }
}

async fn act(site: &Arc<Site>, record: Record, step: Step) -> Result<Change, StepError> {
    match step {
        Step::Look => look::look(site, record).await,
        Step::Freeze => freeze::freeze(site, record).await,
        Step::Apply => apply::apply(site, record).await,
        Step::Start => start::start(site, record).await,
        Step::Follow => follow::follow(site, record).await,
        Step::Cancel => follow::cancel(site, record).await,
    }
}
