//! Pushes branches to the mirror: all that are owed in one push, as GitHub asks for few.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::errands::note_trouble;
use super::site::{Site, chain, ours};
use crate::mirror::{Mirror, Pushed, Ref, RefResult, base_branch_of, expiry, is_about_workflows};
use crate::record::state::Applied;
use crate::record::{Event, Record, State};
use crate::store::StoreError;

/// Most series' branches in one push: a push that fails is then repeated for few.
const BRANCHES_AT_ONCE: usize = 50;

/// A base that the mirror refuses is not pushed again for this long: a tree with workflows in it, for one, and a token
/// that may not push such.
const REFUSED_FOR: Duration = Duration::from_secs(3600);

/// Pushes what is owed. Gives the time before which no other push should be made.
pub(super) async fn push(site: &Arc<Site>) -> Result<Option<Timestamp>, StoreError> {
    let mut records = site.ledger.with(|store| store.in_state(&["applied"])).await?;
    // One whose branch was refused has its own time.
    records.retain(|record| record.due.is_none());
    records.truncate(BRANCHES_AT_ONCE);
    if site.config.ci_files().is_some() {
        // Its push starts the tests: not before a box is kept for it.
        for record in std::mem::take(&mut records) {
            moved_on(site, &record).await?;
        }
    }
    let Some(mirror) = &site.mirror else {
        for record in records {
            if site.config.mirror.is_some() {
                let name = series_ref(&record).map(|one| one.name).unwrap_or_default();
                site.only_says(|| format!("push {name}"));
            }
            moved_on(site, &record).await?;
        }
        return Ok(None);
    };
    if let Some(until) = site.mirror_gate.closed(site.clock.now()) {
        return Ok(Some(until));
    }
    let wanted: Vec<Ref> = records.iter().filter_map(series_ref).chain(bases(site)).collect();
    match mirror.push(&wanted).await {
        Ok(results) => {
            settle(site, &records, &results).await?;
            let now = site.clock.now();
            Ok(Some(mirror.pace().next(now)).filter(|next| *next > now))
        }
        Err(error) => {
            site.trees.remove_stale_locks();
            let what = chain(&error);
            tracing::warn!("{what}");
            note_trouble(site, "mirror", Some(what)).await?;
            Ok(Some(site.mirror_gate.failed(None, site.clock.now())))
        }
    }
}

fn series_ref(record: &Record) -> Option<Ref> {
    let applied = record.state.applied()?;
    Some(Ref { name: applied.branch.clone(), to: Some(git2::Oid::from_str(&applied.tip).ok()?) })
}

/// The bases as branches of the mirror: `base/powerpc/next`.
fn bases(site: &Site) -> Vec<Ref> {
    let trees = site.config.trees.iter();
    let refused = site.refused_bases.lock().unwrap_or_else(PoisonError::into_inner);
    let now = site.clock.now();
    let names = trees.flat_map(|tree| tree.branches.iter().map(|branch| tree.base(branch)));
    names
        .filter_map(|base| {
            let name = base_branch_of(&base);
            let rests = refused.get(&name).is_some_and(|until| *until > now);
            let to = site.trees.resolve(&base).filter(|_| !rests)?;
            Some(Ref { name, to: Some(to) })
        })
        .collect()
}

/// Removes the branches that nobody needs any more.
pub(super) async fn expire(site: &Arc<Site>) -> Result<(), StoreError> {
    let Some(mirror) = &site.mirror else { return Ok(()) };
    if site.mirror_gate.closed(site.clock.now()).is_some() {
        return Ok(());
    }
    let removed = async {
        let gone = expired(site, mirror).await?;
        if gone.is_empty() { Ok(vec![]) } else { mirror.push(&gone).await }
    };
    match removed.await {
        Ok(gone) if gone.is_empty() => {}
        Ok(gone) => tracing::info!(count = gone.len(), "old branches are removed from the mirror"),
        // A mirror that does not answer is noticed where something has to be pushed.
        Err(error) => tracing::warn!("{}", chain(&error)),
    }
    Ok(())
}

/// The branches that nobody needs any more.
async fn expired(site: &Site, mirror: &Mirror) -> Result<Vec<Ref>, crate::mirror::PushError> {
    let Some(settings) = &site.config.mirror else { return Ok(vec![]) };
    let there = mirror.branches().await?;
    let series: Vec<String> = there.into_keys().filter(|name| name.starts_with("series/")).collect();
    if series.is_empty() {
        return Ok(vec![]);
    }
    let now = site.clock.now();
    let known =
        site.ledger.with(move |store| Ok(series.into_iter().map(|name| branch(store, name, now)).collect()));
    // Where the store cannot be read, nothing is removed; whoever needs it next says so.
    let known: Vec<expiry::Branch> = known.await.unwrap_or_default();
    let names = expiry::expiry(now, &known, settings);
    Ok(names.into_iter().map(|name| Ref { name, to: None }).collect())
}

