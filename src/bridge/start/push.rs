//! Starts a run by the push of a series' branch, once a box is kept for it.

use git2::Oid;

use crate::bridge::errands::note_trouble;
use crate::bridge::ledger::Change;
use crate::bridge::push::refused_branch;
use crate::bridge::site::{Site, StepError, chain, ours};
use crate::bridge::start::poll_of;
use crate::ci_commit;
use crate::github::{GitHub, GitHubError, RunView};
use crate::mirror::{Mirror, PushError, Pushed, Ref, RefResult};
use crate::record::decide::Failure;
use crate::record::state::{PushedRun, Run};
use crate::record::{Record, State};

/// What is known of a commit's runs before its branch is pushed.
pub(super) async fn before(github: &GitHub, head: &str) -> Result<PushedRun, GitHubError> {
    let newest = github.push_runs(head).await?.into_iter().map(|run| run.id).max();
    Ok(PushedRun { head: head.to_owned(), after: newest.unwrap_or(0) })
}

/// The run that the push started.
pub(super) async fn find(github: &GitHub, pushed: &PushedRun) -> Result<Option<RunView>, GitHubError> {
    let runs = github.push_runs(&pushed.head).await?;
    Ok(runs.into_iter().filter(|run| run.id > pushed.after).min_by_key(|run| run.id))
}

/// Pushes the branch; the run is looked for at the next look.
pub(super) async fn start(site: &Site, mut record: Record) -> Result<Change, StepError> {
    let State::Starting { applied, run } = record.state.clone() else {
        return Ok(Change::of(record, vec![]));
    };
    let Some(mirror) = &site.mirror else {
        return Err(ours("there is no [mirror] in the configuration").into());
    };
    let to = Oid::from_str(&applied.tip).map_err(|error| ours(chain(&error)))?;
    let pushed = match pushed(site, mirror, &applied.branch, to).await? {
        Ok(pushed) => pushed,
        Err(error) => {
            let what = chain(&error);
            note_trouble(site, "mirror", Some(what.clone())).await?;
            site.mirror_gate.failed(None, site.clock.now());
            // It is about no series, and not about GitHub's API.
            return Err(Failure { wide: true, ..ours(what) }.into());
        }
    };
    site.mirror_gate.worked();
    let refused = pushed.into_iter().find_map(|one| match one.pushed {
        Pushed::Refused { why } => Some(why),
        _ => None,
    });
    if let Some(why) = refused {
        record.state = State::Starting { applied, run: Run { asked: None, pushed: None, ..run } };
        let events = refused_branch(&mut record, &why, site.clock.now());
        return Ok(Change::of(record, events));
    }
    record.due = Some(site.clock.now() + poll_of(site));
    Ok(Change::of(record, vec![]))
}

/// Moves the branch to its commit. Only a branch that moves starts anything: one that is there already goes to a commit
/// on top first, and back. It is not taken away, as GitHub would close its pull request.
async fn pushed(
    site: &Site,
    mirror: &Mirror,
    name: &str,
    tip: Oid,
) -> Result<Result<Vec<RefResult>, PushError>, StepError> {
    // A branch that somebody moved meanwhile would not start anything either.
    mirror.doubt().await;
    let there = match mirror.branches().await {
        Ok(there) => there.get(name).copied(),
        Err(error) => return Ok(Err(error)),
    };
    let mut moves = vec![tip];
    if there == Some(tip) {
        let repository = site.trees.objects().map_err(|error| ours(chain(&error)))?;
        let (name, email) = &site.config.committer;
        let on_top = ci_commit::on_top(&repository, tip, (name, email));
        moves.insert(0, on_top.map_err(|error| ours(chain(&error)))?);
    }
    let mut results = Vec::new();
    for to in moves {
        match mirror.push(&[Ref { name: name.to_owned(), to: Some(to) }]).await {
            Ok(pushed) => results.extend(pushed),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(results))
}
