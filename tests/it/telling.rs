//! What people hear of a series beside Patchwork: on GitHub, in Slack.

mod later;
mod token;

use std::path::Path;
use std::time::Duration;

use patchlift_report::{Ending, sample};
use serde_json::{Value, json};

use crate::bridge::{SOON, Story, change};
use crate::kill::mails::Posting;
use crate::webhook;
use crate::world::people::marks::{APP, REPOSITORY};
use crate::world::people::slack::{CHANNEL, TOKEN as SLACK_TOKEN};
use crate::world::people::{MailServer, People};
use crate::world::process::{Bridge, within};

const KEY: &str = include_str!("../../publish/tests/data/app-key-pkcs1.pem");

/// A Story whose people are told by an App and a bot.
fn told(story: &Story) -> People {
    let people = People::start(&story.lab.github.url);
    story.lab.keep_secret("app.pem", KEY);
    story.lab.keep_secret("slack-token", SLACK_TOKEN);
    let config = std::fs::read_to_string(story.lab.config()).unwrap();
    let api = config.lines().find(|line| line.starts_with("api = ")).unwrap().to_owned();
    story.configured(&api, &format!("api = \"{}\"\nmirror_repository = \"{REPOSITORY}\"", people.github));
    story.configured("token = { file = \"github-token\" }\n", "");
    let slack = people.slack.api();
    story.configured(
        "[[tree]]\n",
        &format!(
            "[github.app]\nid = {APP}\nkey = {{ file = \"app.pem\" }}\n\
             [slack]\napi = \"{slack}\"\nchannel = \"{CHANNEL}\"\ntoken = {{ file = \"slack-token\" }}\n[[tree]]\n"
        ),
    );
    people
}

/// The check runs of a commit: name, and how far each is.
fn marks(people: &People, head: &str) -> Vec<(String, String)> {
    people.marks.memory(|memory| {
        let mut all: Vec<_> = memory
            .check_runs
            .iter()
            .filter(|run| run["head_sha"] == head)
            .map(|run| {
                let word = run["conclusion"].as_str().or(run["status"].as_str()).unwrap();
                (run["name"].as_str().unwrap().to_owned(), word.to_owned())
            })
            .collect();
        all.sort();
        all
    })
}

fn mark(people: &People, head: &str, name: &str) -> Option<String> {
    marks(people, head).into_iter().find(|(is, _)| is == name).map(|(_, word)| word)
}

fn waits_for(what: &str, bridge: &Bridge, look: impl FnMut() -> Option<()>) {
    within(SOON, look).unwrap_or_else(|| panic!("{what} never comes\n{}", bridge.said()));
}

fn report(ending: Ending, head: &str) -> Value {
    let mut report = sample::report(ending);
    report.head = head.to_owned();
    serde_json::to_value(&report).unwrap()
}

/// No check run, and no message, is there twice.
fn nothing_is_said_twice(people: &People, series: usize) {
    people.marks.memory(|memory| {
        let mut keys: Vec<_> = memory.check_runs.iter().map(|run| run["external_id"].to_string()).collect();
        keys.sort();
        let all = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), all, "a check run was made twice");
    });
    assert_eq!(people.slack.channel().len(), series, "{:?}", people.slack.channel());
}