/// What is known of a series' branch. One that nobody knows is as old as can be.
fn branch(store: &crate::store::Store, name: String, now: Timestamp) -> expiry::Branch {
    let key = name.strip_prefix("series/").and_then(|key| key.parse().ok());
    let record = match key.map(|key| store.get(&key)) {
        Some(Ok(record)) => record,
        // It cannot be read: kept.
        Some(Err(_)) => return expiry::Branch { name, needed: true, since: now },
        None => None,
    };
    let is_needed = |state: &State| match state {
        State::Finished { .. } | State::Pushed { .. } => false,
        State::Ready | State::Whole => true,
        state => state.applied().is_some(),
    };
    match record {
        Some(record) => expiry::Branch {
            needed: match &record.state {
                State::Parked { was, .. } => is_needed(was),
                state => is_needed(state),
            },
            since: record.since,
            name,
        },
        // Not ours: another bridge, or a person, put it there.
        None => expiry::Branch { name, needed: true, since: now },
    }
}

async fn settle(site: &Site, records: &[Record], results: &[RefResult]) -> Result<(), StoreError> {
    let why = |result: &RefResult| match &result.pushed {
        Pushed::Refused { why } => Some(why.clone()),
        _ => None,
    };
    let refused = results.iter().find_map(|result| Some(format!("{}: {}", result.name, why(result)?)));
    site.mirror_gate.worked();
    // What is refused now is refused in a second, too. A series' branch has its own time.
    let bases = results.iter().filter(|result| why(result).is_some() && result.name.starts_with("base/"));
    let until = site.clock.now() + REFUSED_FOR;
    let refused_bases = bases.map(|result| (result.name.clone(), until));
    site.refused_bases.lock().unwrap_or_else(PoisonError::into_inner).extend(refused_bases);
    note_trouble(site, "mirror", refused).await?;
    for record in records {
        let Some(branch) = series_ref(record) else { continue };
        match results.iter().find(|result| result.name == branch.name).map(why) {
            Some(None) => moved_on(site, record).await?,
            Some(Some(why)) => {
                let tip = branch.to;
                let edit = move |record: &mut Record, now| {
                    if !matches!(record.state, State::Applied { .. })
                        || series_ref(record).and_then(|one| one.to) != tip
                    {
                        return vec![];
                    }
                    refused_branch(record, &why, now)
                };
                site.ledger.edit(&record.key, None, edit).await?;
            }
            None => {}
        }
    }
    Ok(())
}

/// What a refused branch means for its series: never that its patches are bad.
pub(super) fn refused_branch(record: &mut Record, why: &str, now: Timestamp) -> Vec<Event> {
    if is_about_workflows(why) {
        // It will be refused for ever: the right to write workflows is never given to a bridge.
        let reason = format!("its branch changes workflows, which the mirror's token may not push: {why}");
        return vec![record.park(reason, now)];
    }
    record.fail("pushing its branch", &ours(format!("the mirror refuses its branch: {why}")), now)
}

/// Its branch is where it belongs.
async fn moved_on(site: &Site, record: &Record) -> Result<(), StoreError> {
    let tested = site.github.is_some() && !site.config.boxes.is_empty();
    let held_back = site.config.ci_files().is_some();
    let tip = record.state.applied().map(|applied| applied.tip.clone());
    let edit = move |record: &mut Record, now| {
        let State::Applied { applied } = record.state.clone() else { return vec![] };
        let applied = Applied { held_back, ..applied };
        if Some(&applied.tip) != tip.as_ref() {
            return Vec::<Event>::new();
        }
        let words = if held_back {
            format!("the push of branch {} will start its tests", applied.branch)
        } else {
            format!("branch {}", applied.branch)
        };
        let reasons = std::mem::take(&mut record.hold);
        if !reasons.is_empty() && !record.released {
            let words = reasons.join("; ");
            return vec![record.enter(State::Held { reasons }, words, now)];
        }
        let state = if tested { State::Queued { applied } } else { State::Pushed { applied } };
        record.queued = record.queued.or(Some(now));
        vec![record.enter(state, words, now)]
    };
    site.ledger.edit(&record.key, None, edit).await
}
