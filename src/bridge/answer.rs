//! Does what people asked for.

use std::sync::Arc;

use jiff::Timestamp;

use super::site::Site;
use crate::record::{Event, Record, State};
use crate::store::{Request, StoreError, What};

/// Does what people asked for.
pub(super) async fn answer(site: &Arc<Site>) -> Result<(), StoreError> {
    let requests = site.ledger.with(|store| store.requests()).await?;
    for (id, request) in requests {
        let Request { key, what, who, .. } = request;
        let edit = move |record: &mut Record, now: Timestamp| {
            let mut events = vec![Event::Asked { words: asked(&what, &who) }];
            events.extend(obey(record, what, &who, now));
            events
        };
        site.ledger.edit(&key, Some(id), edit).await?;
    }
    Ok(())
}

fn asked(what: &What, who: &str) -> String {
    match what {
        What::Release => format!("{who} lets it run"),
        What::Refuse { reason } if reason.is_empty() => format!("{who} refuses it"),
        What::Refuse { reason } => format!("{who} refuses it: {reason}"),
        What::Retest => format!("{who} wants it tested again"),
        What::Priority { priority } => format!("{who} gives it priority {priority}"),
    }
}

fn obey(record: &mut Record, what: What, who: &str, now: Timestamp) -> Vec<Event> {
    match what {
        What::Priority { priority } => {
            record.priority = priority;
            vec![]
        }
        What::Refuse { reason } => {
            let cancel = match &record.state {
                State::Finished { .. } => None,
                state => state.run().cloned(),
            };
            let reason = if reason.is_empty() { format!("refused by {who}") } else { reason };
            let words = reason.clone();
            vec![record.enter(State::Declined { reason, cancel }, words, now)]
        }
        // Nobody has read what is not there yet: a release is for what was held.
        // Its branch is about to be pushed, and then it would be held.
        What::Release if !record.hold.is_empty() && matches!(record.state, State::Applied { .. }) => {
            record.released = true;
            vec![]
        }
        What::Release if !can_be_released(&record.state) => {
            vec![Event::Noted { words: format!("nothing to release: it is {}", record.state.word()) }]
        }
        What::Release => {
            record.released = true;
            match &record.state {
                State::Parked { .. } => again(record, now),
                _ => begin_again(record, "released", now),
            }
        }
        What::Retest => again(record, now),
    }
}

/// Is there anything in this state that a release lets through?
pub fn can_be_released(state: &State) -> bool {
    matches!(state, State::Held { .. } | State::Declined { cancel: None, .. } | State::Parked { .. })
}

/// From the frozen text on, or from the very beginning where there is none.
fn begin_again(record: &mut Record, words: &str, now: Timestamp) -> Vec<Event> {
    let state = if record.text.is_some() { State::Ready } else { State::Waiting };
    vec![record.enter(state, words, now)]
}

fn again(record: &mut Record, now: Timestamp) -> Vec<Event> {
    match &record.state {
        // A parked series goes on where it stood: its run may still be there.
        State::Parked { was, .. } => {
            let was = (**was).clone();
            vec![record.enter(was, "taken up again", now)]
        }
        state if state.run().is_some() && !state.is_final() => {
            vec![Event::Noted { words: "it is being tested already".to_owned() }]
        }
        _ => {
            record.queued = None;
            begin_again(record, "tested again", now)
        }
    }
}
