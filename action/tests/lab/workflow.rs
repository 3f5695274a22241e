//! `contract_14` with a box: the real workflow under `act`, the real program, and the emulated box.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use patchlift_action::cancel::Cancel;
use patchlift_action::host::SshHost;
use patchlift_action::machine::Machine;
use patchlift_report::{Ending, RollBack};

use crate::runner::{Runner, Told, step_names};
use crate::{cache, lab_wanted, top};

/// The demo's box, with its builds and what is known of its base: the kernel need not be built again.
const BOX: &str = "demo";

/// A kernel build on a loaded machine.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// The demo's folder, for this test alone, and the box, which is switched off when the test ends.
struct Lab {
    _lock: File,
}

impl Lab {
    fn up() -> Self {
        let demo = cache().join("demo");
        std::fs::create_dir_all(demo.join("work")).expect("it is made");
        let lock = File::create(demo.join("lock")).expect("it is made");
        lock.lock().expect("it is waited for");
        let lab = Self { _lock: lock };
        lab.script("demo/linux-tree", &[&demo.join("linux.git").to_string_lossy()]);
        if !demo.join("mirror.git").exists() {
            let git = ["clone", "--quiet", "--bare", "--local", "linux.git", "mirror.git"];
            let status = Command::new("git").args(git).current_dir(&demo).status();
            assert!(status.expect("git runs").success());
        }
        lab.script("lab/down", &[BOX]);
        lab.script("lab/up", &[BOX]);
        // A box that did not come back once is not used again; this one was just made anew.
        let _ = std::fs::remove_file(lab.description().with_file_name("quarantine"));
        lab
    }

    fn script(&self, name: &str, args: &[&str]) {
        let status = Command::new(top().join(name)).args(args).stdin(Stdio::null()).status();
        assert!(status.expect("it runs").success(), "{name} failed");
    }

    fn description(&self) -> PathBuf {
        cache().join("lab/boxes").join(BOX).join("box.toml")
    }