#[test]
fn a_series_is_followed_on_github_and_in_slack_to_its_verdict() {
    let story = Story::of(&[change("one", "kvm: count exits", 1)]);
    story.lab.has_no_runners();
    let people = told(&story);
    let bridge = story.lab.start(None);
    let record = story.becomes(&bridge, 1, "running");
    let head = record.state.applied().unwrap().tip.clone();
    waits_for("a check run that waits", &bridge, || {
        (mark(&people, &head, "patchlift")? == "queued").then_some(())
    });
    waits_for("that it applies", &bridge, || {
        (mark(&people, &head, "patchlift / apply")? == "success").then_some(())
    });
    waits_for("a message", &bridge, || (people.slack.channel().len() == 1).then_some(()));
    let id = record.state.run().unwrap().id.unwrap();
    story.lab.github.run_starts(id);
    waits_for("a check run at work", &bridge, || {
        (mark(&people, &head, "patchlift")? == "in_progress").then_some(())
    });
    story.lab.github.run_ends(id, "failure", Some(&report(Ending::DoesNotBoot, &head)));
    story.becomes(&bridge, 1, "failed");
    waits_for("the verdict", &bridge, || (mark(&people, &head, "patchlift")? == "failure").then_some(()));
    waits_for("the end of every check run", &bridge, || {
        let open = |(_, word): &(String, String)| word == "queued" || word == "in_progress";
        (!marks(&people, &head).iter().any(open)).then_some(())
    });
    waits_for("the verdict in Slack", &bridge, || {
        let channel = people.slack.channel();
        (channel[0].0.contains("Does not boot") && channel[0].1 == 1).then_some(())
    });
    nothing_is_said_twice(&people, 1);
    let pushed_by = people.marks.memory(|memory| memory.app.given.clone());
    assert!(pushed_by.iter().all(|given| !given.permissions.contains_key("workflows")));
}

#[test]
fn a_series_that_is_not_tested_any_more_leaves_nothing_pending() {
    let story = Story::of(&[change("one", "kvm: count exits", 1)]);
    story.lab.has_no_runners();
    let people = told(&story);
    let bridge = story.lab.start(None);
    let head = story.becomes(&bridge, 1, "running").state.applied().unwrap().tip.clone();
    waits_for("a check run", &bridge, || mark(&people, &head, "patchlift").map(drop));
    story.sends(&change("two", "kvm: count exits", 2).tagged("PATCH v2"));
    story.becomes(&bridge, 1, "superseded");
    waits_for("the end of the old one", &bridge, || {
        (mark(&people, &head, "patchlift")? == "cancelled").then_some(())
    });
    waits_for("the end of every check run", &bridge, || {
        let open = |(_, word): &(String, String)| word == "queued" || word == "in_progress";
        (!marks(&people, &head).iter().any(open)).then_some(())
    });
    waits_for("both messages", &bridge, || {
        let channel = people.slack.channel();
        (channel.len() == 2 && channel.iter().any(|(title, _)| title.contains("Superseded"))).then_some(())
    });
}

#[test]
fn what_is_down_is_told_later_and_keeps_nothing_else_back() {
    use crate::world::people::slack::Fault;
    let story = Story::of(&[change("one", "kvm: count exits", 1)]);
    let people = told(&story);
    // Posted, and the answer is lost; then out of order.
    people.slack.fail("chat.postMessage", Fault::After(502));
    let bridge = story.lab.start(None);
    let record = story.becomes(&bridge, 1, "passed");
    let head = record.state.applied().unwrap().tip.clone();
    waits_for("the verdict", &bridge, || (mark(&people, &head, "patchlift")? == "success").then_some(()));
    let shown = story.history(1).join("\n");
    assert!(shown.contains("its message in Slack failed: "), "{shown}");
    waits_for("the verdict in Slack", &bridge, || {
        people.slack.channel().iter().any(|(title, _)| title.contains("Passed")).then_some(())
    });
    assert_eq!(people.slack.channel().len(), 1, "a lost answer is looked for before anything is said again");
}

