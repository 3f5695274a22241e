//! `start`, `follow` and `stop`, as a workflow's steps call them, without a box.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use patchlift_report::{Ending, RollBack, StageName, StageResult};

use crate::bad_input::Desk;
use crate::stderr;

/// What a test of these may take, on a loaded machine too.
const LIMIT: Duration = Duration::from_secs(60);

/// A BMC without a console that answers after a long time: the run is in its first stage meanwhile.
pub(crate) const SLOW_BMC: &str = "case \"$*\" in *sol*) exit 1 ;; esac; exec sleep 60";

/// A BMC that refuses.
pub(crate) const DEAD_BMC: &str = "echo 'Error: Unable to establish IPMI v2 / RMCP+ session' >&2; exit 1";

/// A job of a workflow: each of its steps is a process of its own.
struct Job {
    desk: Desk,
}

impl Job {
    fn new() -> Self {
        Self { desk: Desk::new() }
    }

    fn text(&self, name: &str) -> String {
        self.desk.path(name).to_string_lossy().into_owned()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_patchlift-action"));
        let path = std::env::var("PATH").expect("PATH is set");
        command.args(args).args(["--run-file", &self.text("run.json")]).env_clear();
        command.env("PATH", format!("{}:{path}", self.text("bin"))).env("LC_ALL", "C.UTF-8");
        command.env("GITHUB_ACTIONS", "true").env("SECRET", "s3cret-of-the-job");
        command.stdin(Stdio::null());
        command
    }

    fn step(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the binary runs")
    }

    fn start(&self, extra: &[&str]) -> Output {
        let (machine, series, work) = (self.text("box.toml"), self.text("series.json"), self.text("work"));
        let args = ["start", "--box", &machine, "--series", &series, "--work", &work, "--repo", "/nowhere"];
        let outputs = self.text("outputs");
        let given = ["--cross-compile", "", "--outputs", &outputs];
        self.step(&[&args[..], &given, extra].concat())
    }

