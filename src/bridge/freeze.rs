//! Fetches a series' mails and freezes them.

use super::ledger::Change;
use super::site::{Outside, Site, StepError, ours};
use crate::intake::{self, FreezeError, Frozen, Matched, Reason};
use crate::patchwork::PatchText;
use crate::record::{Record, State, Text};

/// Fetches what the server holds of a whole series, and keeps it for good.
pub(super) async fn freeze(site: &Site, mut record: Record) -> Result<Change, StepError> {
    let outside = site.outside(&record.key.server)?;
    let now = site.clock.now();
    let frozen = match fetch(outside, &record).await? {
        Ok(frozen) => frozen,
        // The server changed its mind between two answers.
        Err(error @ (FreezeError::Foreign { .. } | FreezeError::TextMissing { .. })) => {
            return Err(ours(error.to_string()).into());
        }
        Err(nothing_to_test) => {
            let reason = nothing_to_test.to_string();
            let declined = State::Declined { reason: reason.clone(), cancel: None };
            let event = record.enter(declined, reason, now);
            return Ok(Change::of(record, vec![event]));
        }
    };
    let words = match frozen.text.from_json.len() {
        0 => "its mails are frozen".to_owned(),
        1 => "its mails are frozen, one of them from the server's JSON".to_owned(),
        count => format!("its mails are frozen, {count} of them from the server's JSON"),
    };
    // What a maintainer let run was another text.
    let same = |text: &Text| text.patch_ids == frozen.text.patch_ids && text.paths == frozen.text.paths;
    if record.text.as_ref().is_some_and(|text| !same(text)) {
        record.released = false;
    }
    record.text = Some(frozen.text);
    let event = record.enter(State::Ready, words, now);
    Ok(Change { mails: Some(frozen.mails.to_bytes()), ..Change::of(record, vec![event]) })
}

/// The mails, or why the series holds none that could be applied.
async fn fetch(outside: &Outside, record: &Record) -> Result<Result<Frozen, FreezeError>, StepError> {
    let listing = &record.listing;
    let cover = match &listing.cover {
        Some(cover) => Some(outside.client.cover(cover.id).await?),
        None => None,
    };
    let matched = if record.from_json {
        Matched::none(listing, Reason::NotApplied)
    } else {
        intake::match_mailbox(listing, &outside.client.mbox(listing.id).await?)
    };
    let mut texts: Vec<PatchText> = Vec::with_capacity(matched.from_json.len());
    for (id, _) in &matched.from_json {
        texts.push(outside.client.patch(*id).await?);
    }
    Ok(intake::freeze(listing, matched, &texts, cover.as_ref()))
}
