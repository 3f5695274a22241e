//! Fetches a series' mails and freezes them.

use super::ledger::Change;
use super::site::{Outside, Site, StepError};
use crate::intake::{self, Frozen};
use crate::patchwork::PatchText;
use crate::record::{Record, State};

/// Fetches what the server holds of a whole series, and keeps it for good.
pub(super) async fn freeze(site: &Site, mut record: Record) -> Result<Change, StepError> {
    let outside = site.outside(&record.key.server)?;
    let frozen = fetch(outside, &record).await?;
    let now = site.clock.now();
    let bytes = match frozen {
        Ok(frozen) => {
            let bytes = frozen.to_bytes();
            record.text = Some(frozen.text);
            bytes
        }
        Err(reason) => {
            let declined = State::Declined { reason: reason.clone(), cancel: None };
            let event = record.enter(declined, reason, now);
            return Ok(Change::of(record, vec![event]));
        }
    };
    let from_json = record.text.as_ref().map_or(0, |text| text.from_json.len());
    let words = match from_json {
        0 => "its mails are frozen".to_owned(),
        1 => "its mails are frozen, one of them from the server's JSON".to_owned(),
        count => format!("its mails are frozen, {count} of them from the server's JSON"),
    };
    let event = record.enter(State::Ready, words, now);
    Ok(Change { mails: Some(bytes), ..Change::of(record, vec![event]) })
}

/// The mails, or why the series holds none that could be applied.
async fn fetch(outside: &Outside, record: &Record) -> Result<Result<Frozen, String>, StepError> {
    let listing = &record.listing;
    let cover = match &listing.cover {
        Some(cover) => Some(outside.client.cover(cover.id).await?),
        None => None,
    };
    let all: Vec<u64> = listing.patches.iter().map(|patch| patch.id).collect();
    let mailbox = if record.from_json { None } else { Some(outside.client.mbox(listing.id).await?) };
    let matched = mailbox.as_deref().map(|mailbox| intake::match_mailbox(listing, mailbox));
    let unsafe_ids = matched.as_ref().map_or(all, intake::Matched::unsafe_ids);
    let mut texts: Vec<PatchText> = Vec::with_capacity(unsafe_ids.len());
    for id in unsafe_ids {
        texts.push(outside.client.patch(id).await?);
    }
    Ok(intake::freeze(listing, matched, &texts, cover.as_ref()).map_err(|refused| refused.to_string()))
}
