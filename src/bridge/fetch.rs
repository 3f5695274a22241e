//! Brings the trees up to date, and what follows for series.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::errands::Next;
use super::site::{Site, chain};
use crate::listing::SeriesKey;
use crate::record::{Record, State};
use crate::store::{StoreError, TreeState};
use crate::trees::Moved;

/// The shortest time after which a failed fetch is tried again.
const FETCH_AGAIN: Duration = Duration::from_secs(30);

/// Series that are held in memory at once while it is seen which of them a move concerns.
const AT_ONCE_READ: usize = 200;

pub(super) async fn fetch(site: &Arc<Site>, name: &str) -> Result<Next, StoreError> {
    let Some(tree) = site.config.trees.iter().find(|tree| tree.name == name) else {
        return Ok(Next(site.clock.now() + Duration::from_secs(86_400)));
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
    let keys = site.ledger.with(move |store| store.keys_in_state(&words)).await?;
    for keys in keys.chunks(AT_ONCE_READ) {
        apply_concerned(site, keys.to_vec(), tree, moved).await?;
    }
    Ok(())
}

async fn apply_concerned(
    site: &Arc<Site>,
    keys: Vec<SeriesKey>,
    tree: &str,
    moved: &[Moved],
) -> Result<(), StoreError> {
    let records = site.ledger.with(move |store| store.get_all(&keys)).await?;
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
