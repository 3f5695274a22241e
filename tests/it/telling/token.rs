//! What a personal token can say: commit statuses.

use std::collections::BTreeMap;

use super::*;
use crate::kill::mails::file;

/// A Story that has a personal token instead of an App, and a webhook of Slack's instead of a bot.
fn by_token(story: &Story) -> People {
    let people = People::start(&story.lab.github.url);
    story.lab.keep_secret("slack-webhook", &people.slack.webhook_url());
    let config = std::fs::read_to_string(story.lab.config()).unwrap();
    let api = config.lines().find(|line| line.starts_with("api = ")).unwrap().to_owned();
    story.configured(&api, &format!("api = \"{}\"\nmirror_repository = \"{REPOSITORY}\"", people.github));
    story.configured("[[tree]]\n", "[slack]\nwebhook = { file = \"slack-webhook\" }\n[[tree]]\n");
    people
}

/// The newest status of each context on a commit.
fn statuses(people: &People, head: &str) -> Vec<(String, String)> {
    people.marks.memory(|memory| {
        let mut newest = std::collections::BTreeMap::new();
        for status in memory.statuses.iter().filter(|status| status["sha"] == head) {
            let text = |name: &str| status[name].as_str().unwrap().to_owned();
            newest.insert(text("context"), text("state"));
        }
        newest.into_iter().collect()
    })
}

#[test]
fn a_token_sets_statuses_from_the_wait_to_the_verdict() {
    let story = Story::of(&[change("one", "kvm: count exits", 1)]);
    story.lab.has_no_runners();
    let people = by_token(&story);
    let bridge = story.lab.start(None);
    let record = story.becomes(&bridge, 1, "running");
    let head = record.state.applied().unwrap().tip.clone();
    let is = |state: &str| {
        let wanted = ("patchlift".to_owned(), state.to_owned());
        statuses(&people, &head).contains(&wanted).then_some(())
    };
    waits_for("a pending status", &bridge, || is("pending"));
    assert_eq!(people.slack.memory(|memory| memory.webhook.len()), 0, "a webhook says how it ended");
    let run = record.state.run().unwrap().id.unwrap();
    story.lab.github.run_starts(run);
    story.lab.github.run_ends(run, "success", Some(&report(Ending::Passed, &head)));
    waits_for("the verdict", &bridge, || is("success"));
    waits_for("the verdict in Slack", &bridge, || {
        (people.slack.memory(|memory| memory.webhook.len()) == 1).then_some(())
    });
    assert!(people.marks.memory(|memory| memory.check_runs.is_empty()));
    waits_for("the end of every status", &bridge, || {
        (!statuses(&people, &head).iter().any(|(_, state)| state == "pending")).then_some(())
    });
}

#[test]
fn statuses_of_commits_that_are_not_tested_any_more_are_ended() {
    let story = Story::of(&[change("one", "kvm: count exits", 1)]);
    story.lab.has_no_runners();
    let people = by_token(&story);
    let bridge = story.lab.start(None);
    let head = story.becomes(&bridge, 1, "running").state.applied().unwrap().tip.clone();
    waits_for("a pending status", &bridge, || {
        statuses(&people, &head).iter().any(|(_, state)| state == "pending").then_some(())
    });
    story.sends(&change("two", "kvm: count exits", 2).tagged("PATCH v2"));
    story.becomes(&bridge, 1, "superseded");
    waits_for("its end", &bridge, || {
        (!statuses(&people, &head).iter().any(|(_, state)| state == "pending")).then_some(())
    });
}

#[test]
fn statuses_of_a_series_that_stopped_to_apply_are_ended() {
    let story = Story::of(&[change("one", "kvm: count exits", 1), change("two", "kvm: show exits", 2)]);
    story.lab.has_no_runners();
    story.configured("fetch_every = \"1 min\"", "fetch_every = \"1 s\"");
    story.configured(
        "labels = [\"power8\"]\n[server",
        "labels = [\"power8\"]\nuse_base_commit = false\n[server",
    );
    for name in ["p8b", "p8c"] {
        story.configured(&format!("[[box]]\nname = \"{name}\"\nlabels = [\"power8\"]\n"), "");
    }
    let people = by_token(&story);
    let bridge = story.lab.start(None);
    let waiting = || {
        let is = |id: u64, word: &str| story.record(id).is_some_and(|record| record.state.word() == word);
        [(1, 2), (2, 1)].into_iter().find(|(id, other)| is(*id, "queued") && is(*other, "running"))
    };
    let (id, _) = within(SOON, waiting).unwrap_or_else(|| panic!("none waits\n{}", bridge.said()));
    let head = story.record(id).unwrap().state.applied().unwrap().tip.clone();
    let is_pending = || statuses(&people, &head).iter().any(|(_, state)| state == "pending");
    waits_for("a pending status", &bridge, || is_pending().then_some(()));
    let changed = BTreeMap::from([(4, "x"), (5, "y"), (6, "z")]);
    story.upstream.write(&format!("f{id}.c"), &file(usize::try_from(id).unwrap(), &changed));
    story.upstream.commit("changed upstream");
    let record = story.becomes(&bridge, id, "conflict");
    assert_eq!(record.left.expect("its commits").tip, head);
    waits_for("its end", &bridge, || (!is_pending()).then_some(()));
}
