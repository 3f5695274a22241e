//! The workflows and the action as files: what their readers say, and what the bridge relies on.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use patchlift_report::StageName;

use crate::runner::{step_names, tools, top};

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