#[test]
fn a_bridge_killed_while_it_tells_says_nothing_twice() {
    let changes: Vec<_> = [("a", "kvm: a"), ("b", "kvm: b"), ("c", "kvm: c"), ("d", "kvm: d")]
        .into_iter()
        .zip(1..)
        .map(|((id, title), number)| change(id, title, number))
        .collect();
    let story = Story::of(&changes);
    let people = told(&story);
    // Ten ends in a row in one step would park it.
    for life in 0..9 {
        let mut bridge = story.lab.start(None);
        std::thread::sleep(Duration::from_millis(150 + 120 * life));
        bridge.kill();
    }
    let bridge = story.lab.start(None);
    for id in 1..=4 {
        let head = story.becomes(&bridge, id, "passed").state.applied().unwrap().tip.clone();
        waits_for("the verdict", &bridge, || (mark(&people, &head, "patchlift")? == "success").then_some(()));
    }
    waits_for("all verdicts in Slack", &bridge, || {
        let channel = people.slack.channel();
        let is_told = |(title, details): &(String, usize)| title.contains("Passed") && *details == 1;
        (channel.len() >= 4 && channel.iter().all(is_told)).then_some(())
    });
    nothing_is_said_twice(&people, 4);
}

#[test]
fn a_strangers_series_waits_with_a_button_and_runs_when_it_is_pressed() {
    let story = Story::of(&[change("one", "kvm: count exits", 1).from("Stranger <stranger@example.org>")]);
    let people = told(&story);
    webhook::listens(&story);
    let bridge = story.lab.start(None);
    let held = story.becomes(&bridge, 1, "held");
    let head = held.left.expect("its commits are there to be looked at").tip;
    assert!(story.lab.github.model().runs.is_empty(), "nothing of it is run");
    waits_for("the button", &bridge, || {
        (mark(&people, &head, "patchlift")? == "action_required").then_some(())
    });
    let run = people
        .marks
        .memory(|memory| memory.check_runs.iter().find(|run| run["name"] == "patchlift").cloned().unwrap());
    let pressed = json!({"action": "requested_action", "sender": {"login": "maintainer"},
        "requested_action": {"identifier": "run-tests"},
        "check_run": {"external_id": run["external_id"], "head_sha": head, "app": {"id": APP}}});
    assert_eq!(webhook::delivered(&bridge, "d-1", &pressed), 202);
    let passed = story.becomes(&bridge, 1, "passed");
    assert_eq!(passed.state.applied().unwrap().tip, head);
    waits_for("the verdict", &bridge, || (mark(&people, &head, "patchlift")? == "success").then_some(()));
    assert!(story.history(1).iter().any(|line| line.contains("@maintainer on GitHub lets it run")));
    nothing_is_said_twice(&people, 1);
}

/// Nobody can look at it on GitHub, and nothing of it is there to be run.
#[test]
fn a_series_with_guarded_paths_is_not_even_pushed() {
    let posting =
        Posting::of("one", "ci: mine bitcoin", ".github/workflows/ci.yml", "on: [push, pull_request]\n");
    let story = Story::of(&[posting]);
    let people = told(&story);
    let bridge = story.lab.start(None);
    assert_eq!(story.becomes(&bridge, 1, "held").left, None);
    waits_for("a message", &bridge, || (people.slack.channel().len() == 1).then_some(()));
    assert!(people.marks.memory(|memory| memory.check_runs.is_empty()));
    assert!(story.lab.github.model().runs.is_empty());
}

/// The bridge of this story replies by mail.
fn mails(story: &Story, port: u16) {
    let section = format!(
        "[mail]\nserver = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nfrom = \"patchlift <ci@example.org>\"\n\
         allow = [\"@example.com\"]\n[[tree]]\n"
    );
    story.configured("[[tree]]\n", &section);
}

