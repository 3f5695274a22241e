//! `contract_14`, `contract_15`: the real workflow with the real program under `act`, as far as no box is needed.
//! `tests/lab/workflow.rs` has the others.

use std::time::{Duration, Instant};

use patchlift_report::Ending;

use crate::background::{DEAD_BMC, SLOW_BMC};
use crate::bad_input::Desk;
use crate::runner::{Runner, Told};

/// What a test of these may take, on a loaded machine too.
const LIMIT: Duration = Duration::from_secs(90);

/// A runner with the box of a desk, and an `ipmitool` that does as the script says.
fn runner(desk: &Desk, bmc: &str) -> Option<Runner> {
    let runner = Runner::new()?;
    runner.program("ipmitool", &format!("#!/bin/sh\n{bmc}\n"));
    std::fs::create_dir_all(desk.path("work")).expect("it is made");
    Some(runner)
}

fn inputs(desk: &Desk) -> Vec<(&'static str, String)> {
    let series = std::fs::read_to_string(desk.path("series.json")).expect("it is there");
    [("run_key", "test-1"), ("box", "p8"), ("repository", "/nowhere"), ("series", &series)]
        .map(|(name, value)| (name, value.to_owned()))
        .into()
}

fn variables(desk: &Desk) -> Vec<(&'static str, String)> {
    [("PATCHLIFT_BOX", "box.toml"), ("PATCHLIFT_WORK", "work"), ("PATCHLIFT_FRAGMENTS", "fragment")]
        .map(|(name, file)| (name, desk.path(file).to_string_lossy().into_owned()))
        .into()
}

fn borrowed<'a>(pairs: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    pairs.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn run(runner: &Runner, desk: &Desk) -> Told {
    Told::by(&mut runner.act(&borrowed(&inputs(desk)), &borrowed(&variables(desk))))
}

fn jobs(told: &Told) -> Vec<(String, String)> {
    told.jobs().into_iter().collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, result)| ((*name).to_owned(), (*result).to_owned())).collect()
}

#[test]
fn contract_14_a_dead_bmc_is_the_labs_fault() {
    let desk = Desk::new();
    let Some(runner) = runner(&desk, DEAD_BMC) else { return };
    let told = run(&runner, &desk);
    assert_eq!(told.code, Some(1), "{}", told.all());
    assert_eq!(
        jobs(&told),
        pairs(&[("programs", "success"), ("report", "success"), ("test", "failure")]),
        "{}",
        told.all()
    );
    let expected = [
        ("Get the program", "success"),
        ("Write the series down", "success"),
        ("Begin", "success"),
        ("Check the box (preflight)", "failure"),
        ("Bring the box back (roll-back)", "success"),
        ("Say the verdict", "failure"),
        ("Keep the report", "success"),
    ];
    assert_eq!(told.steps("test"), pairs(&expected), "{}", told.all());
    assert_eq!(told.output("Say the verdict", "exit-code").as_deref(), Some("1"));
    assert!(told.printed("Bring the box back (roll-back)").contains("never left its known-good kernel"));
    assert!(told.summary().contains("Nothing can be said of the series"), "{}", told.summary());
    assert_eq!(runner.report().verdict.ending, Ending::Infrastructure);
    let errors = told.commands("error");
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert_eq!(errors[0].1["title"], "Check the box");
}

#[test]
fn contract_14_a_cancel_ends_the_run_and_keeps_its_report() {
    let desk = Desk::new();
    let Some(runner) = runner(&desk, SLOW_BMC) else { return };
    let child = runner
        .act(&borrowed(&inputs(&desk)), &borrowed(&variables(&desk)))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("act runs");
    let began = Instant::now();
    while journal(&desk).is_none() {
        assert!(began.elapsed() < LIMIT, "the run never began");
        std::thread::sleep(Duration::from_millis(20));
    }
    // The step that follows the stage has to be there, too.
    std::thread::sleep(Duration::from_millis(500));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is signalled");
    let output = child.wait_with_output().expect("act ends");
    let told = Told::read(output.status.code(), &output.stdout, &output.stderr);
    assert_ne!(told.code, Some(0), "{}", told.all());
    assert_eq!(
        told.step("test", "Bring the box back (roll-back)").as_deref(),
        Some("success"),
        "{}",
        told.all()
    );
    assert_eq!(told.step("test", "Keep the report").as_deref(), Some("success"), "{}", told.all());
    assert_eq!(told.output("Say the verdict", "exit-code").as_deref(), Some("130"), "{}", told.all());
    assert_eq!(runner.report().verdict.ending, Ending::Cancelled);
}

fn journal(desk: &Desk) -> Option<String> {
    let mut runs = std::fs::read_dir(desk.path("work/runs")).ok()?.flatten();
    let text = runs.find_map(|run| std::fs::read_to_string(run.path().join("journal.jsonl")).ok())?;
    text.contains("started").then_some(text)
}

