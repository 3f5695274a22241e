//! What a run's jobs show while it is at work: which of them has the box, and how far its stages have come. No I/O.

use jiff::Timestamp;
use patchlift_report::StageName;

use crate::github::{Job, JobStep};
use crate::record::state::LiveStage;

/// The word in the name of the workflow's job that has the box; the other jobs run anywhere.
const JOB_ON_THE_BOX: &str = "test";

/// More stages than this no run has, its base taken through them first.
const STAGES_MAX: usize = 2 * StageName::ALL.len();

/// The job that has the box: the one whose runner has to have the box's name as a label; the job that is called a test;
/// or the only one.
pub(super) fn on_the_box<'j>(jobs: &'j [Job], on: &str) -> Option<&'j Job> {
    let labelled = |job: &&Job| job.labels.iter().any(|label| label.eq_ignore_ascii_case(on));
    let named = |job: &&Job| job.name.to_lowercase().contains(JOB_ON_THE_BOX);
    let only = jobs.first().filter(|_| jobs.len() == 1);
    jobs.iter().find(labelled).or_else(|| jobs.iter().find(named)).or(only)
}

/// When a runner took the job. GitHub calls a run begun while its jobs still wait for their runners.
pub(super) fn began(job: &Job, now: Timestamp) -> Option<Timestamp> {
    let is_taken = job.status == "in_progress" || (job.status == "completed" && job.runner.is_some());
    is_taken.then(|| job.started.unwrap_or(now))
}

/// The stages that the job has begun or ended.
pub(super) fn live(job: &Job) -> Vec<LiveStage> {
    job.steps.iter().filter_map(live_stage).take(STAGES_MAX).collect()
}

fn live_stage(step: &JobStep) -> Option<LiveStage> {
    let stage = stage_of(&step.name)?;
    let ended = step.status == "completed";
    let was_skipped = step.conclusion.as_deref() == Some("skipped");
    (ended || step.status == "in_progress").then_some(())?;
    (!was_skipped).then(|| LiveStage {
        stage: stage.slug().to_owned(),
        started: step.started,
        ended: if ended { step.completed.or(step.started) } else { None },
        passed: ended && step.conclusion.as_deref() == Some("success"),
    })
}

/// The stage that a step of the workflow is about: its name ends with the stage's in brackets, `Boot it once (boot)`.
fn stage_of(step: &str) -> Option<StageName> {
    let (_, slug) = step.trim_end().strip_suffix(')')?.rsplit_once(" (")?;
    StageName::ALL.into_iter().find(|stage| stage.slug() == slug)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str, status: &str, conclusion: Option<&str>) -> JobStep {
        let at = |second| Timestamp::from_second(second).ok();
        JobStep {
            name: name.to_owned(),
            status: status.to_owned(),
            conclusion: conclusion.map(str::to_owned),
            started: at(10),
            completed: conclusion.and_then(|_| at(20)),
        }
    }

    fn job(name: &str, labels: &[&str], status: &str) -> Job {
        Job {
            id: 1,
            name: name.to_owned(),
            status: status.to_owned(),
            conclusion: None,
            runner: None,
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            started: None,
            completed: None,
            steps: vec![],
        }
    }

    #[test]
    fn steps_with_a_stage_in_brackets_are_stages() {
        let steps = vec![
            step("Set up job", "completed", Some("success")),
            step("Check the box (preflight)", "completed", Some("success")),
            step("Fetch the source (fetch-source)", "completed", Some("skipped")),
            step("Build (it) (build-host-kernel)", "completed", Some("failure")),
            step("Boot it once (boot)", "in_progress", None),
            step("Roll the box back (roll-back)", "queued", None),
            step("Something (else)", "in_progress", None),
            step("(boot)", "in_progress", None),
        ];
        let live = live(&Job { steps, ..job("x", &[], "in_progress") });
        let seen: Vec<_> =
            live.iter().map(|one| (one.stage.as_str(), one.ended.is_some(), one.passed)).collect();
        assert_eq!(
            seen,
            [("preflight", true, true), ("build-host-kernel", true, false), ("boot", false, false)]
        );
    }

    #[test]
    fn the_job_on_the_box_is_known_by_its_label_or_its_name() {
        let build = || job("Build the program", &["ubuntu-22.04"], "completed");
        let by_label = [build(), job("Roll", &["self-hosted", "P8"], "queued")];
        assert_eq!(on_the_box(&by_label, "p8").unwrap().name, "Roll");
        let by_name = [build(), job("Build, boot, test", &["power8"], "queued")];
        assert_eq!(on_the_box(&by_name, "p8").unwrap().name, "Build, boot, test");
        assert_eq!(on_the_box(&by_name[..1], "p8").unwrap().name, "Build the program");
        assert_eq!(on_the_box(&[build(), build()], "p8"), None);
    }

    #[test]
    fn a_job_has_begun_when_a_runner_took_it() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(began(&job("x", &[], "queued"), now), None);
        assert_eq!(began(&job("x", &[], "in_progress"), now), Some(now));
        assert_eq!(began(&job("x", &[], "completed"), now), None, "skipped, or dropped from the queue");
        let ended = Job { runner: Some("r".to_owned()), ..job("x", &[], "completed") };
        assert_eq!(began(&ended, now), Some(now));
    }
}
