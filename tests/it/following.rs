//! Runs that are asked for, followed, lost and ended early: what the bridge makes of them, against the World.

use std::collections::BTreeMap;

use patchlift::record::Record;
use patchlift::record::state::{Outcome, State};
use serde_json::Value;

use crate::bridge::{SOON, Story, change};
use crate::kill::mails::{Posting, file};
use crate::kill::runners::passed;
use crate::world::github::{Fault, When};
use crate::world::process::{Bridge, within};

/// A bridge with one series, whose run waits for what the test does with it.
fn waiting() -> (Story, Bridge, u64) {
    let story = Story::of(&[change("a", "fix a", 1)]);
    story.lab.has_no_runners();
    started(story)
}

fn started(story: Story) -> (Story, Bridge, u64) {
    let bridge = story.lab.start(None);
    story.becomes(&bridge, 1, "running");
    (story, bridge, 9001)
}

/// Waits until GitHub has so many runs.
fn run(story: &Story, bridge: &Bridge, count: usize) -> u64 {
    let there = within(SOON, || {
        let model = story.lab.github.model();
        (model.runs.len() >= count).then(|| model.runs[count - 1].id)
    });
    there.unwrap_or_else(|| panic!("there is no run {count}\n{}", bridge.said()))
}

fn outcome(record: &Record) -> Outcome {
    match &record.state {
        State::Finished { outcome, .. } => outcome.clone(),
        state => panic!("{state:?}"),
    }
}

fn report_of(story: &Story, id: u64) -> Value {
    let inputs = story.lab.github.model().run(id).unwrap().inputs.clone();
    passed(&serde_json::from_str(&inputs["series"]).unwrap())
}

#[test]
fn the_stages_of_a_run_are_seen_while_it_is_at_work() {
    let (story, bridge, id) = waiting();
    story.lab.github.run_starts(id);
    story.lab.github.model().change(id, |run, _| {
        run.steps = vec![
            ("Set up job", "completed", Some("success")),
            ("Check the box (preflight)", "completed", Some("success")),
            ("Boot it once (boot)", "in_progress", None),
            ("Roll the box back (roll-back)", "queued", None),
        ];
    });
    let live = within(SOON, || {
        let record = story.record(1)?;
        let live = record.state.run()?.live.clone();
        (!live.is_empty()).then_some(live)
    });
    let live = live.unwrap_or_else(|| panic!("{}", bridge.said()));
    let seen: Vec<_> = live.iter().map(|one| (one.stage.as_str(), one.ended.is_some(), one.passed)).collect();
    assert_eq!(seen, [("preflight", true, true), ("boot", false, false)]);
    assert!(live.iter().all(|one| one.started.is_some()), "{live:?}");
    story.lab.github.run_ends(id, "success", Some(&report_of(&story, id)));
    story.becomes(&bridge, 1, "passed");
}

#[test]
fn contract_12_a_run_that_nobody_takes_is_cancelled_and_repeated_once() {
    let story = Story::of(&[change("a", "fix a", 1)]);
    story.lab.has_no_runners();
    story.configured("pause = \"0 s\"", "pause = \"0 s\"\nqueued_limit = \"1 s\"");
    story.lab.github.model().runners =
        Some(vec![("controller", "p8a", false), ("controller-b", "p8b", true)]);
    let (story, bridge, _) = started(story);
    let waits =
        within(SOON, || story.record(1).filter(|record| record.trouble.is_some())).expect("it says so");
    let offline = "the runner with the label p8a is offline: start its service";
    assert_eq!(waits.trouble.unwrap().what, offline);
    let ended = outcome(&story.becomes(&bridge, 1, "no-verdict"));
    assert_eq!(ended.summary, format!("no runner took the run within 1 s: {offline}"));
    let ends: Vec<_> = story.lab.github.model().runs.iter().map(|run| run.conclusion.clone()).collect();
    assert_eq!(ends, [Some("cancelled".to_owned()), Some("cancelled".to_owned())], "twice, and no more");
    let history = story.history(1);
    let said = history.iter().filter(|line| line.contains(offline) && line.starts_with("once more")).count();
    let noted = history.iter().filter(|line| line.as_str() == offline).count();
    assert!(noted >= 1 && said <= 1, "{history:#?}");
}

#[test]
fn contract_12_a_crash_in_the_middle_of_a_cancel_blames_nobody() {
    let story = Story::of(&[change("a", "fix a", 1)]);
    story.lab.has_no_runners();
    story.configured("pause = \"0 s\"", "pause = \"0 s\"\nqueued_limit = \"1 s\"");
    story.lab.github.goes_wrong("/cancel", When::After, Fault::Silence);
    let (story, mut bridge, id) = started(story);
    let asked = within(SOON, || (story.lab.github.model().run(id)?.cancels > 0).then_some(()));
    assert!(asked.is_some(), "{}", bridge.said());
    bridge.kill();
    let bridge = story.lab.start(None);
    run(&story, &bridge, 2);
    let again = within(SOON, || story.history(1).into_iter().find(|line| line.contains("once more")));
    let again = again.unwrap_or_else(|| panic!("{}", bridge.said()));
    assert!(again.contains("no runner took the run within 1 s"), "{again}");
}