    /// One of the demo's series as commits on the mirror, and what is printed about it.
    fn series(&self, name: &str) -> String {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--locked", "-p", "patchlift"]).current_dir(top()).stdin(Stdio::null());
        assert!(build.status().expect("cargo runs").success());
        let program = Path::new(env!("CARGO_BIN_EXE_patchlift-action")).with_file_name("patchlift");
        let output = Command::new(program)
            .arg("series")
            .arg(top().join(format!("demo/series/{name}.mbox")))
            .arg("--repo")
            .arg(cache().join("demo/linux.git"))
            .arg("--mirror")
            .arg(cache().join("demo/mirror.git"))
            .args(["--base", "base", "--json"])
            .stdin(Stdio::null())
            .output()
            .expect("patchlift runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("it is text")
    }

    /// The workflow on this box.
    fn workflow(&self, runner: &Runner, series: &str) -> Command {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let mirror = text(cache().join("demo/mirror.git"));
        let inputs = [("run_key", "lab-1"), ("box", BOX), ("repository", &mirror), ("series", series)];
        let (description, work) = (text(self.description()), text(cache().join("demo/work")));
        let fragment = text(top().join("lab/kernel.fragment"));
        let variables = [
            ("PATCHLIFT_BOX", description.as_str()),
            ("PATCHLIFT_WORK", &work),
            ("PATCHLIFT_DEFCONFIG", "allnoconfig"),
            ("PATCHLIFT_FRAGMENTS", &fragment),
            ("PATCHLIFT_ROLL_BACK_LIMIT", "6m"),
        ];
        runner.act(&inputs, &variables)
    }

    fn run(&self, runner: &Runner, series: &str) -> Told {
        Told::by(&mut self.workflow(runner, series))
    }

    /// What the box runs now.
    fn release(&self) -> (String, String) {
        let machine = Machine::read(&self.description()).expect("its description is good");
        let minute = Duration::from_secs(60);
        let ssh = SshHost::connect(&machine.ssh, minute).expect("the box answers");
        let cancel = Cancel::default();
        let release = ssh.read_text(&["uname", "-r"], minute, cancel.at_first()).expect("it runs");
        (release, machine.boot.known_good_release)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.script("lab/down", &[BOX]);
    }
}

/// The steps of the job on the box, from the beginning of the run.
fn steps(told: &Told) -> Vec<(String, String)> {
    told.steps("test").into_iter().skip_while(|(name, _)| name != "Begin").collect()
}

/// What is expected: all stages succeed up to `failed`, which fails, and the others are not tried.
fn expected(failed: Option<&str>, verdict: &str) -> Vec<(String, String)> {
    let names = step_names(&top().join(".github/workflows/kvm-ci.yml"));
    let mut all = names.iter().skip_while(|name| *name != "Begin");
    let stages = all.by_ref().take_while(|name| *name != "Bring the box back (roll-back)");
    let mut steps = Vec::new();
    let mut tried = true;
    for name in stages {
        let fails = failed == Some(name.as_str());
        if tried {
            steps.push((name.clone(), if fails { "failure" } else { "success" }.to_owned()));
        }
        tried &= !fails;
    }
    for (name, result) in [
        ("Bring the box back (roll-back)", "success"),
        ("Say the verdict", verdict),
        ("Keep the report", "success"),
    ] {
        steps.push((name.to_owned(), result.to_owned()));
    }
    steps
}

/// One box for all of it: to boot one costs 20 s.
#[test]
fn contract_14_five_ends_on_a_box() {
    if !lab_wanted() {
        return;
    }
    let lab = Lab::up();
    passes(&lab);
    does_not_build(&lab);
    cancelled_in_the_boot(&lab);
    killed_in_the_boot(&lab);
    box_is_dead(&lab);
}

fn passes(lab: &Lab) {
    let Some(runner) = Runner::new() else { return };
    let told = lab.run(&runner, &lab.series("pass"));
    assert_eq!(told.code, Some(0), "{}", told.all());
    assert_eq!(steps(&told), expected(None, "success"), "{}", told.all());
    assert!(told.jobs().values().all(|result| result == "success"), "{:?}", told.jobs());
    assert_eq!(told.output("Say the verdict", "exit-code").as_deref(), Some("0"));
    let report = runner.report();
    assert_eq!(report.verdict.ending, Ending::Passed);
    assert!(matches!(report.roll_back, RollBack::Proven { .. }), "{:?}", report.roll_back);
    assert!(told.summary().contains(&report.series.title), "{}", told.summary());
    let boot = told.printed("Boot it once (boot)");
    assert!(boot.contains("    | ") && boot.contains("Linux version"), "the console is shown: {boot}");
    assert!(told.commands("error").is_empty(), "{:?}", told.commands("error"));
}

fn does_not_build(lab: &Lab) {
    let Some(runner) = Runner::new() else { return };
    let told = lab.run(&runner, &lab.series("build-error"));
    assert_eq!(told.code, Some(1), "{}", told.all());
    let stage = "Build the host kernel (build-host-kernel)";
    assert_eq!(steps(&told), expected(Some(stage), "failure"), "{}", told.all());
    assert_eq!(told.output("Say the verdict", "exit-code").as_deref(), Some("10"));
    assert!(
        told.printed(stage).contains("error:"),
        "the compiler's words are shown: {}",
        told.printed(stage)
    );
    let report = runner.report();
    assert_eq!((report.verdict.ending, &report.roll_back), (Ending::DoesNotBuild, &RollBack::NotNeeded));
}

fn cancelled_in_the_boot(lab: &Lab) {
    let Some(runner) = Runner::new() else { return };
    let runs = cache().join("demo/work/runs");
    let old = newest(&runs);
    let mut command = lab.workflow(&runner, &lab.series("pass"));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("act runs");
    let output =
        std::thread::spawn(move || child_output(child, &runs, old)).join().expect("it is waited for");
    let told = Told::read(output.status.code(), &output.stdout, &output.stderr);
    assert_ne!(told.code, Some(0), "{}", told.all());
    let back = "Bring the box back (roll-back)";
    assert_eq!(told.step("test", back).as_deref(), Some("success"), "{}", told.all());
    assert_eq!(told.output("Say the verdict", "exit-code").as_deref(), Some("130"), "{}", told.all());
    let report = runner.report();
    assert_eq!(report.verdict.ending, Ending::Cancelled);
    assert!(matches!(report.roll_back, RollBack::Proven { .. }), "{:?}", report.roll_back);
    let (runs_now, known_good) = lab.release();
    assert_eq!(runs_now, known_good, "the box is back");
}

/// Interrupts act as soon as the new run boots its kernel, and reads what it says until it ends.
fn child_output(child: std::process::Child, runs: &Path, old: Option<PathBuf>) -> std::process::Output {
    let pid = rustix::process::Pid::from_child(&child);
    let reader = std::thread::spawn(move || child.wait_with_output().expect("act ends"));
    wait_for_the_boot(runs, old.as_deref());
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is signalled");
    reader.join().expect("it is read")
}

/// Waits until the kernel under test is on its way; gives the folder of the run.
fn wait_for_the_boot(runs: &Path, old: Option<&Path>) -> PathBuf {
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < LIMIT, "the boot was never reached");
        if let Some(dir) = newest(runs).filter(|dir| old != Some(dir))
            && std::fs::read_to_string(dir.join("journal.jsonl"))
                .is_ok_and(|text| text.contains(r#""stage":"boot""#))
        {
            std::thread::sleep(Duration::from_secs(3));
            return dir;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// `kill -9` while the box boots: whoever stops the run brings the box back in its place.
fn killed_in_the_boot(lab: &Lab) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let (series, file) = (text(dir.path().join("series.json")), text(dir.path().join("run.json")));
    std::fs::write(&series, lab.series("pass")).expect("it is written");
    let runs = cache().join("demo/work/runs");
    let old = newest(&runs);
    let action = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_patchlift-action"));
        command.args(args).args(["--run-file", &file]).stdin(Stdio::null());
        command.output().expect("it runs")
    };
    let (description, work) = (text(lab.description()), text(cache().join("demo/work")));
    let (mirror, fragment) = (text(cache().join("demo/mirror.git")), text(top().join("lab/kernel.fragment")));
    let given = ["--box", &description, "--series", &series, "--repo", &mirror, "--work", &work];
    let limits = ["--fragment", &fragment, "--roll-back-limit", "6m"];
    let started = action(&[&["start"], &given[..], &limits].concat());
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stdout));
    let run = wait_for_the_boot(&runs, old.as_deref());
    let pid = std::fs::read_to_string(run.join("alive")).expect("it is there").parse().expect("a number");
    let pid = rustix::process::Pid::from_raw(pid).expect("an id");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is killed");
    let stopped = action(&["stop"]);
    let said = String::from_utf8_lossy(&stopped.stdout);
    assert_eq!(stopped.status.code(), Some(130), "{said}{}", String::from_utf8_lossy(&stopped.stderr));
    assert!(said.contains("The run was killed"), "{said}");
    let json = std::fs::read(run.join("report.json")).expect("there is a report");
    let report = patchlift_report::Report::from_json(&json).expect("it is readable");
    assert_eq!(report.verdict.ending, Ending::Cancelled);
    assert!(matches!(report.roll_back, RollBack::Proven { .. }), "{:?}", report.roll_back);
    let (runs_now, known_good) = lab.release();
    assert_eq!(runs_now, known_good, "the box is back");
    assert_eq!(action(&["stop", "--box-only"]).status.code(), Some(0), "and stays so");
}

fn newest(runs: &Path) -> Option<PathBuf> {
    let dirs = std::fs::read_dir(runs).ok()?.flatten();
    let dirs = dirs.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    dirs.map(|entry| entry.path()).max()
}

/// The BMC is gone with the box: the lab's fault, said in the first stage.
fn box_is_dead(lab: &Lab) {
    let Some(runner) = Runner::new() else { return };
    let series = lab.series("pass");
    lab.script("lab/down", &[BOX]);
    let told = lab.run(&runner, &series);
    assert_eq!(told.code, Some(1), "{}", told.all());
    assert_eq!(steps(&told), expected(Some("Check the box (preflight)"), "failure"), "{}", told.all());
    assert_eq!(told.output("Say the verdict", "exit-code").as_deref(), Some("1"));
    assert_eq!(runner.report().verdict.ending, Ending::Infrastructure);
}
