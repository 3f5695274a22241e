//! Series that change workflows: whatever anybody does, nothing of them is started.

use std::fs;
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
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
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
    let pushes = || fs::read_to_string(story.lab.mirror().join("pushes")).unwrap().lines().count();
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

/// A bridge whose runs are started by pushes: the folder with the workflow lies beside its configuration.
fn by_push(story: &Story) {
    let folder = story.lab.state().with_file_name("ci");
    fs::create_dir_all(folder.join(".github/workflows")).unwrap();
    fs::write(folder.join(".github/workflows/kvm.yml"), "on: {push: {branches: ['series/**']}}\n").unwrap();
    fs::write(folder.join("kvm-ci.json"), "{}\n").unwrap();
    story.configured("[github]\n", "[github]\ntrigger = \"push\"\nci_commit = \"ci\"\n");
    hook(story, "post-receive", "cat >>moves");
}

/// Where the branches of the mirror went, push by push: branch and commit, which is 0 where it was taken away.
fn moves(story: &Story) -> Vec<(String, String)> {
    let said = fs::read_to_string(story.lab.mirror().join("moves")).unwrap_or_default();
    let moves = said.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?.to_owned(), words.next()?.strip_prefix("refs/heads/series/")?.to_owned()))
    });
    moves.map(|(commit, branch)| (branch, commit)).collect()
}

/// GitHub starts a run for the newest push once there are so many, and it passes.
fn passes(story: &Story, pushes: usize) -> u64 {
    let moved = within(SOON, || Some(moves(story)).filter(|moves| moves.len() >= pushes)).expect("a push");
    let (branch, head) = moved[pushes - 1].clone();
    let id = story.lab.github.model().add_pushed_run(&branch, &head);
    story.lab.github.run_starts(id);
    let report = crate::kill::runners::passed(&serde_json::json!({"tip": head}));
    story.lab.github.run_ends(id, "success", Some(&report));
    id
}

fn git(story: &Story, args: &[&str]) -> String {
    let mirror = story.lab.mirror();
    let args = [&["-C", arg(&mirror)], args].concat();
    String::from_utf8(must(std::process::Command::new("git").args(args))).unwrap()
}

#[test]
fn a_push_starts_the_tests_with_the_workflow_under_the_series() {
    let story =
        Story::of(&[change("a", "fix a", 1).and("f2.c", &crate::kill::mails::file(2, &[(5, "x")].into()))]);
    story.lab.has_no_runners();
    by_push(&story);
    let bridge = story.lab.start(None);
    let first = passes(&story, 1);
    let passed = story.becomes(&bridge, 1, "passed");
    let applied = passed.state.applied().unwrap();
    assert_eq!(passed.state.run().unwrap().id, Some(first));
    assert!(story.lab.github.model().writes().is_empty(), "nothing is dispatched");
    assert_eq!(applied.commits.len(), 2, "the commit under them is none of theirs");
    let log = git(&story, &["log", "--format=%s|%cn|%P", &applied.tip]);
    let log: Vec<&str> = log.lines().collect();
    assert_eq!(
        log[2],
        format!("patchlift: how this series is tested|Bot|{}", applied.base.commit),
        "{log:#?}"
    );
    let files = git(&story, &["ls-tree", "-r", "--name-only", &applied.tip]);
    let files: Vec<&str> = files.lines().filter(|file| !file.ends_with(".c")).collect();
    assert_eq!(
        files,
        [".github/workflows/kvm.yml", ".patchlift/series.json", "kvm-ci.json"],
        "and not upstream's"
    );
    let told = git(&story, &["show", &format!("{}:.patchlift/series.json", applied.tip)]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["series"]["id"], "fake/1");
    assert_eq!(told["base"]["commit"], applied.base.commit.as_str());
    // Tested again: the same commits, and a push all the same, as nothing else starts a run.
    assert_eq!(story.run("retest", &["fake/1"]).code, 0);
    let second = passes(&story, 3);
    let again = within(SOON, || {
        story.record(1).filter(|record| record.state.run().and_then(|run| run.id) == Some(second))
    });
    assert!(again.is_some(), "{}", bridge.said());
    assert_eq!(story.becomes(&bridge, 1, "passed").state.applied().unwrap().tip, applied.tip);
    let moved = moves(&story);
    assert!(moved.len() == 3 && moved[0] == moved[2], "{moved:?}");
    // The branch was never taken away: GitHub would have closed its pull request. What it went to starts nothing.
    let between = &moved[1].1;
    assert_eq!(git(&story, &["rev-parse", &format!("{between}^")]).trim(), applied.tip);
    assert!(git(&story, &["log", "-1", "--format=%B", between]).contains("[skip ci]"));
    assert!(!git(&story, &["ls-tree", "-r", "--name-only", between]).contains(".github/workflows"));
}

#[test]
fn a_mirror_that_is_down_is_held_against_no_series() {
    let story = Story::of(&[change("a", "fix a", 1)]);
    story.lab.has_no_runners();
    by_push(&story);
    let (mirror, away) = (story.lab.mirror(), story.lab.mirror().with_extension("away"));
    let bridge = story.lab.start(None);
    story.becomes(&bridge, 1, "starting");
    passes(&story, 1);
    story.becomes(&bridge, 1, "passed");
    fs::rename(&mirror, &away).unwrap();
    assert_eq!(story.run("retest", &["fake/1"]).code, 0);
    let trouble = within(SOON, || story.record(1)?.trouble);
    let trouble = trouble.unwrap_or_else(|| panic!("{}", bridge.said()));
    assert!(trouble.times == 0 && trouble.outages > 0, "{trouble:?}");
    let status = story.run("status", &[]).stdout;
    assert!(status.contains("mirror"), "{status}");
    fs::rename(&away, &mirror).unwrap();
}

#[test]
fn a_series_that_touches_the_tests_is_refused_where_a_push_starts_them() {
    let hidden = Posting::of("b", "change the tests", "KVM-CI.json/x", "{}\n");
    let story = Story::of(&[editing("a", "ci: run on the box"), hidden]);
    by_push(&story);
    let bridge = story.lab.start(None);
    for id in [1, 2] {
        let refused = story.becomes(&bridge, id, "declined");
        assert!(format!("{:?}", refused.state).contains("belongs to the tests"), "{:?}", refused.state);
        assert_eq!(story.run("release", &[&format!("fake/{id}")]).code, 0);
    }
    let again = within(SOON, || {
        let declined =
            |id| story.history(id).iter().filter(|line| line.starts_with("declined: it touches")).count();
        (declined(1) == 2 && declined(2) == 2).then_some(())
    });
    assert!(again.is_some(), "no release lets it through\n{}", bridge.said());
    assert_eq!(branches(&story), "");
    assert!(moves(&story).is_empty());
}
