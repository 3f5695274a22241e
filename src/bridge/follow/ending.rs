//! What a run came to, and in which words; whether it is to be run once more. No I/O.

use jiff::Timestamp;
use patchlift_report::{Fault, Report};

use super::stages::on_the_box;
use crate::bridge::site::chain;
use crate::github::{Job, JobStep, RunView, Runner};
use crate::record::state::{Applied, Outcome, Run};

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Came {
    pub(super) outcome: Outcome,
    /// It was our fault, and the same may go well another time.
    pub(super) may_pass: bool,
}

impl Came {
    /// A run without a verdict: our fault.
    pub(super) fn to_nothing(summary: String, now: Timestamp) -> Self {
        Self { outcome: no_verdict(summary, now), may_pass: true }
    }
}

pub(super) fn no_verdict(summary: String, now: Timestamp) -> Outcome {
    Outcome { passed: false, whose: Some(Fault::Infrastructure), summary, ended: now, reported: false }
}

/// What a run that is over came to. A report that has a verdict counts, however the run ended.
pub(super) fn came(
    report: Option<&[u8]>,
    view: &RunView,
    jobs: &[Job],
    applied: &Applied,
    run: &Run,
    now: Timestamp,
) -> Came {
    let read = report.map(|report| read(report, applied, now));
    match read {
        Some(outcome) if outcome.whose != Some(Fault::Infrastructure) => Came { outcome, may_pass: false },
        read => {
            let said = read.unwrap_or_else(|| no_verdict(without_report(view, jobs, &run.on), now));
            if let Some(stopping) = &run.stopping {
                return Came { outcome: Outcome { summary: stopping.why.clone(), ..said }, may_pass: true };
            }
            if view.conclusion.as_deref() == Some("cancelled") {
                return cancelled(said, view, run, now);
            }
            Came { outcome: said, may_pass: true }
        }
    }
}

/// GitHub drops a job that no runner took for 24 hours. One that was dropped this long after it was asked for was not
/// cancelled by a person.
const DROPPED_AFTER: jiff::SignedDuration = jiff::SignedDuration::from_hours(23);

/// Nobody in the bridge cancelled it.
fn cancelled(said: Outcome, view: &RunView, run: &Run, now: Timestamp) -> Came {
    let asked = run.asked.or(view.created).unwrap_or(now);
    let waited = view.updated.unwrap_or(now).duration_since(asked);
    if run.started.is_none() && waited >= DROPPED_AFTER {
        let summary = format!(
            "no runner took the run within 24 hours, and GitHub dropped it: see whether the runner with the label {} is online",
            run.on
        );
        return Came { outcome: Outcome { summary, ..said }, may_pass: true };
    }
    let summary = format!("somebody cancelled run {} on GitHub", view.id);
    Came { outcome: Outcome { summary, ..said }, may_pass: false }
}

/// What a run without a report died of, and what to do.
fn without_report(view: &RunView, jobs: &[Job], on: &str) -> String {
    let conclusion = view.conclusion.as_deref().unwrap_or("no conclusion");
    let ended = |job: &Job, word: &str| job.conclusion.as_deref() == Some(word);
    if conclusion == "startup_failure" {
        return "GitHub could not start the workflow (startup_failure): the run's page says what is wrong in its file"
            .to_owned();
    }
    let here = on_the_box(jobs, on);
    if conclusion == "timed_out" || here.is_some_and(|job| ended(job, "timed_out")) {
        return "GitHub ended the run at the workflow's time limit (timeout-minutes), and there is no report"
            .to_owned();
    }
    let is_untouched = here.is_none_or(|job| job.runner.is_none() && job.steps.is_empty());
    let is_elsewhere = |job: &&Job| here.is_none_or(|here| here.id != job.id);
    let broke = |job: &&Job| ended(job, "failure") || ended(job, "timed_out");
    if let Some(other) = jobs.iter().filter(is_elsewhere).find(broke).filter(|_| is_untouched) {
        return format!("the job {:?} failed before the box was reached: its log says why", other.name);
    }
    match here.filter(|job| ended(job, "failure")) {
        Some(job) if is_untouched && job.started.is_none_or(|_| job.steps.is_empty()) => {
            format!("no runner worked on the job for {on}: see whether the runner with that label runs")
        }
        Some(job) => match broken_off(&job.steps) {
            Some(step) => format!(
                "GitHub lost the runner {} in the step {:?}: see whether its machine and its service run",
                job.runner.as_deref().unwrap_or(on),
                step.name
            ),
            None => format!("the run ended ({conclusion}) without a report"),
        },
        None => format!("the run ended ({conclusion}) without a report"),
    }
}