/// act gives a composite action's steps what GitHub does not; nothing may depend on it.
#[test]
fn contract_14_inputs_come_by_their_own_names_only() {
    let workflow = "on: workflow_dispatch\njobs:\n  a:\n    runs-on: self-hosted\n    steps:\n      \
         - name: Look\n        uses: $/action\n        with: { mode: stop, run-file: nowhere.json, binary: look }\n";
    let Some(runner) = Runner::with(workflow) else { return };
    runner.program("look", "#!/bin/sh\nenv | grep -c ^INPUT_\nenv | grep ^PATCHLIFT_");
    // The action calls what it is given by its path.
    let text = std::fs::read_to_string(runner.path("workspace/.github/workflows/workflow.yml"))
        .expect("it is there");
    let program = runner.path("bin/look").to_string_lossy().into_owned();
    runner.write(
        "workspace/.github/workflows/workflow.yml",
        &text.replace("binary: look", &format!("binary: {program}")),
    );
    let told = Told::by(&mut runner.act(&[], &[]));
    assert_eq!(told.code, Some(0), "{}", told.all());
    assert_eq!(told.printed("Look"), "0\nPATCHLIFT_RUN_FILE=nowhere.json\n", "{}", told.all());
}

#[test]
fn contract_14_settings_and_names_are_checked_before_anything_runs() {
    let desk = Desk::new();
    let Some(runner) = runner(&desk, DEAD_BMC) else { return };
    let (good, set) = (inputs(&desk), variables(&desk));
    let refused = |inputs: &[(&'static str, String)], variables: &[(&'static str, String)], why: &str| {
        let told = Told::by(&mut runner.act(&borrowed(inputs), &borrowed(variables)));
        assert_eq!(told.jobs().get("programs").map(String::as_str), Some("failure"), "{}", told.all());
        let errors = told.commands("error");
        assert!(errors.len() == 1 && errors[0].0.contains(why), "{errors:?}");
        assert!(told.steps("test").is_empty() && !desk.path("work/runs").exists(), "{}", told.all());
    };
    refused(&good, &set[..2], "PATCHLIFT_FRAGMENTS is not set");
    for (name, value) in [("box", "p8 $(id)"), ("box", "../p8"), ("run_key", "a;b"), ("run_key", "-x")] {
        let mut bad = good.clone();
        bad.iter_mut().filter(|(key, _)| *key == name).for_each(|(_, old)| *old = value.to_owned());
        refused(&bad, &set, &format!("{name} is no name"));
    }
    let mut more = set.clone();
    more.push(("PATCHLIFT_VERSION", "v1.0.0".to_owned()));
    refused(&good, &more, "PATCHLIFT_CHECKSUM is not set");
}

/// What runs beside the box could replace the programs that later jobs run: they compare.
#[test]
fn contract_14_programs_that_were_exchanged_are_not_run() {
    let desk = Desk::new();
    let Some(runner) = runner(&desk, DEAD_BMC) else { return };
    let path = runner.path("download/action.yml");
    let text = std::fs::read_to_string(&path).expect("it is there");
    let exchanged = "cd \"$DIR\" && echo evil >>patchlift-action-x86_64 && sha256sum patchlift-* >SHA256SUMS";
    std::fs::write(&path, format!("{} && {exchanged}\n", text.trim_end())).expect("it is written");
    let told = run(&runner, &desk);
    assert_eq!(told.step("test", "Begin").as_deref(), Some("failure"), "{}", told.all());
    assert_eq!(told.step("report", "Append it to the summary").as_deref(), Some("success"), "{}", told.all());
    assert!(told.summary().contains("No report came"), "{}", told.summary());
    assert!(!desk.path("work/runs").exists(), "something was run");
}

/// A box says on its console what a patched kernel wants it to say.
#[test]
fn contract_15_a_hostile_log_stays_text() {
    let desk = Desk::new();
    let hostile = [
        "::error title=pwned::pwned",
        "::set-output name=report::/etc",
        "::add-mask::a",
        "::stop-commands::x",
        "##[error]pwned",
        "  ::warning::pwned",
        "::endgroup::",
        "ghadelimiter_00000000-0000-0000-0000-000000000000",
    ];
    let text = hostile.map(|line| format!("echo '{line}'")).join("; ");
    let bmc = format!("case \"$*\" in *deactivate*) exit 0 ;; *sol*) {text}; sleep 2 ;; esac; exit 1");
    let Some(runner) = runner(&desk, &bmc) else { return };
    let told = run(&runner, &desk);
    let step = "Check the box (preflight)";
    for line in &hostile {
        assert!(told.printed(step).contains(line.trim()), "{line} is not shown: {}", told.all());
    }
    for kind in ["error", "warning", "add-mask", "set-output"] {
        for (argument, properties) in told.commands(kind) {
            assert!(!argument.contains("pwned") && !argument.starts_with("/etc"), "{kind}: {argument}");
            assert_ne!(properties["title"], "pwned");
            assert_ne!(kind, "add-mask");
        }
    }
    assert_eq!(told.commands("error").len(), 2, "{}", told.all());
}
