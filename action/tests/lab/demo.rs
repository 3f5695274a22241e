//! `demo/run` for each series: the verdict, the proof behind it, and nothing left behind.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use patchlift_report::{
    Ending, EventClass, Fault, Lane, Report, RollBack, StageName, StageResult, TestStatus,
};

use crate::{cache, lab_wanted, top};

/// The box that the demo uses.
const BOX: &str = "demo";

fn demo(series: &str) -> Command {
    let mut command = Command::new(top().join("demo/run"));
    command.arg(series).stdin(Stdio::null());
    command
}

/// Takes a series through the demo and gives its exit code and the folder of its run.
fn run_demo(series: &str) -> (Option<i32>, Option<PathBuf>) {
    let latest = cache().join("demo/work/runs/latest");
    let before = std::fs::read_link(&latest).ok();
    let status = demo(series).status().expect("demo/run runs");
    let after = std::fs::read_link(&latest).ok();
    assert_eq!(left_behind(), Vec::<String>::new(), "processes were left behind");
    let dir = (before != after).then(|| cache().join("demo/work/runs").join(after.expect("a run")));
    (status.code(), dir)
}

/// Processes of the box: QEMU, the BMC simulator, ipmitool; and builds in the demo's folder.
fn left_behind() -> Vec<String> {
    let box_dir = cache().join("lab/boxes").join(BOX);
    let marks =
        [box_dir.to_string_lossy().into_owned(), cache().join("demo/work").to_string_lossy().into_owned()];
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc is there").flatten() {
        let Ok(bytes) = std::fs::read(entry.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&bytes).replace('\0', " ");
        if marks.iter().any(|mark| line.contains(mark)) {
            found.push(line);
        }
    }
    found
}

fn report(dir: Option<PathBuf>) -> Report {
    let dir = dir.expect("the demo made a run");
    let bytes = std::fs::read(dir.join("report.json")).expect("there is a report");
    let html = std::fs::read_to_string(dir.join("report.html")).expect("there is a page");
    let report = Report::from_json(&bytes).expect("it is readable");
    assert!(html.contains("<!DOCTYPE html>") || html.contains("<!doctype html>"));
    for log in report.stages.iter().filter_map(|stage| stage.log.as_ref()) {
        assert!(dir.join(log).is_file(), "{log} is named and not there");
    }
    report
}

fn proven(report: &Report) {
    let RollBack::Proven { release, .. } = &report.roll_back else {
        panic!("not rolled back: {:?}", report.roll_back)
    };
    assert_eq!(*release, report.machine.known_good);
}

fn fact<'a>(report: &'a Report, name: StageName, label: &str) -> &'a str {
    let stage = report.lane(Lane::Series).find(|stage| stage.name == name).expect("the stage was planned");
    let fact = stage.facts.iter().find(|fact| fact.label == label);
    &fact.unwrap_or_else(|| panic!("{name} has no fact {label}: {stage:?}")).value
}

/// One test, in this order: the first series builds the base, the others use its build and its baseline.
#[test]
fn four_series_four_verdicts() {
    if !lab_wanted() {
        return;
    }
    passes();
    panics();
    does_not_build();
    conflicts();
    interrupted();
}

fn passes() {
    let (code, dir) = run_demo("pass");
    assert_eq!(code, Some(0));
    let report = report(dir);
    assert_eq!(report.verdict.ending, Ending::Passed, "{}", report.verdict.summary);
    assert_eq!(report.series.patches.len(), 3);
    let kernel = report.kernel.as_ref().expect("a kernel was built");
    assert!(
        kernel.release.contains("-pl") && kernel.release.ends_with(&report.head[..12]),
        "{}",
        kernel.release
    );
    assert_eq!(fact(&report, StageName::Verify, "release"), kernel.release);
    assert_eq!(fact(&report, StageName::Verify, "build id"), kernel.build_id);
    assert!(report.tests.iter().any(|test| test.name == "kvm.guest-boot" && test.status == TestStatus::Pass));
    let baseline = report.baseline.as_ref().expect("the base is known");
    assert_eq!((baseline.ending, &baseline.commit), (Ending::Passed, &report.base.commit));
    assert!(report.machine.cpu.contains("POWER8"), "{}", report.machine.cpu);
    proven(&report);
}