/// The step that never ended although its job did: nobody was left to tell.
fn broken_off(steps: &[JobStep]) -> Option<&JobStep> {
    steps
        .iter()
        .find(|step| step.status == "in_progress" || (step.started.is_some() && step.conclusion.is_none()))
}

/// Longest summary that is kept.
const SUMMARY_MAX: usize = 400;

/// What a report says. Without a readable one on these very commits there is no verdict, whatever GitHub says.
fn read(report: &[u8], applied: &Applied, now: Timestamp) -> Outcome {
    let report = match Report::from_json(report) {
        Ok(report) => report,
        Err(error) => return no_verdict(format!("the run's report cannot be read: {}", chain(&error)), now),
    };
    let names_none = report.head.is_empty();
    if report.head != applied.tip && !names_none {
        return no_verdict("the run's report is about another commit".to_owned(), now);
    }
    let ending = report.verdict.ending;
    let whose = ending.fault();
    let passed = whose.is_none() && ending == patchlift_report::Ending::Passed;
    let whose = whose.or((!passed).then_some(Fault::Infrastructure));
    // A verdict is about these commits, not about none; that something of ours broke needs no commit.
    if names_none && whose != Some(Fault::Infrastructure) {
        return no_verdict("the run's report names no commit".to_owned(), now);
    }
    Outcome {
        passed,
        whose,
        summary: patchlift_report::clean::line(&report.verdict.title, SUMMARY_MAX),
        ended: now,
        reported: true,
    }
}

