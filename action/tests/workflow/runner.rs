//! The project's real workflow and action, with the real program, executed by `act` on this machine.
//!
//! Three things are not as at GitHub: act does not know `queue:` and `$/`, so both are rewritten; the actions of
//! others are stand-ins that copy files, as nothing is fetched; and `cargo` is one that hands out the program that
//! these tests were built with.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The name under which act finds this project's action.
const PROJECT: &str = "patchlift/patchlift";

/// Takes the place of actions/checkout: what is needed is there already.
const CHECKOUT: &str = "\
name: checkout
description: Nothing
inputs: { repository: { default: '' }, ref: { default: '' }, persist-credentials: { default: '' } }
runs:
  using: composite
  steps:
    - if: always()
      run: 'true'
      shell: bash
";

/// Takes the place of actions/upload-artifact.
const UPLOAD: &str = "\
name: upload
description: Copies files to the store
inputs:
  name: { required: true }
  path: { required: true }
  if-no-files-found: { default: '' }
  retention-days: { default: '' }
runs:
  using: composite
  steps:
    - if: always()
      shell: bash
      env: { NAME: '${{ inputs.name }}', FILES: '${{ inputs.path }}', STORE: 'THE_STORE' }
      run: |
        mkdir -p \"$STORE/$NAME\"
        while IFS= read -r file; do
          [[ -d $file ]] && file=$file/.
          [[ -z $file ]] || cp -r -- \"$file\" \"$STORE/$NAME\"
        done <<<\"$FILES\"
";

/// Takes the place of actions/download-artifact.
const DOWNLOAD: &str = "\
name: download
description: Copies files from the store
inputs: { name: { required: true }, path: { required: true } }
runs:
  using: composite
  steps:
    - if: always()
      shell: bash
      env: { NAME: '${{ inputs.name }}', DIR: '${{ inputs.path }}', STORE: 'THE_STORE' }
      run: mkdir -p \"$DIR\" && cp -r -- \"$STORE/$NAME/.\" \"$DIR\"
";

/// Two things are made as at GitHub: a composite action's steps get no `INPUT_*`, which act gives them; and nothing
/// is lost of what a step printed last, which act loses now and then when the step ends at once.
const SHELL: &str = r#"#!/bin/sh
env $(env | sed -n 's/^\(INPUT_[^=]*\)=.*/-u \1/p') /bin/bash "$@"
code=$?
sleep 0.5
exit $code
"#;

/// The top of the checkout.
pub(crate) fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the checkout is there")
}

/// The folder of the linters and of act; none, and loudly, where they can't be installed. Under CI that fails.
pub(crate) fn tools() -> Option<PathBuf> {
    let output = Command::new(top().join(".ci/tools")).stdin(Stdio::null()).output().expect(".ci/tools runs");
    if output.status.success() {
        let path = String::from_utf8(output.stdout).expect("it is text");
        return Some(PathBuf::from(path.trim()));
    }
    skipped(&format!("the tools can't be installed: {}", String::from_utf8_lossy(&output.stderr)));
    None
}

/// Says that a test was skipped; under CI none is.
pub(crate) fn skipped(why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|value| value != "true"), "{why}");
    writeln!(std::io::stderr(), "SKIPPED: {why}").expect("stderr is open");
}

/// The folder with a workflow, the stand-ins, and what its jobs hand to each other.
pub(crate) struct Runner {
    dir: tempfile::TempDir,
    tools: PathBuf,
    workflow: String,
}

impl Runner {
    /// One for `kvm-ci.yml`.
    pub(crate) fn new() -> Option<Self> {
        let path = top().join(".github/workflows/kvm-ci.yml");
        Self::with(&std::fs::read_to_string(path).expect("the workflow is there"))
    }

    /// One for this workflow.
    pub(crate) fn with(workflow: &str) -> Option<Self> {
        let tools = tools()?;
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut runner = Self { dir, tools, workflow: String::new() };
        runner.workflow = runner.rewritten(workflow);
        runner.write("workspace/.github/workflows/workflow.yml", &runner.workflow);
        let action = std::fs::read_to_string(top().join("action/action.yml")).expect("the action is there");
        runner.write("project/action/action.yml", &action);
        let store = runner.path("store").to_string_lossy().into_owned();
        for (name, text) in [("checkout", CHECKOUT), ("upload", UPLOAD), ("download", DOWNLOAD)] {
            runner.write(&format!("{name}/action.yml"), &text.replace("THE_STORE", &store));
        }
        let program = env!("CARGO_BIN_EXE_patchlift-action");
        let cargo = format!("#!/bin/sh\nmkdir -p target/release && cp '{program}' target/release/\n");
        runner.program("cargo", &cargo);
        runner.program("bash", SHELL);
        std::fs::create_dir_all(runner.path("home")).expect("it is made");
        runner.make_repository();
        Some(runner)
    }

    /// A program of the test's own, which is found before all others.
    pub(crate) fn program(&self, name: &str, script: &str) {
        let path = self.write(&format!("bin/{name}"), script);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("its mode is set");
    }

    /// act reads the commit of the folder it runs in.
    fn make_repository(&self) {
        for args in [&["init", "--quiet"][..], &["add", "--all"], &["commit", "--quiet", "--message", "x"]] {
            let status = Command::new("git")
                .args(["-c", "user.name=x", "-c", "user.email=x@example.org"])
                .args(args)
                .current_dir(self.path("workspace"))
                .status();
            assert!(status.expect("git runs").success(), "{args:?}");
        }
    }

