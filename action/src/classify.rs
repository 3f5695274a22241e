//! The verdict: what a run means and whose fault it is. Pure.
//!
//! A failure of the code under test is the series' only if the unpatched base, built and booted the same
//! way on the same box, gets further. Everything else is said as what it is: the base's, the lab's, the
//! hardware's.

use patchlift_report::{
    Base, Baseline, ConsoleEvent, Ending, EventClass, Fault, Lane, Machine, RollBack, Series, Stage,
    StageName, StageResult, Verdict,
};

use crate::crash;
use crate::plan::STOPPED;
use crate::text;

/// What a verdict is made from.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// Every planned stage.
    pub stages: &'a [Stage],
    /// What is known of the base.
    pub baseline: Option<&'a Baseline>,
    /// What the console said.
    pub events: &'a [ConsoleEvent],
    /// Whether the box is back.
    pub roll_back: &'a RollBack,
    /// What was tested.
    pub series: &'a Series,
    /// What it was applied to.
    pub base: &'a Base,
    /// What it was tested on.
    pub machine: &'a Machine,
}

/// How far a kernel got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It was being compiled.
    Build,
    /// It was being booted.
    Boot,
    /// It was being tested.
    Tests,
}

impl Phase {
    /// The ending of a kernel that fails here.
    pub fn ending(self) -> Ending {
        match self {
            Self::Build => Ending::DoesNotBuild,
            Self::Boot => Ending::DoesNotBoot,
            Self::Tests => Ending::FailsTests,
        }
    }

    fn of_ending(ending: Ending) -> Option<Self> {
        [Self::Build, Self::Boot, Self::Tests].into_iter().find(|phase| phase.ending() == ending)
    }
}

/// The phase to which a stage belongs.
pub fn phase(stage: StageName) -> Phase {
    match stage {
        StageName::Preflight | StageName::FetchSource | StageName::BuildHostKernel => Phase::Build,
        StageName::InstallHostKernel | StageName::Boot | StageName::Verify => Phase::Boot,
        StageName::KvmSmoke | StageName::RollBack => Phase::Tests,
    }
}

/// The ending and what decided it.
fn ending(evidence: &Evidence<'_>) -> (Ending, Option<String>) {
    let failures = |lane| {
        evidence.stages.iter().filter(move |stage| stage.lane == lane).filter_map(|stage| {
            let (fault, reason) = stage.result.failure()?;
            Some((stage.name, fault, reason.to_owned()))
        })
    };
    // What kept the series from being tested at all, in either lane.
    let lab = |fault: &Fault| matches!(fault, Fault::Infrastructure | Fault::Hardware);
    let mut ours = failures(Lane::Base).chain(failures(Lane::Series)).filter(|(_, fault, _)| lab(fault));
    let (ours, roll_back) = (ours.clone().find(|(name, ..)| *name != StageName::RollBack), ours.next());
    let theirs = failures(Lane::Series).find(|(_, fault, _)| *fault == Fault::Series);
    let of_series =
        |event: &&ConsoleEvent| event.class == EventClass::Hardware && event.lane == Some(Lane::Series);
    let hardware = evidence.events.iter().find(|event| of_series(event) && under_test(event));
    if let Some((name, _, reason)) = theirs {
        // A machine check in the middle of it explains more than the series does.
        if let Some(event) = hardware.filter(|_| phase(name) != Phase::Build) {
            return (Ending::Hardware, Some(crash::headline(&event.text)));
        }
        return (held_against(phase(name), evidence.baseline), Some(reason));
    }
    if let Some((_, fault, reason)) = ours {
        let ending = if fault == Fault::Hardware { Ending::Hardware } else { Ending::Infrastructure };
        return (ending, Some(reason));
    }
    let interrupted = |stage: &Stage| stage.result == StageResult::Interrupted;
    let stopped = |stage: &Stage| {
        stage.lane == Lane::Series
            && matches!(&stage.result, StageResult::Skipped { reason } if reason == STOPPED)
    };
    if evidence.stages.iter().any(|stage| interrupted(stage) || stopped(stage)) {
        return (Ending::Cancelled, None);
    }
    let tested = |name| {
        evidence.stages.iter().any(|stage| {
            stage.lane == Lane::Series && stage.name == name && stage.result == StageResult::Passed
        })
    };
    if tested(StageName::Verify) && tested(StageName::KvmSmoke) {
        (Ending::Passed, None)
    } else {
        // Nothing failed and nothing was proven: no result is not a pass.
        let reason =
            roll_back.map_or_else(|| "the run ended without a result".to_owned(), |(_, _, reason)| reason);
        (Ending::Infrastructure, Some(reason))
    }
}

