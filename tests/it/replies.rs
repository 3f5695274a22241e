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

/// Waits until every list was looked at once more.
fn listens_again(story: &Story, bridge: &Bridge) {
    story.lab.patchwork.takes_requests();
    let mut looks = 0;
    let looked = within(SOON, || {
        let asked = story.lab.patchwork.takes_requests();
        looks += asked.iter().filter(|one| one.path.contains("/events/")).count();
        (looks > 5).then_some(())
    });
    assert!(looked.is_some(), "{}", bridge.said());
}

#[test]
fn what_was_sent_before_anybody_listened_is_not_obeyed_later() {
    let story = commanded(&[change("a", "fix a", 1)]);
    let patch = first_mail(&story);
    // More than a page: the oldest are not seen by the first look.
    let old = |at: usize| answer(&format!("old{at}"), MAINTAINER, &patch, "patchlift: retest\n");
    story.lab.receives(&(0..55).map(old).collect::<Vec<_>>());
    let bridge = story.lab.start(None);
    story.becomes(&bridge, 1, "passed");
    listening(&story, &bridge);
    story.lab.receives(&[answer("asks", MAINTAINER, &patch, "patchlift: retest\n")]);
    let again = within(SOON, || (story.lab.github.model().runs.len() == 2).then_some(()));
    assert!(again.is_some(), "{}", bridge.said());
    story.becomes(&bridge, 1, "passed");
    story.lab.patchwork.loses_answers(20);
    listens_again(&story, &bridge);
    assert_eq!(story.lab.github.model().runs.len(), 2, "{:#?}", story.history(1));
}

#[test]
fn an_answer_that_cannot_be_read_keeps_no_other_from_being_read() {
    let second = change("b", "fix b", 2).and("f3.c", &crate::kill::mails::file(3, &[(5, "x")].into()));
    let story = commanded(&[change("a", "fix a", 1), second]);
    let (patch, cover) = (first_mail(&story), overview(&story.mails[1]).message_id.unwrap());
    let bridge = story.lab.start(None);
    story.becomes(&bridge, 1, "passed");
    story.becomes(&bridge, 2, "passed");
    listening(&story, &bridge);
    let patchwork = &story.lab.patchwork;
    patchwork.fails("/comments/1/", Fault::ServerError, 1000);
    patchwork.fails("/comments/2/", Fault::Body("[]".to_owned()), 1000);
    let asks = |id, to| answer(id, MAINTAINER, to, "patchlift: retest\n");
    story.lab.receives(&[asks("later", &patch), asks("never", &patch)]);
    listens_again(&story, &bridge);
    story.lab.receives(&[asks("now", &cover)]);
    let again = within(SOON, || (story.lab.github.model().runs.len() == 3).then_some(()));
    assert!(again.is_some(), "another list is read\n{}", bridge.said());
    story.becomes(&bridge, 2, "passed");
    let said =
        within(SOON, || story.run("status", &[]).stdout.contains("answers on the list: ").then_some(()));
    assert!(said.is_some(), "{}", bridge.said());
    patchwork.recovers();
    let last = within(SOON, || (story.lab.github.model().runs.len() == 4).then_some(()));
    assert!(last.is_some(), "found again\n{}", bridge.said());
    story.becomes(&bridge, 1, "passed");
    listens_again(&story, &bridge);
    assert_eq!(story.lab.github.model().runs.len(), 4, "one that cannot be used is taken as read");
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