    fn rewritten(&self, workflow: &str) -> String {
        let known = workflow.lines().filter(|line| line.trim() != "queue: max");
        let text: String = known.flat_map(|line| [line, "\n"]).collect();
        text.replace("uses: $/action", &format!("uses: {PROJECT}/action@v0"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
        std::fs::write(&path, text).expect("it is written");
        path
    }

    /// Options that put our folders in the place of the actions that the workflow uses.
    fn stand_ins(&self) -> Vec<String> {
        let mut options = vec![format!("{PROJECT}@v0={}", self.path("project").display())];
        for line in self.workflow.lines() {
            let Some(used) = line.trim().trim_start_matches("- ").strip_prefix("uses: actions/") else {
                continue;
            };
            let used = used.split_whitespace().next().unwrap_or_default();
            let name = used.split(['-', '@']).next().unwrap_or_default();
            options.push(format!("actions/{used}={}", self.path(name).display()));
        }
        options.into_iter().flat_map(|option| ["--local-repository".to_owned(), option]).collect()
    }

    /// act, with these inputs and repository variables. Its own environment is bare.
    pub(crate) fn act(&self, inputs: &[(&str, &str)], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(self.tools.join("act"));
        command.arg("workflow_dispatch").args(["-W", ".github/workflows/workflow.yml", "--json"]);
        for label in ["self-hosted", "ubuntu-22.04", "ubuntu-24.04"] {
            command.args(["-P", &format!("{label}=-self-hosted")]);
        }
        command.args(["--pull=false", "--no-cache-server"]).args(self.stand_ins());
        for (name, value) in inputs {
            command.args(["--input", &format!("{name}={value}")]);
        }
        for (name, value) in variables {
            command.args(["--var", &format!("{name}={value}")]);
        }
        let path = std::env::var("PATH").expect("PATH is set");
        command.current_dir(self.path("workspace")).env_clear().stdin(Stdio::null());
        command.env("PATH", format!("{}:{path}", self.path("bin").display()));
        command.env("HOME", self.path("home")).env("LC_ALL", "C.UTF-8");
        command
    }

    /// The report that the workflow kept.
    pub(crate) fn report(&self) -> patchlift_report::Report {
        let json = std::fs::read(self.path("store/report/report.json")).expect("the report was kept");
        patchlift_report::Report::from_json(&json).expect("it is readable")
    }
}

/// What act told of a run.
pub(crate) struct Told {
    pub(crate) code: Option<i32>,
    lines: Vec<Value>,
    errors: String,
}

impl Told {
    /// Runs act to its end.
    pub(crate) fn by(act: &mut Command) -> Self {
        let output = act.output().expect("act runs");
        Self::read(output.status.code(), &output.stdout, &output.stderr)
    }

    pub(crate) fn read(code: Option<i32>, stdout: &[u8], stderr: &[u8]) -> Self {
        let text = String::from_utf8_lossy(stdout);
        let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Self { code, lines, errors: String::from_utf8_lossy(stderr).into_owned() }
    }

    fn text(line: &Value, key: &str) -> String {
        line[key].as_str().unwrap_or_default().trim_end().to_owned()
    }

    /// How each job ended.
    pub(crate) fn jobs(&self) -> BTreeMap<String, String> {
        let ended = self.lines.iter().filter(|line| line["jobResult"].is_string());
        ended.map(|line| (Self::text(line, "jobID"), Self::text(line, "jobResult"))).collect()
    }

    /// How each step of a job ended, in order; of steps that were not tried act says nothing.
    pub(crate) fn steps(&self, job: &str) -> Vec<(String, String)> {
        let ended = self.lines.iter().filter(|line| {
            line["jobID"] == job
                && line["stage"] == "Main"
                && line["stepResult"].is_string()
                && line["stepID"].as_array().is_some_and(|ids| ids.len() == 1)
        });
        let step = |line: &Value| (Self::text(line, "step"), Self::text(line, "stepResult"));
        ended.map(step).filter(|(_, result)| result != "skipped").collect()
    }

    /// The result of one step; none where it was not tried.
    pub(crate) fn step(&self, job: &str, name: &str) -> Option<String> {
        self.steps(job).into_iter().find(|(step, _)| step == name).map(|(_, result)| result)
    }

    /// What a step printed that the runner did not take for a command.
    pub(crate) fn printed(&self, step: &str) -> String {
        let of_step = |line: &&Value| line["step"] == step && line["raw_output"] == true;
        let lines = self.lines.iter().filter(of_step);
        lines.map(|line| Self::text(line, "msg") + "\n").collect()
    }

    /// The commands that the runner took, of one kind: their argument, and their properties.
    pub(crate) fn commands(&self, kind: &str) -> Vec<(String, Value)> {
        let found = self.lines.iter().filter(|line| line["command"] == kind);
        found.map(|line| (Self::text(line, "arg"), line["kvPairs"].clone())).collect()
    }

    /// The last value of an output of a step.
    pub(crate) fn output(&self, step: &str, name: &str) -> Option<String> {
        let found = self
            .lines
            .iter()
            .rfind(|line| line["command"] == "set-output" && line["step"] == step && line["name"] == name);
        found.map(|line| Self::text(line, "arg"))
    }

    /// What was appended to the summary.
    pub(crate) fn summary(&self) -> String {
        let found = self.lines.iter().filter(|line| line["command"] == "summary");
        found.map(|line| Self::text(line, "content")).collect()
    }

    /// All of it, for a test that fails.
    pub(crate) fn all(&self) -> String {
        let lines: String = self.lines.iter().map(|line| Self::text(line, "msg") + "\n").collect();
        format!("{lines}\n{}", self.errors)
    }
}

/// The names of a job's steps, as the file has them.
pub(crate) fn step_names(workflow: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(workflow).expect("the workflow is there");
    text.lines().filter_map(|line| line.strip_prefix("      - name: ").map(str::to_owned)).collect()
}
