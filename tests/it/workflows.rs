//! Series that change workflows: whatever anybody does, nothing of them is started.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use patchlift::record::State;

use crate::bridge::{SOON, Story, change};
use crate::kill::mails::Posting;
use crate::run::{arg, must};
use crate::world::process::within;

const WORKFLOW: &str = "on: push\njobs: {x: {runs-on: self-hosted, steps: [{run: id}]}}\n";

/// GitHub's words where an App without the right to write workflows pushes one.
const REFUSAL: &str = "refusing to allow a GitHub App to create or update workflow `.github/workflows/x.yml` without `workflows` permission";

fn editing(id: &'static str, title: &'static str) -> Posting<'static> {
    Posting::of(id, title, ".github/workflows/x.yml", WORKFLOW)
}

/// The series' branches on the mirror.
fn branches(story: &Story) -> String {
    let mirror = story.lab.mirror();
    let refs = ["-C", arg(&mirror), "for-each-ref", "--format=%(refname)", "refs/heads/series"];
    String::from_utf8(must(std::process::Command::new("git").args(refs))).unwrap()
}

fn hook(story: &Story, name: &str, text: &str) {
    let path = story.lab.mirror().join("hooks").join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A mirror as GitHub is for an App without the right to write workflows: the whole push is refused.
fn refuses_workflows(story: &Story) {
    hook(
        story,
        "pre-receive",
        &format!(
            "echo push >>pushes\nwhile read -r old new name; do\n\
             if git ls-tree -r --name-only \"$new\" | grep -q ^.github/workflows/x.yml; then echo '{REFUSAL}' >&2; exit 1; fi\n\
             done"
        ),
    );
}

#[test]
fn series_that_edits_workflows_never_starts_anything() {
    let story = Story::of(&[editing("a", "ci: run on the box"), change("b", "fix b", 2)]);
    let bridge = story.lab.start(None);
    let held = story.becomes(&bridge, 1, "held");
    assert!(format!("{:?}", held.state).contains(".github/workflows/x.yml"), "{:?}", held.state);
    story.becomes(&bridge, 2, "passed");
    assert_eq!(story.record(1).unwrap().state.word(), "held");
    assert_eq!(branches(&story), "refs/heads/series/fake/2\n", "nothing of it is on the mirror");
    let runs = story.lab.github.model().runs.clone();
    assert_eq!(runs.len(), 1);
    assert!(runs[0].inputs["run_key"].starts_with("fake-2-"), "{runs:?}");
}

#[test]
fn contract_16_a_push_that_github_refuses_for_workflows_ends_there() {
    let story = Story::of(&[editing("a", "ci: run on the box"), change("b", "fix b", 2)]);
    refuses_workflows(&story);
    let bridge = story.lab.start(None);
    story.becomes(&bridge, 1, "held");
    assert_eq!(story.run("release", &["fake/1"]).code, 0);
    let parked = story.becomes(&bridge, 1, "parked");
    let State::Parked { reason, .. } = &parked.state else { unreachable!() };
    assert!(reason.contains("which the mirror's token may not push") && reason.contains(REFUSAL), "{reason}");
    story.becomes(&bridge, 2, "passed");
    // It is not tried again, and nobody is blamed.
    let pushes = || std::fs::read_to_string(story.lab.mirror().join("pushes")).unwrap().lines().count();
    let before = pushes();
    within(SOON, || story.record(1).filter(|record| record.publish_at.is_none()));
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(pushes(), before);
    let checks = story.lab.patchwork.checks_of(story.lab.patchwork.patches_of(1)[0]);
    assert!(checks.iter().all(|check| check.state != "fail"), "{checks:?}");
    assert_eq!(checks.last().map(|check| check.state.as_str()), Some("warning"), "{checks:?}");
    assert_eq!(branches(&story), "refs/heads/series/fake/2\n");
    assert_eq!(story.lab.github.model().runs.len(), 1);
}
