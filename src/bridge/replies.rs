//! What people ask for by an answer on the list: a line of its own, `patchlift: retest`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::look::ScanError;
use super::site::{Outside, Site, chain};
use crate::config::{Project, Server};
use crate::listing::SeriesKey;
use crate::patchwork::{Answered, Kind, NewComment, PatchworkError};
use crate::policy::is_listed;
use crate::record::Record;
use crate::store::{Request, Store, StoreError, What};

/// Answers on a page: a busy list has fewer between two looks.
const PAGE: u32 = 50;

/// No look takes more pages than this: what is older was missed in an outage of weeks.
const PAGES_MAX: u32 = 20;

/// Looks at the newest answers on one of a server's lists: one request where nothing is new, and none where nobody may
/// ask for anything. The next look is at another list, also where this one failed.
///
/// # Errors
/// The server or the store failed; what was not dealt with is found again by a later look.
pub(super) async fn listen(site: &Arc<Site>, server: &Server) -> Result<(), ScanError> {
    let Some(outside) = site.servers.get(&server.client.name) else { return Ok(()) };
    // A recording has no answers in it, and a dry run does nothing for people.
    if site.dry.is_some() {
        return Ok(());
    }
    let name = server.client.name.clone();
    let looked = site.ledger.with(move |store| store.comments_looked(&name)).await?;
    let Some((project, answered)) = next_list(&server.projects, &looked) else { return Ok(()) };
    let heard = listen_to(site, outside, server, project, answered).await;
    if !matches!(heard, Err(ScanError::Store(_))) {
        let (name, list, now) = (server.client.name.clone(), list_name(project, answered), site.clock.now());
        site.ledger.with(move |store| store.set_comments_looked(&name, &list, now)).await?;
    }
    heard
}

