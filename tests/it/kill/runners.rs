//! The self-hosted runners: they take every run, and it passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use patchlift_report::{Ending, sample};
use serde_json::Value;

use super::scenario::{CANCELLED, NEVER_ENDS};
use crate::world::github::FakeGitHub;

/// A runner takes a run after this time, and a run takes as long. The bridge is to see each of its states.
const TAKES: Duration = Duration::from_millis(250);

/// Runners at work; they stop with this value.
pub(crate) struct Runners {
    over: Arc<AtomicBool>,
}

impl Runners {
    pub(crate) fn of(github: &FakeGitHub) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (stop, github) = (Arc::clone(&over), github.clone());
        std::thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                turn(&github);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Self { over }
    }

    /// They take nothing any more.
    pub(crate) fn stop(&self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

impl Drop for Runners {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Looks at every run once.
fn turn(github: &FakeGitHub) {
    let runs = github.model().runs.clone();
    let now = jiff::Timestamp::now();
    let is_over = |since: jiff::Timestamp| now.duration_since(since).unsigned_abs() >= TAKES;
    for run in runs {
        let series: Value = serde_json::from_str(&run.inputs["series"]).unwrap();
        match (run.status.as_str(), run.started) {
            ("queued", _) if is_over(run.created) => github.run_starts(run.id),
            ("in_progress", Some(_)) if has_title(&series, CANCELLED) => {
                github.run_ends(run.id, "cancelled", None);
            }
            ("in_progress", Some(started)) if is_over(started) && !never_ends(&series) => {
                github.run_ends(run.id, "success", Some(&passed(&series)));
            }
            _ => {}
        }
    }
}

fn never_ends(series: &Value) -> bool {
    series["series"]["version"] == 1 && has_title(series, NEVER_ENDS)
}

fn has_title(series: &Value, title: &str) -> bool {
    series["series"]["title"].as_str().unwrap().starts_with(title)
}

/// The report of a run in which all went well.
pub(crate) fn passed(series: &Value) -> Value {
    let mut report = serde_json::to_value(sample::report(Ending::Passed)).unwrap();
    report["head"] = series["tip"].clone();
    report
}