/// Whether an event was seen while a kernel under test ran; before and after it is the known-good system that
/// speaks, and the firmware.
fn under_test(event: &ConsoleEvent) -> bool {
    matches!(event.stage, Some(StageName::Boot | StageName::Verify | StageName::KvmSmoke))
}

/// Whether a failure of the series' kernel in `phase` is the series': only if the base is known to get
/// further.
fn held_against(phase: Phase, baseline: Option<&Baseline>) -> Ending {
    match baseline {
        None => Ending::Infrastructure,
        Some(baseline) if baseline.ending == Ending::Passed => phase.ending(),
        Some(baseline) => match Phase::of_ending(baseline.ending) {
            Some(base_phase) if base_phase > phase => phase.ending(),
            _ => Ending::BaseBroken,
        },
    }
}

/// The verdict on a run.
pub fn verdict(evidence: &Evidence<'_>) -> Verdict {
    let (ending, reason) = ending(evidence);
    let box_quarantined = matches!(evidence.roll_back, RollBack::Failed { .. });
    let title = text::cut(&title(ending, reason.as_deref(), evidence), 80);
    let mut summary = vec![what_was_tested(evidence)];
    summary.push(what_happened(ending, reason.as_deref(), evidence));
    if ending == Ending::Passed {
        summary.extend(complaints(evidence));
    }
    if let RollBack::Failed { reason } = evidence.roll_back {
        summary.push(format!("The box did not come back and is quarantined: {reason}."));
    }
    Verdict { ending, title, summary: summary.join(" "), box_quarantined }
}

/// After the verdict, a stage of the series' lane carries the fault that the verdict found.
pub fn settle_faults(stages: &mut [Stage], ending: Ending) {
    let Some(settled) = ending.fault() else { return };
    for stage in stages.iter_mut().filter(|stage| stage.lane == Lane::Series) {
        if let StageResult::Failed { fault, .. } | StageResult::TimedOut { fault, .. } = &mut stage.result
            && *fault == Fault::Series
        {
            *fault = settled;
        }
    }
}

/// What happened, without the words for the ending itself: every sink puts those in front.
fn title(ending: Ending, reason: Option<&str>, evidence: &Evidence<'_>) -> String {
    match (ending, reason) {
        (Ending::Passed, _) => format!("boots and runs a KVM guest on {}", evidence.machine.name),
        (Ending::Cancelled, _) => "stopped before it ended".to_owned(),
        (_, Some(reason)) => reason.to_owned(),
        (_, None) => "no reason is known".to_owned(),
    }
}

fn what_was_tested(evidence: &Evidence<'_>) -> String {
    let Evidence { series, base, machine, .. } = evidence;
    let count = series.patches.len();
    let patches = if count == 1 { "one patch".to_owned() } else { format!("{count} patches") };
    let short: String = base.commit.chars().take(12).collect();
    let title = if series.title.is_empty() { String::new() } else { format!("“{}”, ", series.title) };
    format!("This run took {title}{patches}, on {} ({short}), to the machine {}.", base.branch, machine.name)
}

fn what_happened(ending: Ending, reason: Option<&str>, evidence: &Evidence<'_>) -> String {
    let reason = reason.unwrap_or("no reason is known");
    let baseline = evidence.baseline;
    match ending {
        Ending::Passed => {
            let repaired = baseline.is_some_and(|baseline| baseline.ending != Ending::Passed);
            let repaired = if repaired { " The base itself fails there: the series repairs it." } else { "" };
            format!(
                "The patched kernel was built, booted, proven to run by its build id, and ran a KVM guest.{repaired}"
            )
        }
        Ending::DoesNotBuild => {
            format!("It does not compile: {reason}. The base compiles with the same configuration.")
        }
        Ending::DoesNotBoot => {
            format!("The patched kernel does not come up: {reason}. The base boots on the same machine.")
        }
        Ending::FailsTests => {
            format!("The patched kernel boots, then fails: {reason}. The base passes on the same machine.")
        }
        Ending::BaseBroken => {
            let base = baseline.map_or("it fails", |baseline| baseline.reason.as_str());
            format!("The series fails ({reason}), and so does the base without it ({base}).")
        }
        Ending::Infrastructure => {
            format!("The lab or its configuration failed: {reason}. Nothing can be said of the series.")
        }
        Ending::Hardware => {
            format!("The machine reported a hardware error: {reason}. Nothing can be said of the series.")
        }
        Ending::Cancelled => {
            "The run was stopped before it ended. Nothing can be said of the series.".to_owned()
        }
    }
}

