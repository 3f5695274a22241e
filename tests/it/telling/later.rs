//! What is told when things come otherwise than they were said: series that move, doubts, and sinks that were down.

use std::collections::BTreeMap;
use std::net::TcpListener;

use super::*;
use crate::kill::mails::{KNOWN, by_hand, file};
use crate::kill::scenario::{LIST, Sent};
use crate::world::people::slack::Fault;

/// Series whose patches stop to fit when this comes back; they are tried on the newest base only.
fn conflicting(story: &Story, numbers: &[usize]) {
    let changed = BTreeMap::from([(4, "x"), (5, "y"), (6, "z")]);
    for number in numbers {
        story.upstream.write(&format!("f{number}.c"), &file(*number, &changed));
    }
    story.upstream.commit("changed upstream");
    story.configured(
        "labels = [\"power8\"]\n[server",
        "labels = [\"power8\"]\nuse_base_commit = false\n[server",
    );
    story.configured("fetch_every = \"1 min\"", "fetch_every = \"1 s\"");
}

#[test]
fn nothing_is_built_on_a_series_that_waits_for_a_maintainer() {
    let story = Story::of(&[]);
    let diff = |old: &str, new: &str, note: &str| {
        format!(
            "{note}---\ndiff --git a/f1.c b/f1.c\n--- a/f1.c\n+++ b/f1.c\n@@ -1,4 +1,4 @@\n-{old}\n+{new}\n f1 line 2\n f1 line 3\n f1 line 4\n"
        )
    };
    let stranger = "Stranger <stranger@example.org>";
    let first = by_hand("need-1", stranger, "[PATCH] first", &diff("f1 line 1", "one", ""));
    let note = "Depends-on: <need-1@example.com>\n";
    let second = by_hand("wants-1", KNOWN, "[PATCH] second", &diff("one", "two", note));
    let people = told(&story);
    // Its branch is not pushed at once: until then it is applied.
    story.configured("pause = \"100 ms\"", "pause = \"3 s\"");
    let bridge = story.lab.start(None);
    for mail in [first, second] {
        story.lab.receives(&[Sent { project: LIST, mail }]);
    }
    let held = story.becomes(&bridge, 1, "held");
    waits_for("the button", &bridge, || {
        let head = &held.left.as_ref()?.tip;
        (mark(&people, head, "patchlift")? == "action_required").then_some(())
    });
    let waits = within(SOON, || story.record(2)?.trouble).expect("it waits");
    assert!(waits.what.starts_with("it depends on fake/1, which is "), "{}", waits.what);
    assert_eq!(story.record(2).unwrap().state.applied(), None);
    assert!(story.lab.github.model().runs.is_empty());
}

#[test]
fn a_mail_that_is_not_needed_any_more_keeps_nothing_back() {
    let story = Story::of(&[change("one", "kvm: count exits", 1), change("two", "kvm: show exits", 2)]);
    conflicting(&story, &[1]);
    let people = told(&story);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    mails(&story, nobody);
    let bridge = story.lab.start(None);
    story.becomes(&bridge, 1, "conflict");
    waits_for("that there is no mail server", &bridge, || {
        story.history(1).iter().any(|line| line.contains("its mail failed: ")).then_some(())
    });
    let status = story.run("status", &[]).stdout;
    assert!(status.lines().any(|line| line.contains("mail") && line.contains("SMTP")), "{status}");
    story.upstream.write("f1.c", &file(1, &BTreeMap::new()));
    story.upstream.commit("changed back");
    for id in [1, 2] {
        story.becomes(&bridge, id, "passed");
        waits_for("that all is said", &bridge, || {
            story.record(id).filter(|record| record.tell_at.is_none()).map(drop)
        });
    }
    waits_for("both verdicts", &bridge, || {
        people.slack.channel().iter().all(|(title, _)| title.contains("Passed")).then_some(())
    });
}