async fn listen_to(
    site: &Arc<Site>,
    outside: &Outside,
    server: &Server,
    project: &Project,
    answered: Answered,
) -> Result<(), ScanError> {
    let (name, list) = (server.client.name.clone(), list_name(project, answered));
    let known_list = list.clone();
    let before = site.ledger.with(move |store| store.first_comment(&name, &known_list)).await?;
    let new = unknown(site, outside, server, project, answered, before.is_none()).await?;
    let Some(before) = before else {
        // Nothing of what is there now is obeyed, and nothing that was sent before it.
        let newest = new.iter().map(|comment| comment.id).max().unwrap_or(0);
        let name = server.client.name.clone();
        site.ledger.with(move |store| store.set_first_comment(&name, &list, newest)).await?;
        return Ok(());
    };
    let mut failed = None;
    // The oldest first, as they were sent.
    for comment in new.into_iter().rev() {
        let request =
            if comment.id <= before { Ok(None) } else { asked(site, outside, project, &comment).await };
        match request {
            Ok(request) => take(site, server, comment.msgid, request).await?,
            Err(ScanError::Patchwork(error)) if is_for_ever(&error) => {
                tracing::warn!("an answer on the list is taken as read: {}", chain(&error));
                take(site, server, comment.msgid, None).await?;
            }
            // The others may be readable.
            Err(ScanError::Patchwork(error)) if error.kind() != Kind::Server => {
                failed = failed.or(Some(error.into()));
            }
            Err(error) => return Err(error),
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Asking for this answer again gives nothing else.
fn is_for_ever(error: &PatchworkError) -> bool {
    error.kind() == Kind::Lasting || matches!(error, PatchworkError::Malformed { .. })
}

/// The list that was looked at longest ago, of those on which somebody may ask for something.
fn next_list<'p>(
    projects: &'p [Project],
    looked: &BTreeMap<String, jiff::Timestamp>,
) -> Option<(&'p Project, Answered)> {
    let watched = projects.iter().filter(|project| !project.commanders.is_empty());
    let lists = watched.flat_map(|project| [(project, Answered::Patch), (project, Answered::Cover)]);
    lists.min_by_key(|(project, answered)| looked.get(&list_name(project, *answered)).copied())
}

fn list_name(project: &Project, answered: Answered) -> String {
    format!("{} {}", project.name, answered.word())
}

/// Answers that nobody has looked at yet, the newest first. Of the very first look only the newest page: what was asked
/// for before is not done now.
async fn unknown(
    site: &Site,
    outside: &Outside,
    server: &Server,
    project: &Project,
    answered: Answered,
    is_first: bool,
) -> Result<Vec<NewComment>, ScanError> {
    let mut all: Vec<NewComment> = Vec::new();
    for number in 1..=PAGES_MAX {
        let page = outside.client.newest_comments(answered, &project.name, number, PAGE).await?;
        let (name, rows, found) = (server.client.name.clone(), page.rows, page.comments.len());
        let new = site.ledger.with(move |store| unknown_of(store, &name, page.comments)).await?;
        let is_known = new.len() < found;
        all.extend(new);
        if is_first || is_known || rows < PAGE as usize {
            break;
        }
    }
    Ok(all)
}

fn unknown_of(store: &Store, server: &str, comments: Vec<NewComment>) -> Result<Vec<NewComment>, StoreError> {
    let mut unknown = Vec::new();
    for comment in comments {
        if !store.knows_comment(server, &comment.msgid)? {
            unknown.push(comment);
        }
    }
    Ok(unknown)
}

/// What an answer asks for, of a series that is known, where its sender may.
async fn asked(
    site: &Site,
    outside: &Outside,
    project: &Project,
    comment: &NewComment,
) -> Result<Option<Request>, ScanError> {
    let server = outside.client.name().to_owned();
    let (list, msgid) = (project.name.clone(), comment.answered_msgid.clone());
    let key = site.ledger.with(move |store| series_of(store, &server, &list, &msgid)).await?;
    let Some(key) = key else { return Ok(None) };
    let text = match outside.client.comment(comment).await {
        Ok(text) => text,
        // It was removed.
        Err(PatchworkError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Some(what) = command(&text.content) else { return Ok(None) };
    if !is_listed(&text.submitter.email, &project.commanders) {
        tracing::warn!(series = %key, "{} may not ask for anything on the list", text.submitter.email);
        return Ok(None);
    }
    let who = format!("{} on the list", text.submitter.email);
    Ok(Some(Request { key, what, who, at: site.clock.now() }))
}

/// The series of a mail; the newest, where several have it.
fn series_of(
    store: &mut Store,
    server: &str,
    project: &str,
    msgid: &str,
) -> Result<Option<SeriesKey>, StoreError> {
    let keys: Vec<SeriesKey> =
        store.by_msgid(msgid)?.into_iter().filter(|key| key.server == server).collect();
    let has_it = |record: &Record| {
        let mut mails = record.listing.patches.iter().chain(&record.listing.cover);
        record.listing.project == project && mails.any(|mail| mail.msgid == msgid)
    };
    let records = store.get_all(&keys)?.into_iter().filter(has_it);
    Ok(records.map(|record| record.key).max_by_key(|key| key.id))
}

async fn take(
    site: &Site,
    server: &Server,
    msgid: String,
    request: Option<Request>,
) -> Result<(), StoreError> {
    let (name, now) = (server.client.name.clone(), site.clock.now());
    let taken = site.ledger.with(move |store| store.take_comment(&name, &msgid, now, request.as_slice()));
    taken.await.map(|_| ())
}

/// The first line that asks for something. It has to stand there alone: what is quoted begins with `>`.
fn command(text: &str) -> Option<What> {
    text.lines().find_map(|line| {
        let (name, word) = line.trim_end().split_once(':')?;
        if !name.eq_ignore_ascii_case("patchlift") {
            return None;
        }
        match word.trim_start() {
            word if word.eq_ignore_ascii_case("retest") => Some(What::Retest),
            word if word.eq_ignore_ascii_case("release") => Some(What::Release),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_line_of_its_own() {
        for (text, meant) in [
            ("Thanks!\n\npatchlift: retest\n", Some(What::Retest)),
            ("patchlift: release \r\n", Some(What::Release)),
            ("Patchlift:Retest", Some(What::Retest)),
            ("patchlift: retest\npatchlift: release\n", Some(What::Retest)),
            ("> patchlift: retest\n", None),
            (">patchlift: release\nno\n", None),
            ("please say patchlift: retest\n", None),
            ("patchlift: retest please\n", None),
            (" patchlift: retest\n", None),
            ("patchlift: refuse\n", None),
            ("", None),
        ] {
            assert_eq!(command(text), meant, "{text:?}");
        }
    }
}
