//! Brings the trees up to date, and what follows for series.

use std::sync::Arc;
use std::time::Duration;

use git2::Oid;

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
    let (fetched, trouble) = match site.trees.fetch(tree).await {
        Ok(fetched) => {
            let missing = (!fetched.missing.is_empty())
                .then(|| format!("no branch {} upstream", fetched.missing.join(", ")));
            (true, missing)
        }
        Err(error) => (false, Some(chain(&error))),
    };
    let now = site.clock.now();
    if let Some(what) = &trouble {
        tracing::warn!(tree = name, "{what}");
    }
    let states: Vec<TreeState> = tree
        .branches
        .iter()
        .map(|branch| TreeState {
            tree: name.to_owned(),
            branch: branch.clone(),
            commit: site.trees.resolve(&tree.base(branch)).map(|commit| commit.to_string()),
            fetched_at: if fetched {
                Some(now)
            } else {
                of(&known, name, branch).and_then(|was| was.fetched_at)
            },
            trouble: trouble.clone().map(|what| (what, now)),
        })
        .collect();
    // What moved is told by what the store says was seen last, and the store is told when it has had its effect: a
    // bridge that is killed in between finds it moved once more.
    let moved: Vec<Moved> =
        states.iter().filter_map(|now| moved(of(&known, name, &now.branch), now)).collect();
    apply_anew(site, name, &moved).await?;
    let since = states
        .iter()
        .filter_map(|state| of(&known, name, &state.branch)?.trouble.clone())
        .map(|(_, at)| at)
        .min();
    site.ledger.with(move |store| states.iter().try_for_each(|state| store.set_tree(state))).await?;
    if fetched {
        return Ok(Next(now + tree.fetch_every));
    }
    // The longer it is gone, the less often it is asked for.
    let gone = since
        .map_or(Duration::ZERO, |since| Duration::try_from(now.duration_since(since)).unwrap_or_default());
    let most = tree.fetch_every.max(FETCH_AGAIN);
    Ok(Next(now + (gone / 4).max(FETCH_AGAIN.min(tree.fetch_every)).min(most)))
}

/// What was known of a branch.
fn of<'a>(known: &'a [TreeState], tree: &str, branch: &str) -> Option<&'a TreeState> {
    known.iter().find(|state| state.tree == tree && state.branch == branch)
}

fn moved(was: Option<&TreeState>, now: &TreeState) -> Option<Moved> {
    let id = |state: &TreeState| Oid::from_str(state.commit.as_deref()?).ok();
    let (from, to) = (was.and_then(id), id(now)?);
    (from != Some(to)).then(|| Moved { branch: now.branch.clone(), from, to })
}

/// A series is applied anew for this long after it was seen first. Who still wants it then sends it again.
const ANEW_FOR: Duration = Duration::from_secs(60 * 86_400);

/// Series that waited for a base, or whose base moved under a path they touch, are applied anew.
async fn apply_anew(site: &Arc<Site>, tree: &str, moved: &[Moved]) -> Result<(), StoreError> {
    if moved.is_empty() {
        return Ok(());
    }
    let words = ["ready", "conflict", "already-applied", "applied", "queued", "pushed"];
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
            let young = |record: &Record| site.clock.now() < record.first_seen + ANEW_FOR;
            let concerned = |record: &Record| young(record) && concerns(&site, record, &tree, &moved);
            records.into_iter().filter(concerned).collect::<Vec<_>>()
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
            | State::Applied { .. }
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
        State::Applied { applied } | State::Queued { applied } | State::Pushed { applied } => {
            under(&applied.base.name)
        }
        _ => false,
    }
}