#[test]
fn contract_12_what_somebody_cancels_has_no_verdict_and_is_not_repeated() {
    let (story, bridge, id) = waiting();
    story.lab.github.run_starts(id);
    story.lab.github.run_ends(id, "cancelled", None);
    let ended = outcome(&story.becomes(&bridge, 1, "no-verdict"));
    assert_eq!(ended.summary, "somebody cancelled run 9001 on GitHub");
    assert_eq!(story.lab.github.model().runs.len(), 1);
}

#[test]
fn contract_12_a_lost_run_is_named_and_repeated_once() {
    let (story, bridge, id) = waiting();
    story.lab.github.run_ends(id, "startup_failure", None);
    let second = run(&story, &bridge, 2);
    story.lab.github.run_starts(second);
    story
        .lab
        .github
        .model()
        .change(second, |run, _| run.steps = vec![("Boot it once (boot)", "in_progress", None)]);
    story.lab.github.runner_vanishes(second);
    let ended = outcome(&story.becomes(&bridge, 1, "no-verdict"));
    let lost = "GitHub lost the runner controller in the step \"Boot it once (boot)\": see whether its machine and its service run";
    assert_eq!(ended.summary, lost);
    let history = story.history(1);
    assert!(
        history.iter().any(|line| line.contains("once more: GitHub could not start the workflow")),
        "{history:#?}"
    );
    assert_eq!(story.lab.github.model().runs.len(), 2);
}

/// The box that is kept for the first series.
fn held(story: &Story) -> Option<String> {
    story.record(1)?.state.holds().map(str::to_owned)
}

#[test]
fn contract_12_a_superseded_run_keeps_its_box_until_it_is_over() {
    let (story, bridge, id) = waiting();
    story.lab.github.model().cancels = false;
    story.lab.github.run_starts(id);
    let better = file(1, &BTreeMap::from([(5, "better")]));
    story.sends(&Posting::of("b", "fix a", "f1.c", &better).tagged("PATCH v2"));
    story.becomes(&bridge, 1, "superseded");
    let asked = within(SOON, || (story.lab.github.model().run(id)?.cancels > 0).then_some(()));
    assert!(asked.is_some(), "{}", bridge.said());
    let next = run(&story, &bridge, 2);
    assert_ne!(story.lab.github.model().run(next).unwrap().inputs["box"], "p8a", "its box is not free yet");
    assert_eq!(held(&story).as_deref(), Some("p8a"));
    story.lab.github.run_ends(id, "cancelled", None);
    assert!(within(SOON, || held(&story).is_none().then_some(())).is_some(), "{}", bridge.said());
    assert_eq!(story.lab.github.model().run(id).unwrap().cancels, 1, "asked once");
}

#[test]
fn contract_12_a_run_that_ignores_its_cancel_is_ended_by_force() {
    let story = Story::of(&[change("a", "fix a", 1)]);
    story.lab.has_no_runners();
    story.lab.github.model().cancels = false;
    story.configured("pause = \"0 s\"", "pause = \"0 s\"\ncancel_limit = \"1 s\"");
    let (story, bridge, id) = started(story);
    story.lab.github.run_starts(id);
    assert_eq!(story.run("refuse", &["fake/1"]).code, 0);
    story.becomes(&bridge, 1, "declined");
    assert!(within(SOON, || held(&story).is_none().then_some(())).is_some(), "{}", bridge.said());
    let model = story.lab.github.model();
    let ends: Vec<_> = model.writes().into_iter().filter(|line| line.contains("cancel")).collect();
    assert_eq!(ends.len(), 2, "{ends:?}");
    assert!(ends[0].ends_with("/9001/cancel") && ends[1].ends_with("/9001/force-cancel"), "{ends:?}");
    drop(model);
    let history = story.history(1);
    assert!(history.iter().any(|line| line.contains("was ended by force")), "{history:#?}");
}

#[test]
fn contract_05_a_lost_answer_to_a_start_makes_one_run() {
    for tells_run in [true, false] {
        let story = Story::of(&[change("a", "fix a", 1)]);
        story.lab.github.model().tells_run = tells_run;
        let lost = Fault::Answer(502, vec![("content-type", "text/html".into())], "<html>Unicorn!</html>");
        story.lab.github.goes_wrong("/dispatches", When::After, lost);
        let bridge = story.lab.start(None);
        story.becomes(&bridge, 1, "passed");
        assert_eq!(story.lab.github.model().runs.len(), 1);
        let dispatched = story.lab.github.model().writes().len();
        assert_eq!(dispatched, 1, "nothing is sent twice");
    }
}

#[test]
fn contract_05_a_crash_after_a_start_makes_one_run() {
    let story = Story::of(&[change("a", "fix a", 1)]);
    story.lab.has_no_runners();
    // GitHub starts the run and is silent about it; the bridge is killed while it waits.
    story.lab.github.goes_wrong("/dispatches", When::After, Fault::Silence);
    let mut bridge = story.lab.start(None);
    let id = run(&story, &bridge, 1);
    bridge.kill();
    let asked = story.record(1).unwrap().state.run().cloned().unwrap();
    assert!(asked.asked.is_some() && asked.id.is_none(), "{asked:?}");
    let bridge = story.lab.start(None);
    let found = story.becomes(&bridge, 1, "running").state.run().cloned().unwrap();
    assert_eq!((found.id, found.run_key), (Some(id), asked.run_key));
    assert_eq!(story.lab.github.model().runs.len(), 1);
}
