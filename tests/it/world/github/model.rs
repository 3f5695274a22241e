//! What is in the fake GitHub.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};

use jiff::Timestamp;
use patchlift::clock::Clock;

use super::fault::Planned;

pub(crate) struct Model {
    pub(crate) clock: Clock,
    pub(crate) default_branch: String,
    pub(crate) workflow: String,
    /// The workflow's inputs; all of them are required.
    pub(crate) inputs: Vec<String>,
    /// It tells the run's number where it is asked to; otherwise it answers 204 as older servers do.
    pub(crate) tells_run: bool,
    /// It knows that it can be asked to; otherwise it refuses the question.
    pub(crate) knows_run_details: bool,
    /// A run that is cancelled ends at once; otherwise only by force.
    pub(crate) cancels: bool,
    /// The repository's runners: name, label, online. `None`: the token may not see them.
    pub(crate) runners: Option<Vec<(&'static str, &'static str, bool)>>,
    pub(crate) runs: Vec<Run>,
    /// Method and path of every request, in order.
    pub(crate) requests: Vec<String>,
    /// Answers of 304.
    pub(crate) unchanged: usize,
    pub(crate) faults: Vec<Planned>,
}

/// A run of the workflow.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) id: u64,
    pub(crate) title: String,
    /// The commit whose push started it; `None`: it was dispatched.
    pub(crate) pushed: Option<String>,
    pub(crate) branch: String,
    pub(crate) inputs: BTreeMap<String, String>,
    pub(crate) status: String,
    pub(crate) conclusion: Option<String>,
    pub(crate) created: Timestamp,
    pub(crate) started: Option<Timestamp>,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) runner: Option<String>,
    /// The steps of its job: name, status, conclusion.
    pub(crate) steps: Vec<(&'static str, &'static str, Option<&'static str>)>,
    /// The zip file of the artifact `report`.
    pub(crate) artifact: Option<Vec<u8>>,
    pub(crate) expired: bool,
    /// Requests to cancel it.
    pub(crate) cancels: usize,
}

impl Model {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            default_branch: "trunk".into(),
            workflow: "kvm-ci.yml".into(),
            inputs: ["run_key", "repository", "box", "series"].map(String::from).into(),
            tells_run: true,
            knows_run_details: true,
            cancels: true,
            runners: None,
            runs: Vec::new(),
            requests: Vec::new(),
            unchanged: 0,
            faults: Vec::new(),
        }
    }

    /// A run begins to wait for its runner.
    pub(crate) fn add_run(&mut self, branch: &str, inputs: BTreeMap<String, String>) -> u64 {
        let id = 9001 + self.runs.len() as u64;
        self.runs.push(Run {
            id,
            title: format!("patchlift {}", inputs.get("run_key").map_or("", String::as_str)),
            pushed: None,
            branch: branch.to_owned(),
            inputs,
            status: "queued".into(),
            conclusion: None,
            created: self.clock.now(),
            started: None,
            ended: None,
            runner: None,
            steps: vec![],
            artifact: None,
            expired: false,
            cancels: 0,
        });
        id
    }

    /// A push of this commit starts a run.
    pub(crate) fn add_pushed_run(&mut self, branch: &str, head: &str) -> u64 {
        let id = self.add_run(branch, BTreeMap::new());
        self.change(id, |run, _| run.pushed = Some(head.to_owned()));
        id
    }

    pub(crate) fn run(&self, id: u64) -> Option<&Run> {
        self.runs.iter().find(|run| run.id == id)
    }

    pub(crate) fn change(&mut self, id: u64, change: impl FnOnce(&mut Run, Timestamp)) {
        let now = self.clock.now();
        let run = self.runs.iter_mut().find(|run| run.id == id);
        change(run.unwrap_or_else(|| panic!("there is no run {id}")), now);
    }

    /// The requests that change something, in order.
    pub(crate) fn writes(&self) -> Vec<&str> {
        self.requests.iter().map(String::as_str).filter(|request| !request.starts_with("GET ")).collect()
    }
}

/// A zip file with one file in it.
pub(crate) fn zip_of(name: &str, content: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(content).unwrap();
    zip.finish().unwrap().into_inner()
}
