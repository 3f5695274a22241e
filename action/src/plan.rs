//! Which stages a run has, in which order, and which of them still make sense. Pure.

use patchlift_report::{Fault, Lane, Stage, StageName, StageResult};

/// One planned stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Which step.
    pub name: StageName,
    /// On which commit.
    pub lane: Lane,
}

/// The steps that put a kernel on the box, try it and take it away again.
const ON_THE_BOX: [StageName; 6] = [
    StageName::BuildHostKernel,
    StageName::InstallHostKernel,
    StageName::Boot,
    StageName::Verify,
    StageName::KvmSmoke,
    StageName::RollBack,
];

/// What every run begins with. Only then is it known which base, which box and which compiler there is.
pub fn opening() -> Vec<Planned> {
    [StageName::Preflight, StageName::FetchSource].map(|name| Planned { name, lane: Lane::Series }).into()
}

/// All other stages. The base goes first where nothing is known of it on this box: without it, nobody could
/// tell a broken base from a broken series.
pub fn on_the_box(baseline_known: bool) -> Vec<Planned> {
    let step = |lane| move |name| Planned { name, lane };
    let mut plan = Vec::new();
    if !baseline_known {
        plan.extend(ON_THE_BOX.map(step(Lane::Base)));
    }
    plan.extend(ON_THE_BOX.map(step(Lane::Series)));
    plan
}

/// Why stages are skipped after a request to stop.
pub const STOPPED: &str = "the run was stopped";

/// Whether a planned stage is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// It is.
    Run,
    /// It is not, and why.
    Skip(String),
}

/// Decides on `next` by what has been `done`. `stopped` is set when the run was told to end.
pub fn gate(next: Planned, done: &[Stage], stopped: bool) -> Gate {
    if next.name == StageName::RollBack {
        return if box_was_touched(next.lane, done) {
            Gate::Run
        } else {
            Gate::Skip("the box never left its known-good kernel".to_owned())
        };
    }
    if stopped {
        return Gate::Skip(STOPPED.to_owned());
    }
    done.iter().find_map(|stage| blocks(stage, next)).map_or(Gate::Run, Gate::Skip)
}

/// Whether a kernel of `lane` was on its way onto the box.
fn box_was_touched(lane: Lane, done: &[Stage]) -> bool {
    let touched = |stage: &Stage| {
        stage.lane == lane
            && matches!(stage.name, StageName::InstallHostKernel | StageName::Boot)
            && !matches!(stage.result, StageResult::Skipped { .. })
    };
    done.iter().any(touched)
}

/// Why `stage`, as it ended, keeps `next` from being run.
fn blocks(stage: &Stage, next: Planned) -> Option<String> {
    let (fault, _) = match &stage.result {
        StageResult::Passed | StageResult::Skipped { .. } => return None,
        StageResult::Interrupted => return Some(STOPPED.to_owned()),
        failed => failed.failure()?,
    };
    let words = stage.name.in_words().to_lowercase();
    let general = matches!(stage.name, StageName::Preflight | StageName::FetchSource);
    if stage.lane == next.lane || general {
        return Some(format!("could not {words}"));
    }
    // A base that fails by itself does not keep the series from being tried: it may be the repair.
    (fault != Fault::Base).then(|| format!("could not {words} for the base"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn done(name: StageName, lane: Lane, result: StageResult) -> Stage {
        Stage::at_once(name, lane, result, Timestamp::UNIX_EPOCH)
    }

    fn failed(fault: Fault) -> StageResult {
        StageResult::Failed { fault, reason: "x".to_owned() }
    }

    #[test]
    fn an_unknown_base_is_run_first() {
        assert_eq!(opening().len() + on_the_box(true).len(), StageName::ALL.len());
        let full = on_the_box(false);
        assert_eq!(full.len(), 12);
        let last_base = full.iter().rposition(|planned| planned.lane == Lane::Base);
        let first_series_build = full
            .iter()
            .position(|planned| *planned == Planned { name: StageName::BuildHostKernel, lane: Lane::Series });
        assert!(last_base < first_series_build);
    }

    #[test]
    fn what_failed_decides_what_follows() {
        use StageName::{Boot, BuildHostKernel, FetchSource, InstallHostKernel, KvmSmoke, RollBack};
        let run = |done: &[Stage], name, lane| gate(Planned { name, lane }, done, false) == Gate::Run;

        let no_source = [done(FetchSource, Lane::Series, failed(Fault::Infrastructure))];
        assert!(!run(&no_source, BuildHostKernel, Lane::Base));
        assert!(!run(&no_source, RollBack, Lane::Series));

        let no_build = [done(BuildHostKernel, Lane::Series, failed(Fault::Series))];
        assert!(!run(&no_build, InstallHostKernel, Lane::Series));
        assert!(!run(&no_build, RollBack, Lane::Series), "the box was not touched");

        let no_boot = [
            done(InstallHostKernel, Lane::Series, StageResult::Passed),
            done(Boot, Lane::Series, failed(Fault::Series)),
        ];
        assert!(!run(&no_boot, KvmSmoke, Lane::Series));
        assert!(run(&no_boot, RollBack, Lane::Series));

        let base_broken = [
            done(InstallHostKernel, Lane::Base, StageResult::Passed),
            done(Boot, Lane::Base, failed(Fault::Base)),
        ];
        assert!(run(&base_broken, BuildHostKernel, Lane::Series), "the series may be the repair");
        assert!(!run(&base_broken, KvmSmoke, Lane::Base));

        let box_lost = [done(RollBack, Lane::Base, failed(Fault::Infrastructure))];
        assert!(!run(&box_lost, BuildHostKernel, Lane::Series));
    }

    #[test]
    fn a_stopped_run_still_rolls_the_box_back() {
        let touched = [
            done(StageName::InstallHostKernel, Lane::Series, StageResult::Passed),
            done(StageName::Boot, Lane::Series, StageResult::Interrupted),
        ];
        let next = |name| gate(Planned { name, lane: Lane::Series }, &touched, true);
        assert_eq!(next(StageName::RollBack), Gate::Run);
        assert_eq!(next(StageName::Verify), Gate::Skip(STOPPED.to_owned()));
    }
}
