//! Says on a series' patches what is to be said.

use jiff::Timestamp;

use super::ledger::{Change, Stand};
use super::site::{Outside, Site, StepError, failed_at_patchwork};
use crate::backoff;
use crate::config::{ChecksOn, Project, Server};
use crate::patchwork::PatchworkError;
use crate::record::checks::{Owed, owed, wanted};
use crate::record::decide::Failure;
use crate::record::{Event, Posted, Record, State, Trouble};
use crate::store::StoreError;

/// What is being done, in the journal.
pub(super) const STEP: &str = "posting its checks";

/// A series of more patches than this gets its checks on the last one only: each is a request.
const PATCHES_WITH_CHECKS: usize = 50;

/// After so many refusals in a row a check is left: a newer one is tried again.
const TRIES: u32 = 12;

/// Posts every check that is owed, and notes each as soon as the server has it.
///
/// # Errors
/// The store failed; what the server refuses is noted in the record.
pub(super) async fn post(site: &Site, record: Record) -> Result<(), StoreError> {
    let stand = Stand::of(&record);
    let mut change = Change::of(record.clone(), vec![]);
    let (Ok(outside), Ok((server, project))) = (site.outside(&record.key.server), site.project(&record))
    else {
        change.record.publish_at = None;
        site.ledger.commit(stand, change, None).await?;
        return Ok(());
    };
    let owed = owing(site, &record, server, project).await?;
    if let Some(until) = outside.gate.closed(site.clock.now()).filter(|_| !owed.is_empty()) {
        change.record.publish_at = Some(until);
        site.ledger.commit(stand, change, None).await?;
        return Ok(());
    }
    // Written down before anything is posted: after a crash the server is asked first.
    let intent = if owed.is_empty() { None } else { Some(site.ledger.begin(&record.key, STEP).await?) };
    let mut trouble = None;
    let mut posted: Vec<&Owed> = Vec::new();
    for one in &owed {
        match say(site, outside, one).await {
            Ok(()) => note(&mut change.record, one, None, site.clock.now()),
            Err(StepError::Store(error)) => return Err(error),
            Err(StepError::Failed(failure)) if failure.lasting && !failure.wide => {
                note(&mut change.record, one, Some(failure.what), site.clock.now());
            }
            Err(StepError::Failed(failure)) => {
                let down = failure.down;
                trouble = trouble.or(Some(failure));
                // One patch that fails keeps no other from its checks; a server that is down does.
                if down {
                    break;
                }
                continue;
            }
        }
        posted.push(one);
    }
    change.events.extend(said(&posted, &change.record));
    settle(outside, &mut change, trouble, !owed.is_empty(), site.clock.now());
    let (key, said) = (record.key.clone(), change.record.posted.clone());
    if !site.ledger.commit(stand, change, intent).await? {
        // It got on meanwhile. What was posted is posted all the same, and there is more to be said.
        site.ledger.edit(&key, None, move |record, now| keep(record, said, now)).await?;
    }
    Ok(())
}

fn keep(record: &mut Record, said: Vec<Posted>, now: Timestamp) -> Vec<Event> {
    record.posted = said;
    record.publish_at = Some(now);
    vec![]
}

fn settle(outside: &Outside, change: &mut Change, trouble: Option<Failure>, asked: bool, now: Timestamp) {
    let record = &mut change.record;
    record.publish_at = None;
    let Some(failure) = trouble else {
        if asked {
            outside.gate.worked();
        }
        record.unposted = None;
        return;
    };
    let unposted = Trouble::after(record.unposted.as_ref(), &failure, now);
    let mut until = now + backoff::after(unposted.in_a_row(), failure.retry_after);
    if failure.down {
        until = until.max(outside.gate.failed(failure.retry_after, now));
    }
    tracing::warn!(series = %record.key, "posting its checks: {}", failure.what);
    record.publish_at = (unposted.times < TRIES).then_some(until);
    record.unposted = Some(unposted);
    let (whose, what) = (failure.whose, failure.what);
    change.events.push(Event::Failed { step: STEP.to_owned(), whose, what });
}

/// What is owed on which patches.
async fn owing(
    site: &Site,
    record: &Record,
    server: &Server,
    project: &Project,
) -> Result<Vec<Owed>, StoreError> {
    if server.client.token.is_none() || project.checks == ChecksOn::None {
        return Ok(vec![]);
    }
    let leader = match &record.state {
        State::Follows { leader, .. } => site.ledger.get(leader).await?,
        _ => None,
    };
    let all: Vec<u64> = record.listing.patches.iter().map(|patch| patch.id).collect();
    let last_only = project.checks == ChecksOn::Last || all.len() > PATCHES_WITH_CHECKS;
    let patches = if last_only { all.last().map_or(&[][..], std::slice::from_ref) } else { &all[..] };
    Ok(owed(record, &wanted(record, leader.as_ref()), patches, &project.check_context))
}

/// Posts one check, unless the server has just this one as its newest already.
async fn say(site: &Site, outside: &Outside, one: &Owed) -> Result<(), StepError> {
    let what = || {
        format!(
            "post {} {} on patch {}: {}",
            one.context,
            one.check.state.word(),
            one.patch,
            one.check.description
        )
    };
    if site.only_says(what) {
        return Ok(());
    }
    // Every POST makes a new row at the server: one that was lost on its way back is found, not repeated.
    let newest = outside.client.latest_check(one.patch, &one.context).await.map_err(about_this_patch)?;
    let same = newest.is_some_and(|newest| {
        newest.state == one.check.state
            && newest.description == one.check.description
            && newest.target_url.as_deref().unwrap_or("") == one.check.url.as_deref().unwrap_or("")
    });
    if same {
        return Ok(());
    }
    outside.client.post_check(one.patch, &one.context, &one.check).await.map_err(about_this_patch)
}

/// No rights on this patch, or no such patch: asking again changes nothing.
fn about_this_patch(error: PatchworkError) -> StepError {
    let failure = failed_at_patchwork(&error);
    let lasting = matches!(error, PatchworkError::NoRights { .. } | PatchworkError::NotFound { .. });
    StepError::Failed(Failure { lasting: lasting || failure.lasting, ..failure })
}

fn note(record: &mut Record, one: &Owed, refused: Option<String>, at: Timestamp) {
    record.posted.retain(|posted| posted.patch != one.patch || posted.context != one.context);
    record.posted.push(Posted {
        patch: one.patch,
        context: one.context.clone(),
        check: one.check.clone(),
        at,
        refused,
    });
}

/// One line of history for each check, whatever the number of patches.
fn said(posted: &[&Owed], record: &Record) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    for one in posted {
        let refused = record
            .posted
            .iter()
            .find(|posted| posted.patch == one.patch && posted.context == one.context)
            .and_then(|posted| posted.refused.as_ref());
        let words = match refused {
            None => format!("{}: {}", one.check.state.word(), one.check.description),
            Some(why) => format!("refused by the server: {why}"),
        };
        let same = events.iter_mut().find_map(|event| match event {
            Event::Check { context, patches, words: before }
                if *context == one.context && *before == words =>
            {
                Some(patches)
            }
            _ => None,
        });
        match same {
            Some(patches) => *patches += 1,
            None => events.push(Event::Check { context: one.context.clone(), patches: 1, words }),
        }
    }
    events
}
