//! In the place of a run that was killed: its box is brought back, and its report is written.

use jiff::Timestamp;
use patchlift_report::{Lane, Report, RollBack, Stage, StageName, StageResult};

use crate::baseline::BaselineStore;
use crate::cancel::Cancel;
use crate::ending;
use crate::inputs::Inputs;
use crate::journal::{Entry, Journal};
use crate::plan::{self, Planned};
use crate::progress::Progress;
use crate::run::{Failure, Run, RunError, one_stage, take_leases};
use crate::run_folder::RunFolder;

/// Rolls the box back as the killed run would have done when told to stop, and writes the report in its folder.
///
/// # Errors
/// Where the report can't be written.
pub fn recover(folder: &RunFolder, inputs: Inputs, progress: Progress) -> Result<Report, RunError> {
    let path = folder.journal();
    let entries = Journal::read(&path).unwrap_or_default();
    let mut journal = Journal::open(&path).map_err(RunError::write(&path))?;
    let began = entries.first().map_or_else(Timestamp::now, |entry| entry.at);
    let mut done = stages(&entries);
    let leases = take_leases(&inputs);
    // It is a run that was told to stop: of its plan nothing but the way back is left. Signals keep their usual
    // meaning: whoever ends this, too, leaves the box to the next run.
    let cancel = Cancel::default();
    cancel.request();
    let mut run = Run::begin(folder, inputs, cancel, progress, leases.is_ok())?;
    if let Some(found) = folder.load_found() {
        (run.known_good, run.machine, run.compiler) = (Some(found.known_good), found.machine, found.compiler);
    }
    if is_left_booted(&entries) {
        // Nobody knows how far the kernel under test has come: its power is switched.
        run.boot_mark = Some(run.console.mark());
    }
    run.roll_back = roll_back_so_far(&done);
    let mut refused = leases.as_ref().err().map(|error| Failure::lab(error));
    for planned in rest(&entries, &done) {
        let failure = if planned.name == StageName::RollBack { refused.take() } else { None };
        let stage = one_stage(&mut run, planned, &done, &mut journal, failure);
        done.push(stage);
    }
    let baseline = BaselineStore::new(&run).read();
    let lease = leases.as_ref().ok().map(|(lease, _work)| lease);
    ending::end(&run, folder, began, done, baseline, lease)
}

/// The stages as far as the killed run came. The one it died in was interrupted; a roll-back that it died in is
/// left out, as it is done again.
fn stages(entries: &[Entry]) -> Vec<Stage> {
    let mut stages: Vec<Stage> = entries.iter().filter_map(|entry| entry.done.clone()).collect();
    if let Some(last) = entries.last()
        && last.done.is_none()
        && last.stage != StageName::RollBack
    {
        let stage = Stage::at_once(last.stage, last.lane, StageResult::Interrupted, last.at);
        stages.push(Stage { ended: Timestamp::now(), ..stage });
    }
    stages
}

/// What the killed run had proven of its last way back.
fn roll_back_so_far(done: &[Stage]) -> RollBack {
    let last = done.iter().rfind(|stage| stage.name == StageName::RollBack);
    let Some(stage) = last else { return RollBack::NotNeeded };
    let fact = |label: &str| {
        stage.facts.iter().find(|fact| fact.label == label).map(|fact| fact.value.clone()).unwrap_or_default()
    };
    match &stage.result {
        StageResult::Passed => RollBack::Proven {
            release: fact("runs again"),
            build_id: fact("build id"),
            millis: u64::try_from(stage.ended.duration_since(stage.started).as_millis()).unwrap_or_default(),
        },
        StageResult::Skipped { .. } => RollBack::NotNeeded,
        StageResult::Interrupted => RollBack::Failed { reason: plan::STOPPED.to_owned() },
        failed => {
            let reason = failed.failure().map(|(_, reason)| reason.to_owned()).unwrap_or_default();
            RollBack::Failed { reason }
        }
    }
}

