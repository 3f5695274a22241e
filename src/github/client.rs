//! What is asked of GitHub about the workflow.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use patchlift_publish::ApiError;
use patchlift_publish::api::{Answer, Api, Doing, Repository};
use patchlift_publish::auth::Permissions;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::run::{Job, Page, RunId, RunView, Runner, page};
use super::{GitHubError, Settings};

/// Entries of a page: the most that GitHub gives.
const PAGE: usize = 100;

/// GitHub gives at most 1000 runs for a look-up with a filter.
const PAGES_MAX: usize = 10;

/// A run may be older than the request for it, by the difference of two clocks.
const CLOCKS_DIFFER: Duration = Duration::from_secs(600);

/// Most runs whose last state is kept, to ask only whether it changed.
const KEPT_MAX: usize = 1000;

/// What runs take of an App.
const RUNS: Permissions = Permissions(&[("actions", "write"), ("contents", "read"), ("metadata", "read")]);

const DISPATCH: Doing = Doing("starting the workflow");
const DEFAULT_BRANCH: Doing = Doing("the repository's default branch");
const FIND: Doing = Doing("the look-up of a run");
const RUN: Doing = Doing("the state of a run");
const JOBS: Doing = Doing("the jobs of a run");
const RUNNERS: Doing = Doing("the repository's runners");
const CANCEL: Doing = Doing("cancelling a run");

/// GitHub, as far as the workflow is concerned.
#[derive(Debug)]
pub struct GitHub {
    pub(super) api: Api,
    pub(super) repository: Repository,
    workflow: String,
    branch: Option<String>,
    default_branch: Mutex<Option<String>>,
    /// This server does not know `return_run_details`.
    plain_dispatch: AtomicBool,
    kept: Mutex<BTreeMap<RunId, (String, RunView)>>,
    runners: tokio::sync::Mutex<KnownRunners>,
    pub(super) download: reqwest::Client,
}

/// What became of a request to cancel a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It will end soon.
    Asked,
    /// It was over already.
    Over,
}

#[derive(Serialize)]
struct Dispatch<'a> {
    r#ref: &'a str,
    inputs: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    return_run_details: bool,
}

#[derive(Deserialize)]
struct Dispatched {
    workflow_run_id: RunId,
}

#[derive(Deserialize)]
struct Runs {
    workflow_runs: Vec<Value>,
}

#[derive(Deserialize)]
struct Jobs {
    jobs: Vec<Value>,
}

#[derive(Deserialize)]
struct RunnerList {
    runners: Vec<Value>,
}

/// What was known of the runners, and when.
type KnownRunners = Option<(Instant, Option<Vec<Runner>>)>;

/// Runners come and go in minutes; whoever waits for one asks again and again.
const RUNNERS_KEPT: Duration = Duration::from_secs(60);

impl GitHub {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// The address or the repository cannot be used.
    pub fn new(settings: &Settings) -> Result<Self, GitHubError> {
        let api = Api::new(settings.api.as_str(), settings.credential.clone())?;
        Self::reached(&api, settings)
    }

    /// With an `Api` that others use, too: all of them keep one pace.
    ///
    /// # Errors
    /// The repository cannot be used.
    pub fn reached(api: &Api, settings: &Settings) -> Result<Self, GitHubError> {
        let repository = Repository::parse(&settings.repository)?;
        Ok(Self {
            api: api.for_repository(&repository, RUNS).with_gap(settings.pause),
            repository,
            workflow: settings.workflow.clone(),
            branch: settings.branch.clone(),
            default_branch: Mutex::new(None),
            plain_dispatch: AtomicBool::new(false),
            kept: Mutex::new(BTreeMap::new()),
            runners: tokio::sync::Mutex::new(None),
            download: super::report::download_client()?,
        })
    }

    /// Another pause between writes than the second that GitHub asks for.
    pub fn with_gap(mut self, gap: Duration) -> Self {
        self.api = self.api.with_gap(gap);
        self
    }