fn panics() {
    let (code, dir) = run_demo("panic");
    assert_eq!(code, Some(11));
    let report = report(dir);
    assert_eq!((report.verdict.ending, report.verdict.fault()), (Ending::DoesNotBoot, Some(Fault::Series)));
    let fatal = report
        .events
        .iter()
        .find(|event| event.class == EventClass::Fatal && event.lane == Some(Lane::Series));
    let fatal = fatal.expect("the crash was seen");
    assert!(fatal.trace.len() > 5 && fatal.fingerprint.is_some(), "the trace is there: {fatal:?}");
    let boot = report.lane(Lane::Series).find(|stage| stage.name == StageName::Boot).expect("it was planned");
    assert!(matches!(&boot.result, StageResult::Failed { fault: Fault::Series, .. }), "{:?}", boot.result);
    assert!(
        boot.excerpt.iter().any(|line| line.contains("Oops") || line.contains("BUG")),
        "{:?}",
        boot.excerpt
    );
    let seen = fatal.at.expect("it was seen live");
    let noticed = boot.ended.duration_since(seen).as_secs_f64();
    let whole = report.ended.duration_since(seen).as_secs_f64();
    assert!(noticed < 15.0, "noticed only after {noticed} s");
    assert!(whole < 60.0, "the report came only after {whole} s");
    proven(&report);
}

fn does_not_build() {
    let (code, dir) = run_demo("build-error");
    assert_eq!(code, Some(10));
    let report = report(dir);
    assert_eq!((report.verdict.ending, report.verdict.fault()), (Ending::DoesNotBuild, Some(Fault::Series)));
    assert_eq!(report.roll_back, RollBack::NotNeeded);
    let build = report
        .lane(Lane::Series)
        .find(|stage| stage.name == StageName::BuildHostKernel)
        .expect("it was planned");
    let (_, reason) = build.result.failure().expect("it failed");
    assert!(reason.starts_with("arch/powerpc/") && reason.contains(".c:"), "{reason}");
    assert!(build.excerpt.iter().any(|line| line.contains("error:")), "{:?}", build.excerpt);
}

fn conflicts() {
    let (code, dir) = run_demo("conflict");
    assert_eq!((code, dir), (Some(3), None), "nothing is run for a series that does not apply");
}

/// Ctrl-C while the box boots the kernel under test: everything ends, and the next run is not disturbed.
fn interrupted() {
    let mut child =
        demo("pass").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("demo/run runs");
    let journal = cache().join("demo/work/runs/latest/journal.jsonl");
    let old = std::fs::read_link(cache().join("demo/work/runs/latest")).ok();
    // `latest` is set at the end of a run: the running one is the newest folder.
    let began = Instant::now();
    let running = loop {
        assert!(
            began.elapsed() < Duration::from_secs(600),
            "the boot was never reached, {}",
            journal.display()
        );
        if let Some(dir) =
            newest_run().filter(|dir| dir.file_name() != old.as_deref().and_then(|old| old.file_name()))
        {
            let text = std::fs::read_to_string(dir.join("journal.jsonl")).unwrap_or_default();
            if text.contains(r#""stage":"boot""#) {
                break dir;
            }
        }
        std::thread::sleep(Duration::from_millis(300));
    };
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is signalled");
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    assert_eq!(left_behind(), Vec::<String>::new(), "processes were left behind");
    let text = std::fs::read_to_string(running.join("journal.jsonl")).expect("the journal is there");
    assert!(text.contains("interrupted"), "{text}");
}

fn newest_run() -> Option<PathBuf> {
    let runs = std::fs::read_dir(cache().join("demo/work/runs")).ok()?;
    let dirs = runs.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    dirs.map(|entry| entry.path()).max()
}
