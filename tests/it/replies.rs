//! Answers on the list that ask the bridge for something, against the World.

use std::time::Duration;

use patchlift::mail::overview::overview;

use crate::bridge::{SOON, Story, change};
use crate::kill::scenario::{LIST, Sent};
use crate::world::patchwork::Fault;
use crate::world::process::{Bridge, within};

const MAINTAINER: &str = "Main Tainer <maintainer@example.org>";
const STRANGER: &str = "Some Stranger <stranger@example.net>";

/// A mail that answers another one.
fn answer(id: &str, sender: &str, to: &str, text: &str) -> Sent {
    let mail = format!(
        "From: {sender}\nTo: {LIST}@lists.example.org\nSubject: Re: [PATCH] fix a\nMessage-ID: <{id}@example.org>\n\
         In-Reply-To: <{to}>\nDate: Fri, 20 Nov 2026 12:00:00 +0000\n\n{text}"
    );
    Sent { project: LIST, mail: mail.into_bytes() }
}

fn first_mail(story: &Story) -> String {
    overview(&story.mails[0]).message_id.unwrap()
}

fn commanded(postings: &[crate::kill::mails::Posting<'_>]) -> Story {
    let story = Story::of(postings);
    let policy = "[server.project.policy]\n";
    story.configured(policy, &format!("{policy}commanders = [\"maintainer@example.org\"]\n"));
    story
}

/// Waits until both lists, patches and covers, were looked at once: what comes now is new.
fn listening(story: &Story, bridge: &Bridge) {
    let looked = within(SOON, || {
        let asked = story.lab.patchwork.takes_requests();
        let asked = asked.iter().filter(|one| one.path.contains("/events/")).count();
        (asked >= 1).then_some(())
    });
    assert!(looked.is_some(), "{}", bridge.said());
    // Four lists here: two projects, each with patches and cover letters; one is looked at in a poll of 200 ms.
    let more = within(SOON, || {
        let store = patchlift::store::Store::read_only(&story.lab.state()).ok()?;
        (store.comments_looked("fake").ok()?.len() == 4).then_some(())
    });
    assert!(more.is_some(), "{}", bridge.said());
}

#[test]
fn a_maintainer_asks_for_a_test_by_an_answer_on_the_list() {
    let story = commanded(&[change("a", "fix a", 1)]);
    let patch = first_mail(&story);
    // It was sent before anybody listened: it is not obeyed.
    story.lab.receives(&[answer("old", MAINTAINER, &patch, "patchlift: retest\n")]);
    let bridge = story.lab.start(None);
    story.becomes(&bridge, 1, "passed");
    listening(&story, &bridge);
    let quoted = "> patchlift: retest\n\nPlease do not.\n";
    story.lab.receives(&[
        answer("stranger", STRANGER, &patch, "patchlift: retest\n"),
        answer("quoted", MAINTAINER, &patch, quoted),
        answer("asks", MAINTAINER, &patch, "Once more, please.\n\npatchlift: retest\n"),
    ]);
    let again = within(SOON, || (story.lab.github.model().runs.len() == 2).then_some(()));
    assert!(again.is_some(), "{}", bridge.said());
    story.becomes(&bridge, 1, "passed");
    // Whoever says it once gets it once, however often the list is looked at, and by whichever bridge.
    drop(bridge);
    let bridge = story.lab.start(None);
    assert!(story.lab.is_up(&bridge) || within(SOON, || story.lab.is_up(&bridge).then_some(())).is_some());
    story.lab.patchwork.takes_requests();
    std::thread::sleep(Duration::from_millis(1200));
    let asked = story.lab.patchwork.takes_requests();
    let events = asked.iter().filter(|one| one.path.contains("/events/")).count();
    assert!((1..=8).contains(&events), "one request a poll: {events}");
    assert_eq!(story.lab.github.model().runs.len(), 2);
    let history = story.history(1);
    let obeyed: Vec<_> =
        history.iter().filter(|line| line.contains("on the list wants it tested again")).collect();
    assert_eq!(obeyed.len(), 1, "{history:#?}");
    assert!(obeyed[0].starts_with("maintainer@example.org"), "{obeyed:?}");
}

#[test]
fn a_maintainer_releases_a_series_by_an_answer_to_its_cover_letter() {
    let first = change("a", "from a stranger", 1).from(STRANGER);
    let story = commanded(&[first.and("f2.c", &crate::kill::mails::file(2, &[(5, "x")].into()))]);
    let bridge = story.lab.start(None);
    story.becomes(&bridge, 1, "held");
    listening(&story, &bridge);
    let cover = first_mail(&story);
    story.lab.receives(&[answer("self", STRANGER, &cover, "patchlift: release\n")]);
    story.lab.receives(&[answer("let", MAINTAINER, &cover, "Looks harmless.\n\npatchlift: release\n")]);
    story.becomes(&bridge, 1, "passed");
    let history = story.history(1);
    assert!(
        history.iter().any(|line| line == "maintainer@example.org on the list lets it run"),
        "{history:#?}"
    );
    assert!(!history.iter().any(|line| line.contains("stranger@example.net on the list")), "{history:#?}");
}

#[test]
fn a_server_that_tells_of_no_answers_still_has_its_series() {
    let story = commanded(&[change("a", "fix a", 1)]);
    story.lab.patchwork.fails("/events/", Fault::NotFound, 1000);
    let bridge = story.lab.start(None);
    story.becomes(&bridge, 1, "passed");
    let status = story.run("status", &[]);
    assert!(status.stdout.contains("answers on the list: "), "{}", status.stdout);
    story.lab.patchwork.recovers();
    listening(&story, &bridge);
}

#[test]
fn nobody_is_listened_to_unless_it_is_configured() {
    let story = Story::of(&[change("a", "fix a", 1)]);
    let bridge = story.lab.start(None);
    story.becomes(&bridge, 1, "passed");
    let asked = story.lab.patchwork.takes_requests();
    assert!(asked.iter().all(|one| !one.path.contains("/events/")), "{asked:?}");
}
