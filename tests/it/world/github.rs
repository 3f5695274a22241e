//! A GitHub in memory: one repository with one workflow, its runs, jobs and artifacts. Every answer is derived from
//! what is in it and checked against GitHub's own description; it goes wrong on demand.
//!
//! It runs in a thread of its own, so that a test may block.

mod answers;
mod connection;
#[path = "../../../publish/tests/it/contract.rs"]
pub(crate) mod contract;
mod fault;
mod model;
mod routes;

use std::sync::{Arc, Mutex, MutexGuard, mpsc};

use patchlift::clock::Clock;
use serde_json::Value;

pub(crate) use fault::{Fault, When};
pub(crate) use model::Model;

/// The only token it takes.
pub(crate) const TOKEN: &str = "ghs_a-token-that-must-never-be-seen";

/// The repository with the workflow.
pub(crate) const REPOSITORY: &str = "octo/kvm";

/// Cloned handles are the same GitHub. It is gone with the test's process.
#[derive(Clone)]
pub(crate) struct FakeGitHub {
    model: Arc<Mutex<Model>>,
    /// Its address for API requests.
    pub(crate) url: String,
}

const BROKEN: &str = "a request or an answer broke GitHub's rules, as printed above";

/// A test does not pass when its requests were not what GitHub takes.
impl Drop for FakeGitHub {
    fn drop(&mut self) {
        assert!(std::thread::panicking() || !self.model.is_poisoned(), "{BROKEN}");
    }
}

impl FakeGitHub {
    /// Starts it with this machine's time.
    pub(crate) fn start() -> Self {
        Self::start_with(Clock::System)
    }

    /// Starts it with a time of its own.
    pub(crate) fn start_with(clock: Clock) -> Self {
        let (tell, told) = mpsc::channel();
        let model = Arc::new(Mutex::new(Model::new(clock)));
        let served = model.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(routes::serve(served, tell));
        });
        let url = told.recv().unwrap();
        Self { model, url }
    }

    /// What is in it, to look at and to change.
    pub(crate) fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().expect(BROKEN)
    }

    /// A runner takes the run.
    pub(crate) fn run_starts(&self, id: u64) {
        self.model().change(id, |run, now| {
            run.status = "in_progress".into();
            run.runner = Some("controller".into());
            run.started = Some(now);
        });
    }

    /// The run ends; where there is a report, its artifact is there.
    pub(crate) fn run_ends(&self, id: u64, conclusion: &str, report: Option<&Value>) {
        let artifact = report.map(|report| model::zip_of("report.json", report.to_string().as_bytes()));
        self.run_ends_with(id, conclusion, artifact);
    }

    /// The run ends with these bytes as the artifact `report`.
    pub(crate) fn run_ends_with(&self, id: u64, conclusion: &str, artifact: Option<Vec<u8>>) {
        self.model().change(id, |run, now| {
            run.status = "completed".into();
            run.conclusion = Some(conclusion.into());
            run.ended = Some(now);
            run.artifact = artifact;
        });
    }

    /// The machine with the runner dies: after a while GitHub says that the job failed, and there is no report.
    pub(crate) fn runner_vanishes(&self, id: u64) {
        self.run_ends_with(id, "failure", None);
    }

    /// The next request whose method and path contain `what` goes wrong: `"POST "`, `"/dispatches"`, or `""` for any.
    pub(crate) fn goes_wrong(&self, what: &str, when: When, fault: Fault) {
        self.goes_wrong_after(0, what, when, fault);
    }

    /// As [`FakeGitHub::goes_wrong`], after so many of such requests went well.
    pub(crate) fn goes_wrong_after(&self, well: usize, what: &str, when: When, fault: Fault) {
        self.model().faults.push(fault::Planned { what: what.to_owned(), well, when, fault });
    }
}