#[test]
fn the_author_gets_one_mail_for_what_is_his_own_fault() {
    let Some(server) = MailServer::start() else { return };
    let story = Story::of(&[change("one", "kvm: count exits", 1), change("two", "kvm: show exits", 2)]);
    story.lab.has_no_runners();
    let people = told(&story);
    mails(&story, server.port);
    let bridge = story.lab.start(None);
    for (id, ending, word) in [(1, Ending::DoesNotBoot, "failed"), (2, Ending::Infrastructure, "no-verdict")]
    {
        // What is our own fault is run twice.
        for _ in 0..if word == "failed" { 1 } else { 2 } {
            let record = story.becomes(&bridge, id, "running");
            let head = record.state.applied().unwrap().tip.clone();
            let run = record.state.run().unwrap().id.unwrap();
            story.lab.github.run_starts(run);
            story.lab.github.run_ends(run, "failure", Some(&report(ending, &head)));
            within(SOON, || {
                let now = story.record(id)?;
                (now.state.run().and_then(|run| run.id) != Some(run) || now.state.is_final()).then_some(())
            });
        }
        let head = story.becomes(&bridge, id, word).state.applied().unwrap().tip.clone();
        waits_for("a verdict", &bridge, || {
            let mark = mark(&people, &head, "patchlift")?;
            (mark == "failure" || mark == "neutral").then_some(())
        });
    }
    let mut sent = Vec::new();
    waits_for("a mail", &bridge, || {
        sent.extend(server.mails());
        (!sent.is_empty()).then_some(())
    });
    drop(bridge);
    let bridge = story.lab.start(None);
    waits_for("a sign of life", &bridge, || story.lab.is_up(&bridge).then_some(()));
    sent.extend(server.mails());
    let recipients: Vec<_> = sent.iter().map(|mail| mail["recipients"].to_string()).collect();
    assert_eq!(recipients, ["[\"known@example.com\"]"], "one mail, and none for a fault of ours");
    let text = sent[0]["text"].as_str().unwrap();
    assert!(text.contains("This is the series' fault") && text.contains("To repeat it"), "{text}");
    assert_eq!(sent[0]["headers"]["Auto-Submitted"], "auto-generated");
}

/// Every secret there is in a whole run, and everything that the run leaves or shows.
#[test]
fn no_secret_is_seen_in_a_whole_run() {
    let story = Story::of(&[change("one", "kvm: count exits", 1), change("two", "kvm: show exits", 2)]);
    let people = told(&story);
    webhook::listens(&story);
    let bridge = story.lab.start(None);
    let folder = story.lab.config().parent().unwrap().to_owned();
    let (mut seen, mut looks) = (Vec::new(), 0);
    let done = within(SOON * 2, || {
        seen.extend(command_lines(folder.to_str().unwrap()));
        looks += 1;
        let told = || people.slack.channel().iter().filter(|(title, _)| title.contains("Passed")).count();
        (story.record(1)?.state.word() == "passed" && told() == 2).then_some(())
    });
    assert!(done.is_some() && looks > 20, "{}", bridge.said());
    let tokens = people
        .marks
        .memory(|memory| memory.app.given.iter().map(|given| given.token.clone()).collect::<Vec<_>>());
    assert!(tokens.len() >= 2, "one for each repository");
    let key_line = KEY.lines().nth(1).unwrap().to_owned();
    let mut secrets = vec![SLACK_TOKEN.to_owned(), webhook::BRIDGES_SECRET.to_owned(), key_line];
    secrets.extend(tokens);
    let shown =
        [story.run("status", &["--json"]), story.run("show", &["--json", "1"]), story.run("report", &["1"])];
    for secret in &secrets {
        assert!(!bridge.said().contains(secret), "in the log");
        assert!(!seen.iter().any(|line| line.contains(secret)), "in a command line");
        assert!(!shown.iter().any(|ran| ran.stdout.contains(secret) || ran.stderr.contains(secret)));
        let left = files_with(&folder, secret.as_bytes());
        let own = ["app.pem", "slack-token", "webhook-secret"];
        assert!(left.iter().all(|name| own.contains(&name.as_str())), "{left:?}");
    }
    let sent = people.marks.memory(|memory| memory.requests.join("\n"));
    assert!(!secrets.iter().any(|secret| sent.contains(secret)), "in an address");
}

/// The command lines of all processes that work in this folder.
fn command_lines(folder: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(folder))
        .collect()
}

/// The files below a folder that hold these bytes.
fn files_with(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, bytes));
        } else if memchr::memmem::find(&std::fs::read(&path).unwrap_or_default(), bytes).is_some() {
            found.push(entry.file_name().into_string().unwrap());
        }
    }
    found
}
