//! Commit statuses: what personal tokens may write.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::Deserialize;

use super::{Change, GitHub, GitHubError, PAGE, PAGES_MAX, within_limit};
use crate::api::{Api, Doing, Repository};
use crate::auth::Permissions;
use crate::status::CommitStatus;

/// What statuses take of an App.
const STATUSES: Permissions = Permissions(&[("metadata", "read"), ("statuses", "write")]);

const LOOK_UP: Doing = Doing("the look-up of a commit's statuses");
const SET: Doing = Doing("a new commit status");

/// The newest status of each context, as GitHub shows it.
#[derive(Deserialize)]
struct Combined {
    statuses: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    context: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    target_url: Option<String>,
}

impl Listed {
    /// GitHub compares contexts without regard to case.
    fn is(&self, status: &CommitStatus) -> bool {
        self.context.as_ref().is_some_and(|context| context.eq_ignore_ascii_case(&status.context))
    }

    fn says(&self, status: &CommitStatus) -> bool {
        self.state.as_deref() == Some(status.state.word())
            && self.description.as_ref() == Some(&status.description)
            && self.target_url.as_deref().unwrap_or_default()
                == status.target_url.as_deref().unwrap_or_default()
    }
}

impl GitHub {
    /// Sets those statuses that do not stand there already; each commit is looked at once. One [`Change`] for each,
    /// in order.
    ///
    /// # Errors
    /// One of them, and those after it, are not known to be set. Setting all again is safe.
    pub async fn set_statuses(
        &self,
        repository: &Repository,
        statuses: &[CommitStatus],
    ) -> Result<Vec<Change>, GitHubError> {
        let api = self.api.for_repository(repository, STATUSES);
        let mut there = BTreeMap::new();
        let mut changes = Vec::new();
        for status in statuses {
            let set = async {
                let listed = match there.entry(&status.sha) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => new.insert(listed(&api, repository, &status.sha).await?),
                };
                set(&api, repository, status, listed).await
            };
            changes.push(within_limit(set).await?);
        }
        Ok(changes)
    }
}

async fn set(
    api: &Api,
    repository: &Repository,
    status: &CommitStatus,
    there: &[Listed],
) -> Result<Change, GitHubError> {
    let old = there.iter().find(|old| old.is(status));
    if old.is_some_and(|old| old.says(status)) {
        return Ok(Change::None);
    }
    let route = repository.route(&format!("statuses/{}", status.sha));
    let _: serde::de::IgnoredAny = api.post(SET, route, Some(status)).await?.json()?;
    Ok(if old.is_some() { Change::Updated } else { Change::Created })
}

/// The newest status of each context of a commit.
async fn listed(api: &Api, repository: &Repository, sha: &str) -> Result<Vec<Listed>, GitHubError> {
    let mut all = Vec::new();
    for page in 1..=PAGES_MAX {
        let route = repository.route(&format!("commits/{sha}/status?per_page={PAGE}&page={page}"));
        let listed: Combined = api.get(LOOK_UP, route).await?.json()?;
        let full = listed.statuses.len() >= PAGE;
        all.extend(listed.statuses);
        if !full {
            break;
        }
    }
    Ok(all)
}