#[test]
fn a_conflict_is_mailed_once_however_often_its_base_moves() {
    let Some(server) = MailServer::start() else { return };
    let story = Story::of(&[change("one", "kvm: count exits", 1)]);
    conflicting(&story, &[1]);
    let people = told(&story);
    mails(&story, server.port);
    let bridge = story.lab.start(None);
    story.becomes(&bridge, 1, "conflict");
    let mut sent = Vec::new();
    waits_for("the mail", &bridge, || {
        sent.extend(server.mails());
        (!sent.is_empty()).then_some(())
    });
    for (round, line) in (2..).zip(["p", "q"]) {
        story.upstream.write("f1.c", &file(1, &BTreeMap::from([(4, line), (5, line), (6, line)])));
        story.upstream.commit("changed again");
        waits_for("another try", &bridge, || {
            let tries = story.history(1).iter().filter(|line| line.starts_with("conflict: ")).count();
            (tries == round && story.record(1)?.tell_at.is_none()).then_some(())
        });
    }
    sent.extend(server.mails());
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(people.slack.channel().len(), 1);
}

#[test]
fn a_verdict_stays_though_the_second_test_never_comes() {
    let story = Story::of(&[change("one", "kvm: count exits", 1)]);
    let people = told(&story);
    let bridge = story.lab.start(None);
    let head = story.becomes(&bridge, 1, "passed").state.applied().unwrap().tip.clone();
    waits_for("the verdict", &bridge, || (mark(&people, &head, "patchlift")? == "success").then_some(()));
    story.lab.has_no_runners();
    assert_eq!(story.run("retest", &["fake/1"]).code, 0);
    story.becomes(&bridge, 1, "running");
    waits_for("the second check run", &bridge, || {
        marks(&people, &head).iter().any(|(name, word)| name == "patchlift" && word == "queued").then_some(())
    });
    story.sends(&change("two", "kvm: count exits", 2).tagged("PATCH v2"));
    story.becomes(&bridge, 1, "superseded");
    let of_whole = || {
        let mut words: Vec<String> = marks(&people, &head)
            .into_iter()
            .filter(|(name, _)| name == "patchlift")
            .map(|(_, word)| word)
            .collect();
        words.sort();
        words
    };
    waits_for("the end of the second", &bridge, || (of_whole() == ["cancelled", "success"]).then_some(()));
}

#[test]
fn what_is_in_doubt_is_looked_for_until_it_is_known() {
    let story = Story::of(&[change("one", "kvm: count exits", 1)]);
    let people = told(&story);
    people.slack.fail("chat.postMessage", Fault::After(502));
    for _ in 0..2 {
        people.slack.fail("conversations.history", Fault::Before(429, &[("retry-after", "1")], ""));
    }
    let bridge = story.lab.start(None);
    story.becomes(&bridge, 1, "passed");
    waits_for("the verdict", &bridge, || {
        people.slack.channel().iter().any(|(title, _)| title.contains("Passed")).then_some(())
    });
    assert_eq!(people.slack.channel().len(), 1, "{:?}", people.slack.calls());
}

#[test]
fn a_series_that_is_refused_leaves_nothing_pending() {
    let story = Story::of(&[change("one", "kvm: count exits", 1)]);
    story.lab.has_no_runners();
    story.configured(
        "labels = [\"power8\"]\n[server",
        "labels = [\"power8\"]\nbases = [\"powerpc/main\"]\n[server",
    );
    let people = told(&story);
    let mut bridge = story.lab.start(None);
    story.becomes(&bridge, 1, "running");
    assert_eq!(story.run("refuse", &["fake/1", "--reason", "not now"]).code, 0);
    let head = story.becomes(&bridge, 1, "declined").left.expect("its commits").tip;
    waits_for("the end of every check run", &bridge, || {
        let open = |(_, word): &(String, String)| word == "queued" || word == "in_progress";
        let there = marks(&people, &head);
        (!there.is_empty() && !there.iter().any(open)).then_some(())
    });
    waits_for("the reason in Slack", &bridge, || {
        people.slack.channel()[0].0.contains("Not tested").then_some(())
    });
    let (status, _) = bridge.terminate();
    assert!(status.success());
}