/// Why nobody takes a run that waits for a runner with this label, as far as the runners tell. `None`: one of them is
/// there, or nothing is known.
pub(super) fn nobody_there(runners: Option<&[Runner]>, label: &str) -> Option<String> {
    let runners = runners.filter(|runners| !runners.is_empty())?;
    let has = |runner: &&Runner| runner.labels.iter().any(|one| one.eq_ignore_ascii_case(label));
    let mut fitting = runners.iter().filter(has).peekable();
    if fitting.peek().is_none() {
        return Some(format!(
            "no runner of the repository has the label {label}: give it to the one beside the box"
        ));
    }
    let offline = fitting.all(|runner| !runner.online);
    offline.then(|| format!("the runner with the label {label} is offline: start its service"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(conclusion: &str) -> RunView {
        serde_json::from_value(serde_json::json!({
            "id": 9001, "status": "completed", "conclusion": conclusion, "created_at": "2026-11-20T00:00:00Z",
            "updated_at": "2026-11-20T01:00:00Z",
        }))
        .unwrap()
    }

    fn jobs(json: serde_json::Value) -> Vec<Job> {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_run_without_a_report_says_what_to_look_at() {
        let step = |conclusion: Option<&str>| {
            serde_json::json!({"name": "Boot it once (boot)", "status": if conclusion.is_some() { "completed" } else { "in_progress" },
                "conclusion": conclusion, "started_at": "2026-11-20T00:10:00Z"})
        };
        let test = |runner: Option<&str>, steps: Vec<serde_json::Value>| {
            serde_json::json!([{"id": 2, "name": "test", "labels": ["p8"], "status": "completed", "conclusion": "failure",
                "runner_name": runner, "steps": steps}])
        };
        let build = serde_json::json!([
            {"id": 1, "name": "build", "status": "completed", "conclusion": "failure", "runner_name": "x"},
            {"id": 2, "name": "test", "labels": ["p8"], "status": "completed", "conclusion": "skipped"}]);
        for (conclusion, jobs_json, said) in [
            ("startup_failure", serde_json::json!([]), "GitHub could not start the workflow"),
            ("timed_out", serde_json::json!([]), "time limit (timeout-minutes)"),
            ("failure", test(None, vec![]), "no runner worked on the job for p8"),
            (
                "failure",
                test(Some("r1"), vec![step(None)]),
                "GitHub lost the runner r1 in the step \"Boot it once",
            ),
            (
                "failure",
                test(Some("r1"), vec![step(Some("failure"))]),
                "the run ended (failure) without a report",
            ),
            ("failure", build, "the job \"build\" failed before the box was reached"),
            ("failure", serde_json::json!([]), "the run ended (failure) without a report"),
            ("odd", serde_json::json!([]), "the run ended (odd) without a report"),
        ] {
            let words = without_report(&view(conclusion), &jobs(jobs_json), "p8");
            assert!(words.contains(said), "{conclusion}: {words}");
        }
    }

    #[test]
    fn a_person_who_cancels_is_told_from_githubs_own_limit() {
        let now = Timestamp::UNIX_EPOCH;
        let run = Run { id: Some(9001), ..Run::new(String::new(), "p8", 1) };
        let somebody = cancelled(no_verdict(String::new(), now), &view("cancelled"), &run, now);
        assert_eq!(somebody.outcome.summary, "somebody cancelled run 9001 on GitHub");
        assert!(!somebody.may_pass);
        let asked = "2026-11-19T01:00:00Z".parse().ok();
        let dropped = Run { asked, ..run };
        let dropped = cancelled(no_verdict(String::new(), now), &view("cancelled"), &dropped, now);
        assert!(dropped.outcome.summary.contains("GitHub dropped it"), "{dropped:?}");
        assert!(dropped.may_pass);
    }

    #[test]
    fn a_verdict_names_the_commits_that_it_is_about() {
        use patchlift_report::{Ending, sample};
        let oid = |digit: &str| digit.repeat(40);
        let base = crate::record::state::Base {
            name: "t/next".into(),
            commit: oid("b"),
            why: "x".to_owned(),
            branch: None,
        };
        let applied = Applied {
            base,
            passed_over: vec![],
            tip: oid("a"),
            tree: oid("c"),
            commits: vec![oid("a")],
            branch: "series/s/1".to_owned(),
            held_back: false,
        };
        let whose = |ending, head: &str| {
            let mut report = sample::report(ending);
            report.head = head.to_owned();
            let report = serde_json::to_vec(&report).unwrap();
            let outcome = read(&report, &applied, Timestamp::UNIX_EPOCH);
            (outcome.passed, outcome.whose)
        };
        let none = (false, Some(Fault::Infrastructure));
        for (ending, verdict) in [
            (Ending::Passed, (true, None)),
            (Ending::DoesNotBoot, (false, Some(Fault::Series))),
            (Ending::BaseBroken, (false, Some(Fault::Base))),
            (Ending::Hardware, (false, Some(Fault::Hardware))),
            (Ending::Infrastructure, none),
        ] {
            assert_eq!(whose(ending, &oid("a")), verdict, "{ending:?}");
            assert_eq!(whose(ending, ""), none, "{ending:?} of no commit");
            assert_eq!(whose(ending, &oid("d")), none, "{ending:?} of another commit");
        }
    }

    #[test]
    fn runners_tell_why_nobody_comes() {
        let runner = |label: &str, online| Runner {
            name: "r".to_owned(),
            online,
            busy: false,
            labels: vec!["self-hosted".to_owned(), label.to_owned()],
        };
        let said = |runners: &[Runner]| nobody_there(Some(runners), "p8");
        assert_eq!((nobody_there(None, "p8"), said(&[])), (None, None));
        assert_eq!(said(&[runner("P8", false), runner("p8", true)]), None);
        assert!(said(&[runner("p8", false)]).unwrap().starts_with("the runner with the label p8 is offline"));
        assert!(said(&[runner("p9", true)]).unwrap().starts_with("no runner of the repository"));
    }
}