/// What the kernel of the series complained about without failing.
fn complaints(evidence: &Evidence<'_>) -> Option<String> {
    let of = |lane| {
        evidence.events.iter().filter(move |event| {
            event.class == EventClass::Report && event.lane == Some(lane) && under_test(event)
        })
    };
    let known: Vec<_> = of(Lane::Base).map(|event| (&event.kind, &event.fingerprint)).collect();
    let new: Vec<_> =
        of(Lane::Series).filter(|event| !known.contains(&(&event.kind, &event.fingerprint))).collect();
    let first = new.first()?;
    let count = new.len();
    let lines = if count == 1 { "one line".to_owned() } else { format!("{count} lines") };
    Some(format!("Its console has {lines} worth reading, first: {}.", crash::headline(&first.text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn stage(name: StageName, lane: Lane, result: StageResult) -> Stage {
        Stage::at_once(name, lane, result, Timestamp::UNIX_EPOCH)
    }

    fn failed(fault: Fault) -> StageResult {
        StageResult::Failed { fault, reason: "the reason".to_owned() }
    }

    fn baseline(ending: Ending) -> Baseline {
        let tested = Timestamp::UNIX_EPOCH;
        Baseline {
            commit: "c".into(),
            ending,
            reason: "its reason".into(),
            tested,
            made_now: true,
            tests: vec![],
        }
    }

    /// All stages of the series' lane: passed before `name`, `result` there, skipped after.
    fn series(name: StageName, result: &StageResult) -> Vec<Stage> {
        let result_of = |other: StageName| match other.cmp(&name) {
            std::cmp::Ordering::Less => StageResult::Passed,
            std::cmp::Ordering::Equal => result.clone(),
            std::cmp::Ordering::Greater if other == StageName::RollBack => StageResult::Passed,
            std::cmp::Ordering::Greater => StageResult::Skipped { reason: "could not".to_owned() },
        };
        StageName::ALL.map(|other| stage(other, Lane::Series, result_of(other))).into()
    }

    fn judge(
        stages: &[Stage],
        baseline: Option<&Baseline>,
        events: &[ConsoleEvent],
        roll_back: &RollBack,
    ) -> Verdict {
        verdict(&Evidence {
            stages,
            baseline,
            events,
            roll_back,
            series: &Series::default(),
            base: &Base::default(),
            machine: &Machine { name: "p8".into(), ..Machine::default() },
        })
    }

    fn event(class: EventClass, lane: Lane) -> ConsoleEvent {
        ConsoleEvent {
            line: 1,
            at: None,
            class,
            kind: "k".into(),
            text: "[ 1.0] the line".into(),
            fingerprint: None,
            trace: vec![],
            stage: Some(StageName::Boot),
            lane: Some(lane),
        }
    }

    #[test]
    fn the_series_is_blamed_only_where_the_base_gets_further() {
        use Ending::{BaseBroken, DoesNotBoot, DoesNotBuild, FailsTests, Infrastructure, Passed};
        use StageName::{Boot, BuildHostKernel, InstallHostKernel, KvmSmoke, RollBack as GoingDown, Verify};
        let cases = [
            (BuildHostKernel, Some(Passed), DoesNotBuild),
            (Boot, Some(Passed), DoesNotBoot),
            (Verify, Some(Passed), DoesNotBoot),
            (InstallHostKernel, Some(Passed), DoesNotBoot),
            (KvmSmoke, Some(Passed), FailsTests),
            (GoingDown, Some(Passed), FailsTests),
            (BuildHostKernel, Some(DoesNotBuild), BaseBroken),
            (Boot, Some(DoesNotBuild), BaseBroken),
            (Boot, Some(DoesNotBoot), BaseBroken),
            (BuildHostKernel, Some(DoesNotBoot), DoesNotBuild),
            (Boot, Some(FailsTests), DoesNotBoot),
            (KvmSmoke, Some(FailsTests), BaseBroken),
            (KvmSmoke, None, Infrastructure),
        ];
        for (at, base, expected) in cases {
            let base = base.map(baseline);
            let verdict =
                judge(&series(at, &failed(Fault::Series)), base.as_ref(), &[], &RollBack::NotNeeded);
            assert_eq!(verdict.ending, expected, "fails at {at}, base {:?}", base.map(|base| base.ending));
        }
    }

    #[test]
    fn the_lab_is_never_the_series() {
        let passed = baseline(Ending::Passed);
        for name in StageName::ALL {
            for fault in [Fault::Infrastructure, Fault::Hardware] {
                let verdict = judge(&series(name, &failed(fault)), Some(&passed), &[], &RollBack::NotNeeded);
                assert_ne!(verdict.fault(), Some(Fault::Series), "{name} {fault:?}");
            }
            let verdict =
                judge(&series(name, &StageResult::Interrupted), Some(&passed), &[], &RollBack::NotNeeded);
            assert_ne!(verdict.fault(), Some(Fault::Series), "{name} interrupted");
        }
    }

    #[test]
    fn no_result_is_not_a_pass() {
        let passed = baseline(Ending::Passed);
        assert_eq!(judge(&[], Some(&passed), &[], &RollBack::NotNeeded).ending, Ending::Infrastructure);
        let all_skipped = StageName::ALL
            .map(|name| stage(name, Lane::Series, StageResult::Skipped { reason: "x".to_owned() }));
        assert_eq!(
            judge(&all_skipped, Some(&passed), &[], &RollBack::NotNeeded).ending,
            Ending::Infrastructure
        );
        let all_passed = StageName::ALL.map(|name| stage(name, Lane::Series, StageResult::Passed));
        assert_eq!(judge(&all_passed, Some(&passed), &[], &RollBack::NotNeeded).ending, Ending::Passed);
    }

    #[test]
    fn a_pass_stands_though_the_box_did_not_come_back() {
        let mut stages: Vec<_> =
            StageName::ALL.map(|name| stage(name, Lane::Series, StageResult::Passed)).into();
        stages[7].result = failed(Fault::Infrastructure);
        let lost = RollBack::Failed { reason: "it stays dark".to_owned() };
        let verdict = judge(&stages, Some(&baseline(Ending::Passed)), &[], &lost);
        assert_eq!(
            (verdict.ending, verdict.box_quarantined, verdict.exit_code()),
            (Ending::Passed, true, 40)
        );
        assert!(verdict.summary.contains("it stays dark"));
    }

    #[test]
    fn hardware_events_excuse_the_series() {
        let stages = series(StageName::Boot, &failed(Fault::Series));
        let events = [event(EventClass::Hardware, Lane::Series)];
        let passed = baseline(Ending::Passed);
        assert_eq!(judge(&stages, Some(&passed), &events, &RollBack::NotNeeded).ending, Ending::Hardware);
        // What the machine reported while the base ran explains nothing here.
        let earlier = [event(EventClass::Hardware, Lane::Base)];
        assert_eq!(judge(&stages, Some(&passed), &earlier, &RollBack::NotNeeded).ending, Ending::DoesNotBoot);
    }

    #[test]
    fn complaints_of_the_base_are_not_news() {
        let stages = StageName::ALL.map(|name| stage(name, Lane::Series, StageResult::Passed));
        let passed = baseline(Ending::Passed);
        let both = [event(EventClass::Report, Lane::Base), event(EventClass::Report, Lane::Series)];
        assert!(
            !judge(&stages, Some(&passed), &both, &RollBack::NotNeeded).summary.contains("worth reading")
        );
        let new = judge(&stages, Some(&passed), &both[1..], &RollBack::NotNeeded).summary;
        assert!(new.contains("one line worth reading, first: the line."), "{new}");
    }

    #[test]
    fn the_settled_fault_is_the_verdicts() {
        let mut stages = series(StageName::Boot, &failed(Fault::Series));
        settle_faults(&mut stages, Ending::BaseBroken);
        assert_eq!(stages[4].result.failure().map(|(fault, _)| fault), Some(Fault::Base));
        assert_eq!(stages.len(), 8);
    }
}
