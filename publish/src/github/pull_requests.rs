//! Pull requests: one a series.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::{Change, GitHub, GitHubError, PAGE, PAGES_MAX, Published, is_text, within_limit};
use crate::api::{Api, ApiError, Doing, Repository};
use crate::auth::Permissions;
use crate::pull_request::{LABEL, PullRequest};

/// What pull requests take of an App. Labels are taken from whoever may write either.
const PULL_REQUESTS: Permissions = Permissions(&[("metadata", "read"), ("pull_requests", "write")]);

const LOOK_UP: Doing = Doing("the look-up of a pull request");
const CREATE: Doing = Doing("a new pull request");
const UPDATE: Doing = Doing("an update of a pull request");
const LABELS: Doing = Doing("the labels of a pull request");

/// A pull request as GitHub lists it, as far as it is needed.
#[derive(Deserialize)]
struct Listed {
    number: u64,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    labels: Vec<Label>,
    #[serde(default)]
    head: Option<Head>,
}

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    r#ref: Option<String>,
}

#[derive(Deserialize)]
struct Label {
    #[serde(default)]
    name: Option<String>,
}

#[derive(Serialize)]
struct Create<'a> {
    head: &'a str,
    base: &'a str,
    title: &'a str,
    body: &'a str,
    draft: bool,
}

#[derive(Serialize)]
struct Update<'a> {
    title: &'a str,
    body: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
}

#[derive(Serialize)]
struct SetLabels<'a> {
    labels: Vec<&'a str>,
}

impl Listed {
    fn is_open(&self) -> bool {
        self.state.as_deref() == Some("open")
    }

    fn labels(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().filter_map(|label| label.name.as_deref())
    }

    /// Ours as they should be, and those of people.
    fn labels_to_be<'a>(&'a self, wanted: &'a PullRequest) -> Option<Vec<&'a str>> {
        let (ours, theirs): (Vec<_>, Vec<_>) = self.labels().partition(|label| label.starts_with(LABEL));
        let same = ours.len() == wanted.labels.len()
            && wanted.labels.iter().all(|label| ours.contains(&label.as_str()));
        let wanted = wanted.labels.iter().map(String::as_str);
        (!same).then(|| theirs.into_iter().chain(wanted).collect())
    }
}

impl GitHub {
    /// Makes the pull request of a branch, or changes the one that is there. One that is closed stays closed: people
    /// close pull requests, too, and GitHub does not open one again whose branch was pushed anew. `None`: it is not
    /// to be open, and there is none.
    ///
    /// # Errors
    /// It is not known to be there as it should be. Asking again is safe.
    pub async fn propose(
        &self,
        repository: &Repository,
        wanted: &PullRequest,
    ) -> Result<Option<Published>, GitHubError> {
        let there = PullRequests { api: self.api.for_repository(repository, PULL_REQUESTS), repository };
        within_limit(there.propose(wanted)).await
    }
}

struct PullRequests<'a> {
    api: Api,
    repository: &'a Repository,
}

impl PullRequests<'_> {
    async fn propose(&self, wanted: &PullRequest) -> Result<Option<Published>, GitHubError> {
        let (there, created) = match self.find(&wanted.head).await? {
            Some(there) => (there, false),
            None if wanted.open => (self.create(wanted).await?, true),
            None => return Ok(None),
        };
        let mut change = if created { Change::Created } else { Change::None };
        let close = (there.is_open() && !wanted.open).then_some("closed");
        let same =
            is_text(there.title.as_deref(), &wanted.title) && is_text(there.body.as_deref(), &wanted.body);
        if !same || close.is_some() {
            let body = Update { title: &wanted.title, body: &wanted.body, state: close };
            let route = self.repository.route(&format!("pulls/{}", there.number));
            let _: serde::de::IgnoredAny = self.api.patch(UPDATE, route, Some(&body)).await?.json()?;
            change = if created { change } else { Change::Updated };
        }
        if let Some(labels) = there.labels_to_be(wanted) {
            let route = self.repository.route(&format!("issues/{}/labels", there.number));
            let body = SetLabels { labels };
            let _: serde::de::IgnoredAny = self.api.put(LABELS, route, Some(&body)).await?.json()?;
            change = if created { change } else { Change::Updated };
        }
        Ok(Some(Published { id: there.number, change }))
    }

    /// The open pull request of the branch, or else the newest.
    async fn find(&self, head: &str) -> Result<Option<Listed>, GitHubError> {
        let filter = format!("{}:{head}", self.repository.owner());
        let filter = utf8_percent_encode(&filter, NON_ALPHANUMERIC);
        let mut found: Option<Listed> = None;
        for page in 1..=PAGES_MAX {
            let route = format!("pulls?head={filter}&state=all&per_page={PAGE}&page={page}");
            let listed: Vec<Listed> = self.api.get(LOOK_UP, self.repository.route(&route)).await?.json()?;
            let full = listed.len() >= PAGE;
            // GitHub leaves a filter out that it does not understand.
            let of_branch =
                |there: &Listed| there.head.as_ref().and_then(|there| there.r#ref.as_deref()) == Some(head);
            let matching = listed.into_iter().filter(of_branch);
            found = found.into_iter().chain(matching).max_by_key(|there| (there.is_open(), there.number));
            if !full {
                break;
            }
        }
        Ok(found)
    }

    /// Makes it, as a draft where the repository has drafts. Where GitHub's answer got lost, or another one was
    /// faster, it is looked for and never asked for again.
    async fn create(&self, wanted: &PullRequest) -> Result<Listed, GitHubError> {
        let made = match self.try_to_create(wanted, true).await {
            // Private repositories of free plans have no drafts. A refusal has changed nothing.
            Err(ApiError::Refused { status: 422, message, .. }) if message.contains("raft") => {
                self.try_to_create(wanted, false).await
            }
            made => made,
        };
        match made {
            Err(error) if error.may_have_happened() || already_exists(&error) => {
                Ok(self.find(&wanted.head).await?.ok_or(error)?)
            }
            made => Ok(made?),
        }
    }

    async fn try_to_create(&self, wanted: &PullRequest, draft: bool) -> Result<Listed, ApiError> {
        let PullRequest { head, base, title, body, .. } = wanted;
        let body = Create { head, base, title, body, draft };
        self.api.post(CREATE, self.repository.route("pulls"), Some(&body)).await?.json()
    }
}

fn already_exists(error: &ApiError) -> bool {
    matches!(error, ApiError::Refused { status: 422, message, .. } if message.contains("already exists"))
}
