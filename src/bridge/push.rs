//! Pushes branches to the mirror: all that are owed in one push, as GitHub asks for few.

use std::sync::Arc;
use std::time::Duration;

use super::errands::note_trouble;
use super::site::{Site, chain};
use crate::mirror::{self, Ref, RefResult};
use crate::record::{Event, Record, State};
use crate::store::StoreError;

/// Most branches in one push: GitHub makes no events for more than 5000, and a refused push is then small.
const BRANCHES_AT_ONCE: usize = 50;

/// Pushes what is owed. Gives the pause that is asked for before the next push.
pub(super) async fn push(site: &Arc<Site>) -> Result<Option<Duration>, StoreError> {
    let mut records = site.ledger.with(|store| store.in_state(&["applied"])).await?;
    records.truncate(BRANCHES_AT_ONCE);
    let Some(mirror) = &site.mirror else {
        for record in records {
            moved_on(site, &record).await?;
        }
        return Ok(None);
    };
    let bases = bases(site);
    let gone = expired(site).await?;
    let series = records.iter().filter_map(|record| series_ref(record));
    let wanted: Vec<Ref> = mirror.changes(series.chain(bases).chain(gone).collect());
    for record in &records {
        // A branch that is there already needs no push.
        if series_ref(record).is_some_and(|branch| !wanted.contains(&branch)) {
            moved_on(site, record).await?;
        }
    }
    let now = site.clock.now();
    if wanted.is_empty() || site.mirror_gate.closed(now).is_some() {
        return Ok(None);
    }
    for branch in &wanted {
        if site.only_says(|| format!("push {}", branch.name)) {
            return Ok(None);
        }
    }
    match mirror.push(&site.trees, &wanted).await {
        Ok(results) => {
            site.mirror_gate.worked();
            note_trouble(site, "mirror", None).await?;
            settle(site, &records, &results).await?;
        }
        Err(error) => {
            let what = chain(&error);
            tracing::warn!("{what}");
            site.mirror_gate.failed(None, site.clock.now());
            note_trouble(site, "mirror", Some(what)).await?;
        }
    }
    Ok(site.config.mirror.as_ref().map(|settings| settings.pause))
}

fn series_ref(record: &Record) -> Option<Ref> {
    let applied = record.state.applied()?;
    Some(Ref { name: applied.branch.clone(), to: git2::Oid::from_str(&applied.tip).ok() })
}

/// The bases as branches of the mirror: `base/powerpc/next`.
fn bases(site: &Site) -> Vec<Ref> {
    let names = site
        .config
        .trees
        .iter()
        .flat_map(|tree| tree.branches.iter().map(|branch| tree.base(branch)));
    names
        .filter_map(|name| {
            let to = site.trees.resolve(&name)?;
            Some(Ref { name: format!("base/{name}"), to: Some(to) })
        })
        .collect()
}

async fn expired(site: &Site) -> Result<Vec<Ref>, StoreError> {
    let _ = (site, mirror::branch_of);
    Ok(vec![])
}

async fn settle(site: &Site, records: &[Record], results: &[RefResult]) -> Result<(), StoreError> {
    for record in records {
        let Some(branch) = series_ref(record) else { continue };
        match results.iter().find(|result| result.name == branch.name) {
            Some(RefResult { refused: None, .. }) => moved_on(site, record).await?,
            Some(RefResult { refused: Some(why), .. }) => {
                let why = why.clone();
                let edit = move |record: &mut Record, now| {
                    let failure = super::site::ours(format!("the mirror refuses its branch: {why}"));
                    record.fail("pushing its branch", &failure, now)
                };
                site.ledger.edit(&record.key, None, edit).await?;
            }
            None => {}
        }
    }
    Ok(())
}

/// Its branch is where it belongs.
async fn moved_on(site: &Site, record: &Record) -> Result<(), StoreError> {
    let tested = site.github.is_some() && !site.config.boxes.is_empty();
    let tip = record.state.applied().map(|applied| applied.tip.clone());
    let edit = move |record: &mut Record, now| {
        let State::Applied { applied } = record.state.clone() else { return vec![] };
        if Some(&applied.tip) != tip.as_ref() {
            return Vec::<Event>::new();
        }
        let words = format!("branch {}", applied.branch);
        let state = if tested { State::Queued { applied } } else { State::Pushed { applied } };
        record.queued = record.queued.or(Some(now));
        vec![record.enter(state, words, now)]
    };
    site.ledger.edit(&record.key, None, edit).await
}
