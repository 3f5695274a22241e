//! The workflows and the action as files: what their readers say, and what the bridge relies on.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use patchlift_report::StageName;

use crate::npm;
use crate::runner::{step_names, tools, top};

/// Reads each file as GitHub does and says what is wrong with it, and which jobs it found.
const PARSE: &str = r#"
import { NoOperationTraceWriter, convertWorkflowTemplate, parseWorkflow } from "@actions/workflow-parser";
import { readFileSync } from "node:fs";
async function main() {
  for (const name of process.argv.slice(2)) {
    const file = { name, content: readFileSync(name, "utf8") };
    const read = parseWorkflow(file, new NoOperationTraceWriter());
    const template = read.value ? await convertWorkflowTemplate(read.context, read.value) : {};
    const errors = [...read.context.errors.getErrors(), ...(template.errors ?? [])];
    for (const error of errors) console.log(`${name}: ${error.message ?? error.Message}`);
    for (const job of template.jobs ?? []) console.log(`job ${job.id}`);
  }
}
main();
"#;

fn workflows() -> Vec<PathBuf> {
    let dir = std::fs::read_dir(top().join(".github/workflows")).expect("the folder is there");
    let mut files: Vec<_> = dir.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(files.len() >= 3, "{files:?}");
    files
}

/// The same three readers as `.ci/run workflow`: the two linters know different mistakes, zizmor knows the attacks.
#[test]
fn contract_13_the_linters_have_nothing_to_say() {
    let Some(tools) = tools() else { return };
    let (files, action) = (workflows(), top().join("action/action.yml"));
    let clean = |program: &str, options: &[&str], action: Option<&PathBuf>| {
        let mut command = Command::new(tools.join(program));
        command.args(options).args(&files).args(action).current_dir(top()).stdin(Stdio::null());
        let output = command.output().expect("the linter runs");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}: {said}");
    };
    clean("actionlint", &[], None);
    clean("jactionlint", &["--profile", "default"], Some(&action));
    clean("zizmor", &["--offline", "--persona=auditor", "--no-progress"], Some(&action));
}

/// The schema that decides: GitHub's own. It does not run as it is published, and is bundled first.
#[test]
fn contract_13_github_reads_the_workflows() {
    let packages = ["@actions/workflow-parser@0.3.61", "esbuild@0.25.0"];
    let Some(dir) = npm::installed("workflow-parser", &packages) else { return };
    std::fs::write(dir.join("parse.mjs"), PARSE).expect("it is written");
    let run = |program: &str, args: &[&str], files: &[PathBuf]| {
        let mut command = Command::new(program);
        let output = command.args(args).args(files).current_dir(&dir).stdin(Stdio::null()).output();
        let output = output.expect("it runs");
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("it is text")
    };
    let bundle = ["parse.mjs", "--bundle", "--platform=node", "--format=cjs", "--outfile=parse.cjs"];
    run(&dir.join("node_modules/.bin/esbuild").to_string_lossy(), &bundle, &[]);
    let said = run("node", &["parse.cjs"], &workflows());
    assert!(said.lines().all(|line| line.starts_with("job ")), "{said}");
    assert!(said.contains("job test\n") && said.contains("job publish\n"), "{said}");
    let broken = dir.join("broken.yml");
    std::fs::write(&broken, "on: push\njobs:\n  a:\n    runs-on: x\n    stepz: []\n").expect("it is written");
    assert!(run("node", &["parse.cjs"], &[broken]).contains("stepz"), "a mistake is not found");
}

/// By these names the bridge sees which stage a run is in.
#[test]
fn each_stage_is_a_step_with_its_name() {
    let names = step_names(&top().join(".github/workflows/kvm-ci.yml"));
    let slugs: Vec<_> = names
        .iter()
        .filter_map(|name| name.strip_suffix(')')?.rsplit_once(" ("))
        .map(|(_, slug)| slug)
        .collect();
    assert_eq!(slugs, StageName::ALL.map(StageName::slug));
}

/// Whoever edits a workflow sees what it may do: nothing that is not said, and nothing by a name that can move.
#[test]
fn nothing_is_allowed_that_is_not_said() {
    for file in workflows() {
        let text = std::fs::read_to_string(&file).expect("it is read");
        assert!(text.contains("\npermissions: {}\n"), "{}", file.display());
        for line in
            text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: "))
        {
            let (name, version) = line.split_once('@').unwrap_or((line, ""));
            let pinned = version.split(' ').next().is_some_and(|sha| sha.len() == 40);
            assert!(
                name.starts_with("$/") || (pinned && version.contains(" # v")),
                "{}: {line}",
                file.display()
            );
        }
    }
}
