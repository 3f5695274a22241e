//! What GitHub says of a run and of its jobs: words, not closed lists, since GitHub adds to them.

use jiff::Timestamp;
use patchlift_report::clean::line;
use serde::Deserialize;
use serde_json::Value;

/// GitHub's number of a run.
pub type RunId = u64;

/// A run of the workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunView {
    /// Its number.
    pub id: RunId,
    /// Its page for people.
    pub url: Option<String>,
    /// Its name: `patchlift <run key>`.
    pub title: String,
    /// `queued`, `in_progress`, `completed`, or another word for not being over.
    pub status: String,
    /// `success`, `failure`, `cancelled`, `timed_out`, …; `None` while it is not over.
    pub conclusion: Option<String>,
    /// When it was asked for.
    pub created: Option<Timestamp>,
    /// When it began, as GitHub sees it; a job may still wait for its runner.
    pub started: Option<Timestamp>,
    /// When it changed last; its end where it is over.
    pub updated: Option<Timestamp>,
    /// 1, and more where it was started again.
    pub attempt: u32,
}

impl RunView {
    /// It is over, however it ended.
    pub fn is_over(&self) -> bool {
        self.status == "completed"
    }
}

/// A job of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: u64,
    /// Its name in the workflow.
    pub name: String,
    /// As of a run.
    pub status: String,
    /// As of a run.
    pub conclusion: Option<String>,
    /// The runner that took it; `None` while it waits for one.
    pub runner: Option<String>,
    /// The labels that its runner has to have.
    pub labels: Vec<String>,
    /// When a runner took it.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub completed: Option<Timestamp>,
    /// Its steps, in order; none before a runner took it.
    pub steps: Vec<JobStep>,
}

/// A step of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStep {
    /// Its name in the workflow.
    pub name: String,
    /// As of a run.
    pub status: String,
    /// As of a run, and `skipped`.
    pub conclusion: Option<String>,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub completed: Option<Timestamp>,
}

/// A self-hosted runner of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runner {
    /// Its name.
    pub name: String,
    /// It is connected to GitHub.
    pub online: bool,
    /// It works on a job.
    pub busy: bool,
    /// What jobs may ask for.
    pub labels: Vec<String>,
}

/// Longest word or name that is kept, in characters.
const WORD_MAX: usize = 200;

#[derive(Deserialize)]
struct WireRun {
    id: RunId,
    html_url: Option<String>,
    display_title: Option<String>,
    status: Option<String>,
    conclusion: Option<String>,
    created_at: Option<String>,
    run_started_at: Option<String>,
    updated_at: Option<String>,
    run_attempt: Option<u32>,
}

#[derive(Deserialize)]
struct WireJob {
    id: u64,
    name: Option<String>,
    status: Option<String>,
    conclusion: Option<String>,
    runner_name: Option<String>,
    labels: Option<Vec<String>>,
    started_at: Option<String>,
    completed_at: Option<String>,
    steps: Option<Vec<WireStep>>,
}

#[derive(Deserialize)]
struct WireStep {
    name: Option<String>,
    status: Option<String>,
    conclusion: Option<String>,
    started_at: Option<String>,
    completed_at: Option<String>,
}

#[derive(Deserialize)]
struct WireRunner {
    name: Option<String>,
    status: Option<String>,
    busy: Option<bool>,
    labels: Option<Vec<WireLabel>>,
}

#[derive(Deserialize)]
struct WireLabel {
    name: Option<String>,
}

/// More steps than this a job has never had.
const STEPS_MAX: usize = 1000;

fn word(text: Option<String>) -> Option<String> {
    text.map(|text| line(&text, WORD_MAX)).filter(|text| !text.is_empty())
}

fn time(text: Option<String>) -> Option<Timestamp> {
    text?.parse().ok()
}

impl<'de> Deserialize<'de> for RunView {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let run = WireRun::deserialize(from)?;
        let url = run.html_url.filter(|url| url.starts_with("https://") || url.starts_with("http://"));
        Ok(Self {
            id: run.id,
            url: word(url),
            title: word(run.display_title).unwrap_or_default(),
            status: word(run.status).unwrap_or_default(),
            conclusion: word(run.conclusion),
            created: time(run.created_at),
            started: time(run.run_started_at),
            updated: time(run.updated_at),
            attempt: run.run_attempt.unwrap_or(1),
        })
    }
}

impl<'de> Deserialize<'de> for Job {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let job = WireJob::deserialize(from)?;
        Ok(Self {
            id: job.id,
            name: word(job.name).unwrap_or_default(),
            status: word(job.status).unwrap_or_default(),
            conclusion: word(job.conclusion),
            runner: word(job.runner_name),
            labels: job.labels.into_iter().flatten().filter_map(|label| word(Some(label))).collect(),
            started: time(job.started_at),
            completed: time(job.completed_at),
            steps: job.steps.into_iter().flatten().take(STEPS_MAX).map(JobStep::from).collect(),
        })
    }
}

impl From<WireStep> for JobStep {
    fn from(step: WireStep) -> Self {
        Self {
            name: word(step.name).unwrap_or_default(),
            status: word(step.status).unwrap_or_default(),
            conclusion: word(step.conclusion),
            started: time(step.started_at),
            completed: time(step.completed_at),
        }
    }
}

impl<'de> Deserialize<'de> for Runner {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let runner = WireRunner::deserialize(from)?;
        Ok(Self {
            name: word(runner.name).unwrap_or_default(),
            online: runner.status.as_deref() == Some("online"),
            busy: runner.busy.unwrap_or(false),
            labels: runner.labels.into_iter().flatten().filter_map(|label| word(label.name)).collect(),
        })
    }
}

/// One page of a list. What cannot be read in it is left out, so that one odd entry does not hide the others.
pub(super) struct Page<T> {
    pub(super) entries: Vec<T>,
    /// How many GitHub sent, readable or not.
    pub(super) sent: usize,
}

pub(super) fn page<T: serde::de::DeserializeOwned>(entries: Vec<Value>) -> Page<T> {
    let sent = entries.len();
    let entries = entries.into_iter().filter_map(|entry| serde_json::from_value(entry).ok()).collect();
    Page { entries, sent }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_read_whatever_is_missing_or_new() {
        let run: RunView = serde_json::from_str(r#"{"id": 7}"#).unwrap();
        assert_eq!((run.id, run.attempt, run.is_over()), (7, 1, false));
        let run: RunView = serde_json::from_str(
            r#"{"id": 7, "display_title": "patchlift \u001b[2Jx", "status": "parked", "conclusion": null,
                "html_url": "javascript:alert(1)", "created_at": "yesterday", "head_branch": null}"#,
        )
        .unwrap();
        assert!(!run.title.contains('\u{1b}'), "{run:?}");
        assert_eq!((run.url, run.created, run.status.as_str()), (None, None, "parked"));
        let job: Job = serde_json::from_str(r#"{"id": 1, "labels": ["power8"], "runner_name": ""}"#).unwrap();
        assert_eq!((job.labels, job.runner), (vec!["power8".to_owned()], None));
        let page = page::<Job>(vec![serde_json::json!({"id": "x"}), serde_json::json!({"id": 3})]);
        assert_eq!((page.entries.len(), page.sent), (1, 2));
    }
}
