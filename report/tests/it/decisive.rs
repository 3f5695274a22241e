//! What a reader sees first, and what is new.

use patchlift_report::comparison::Change;
use patchlift_report::decisive::Source;
use patchlift_report::{Ending, Lane, RollBack, StageName, StageResult, TestResult, TestStatus, sample};

#[test]
fn each_ending_has_its_decisive_stage_and_event() {
    for (ending, stage, event) in [
        (Ending::Passed, None, None),
        (Ending::DoesNotBuild, Some((Lane::Series, StageName::BuildHostKernel)), None),
        (Ending::DoesNotBoot, Some((Lane::Series, StageName::Boot)), Some("oops")),
        (Ending::FailsTests, Some((Lane::Series, StageName::KvmSmoke)), None),
        (Ending::BaseBroken, Some((Lane::Base, StageName::Boot)), Some("oops")),
        (Ending::Infrastructure, Some((Lane::Series, StageName::Preflight)), None),
        (Ending::Hardware, Some((Lane::Series, StageName::KvmSmoke)), Some("machine-check")),
        (Ending::Cancelled, Some((Lane::Series, StageName::BuildHostKernel)), None),
    ] {
        let report = sample::report(ending);
        assert_eq!(report.decisive_stage().map(|stage| (stage.lane, stage.name)), stage, "{ending:?}");
        let kind = report.decisive_event().map(|index| report.events[index].kind.as_str());
        assert_eq!(kind, event, "{ending:?}");
    }
}

#[test]
fn a_roll_back_that_failed_does_not_hide_what_the_series_did() {
    let mut report = sample::report(Ending::DoesNotBoot);
    let reason = || "no answer".to_owned();
    report.stages[7].result =
        StageResult::Failed { fault: patchlift_report::Fault::Infrastructure, reason: reason() };
    report.roll_back = RollBack::Failed { reason: reason() };
    report.verdict.box_quarantined = true;
    assert_eq!(report.decisive_stage().map(|stage| stage.name), Some(StageName::Boot));
    assert!(report.to_html().contains("The box is NOT proven to be back and is quarantined: no answer"));
}

#[test]
fn evidence_comes_from_the_stage_or_else_from_the_console() {
    let build = sample::report(Ending::DoesNotBuild);
    assert_eq!(
        build.evidence().map(|evidence| evidence.from),
        Some(Source::Stage(StageName::BuildHostKernel))
    );
    let mut boot = sample::report(Ending::DoesNotBoot);
    assert_eq!(boot.evidence().map(|evidence| evidence.from), Some(Source::Console(301)));
    boot.events[0].trace.extend([
        "[    0.4] GPR00: c000000000736248 c0000000011e3ba0".to_owned(),
        "GPR28: c000000000736248".to_owned(),
        "[    0.4] NIP [c000000000736248] GPR_reader+0x1/0x2".to_owned(),
    ]);
    let evidence = boot.evidence().unwrap();
    let told: Vec<_> = evidence.telling().collect();
    assert_eq!(told.len(), evidence.lines.len() - 2, "the general registers are left out");
    assert!(told.last().unwrap().ends_with("GPR_reader+0x1/0x2"));
    boot.events.clear();
    assert_eq!(boot.evidence(), None);
}

#[test]
fn the_lane_that_decided_comes_first() {
    assert_eq!(sample::report(Ending::DoesNotBoot).lanes(), [Lane::Series, Lane::Base]);
    assert_eq!(sample::report(Ending::BaseBroken).lanes(), [Lane::Base, Lane::Series]);
}

#[test]
fn the_page_shows_a_trace_once() {
    let mut report = sample::report(Ending::DoesNotBoot);
    report.stages[4].excerpt = report.events[0].trace.clone();
    assert_eq!(report.to_html().matches("kvm_exit_stats_init+0x54/0x118").count(), 1);
    report.stages[4].excerpt.push("something else".to_owned());
    assert_eq!(report.to_html().matches("kvm_exit_stats_init+0x54/0x118").count(), 2);
}

#[test]
fn a_test_is_compared_with_the_same_test_on_the_base() {
    use TestStatus::{Cancel, Error, Fail, Interrupted, Pass, Skip, Warn};
    for (series, base, expect) in [
        (Pass, Some(Pass), Change::Same),
        (Warn, Some(Pass), Change::Same),
        (Pass, Some(Fail), Change::Fixed),
        (Pass, Some(Skip), Change::Same),
        (Fail, Some(Pass), Change::NewFailure),
        (Error, Some(Warn), Change::NewFailure),
        (Interrupted, Some(Pass), Change::NewFailure),
        (Fail, Some(Error), Change::KnownFailure),
        (Fail, Some(Cancel), Change::NotOnBase),
        (Fail, None, Change::NotOnBase),
        (Pass, None, Change::NotOnBase),
        (Skip, Some(Pass), Change::Lost),
        (Cancel, Some(Fail), Change::Same),
        (Skip, Some(Skip), Change::Same),
    ] {
        let mut report = sample::report(Ending::FailsTests);
        let test = |status| TestResult { status, name: "kvm".to_owned(), ..report.tests[0].clone() };
        let (here, there) = (test(series), base.map(test));
        report.tests = vec![here];
        if let Some(baseline) = &mut report.baseline {
            baseline.tests = there.into_iter().collect();
        }
        let changes: Vec<_> = report.compared_tests().iter().map(|row| row.change).collect();
        assert_eq!(changes, [expect], "{series:?} here, {base:?} on the base");
        report.baseline = None;
        assert_eq!(report.compared_tests()[0].change, Change::BaseUnknown);
    }
}

#[test]
fn a_test_that_only_the_base_ran_is_listed() {
    let mut report = sample::report(Ending::FailsTests);
    report.tests.remove(0);
    let rows = report.compared_tests();
    let last = rows.last().unwrap();
    assert_eq!((last.name, last.change, last.series.is_none()), ("kvm-device", Change::Lost, true));
    report.tests.clear();
    assert!(report.compared_tests().is_empty(), "a run that tested nothing has nothing to compare");
}