    /// An `ipmitool` of the test's own, which stands for a BMC that does as the script says.
    fn ipmitool(&self, script: &str) {
        std::fs::create_dir_all(self.desk.path("bin")).expect("it is made");
        let path = self.desk.write("bin/ipmitool", &format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("its mode is set");
    }

    /// The folder of the run, as the step's outputs name it.
    fn run(&self) -> PathBuf {
        let outputs = std::fs::read_to_string(self.desk.path("outputs")).expect("there are outputs");
        let mut lines = outputs.lines();
        assert!(lines.next().is_some_and(|line| line.starts_with("report<<ghadelimiter_")), "{outputs}");
        PathBuf::from(lines.next().expect("a value"))
    }

    fn process(&self) -> rustix::process::Pid {
        let text = std::fs::read_to_string(self.run().join("alive")).expect("it is there");
        rustix::process::Pid::from_raw(text.parse().expect("a number")).expect("an id")
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Lines that a runner takes for commands: all that begin so, but for those between the tokens.
fn commands(log: &str) -> Vec<String> {
    let mut token = None;
    let mut found = Vec::new();
    for line in log.lines() {
        if let Some(word) = line.strip_prefix("::stop-commands::") {
            token = Some(format!("::{word}::"));
        } else if token.as_deref() == Some(line) {
            token = None;
        } else if token.is_none() && line.starts_with("::") {
            found.push(line.to_owned());
        }
    }
    found
}

#[test]
fn a_box_that_is_not_there_fails_in_its_stage() {
    let job = Job::new();
    job.ipmitool(DEAD_BMC);
    let started = job.start(&[]);
    assert_eq!(started.status.code(), Some(0), "{}{}", stdout(&started), stderr(&started));
    let followed = job.step(&["follow", "--stage", "preflight"]);
    let log = stdout(&followed);
    assert_eq!(followed.status.code(), Some(1), "{log}");
    let said = commands(&log);
    assert_eq!(said.len(), 3, "{log}");
    assert_eq!((said[0].as_str(), said[1].as_str()), ("::group::Check the box", "::endgroup::"));
    assert!(said[2].starts_with("::error title=Check the box::"), "{log}");
    assert!(log.contains("[1/8] Check the box"), "the run's own words are shown: {log}");

    let skipped = job.step(&["follow", "--stage", "boot"]);
    assert_eq!(skipped.status.code(), Some(1), "it was not tried, and that is the lab's fault");
    assert!(!stdout(&skipped).contains("[1/8]"), "each line is shown once");

    let summary = job.text("summary.md");
    let stopped = job.step(&["stop", "--job-summary", &summary]);
    assert_eq!(stopped.status.code(), Some(1), "{}", stdout(&stopped));
    let again = job.step(&["stop", "--box-only"]);
    assert_eq!(again.status.code(), Some(0), "the box is as it was: {}", stdout(&again));
    assert!(stdout(&again).contains("never left its known-good kernel"), "{}", stdout(&again));
    assert!(stdout(&stopped).contains("Nothing can be said of the series"), "{}", stdout(&stopped));
    let report = job.desk.report();
    assert_eq!((report.verdict.ending, &report.roll_back), (Ending::Infrastructure, &RollBack::NotNeeded));
    assert_eq!(job.run().join("report.json"), newest(&job).join("report.json"));
    let summary = std::fs::read_to_string(summary).expect("there is a summary");
    assert!(summary.contains("Nothing can be said of the series"), "{summary}");
}

fn newest(job: &Job) -> PathBuf {
    std::fs::canonicalize(job.desk.path("work/runs/latest")).expect("the newest run is known")
}

#[test]
fn a_box_in_use_is_said_by_the_first_step() {
    let job = Job::new();
    let lock = std::fs::File::create(job.desk.path("lease")).expect("it is made");
    lock.lock().expect("it is locked");
    let started = job.start(&[]);
    assert_eq!(started.status.code(), Some(1), "{}", stdout(&started));
    let said = commands(&stdout(&started));
    assert!(
        said.iter().any(|line| line.starts_with("::error") && line.contains("box p8 is in use")),
        "{said:?}"
    );
    assert_eq!(job.step(&["stop"]).status.code(), Some(1), "there is a report all the same");
}

#[test]
fn bad_input_starts_nothing() {
    let job = Job::new();
    job.desk.write("series.json", "<html>");
    let started = job.start(&[]);
    assert_eq!(started.status.code(), Some(2), "{}", stdout(&started));
    assert!(!job.desk.path("work").exists() && !job.desk.path("run.json").exists());
    let stopped = job.step(&["stop"]);
    assert_eq!(stopped.status.code(), Some(0));
    assert!(stdout(&stopped).contains("No run was started"), "{}", stdout(&stopped));
    let followed = job.step(&["follow", "--stage", "boot"]);
    assert_eq!(followed.status.code(), Some(2), "{}", stderr(&followed));
}

#[test]
fn a_run_at_work_is_stopped_and_outlives_its_steps() {
    let job = Job::new();
    job.ipmitool(SLOW_BMC);
    assert_eq!(job.start(&[]).status.code(), Some(0));
    let refused = job.start(&[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stdout(&refused).contains("names a run that is still at work"), "{}", stdout(&refused));

    let environ =
        std::fs::read(format!("/proc/{}/environ", job.process().as_raw_nonzero())).expect("it runs");
    assert!(
        !String::from_utf8_lossy(&environ).contains("s3cret-of-the-job"),
        "the job's environment is inherited"
    );

    // The cancel of a job: the step that runs is told to end, and leaves the run alone.
    let mut step = job.command(&["follow", "--stage", "preflight"]);
    let mut step = step.stdout(Stdio::piped()).spawn().expect("it starts");
    std::thread::sleep(Duration::from_millis(100));
    let pid = rustix::process::Pid::from_child(&step);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is signalled");
    assert!(matches!(step.wait().expect("it ends").code(), Some(130) | None));

    let began = Instant::now();
    let stopped = job.step(&["stop"]);
    assert_eq!(stopped.status.code(), Some(130), "{}", stdout(&stopped));
    assert!(stdout(&stopped).contains("The run was asked to stop"), "{}", stdout(&stopped));
    assert!(began.elapsed() < LIMIT);
    assert_eq!(job.desk.report().verdict.ending, Ending::Cancelled);
    assert_eq!(job.step(&["stop"]).status.code(), Some(130), "the verdict stays what it is");
}

#[test]
fn the_report_of_a_killed_run_is_written_in_its_place() {
    let job = Job::new();
    job.ipmitool(SLOW_BMC);
    assert_eq!(job.start(&[]).status.code(), Some(0));
    wait_for(&job.run().join("journal.jsonl"), "started");
    rustix::process::kill_process(job.process(), rustix::process::Signal::KILL).expect("it is killed");
    let stopped = job.step(&["stop"]);
    assert_eq!(stopped.status.code(), Some(130), "{}{}", stdout(&stopped), stderr(&stopped));
    assert!(stdout(&stopped).contains("The run was killed"), "{}", stdout(&stopped));
    let report = job.desk.report();
    assert_eq!(report.roll_back, RollBack::NotNeeded, "nothing had been done to the box");
    let first = report.stages.first().expect("there are stages");
    assert_eq!((first.name, &first.result), (StageName::Preflight, &StageResult::Interrupted));
    assert_eq!(report.stages.len(), StageName::ALL.len());
}

/// A run that dies in the boot: `stop` has to switch the box, and where it can't, it is quarantined.
#[test]
fn a_box_that_cannot_be_brought_back_is_quarantined() {
    let job = Job::new();
    job.ipmitool(SLOW_BMC);
    assert_eq!(job.start(&["--roll-back-limit", "3s"]).status.code(), Some(0));
    let journal = job.run().join("journal.jsonl");
    wait_for(&journal, "started");
    rustix::process::kill_process(job.process(), rustix::process::Signal::KILL).expect("it is killed");
    let mut file = std::fs::File::options().append(true).open(&journal).expect("it is there");
    let line = r#"{"at":"2026-01-01T00:00:00Z","stage":"boot","lane":"series","event":"started"}"#;
    writeln!(file, "{line}").expect("it is written");
    // Whoever answers now refuses.
    job.ipmitool(DEAD_BMC);
    let stopped = job.step(&["stop", "--box-only"]);
    assert_eq!(stopped.status.code(), Some(40), "{}{}", stdout(&stopped), stderr(&stopped));
    assert!(job.desk.path("quarantine").exists());
    let report = job.desk.report();
    assert!(matches!(&report.roll_back, RollBack::Failed { .. }), "{:?}", report.roll_back);
}

fn wait_for(path: &Path, text: &str) {
    let began = Instant::now();
    while !std::fs::read_to_string(path).is_ok_and(|found| found.contains(text)) {
        assert!(began.elapsed() < LIMIT, "{} never had {text}", path.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}