/// Whether a kernel under test was started and the box was not brought back from it.
fn is_left_booted(entries: &[Entry]) -> bool {
    let back = |entry: &Entry| {
        entry.stage == StageName::RollBack
            && entry.done.as_ref().is_some_and(|stage| stage.result == StageResult::Passed)
    };
    let behind = entries.iter().rposition(back).map_or(0, |at| at + 1);
    entries.iter().skip(behind).any(|entry| {
        let skipped = matches!(&entry.done, Some(Stage { result: StageResult::Skipped { .. }, .. }));
        entry.stage == StageName::Boot && !skipped
    })
}

/// What is left of the plan.
fn rest(entries: &[Entry], done: &[Stage]) -> Vec<Planned> {
    let base = entries.iter().any(|entry| entry.lane == Lane::Base);
    let plan = plan::opening().into_iter().chain(plan::on_the_box(!base));
    plan.filter(|planned| !done.iter().any(|stage| (stage.name, stage.lane) == (planned.name, planned.lane)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use patchlift_report::StageName::{
        Boot, BuildHostKernel, FetchSource, InstallHostKernel, Preflight, RollBack,
    };

    fn journal(lines: &[(StageName, Lane, Option<StageResult>)]) -> Vec<Entry> {
        let at = Timestamp::UNIX_EPOCH;
        let entry = |(stage, lane, result): &(StageName, Lane, Option<StageResult>)| {
            let (stage, lane) = (*stage, *lane);
            let done = result.clone().map(|result| Stage::at_once(stage, lane, result, at));
            Entry { at, stage, lane, event: String::new(), done }
        };
        lines.iter().map(entry).collect()
    }

    fn passed(stage: StageName, lane: Lane) -> (StageName, Lane, Option<StageResult>) {
        (stage, lane, Some(StageResult::Passed))
    }

    #[test]
    fn a_run_killed_in_its_boot_is_rolled_back() {
        let entries = journal(&[
            passed(Preflight, Lane::Series),
            passed(FetchSource, Lane::Series),
            passed(BuildHostKernel, Lane::Series),
            passed(InstallHostKernel, Lane::Series),
            (Boot, Lane::Series, None),
        ]);
        assert!(is_left_booted(&entries));
        let done = stages(&entries);
        assert_eq!(done.last().map(|stage| &stage.result), Some(&StageResult::Interrupted));
        let rest = rest(&entries, &done);
        let roll_back = rest.last().copied().expect("it is left");
        assert_eq!(roll_back, Planned { name: RollBack, lane: Lane::Series });
        assert_eq!(plan::gate(roll_back, &done, true), plan::Gate::Run);
    }

    #[test]
    fn a_run_killed_in_its_roll_back_is_rolled_back_again() {
        let entries = journal(&[
            passed(BuildHostKernel, Lane::Base),
            passed(InstallHostKernel, Lane::Base),
            passed(Boot, Lane::Base),
            (RollBack, Lane::Base, None),
        ]);
        assert!(is_left_booted(&entries));
        let done = stages(&entries);
        assert_eq!(done.len(), 3);
        assert!(rest(&entries, &done).contains(&Planned { name: RollBack, lane: Lane::Base }));
    }

    #[test]
    fn a_box_that_is_back_is_not_switched_off() {
        let mut lines = vec![
            passed(InstallHostKernel, Lane::Base),
            passed(Boot, Lane::Base),
            passed(RollBack, Lane::Base),
        ];
        assert!(!is_left_booted(&journal(&lines)));
        lines.push((BuildHostKernel, Lane::Series, None));
        let entries = journal(&lines);
        assert!(!is_left_booted(&entries));
        let done = stages(&entries);
        let roll_back = Planned { name: RollBack, lane: Lane::Series };
        assert!(matches!(plan::gate(roll_back, &done, true), plan::Gate::Skip(_)));
    }
}
