//! Says on a series' patches what is to be said.

use super::ledger::{Change, Stand};
use super::site::{Site, StepError, failed_at_patchwork};
use crate::backoff;
use crate::config::{ChecksOn, Project};
use crate::patchwork::PatchworkError;
use crate::record::checks::{Owed, owed, wanted};
use crate::record::{CheckState, Event, Posted, Record, State, Trouble};
use crate::store::StoreError;

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
    let (Ok(outside), Ok((_, project))) = (site.outside(&record.key.server), site.project(&record)) else {
        change.record.publish_at = None;
        site.ledger.commit(stand, change, None).await?;
        return Ok(());
    };
    let owed = owing(site, &record, project).await?;
    if let Some(until) = outside.gate.closed(site.clock.now()).filter(|_| !owed.is_empty()) {
        change.record.publish_at = Some(until);
        site.ledger.commit(stand, change, None).await?;
        return Ok(());
    }
    // Written down before anything is posted: after a crash the server is asked first.
    let intent = if owed.is_empty() {
        None
    } else {
        Some(site.ledger.begin(&record.key, "posting its checks").await?)
    };
    let mut result = Ok(());
    let mut posted: Vec<&Owed> = Vec::new();
    for one in &owed {
        result = say(site, outside, one).await;
        let refused = match &result {
            Ok(()) => None,
            Err(StepError::Failed(failure)) if failure.lasting && !failure.wide => Some(failure.what.clone()),
            Err(StepError::Failed(_)) => break,
            Err(StepError::Store(_)) => break,
        };
        note(&mut change.record, one, refused, site.clock.now());
        posted.push(one);
    }
    finish(site, outside, stand, change, result, &posted, intent).await
}

async fn finish(
    site: &Site,
    outside: &super::site::Outside,
    stand: Stand,
    mut change: Change,
    result: Result<(), StepError>,
    posted: &[&Owed],
    intent: Option<crate::store::IntentId>,
) -> Result<(), StoreError> {
    let now = site.clock.now();
    change.events.extend(said(posted, &change.record));
    let record = &mut change.record;
    match result {
        Err(StepError::Store(error)) => return Err(error),
        Err(StepError::Failed(failure)) if failure.wide || !failure.lasting => {
            let times = record.unposted.as_ref().map_or(0, |trouble| trouble.times) + 1;
            let until = if failure.wide {
                outside.gate.failed(failure.retry_after, now)
            } else {
                now + backoff::after(times, failure.retry_after)
            };
            tracing::warn!(series = %record.key, "posting its checks: {}", failure.what);
            record.publish_at = (failure.wide || times < TRIES).then_some(until);
            let event = Event::Failed {
                step: "posting its checks".to_owned(),
                whose: failure.whose,
                what: failure.what.clone(),
            };
            change.events.push(event);
            record.unposted = Some(Trouble { whose: failure.whose, what: failure.what, times, last: now });
        }
        _ => {
            outside.gate.worked();
            record.publish_at = None;
            record.unposted = None;
        }
    }
    site.ledger.commit(stand, change, intent).await?;
    Ok(())
}

/// What is owed on which patches.
async fn owing(site: &Site, record: &Record, project: &Project) -> Result<Vec<Owed>, StoreError> {
    let has_token = site.outside(&record.key.server).is_ok_and(|outside| outside.can_post);
    if !has_token || project.checks == ChecksOn::None {
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
async fn say(site: &Site, outside: &super::site::Outside, one: &Owed) -> Result<(), StepError> {
    let what = || {
        format!(
            "post {} {} on patch {}: {}",
            one.context,
            word(one.check.state),
            one.patch,
            one.check.description
        )
    };
    if site.only_says(what) {
        return Ok(());
    }
    // Every POST makes a new row at the server: one that was lost on its way back is found, not repeated.
    let newest = outside.client.latest_check(one.patch, &one.context).await?;
    let same = newest.is_some_and(|newest| {
        newest.state == one.check.state
            && newest.description == one.check.description
            && newest.target_url.as_deref().unwrap_or("") == one.check.url.as_deref().unwrap_or("")
    });
    if same {
        return Ok(());
    }
    match outside.client.post_check(one.patch, &one.context, &one.check).await {
        Err(error @ (PatchworkError::NoRights { .. } | PatchworkError::NotFound { .. })) => {
            let failure = failed_at_patchwork(&error);
            Err(crate::record::decide::Failure { lasting: true, ..failure }.into())
        }
        other => Ok(other?),
    }
}

fn note(record: &mut Record, one: &Owed, refused: Option<String>, at: jiff::Timestamp) {
    record.posted.retain(|posted| posted.patch != one.patch || posted.context != one.context);
    record.posted.push(Posted {
        patch: one.patch,
        context: one.context.clone(),
        check: one.check.clone(),
        at,
        refused,
    });
}

fn word(state: CheckState) -> &'static str {
    match state {
        CheckState::Pending => "pending",
        CheckState::Success => "success",
        CheckState::Warning => "warning",
        CheckState::Fail => "fail",
    }
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
            None => format!("{}: {}", word(one.check.state), one.check.description),
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