    /// Another limit than 30 s for each answer, or piece of an answer, to come.
    pub fn with_answer_limit(mut self, limit: Duration) -> Self {
        self.api = self.api.with_answer_limit(limit);
        self
    }

    /// Starts the workflow on the configured branch, or on the default one. Gives back the run's number where the
    /// server tells it; [`GitHub::find_run`] finds it otherwise. Never sent twice.
    ///
    /// # Errors
    /// It is not known to have started; [`GitHubError::may_have_happened`] tells whether it may have.
    pub async fn dispatch(&self, inputs: &BTreeMap<String, String>) -> Result<Option<RunId>, GitHubError> {
        let branch = match &self.branch {
            Some(branch) => branch.clone(),
            None => self.default_branch().await?,
        };
        let plain = self.plain_dispatch.load(Ordering::Relaxed);
        let answer = match self.send_dispatch(&branch, inputs, !plain).await {
            // An older server refuses what it does not know, before it does anything.
            Err(ApiError::Refused { status: 422, message, .. }) if message.contains("return_run_details") => {
                self.plain_dispatch.store(true, Ordering::Relaxed);
                self.send_dispatch(&branch, inputs, false).await
            }
            answer => answer,
        };
        if matches!(answer, Err(ApiError::Refused { .. })) {
            // Perhaps the default branch is another one by now.
            self.default_branch.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        let answer = answer?;
        if answer.status == 204 {
            return Ok(None);
        }
        Ok(Some(answer.json::<Dispatched>()?.workflow_run_id))
    }

    async fn send_dispatch(
        &self,
        branch: &str,
        inputs: &BTreeMap<String, String>,
        return_run_details: bool,
    ) -> Result<Answer, ApiError> {
        let route = self.workflow_route("dispatches");
        self.api.post(DISPATCH, route, Some(&Dispatch { r#ref: branch, inputs, return_run_details })).await
    }

    async fn default_branch(&self) -> Result<String, GitHubError> {
        #[derive(Deserialize)]
        struct Wire {
            default_branch: String,
        }
        let known = self.default_branch.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(branch) = known {
            return Ok(branch);
        }
        let answer = self.api.get(DEFAULT_BRANCH, self.repository.route("")).await?;
        let branch = answer.json::<Wire>()?.default_branch;
        *self.default_branch.lock().unwrap_or_else(PoisonError::into_inner) = Some(branch.clone());
        Ok(branch)
    }

    /// The run with this key, which was asked for at `asked`; the first one, should there be several.
    ///
    /// # Errors
    /// GitHub did not say.
    pub async fn find_run(&self, run_key: &str, asked: Timestamp) -> Result<Option<RunView>, GitHubError> {
        let since = asked.checked_sub(CLOCKS_DIFFER).unwrap_or(asked).as_second();
        let since = Timestamp::from_second(since).unwrap_or(Timestamp::UNIX_EPOCH);
        let title = format!("patchlift {run_key}");
        let mut found: Option<RunView> = None;
        for number in 1..=PAGES_MAX {
            let route = self.workflow_route(&format!(
                "runs?event=workflow_dispatch&created=%3E%3D{since}&per_page={PAGE}&page={number}"
            ));
            let runs: Page<RunView> = page(self.api.get(FIND, route).await?.json::<Runs>()?.workflow_runs);
            let full = runs.sent >= PAGE;
            let matching = runs.entries.into_iter().filter(|run| run.title == title);
            found = found.into_iter().chain(matching).min_by_key(|run| run.id);
            if !full {
                break;
            }
        }
        Ok(found)
    }

    /// The runs that a push of this commit started.
    ///
    /// # Errors
    /// GitHub did not say.
    pub async fn push_runs(&self, head: &str) -> Result<Vec<RunView>, GitHubError> {
        let route = self.workflow_route(&format!("runs?event=push&head_sha={head}&per_page={PAGE}&page=1"));
        Ok(page(self.api.get(FIND, route).await?.json::<Runs>()?.workflow_runs).entries)
    }

    /// A run as it is now. Asking again costs nothing of GitHub's limits as long as nothing changed.
    ///
    /// # Errors
    /// GitHub did not say, or has no such run.
    pub async fn run(&self, id: RunId) -> Result<RunView, GitHubError> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        let route = self.repository.route(&format!("actions/runs/{id}"));
        let tag = kept.as_ref().map(|(tag, _)| tag.as_str());
        let answer = self.api.get_unless(RUN, route, tag).await?;
        if let (304, Some((_, run))) = (answer.status, kept) {
            return Ok(run);
        }
        let run: RunView = answer.json()?;
        if let Some(tag) = answer.header("etag") {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.insert(id, (tag.to_owned(), run.clone()));
            while kept.len() > KEPT_MAX {
                kept.pop_first();
            }
        }
        Ok(run)
    }

    /// The jobs of a run's newest attempt.
    ///
    /// # Errors
    /// GitHub did not say, or has no such run.
    pub async fn jobs(&self, id: RunId) -> Result<Vec<Job>, GitHubError> {
        let mut jobs = Vec::new();
        for number in 1..=PAGES_MAX {
            let route = format!("actions/runs/{id}/jobs?filter=latest&per_page={PAGE}&page={number}");
            let answer = self.api.get(JOBS, self.repository.route(&route)).await?;
            let more: Page<Job> = page(answer.json::<Jobs>()?.jobs);
            jobs.extend(more.entries);
            if more.sent < PAGE {
                break;
            }
        }
        Ok(jobs)
    }

    /// The runners of the repository, as they were within the last minute. `None`: this token may not see them, which
    /// needs the right to read the repository's administration; or they belong to the organisation.
    ///
    /// # Errors
    /// GitHub did not say.
    pub async fn runners(&self) -> Result<Option<Vec<Runner>>, GitHubError> {
        let mut known = self.runners.lock().await;
        if let Some((_, runners)) = known.as_ref().filter(|(at, _)| at.elapsed() < RUNNERS_KEPT) {
            return Ok(runners.clone());
        }
        let route = self.repository.route(&format!("actions/runners?per_page={PAGE}"));
        let runners = match self.api.get(RUNNERS, route).await {
            Ok(answer) => Some(page(answer.json::<RunnerList>()?.runners).entries),
            Err(ApiError::Refused { status: 403 | 404, by_github: true, .. }) => None,
            Err(error) => return Err(error.into()),
        };
        *known = Some((Instant::now(), runners.clone()));
        Ok(runners)
    }

    /// Asks for a run to be ended. Its last steps may still run: they bring the box back.
    ///
    /// # Errors
    /// It may go on.
    pub async fn cancel(&self, id: RunId) -> Result<Cancelled, GitHubError> {
        self.end(id, "cancel").await
    }

    /// Ends a run that does not end when it is cancelled, without its last steps.
    ///
    /// # Errors
    /// It may go on.
    pub async fn force_cancel(&self, id: RunId) -> Result<Cancelled, GitHubError> {
        self.end(id, "force-cancel").await
    }

    async fn end(&self, id: RunId, how: &str) -> Result<Cancelled, GitHubError> {
        let route = self.repository.route(&format!("actions/runs/{id}/{how}"));
        match self.api.post(CANCEL, route, None::<&()>).await {
            Ok(_) => Ok(Cancelled::Asked),
            Err(ApiError::Refused { status: 409, .. }) => Ok(Cancelled::Over),
            Err(error) => Err(error.into()),
        }
    }

    fn workflow_route(&self, rest: &str) -> String {
        let workflow =
            percent_encoding::utf8_percent_encode(&self.workflow, percent_encoding::NON_ALPHANUMERIC);
        self.repository.route(&format!("actions/workflows/{workflow}/{rest}"))
    }
}
