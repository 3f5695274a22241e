//! The bridge against the World: what becomes of a series, and what people can do about it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use patchlift::record::Record;
use serde_json::Value;

use crate::git_repo::GitRepo;
use crate::kill::lab::Lab;
use crate::kill::mails::{KNOWN, Posting, by_hand, file, upstream};
use crate::kill::scenario::{End, LIST, OTHER_LIST, Scenario, Sent};
use crate::run::{Ran, arg, patchlift};
use crate::world::patchwork::{FakePatchwork, Fault, SeenCheck};
use crate::world::process::{Bridge, within};

pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A World with these series in its list, and the tree they are for.
pub(crate) struct Story {
    pub(crate) lab: Lab,
    pub(crate) upstream: GitRepo,
    pub(crate) mails: Vec<Vec<u8>>,
}

impl Story {
    /// Each series is one posting's mails.
    pub(crate) fn of(postings: &[Posting<'_>]) -> Self {
        let (upstream, base) = upstream(10);
        let mails: Vec<Vec<u8>> =
            postings.iter().flat_map(|posting| posting.mails(&upstream, &base)).collect();
        let first = mails.iter().map(|mail| Sent { project: LIST, mail: mail.clone() }).collect();
        upstream.git(&["checkout", "-q", "main"]);
        let ends = vec![End { name: "any", first: None, last: "passed" }; postings.len()];
        let scenario = Scenario { upstream, first, later: vec![], ends };
        let lab = Lab::new(&scenario);
        Self { lab, upstream: scenario.upstream, mails }
    }

    /// One posting more, in the list's archive when this comes back.
    pub(crate) fn sends(&self, posting: &Posting<'_>) {
        let mails = posting.mails(&self.upstream, "main");
        self.upstream.git(&["checkout", "-q", "main"]);
        self.lab.receives(&mails.into_iter().map(|mail| Sent { project: LIST, mail }).collect::<Vec<_>>());
    }

    /// The configuration, with one thing written otherwise.
    pub(crate) fn configured(&self, from: &str, to: &str) {
        let config = std::fs::read_to_string(self.lab.config()).unwrap();
        assert!(config.contains(from), "{from} is not in\n{config}");
        std::fs::write(self.lab.config(), config.replace(from, to)).unwrap();
    }

    pub(crate) fn run(&self, command: &str, args: &[&str]) -> Ran {
        let config = self.lab.config();
        patchlift(&[&[command, "--config", arg(&config)], args].concat())
    }

    pub(crate) fn record(&self, id: u64) -> Option<Record> {
        self.lab.records().into_iter().find(|record| record.key.id == id)
    }

    /// Waits until the series is in this state.
    pub(crate) fn becomes(&self, bridge: &Bridge, id: u64, word: &str) -> Record {
        let there = within(SOON, || self.record(id).filter(|record| record.state.word() == word));
        there.unwrap_or_else(|| {
            panic!("{id} never is {word} but {:?}\n{}", self.record(id).map(|r| r.state), bridge.said())
        })
    }

    pub(crate) fn history(&self, id: u64) -> Vec<String> {
        let shown = self.run("show", &["--json", &format!("fake/{id}")]);
        assert_eq!(shown.code, 0, "{}", shown.stderr);
        let lines = shown.json()[0]["history"].as_array().unwrap().clone();
        lines.iter().map(|line| line["line"].as_str().unwrap().to_owned()).collect()
    }
}

pub(crate) fn change(id: &'static str, title: &'static str, number: usize) -> Posting<'static> {
    let changed = BTreeMap::from([(5, title)]);
    Posting::of(id, title, &format!("f{number}.c"), &file(number, &changed))
}

#[test]
fn one_request_when_idle() {
    let story = Story::of(&[change("a", "fix a", 1)]);
    let bridge = story.lab.start(None);
    story.becomes(&bridge, 1, "passed");
    within(SOON, || story.record(1).filter(|record| record.publish_at.is_none()));
    story.lab.patchwork.takes_requests();
    std::thread::sleep(Duration::from_millis(1500));
    let asked = story.lab.patchwork.takes_requests();
    assert!((1..=8).contains(&asked.len()), "{} requests in 1.5 s, one each 200 ms", asked.len());
    for one in &asked {
        assert_eq!(one.method, "GET");
        assert!(one.path.contains("/series/?order=-id&project="), "{}", one.path);
    }
}

#[test]
fn a_base_that_moves_is_tried_again_only_by_those_it_concerns() {
    let (waits, stays) = (change("a", "needs another", 1), change("b", "does not fit", 2));
    let story = Story::of(&[waits, stays]);
    // Both conflict: their lines were changed upstream after they had been sent.
    let conflicting = BTreeMap::from([(4, "x"), (5, "y"), (6, "z")]);
    for number in [1, 2] {
        story.upstream.write(&format!("f{number}.c"), &file(number, &conflicting));
    }
    story.upstream.commit("changed upstream");
    story.configured(
        "labels = [\"power8\"]\n[server",
        "labels = [\"power8\"]\nuse_base_commit = false\n[server",
    );
    story.configured("fetch_every = \"1 min\"", "fetch_every = \"1 s\"");
    let bridge = story.lab.start(None);
    story.becomes(&bridge, 1, "conflict");
    let before = story.becomes(&bridge, 2, "conflict");
    story.upstream.write("f1.c", &file(1, &BTreeMap::new()));
    story.upstream.commit("changed back");
    story.becomes(&bridge, 1, "passed");
    let after = story.record(2).unwrap();
    assert_eq!((after.state, after.since), (before.state, before.since), "its file did not move");
    let history = story.history(1);
    assert!(
        history.iter().any(|line| line == "ready: its base moved under a file it touches"),
        "{history:?}"
    );
}

#[test]
fn people_release_refuse_and_order() {
    let stranger = change("a", "from a stranger", 1).from("Some Stranger <stranger@example.net>");
    let other = change("b", "from a stranger too", 2).from("Some Stranger <stranger@example.net>");
    let story = Story::of(&[stranger, other]);
    let bridge = story.lab.start(None);
    let held = story.becomes(&bridge, 1, "held");
    story.becomes(&bridge, 2, "held");
    assert!(format!("{:?}", held.state).contains("stranger@example.net"), "{:?}", held.state);
    let status = story.run("status", &[]);
    assert!(status.stdout.contains("(patchlift release fake/1)"), "{}", status.stdout);
    let released = story.run("release", &["fake/1"]);
    assert_eq!((released.code, released.stdout.as_str()), (0, "noted for fake/1 (from a stranger)\n"));
    story.becomes(&bridge, 1, "passed");
    assert_eq!(story.run("priority", &["fake/2", "7"]).code, 0);
    assert_eq!(story.run("refuse", &["fake/2", "--reason", "spam\u{1b}[31m"]).code, 0);
    let refused = story.becomes(&bridge, 2, "declined");
    assert_eq!(refused.priority, 7);
    let history = story.history(2);
    let refusal = history.iter().find(|line| line.starts_with("declined: ")).unwrap();
    assert!(refusal.starts_with("declined: spam") && !refusal.contains('\u{1b}'), "{refusal:?}");
    let unknown = story.run("retest", &["fake/77"]);
    assert_eq!(unknown.code, 2, "{}", unknown.stdout);
    assert!(unknown.error_line().contains("there is no series fake/77"), "{}", unknown.stderr);
}

/// Every file below `folder`, with its size.
fn files(folder: &Path) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.display().to_string(), entry.metadata().unwrap().len());
        }
    }
    all
}

#[test]
fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    let story = Story::of(&[change("a", "fix a", 1), change("b", "fix b", 2)]);
    // The trees are there; a first series is done.
    let once = story.run("series", &["1"]);
    assert_eq!(once.code, 0, "{}", once.stderr);
    let folder = story.lab.state().parent().unwrap().to_owned();
    let before = files(&folder);
    story.lab.patchwork.takes_requests();
    let dry = story.run("once", &["--dry-run"]);
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    for line in [
        "would fake/2: make 1 commits",
        "would post patchlift-apply success on patch 2",
        "would push series/fake/2",
    ] {
        assert!(dry.stdout.contains(line), "{line} is not in\n{}", dry.stdout);
    }
    assert!(!dry.stdout.contains("make 1 commits, up to 0000"), "{}", dry.stdout);
    let asked = story.lab.patchwork.takes_requests();
    assert!(asked.iter().all(|one| one.method == "GET"), "{asked:?}");
    assert!(story.lab.github.model().writes().is_empty());
    assert_eq!(files(&folder), before);
}

#[test]
fn a_series_is_taken_by_its_message_id_or_its_page() {
    let story = Story::of(&[change("a", "fix a", 1), change("b", "fix b", 2)]);
    let page = format!(
        "{}project/{LIST}/list/?series=2",
        format_args!("http://{}/", story.lab.patchwork_door.address())
    );
    let mail = msgid(&story.mails[0]);
    for (named, id) in [(&mail, 1), (&page, 2)] {
        let taken = story.run("series", &["--json", named]);
        assert_eq!(taken.code, 0, "{named}: {}", taken.stderr);
        let shown = &taken.json()[0];
        assert_eq!(shown["record"]["key"], format!("fake/{id}"));
        assert_eq!(shown["state"], "queued", "{shown}");
    }
    let nobody = story.run("series", &["nobody@example.com"]);
    assert_eq!(nobody.code, 2);
    assert!(nobody.stderr.ends_with("patchlift: no configured server has it\n"), "{}", nobody.stderr);
}

#[test]
fn a_server_that_does_not_answer_does_not_say_that_there_is_no_series() {
    let story = Story::of(&[change("a", "fix a", 1)]);
    for named in ["1", "nobody@example.com"] {
        story.lab.patchwork.fails("GET ", Fault::BadGateway, 1);
        let taken = story.run("series", &[named]);
        assert_eq!(taken.code, 1, "{}", taken.stderr);
        let last = taken.stderr.lines().last().unwrap();
        assert!(last.contains("nobody can say whether there is such a series: GET /api/1.3/"), "{last}");
    }
}

/// The Message-ID of a mail, in its angle brackets.
fn msgid(mail: &[u8]) -> String {
    let text = String::from_utf8_lossy(mail);
    let line = text.lines().find(|line| line.to_lowercase().starts_with("message-id:")).unwrap();
    line.split_once(':').unwrap().1.trim().to_owned()
}

#[test]
fn a_replay_shows_what_another_policy_would_decide() {
    let story = Story::of(&[change("a", "fix a", 1), change("b", "fix b", 2).tagged("RFC PATCH")]);
    let recorded = story.lab.state().with_file_name("recorded");
    let once = story.run("once", &["--record", arg(&recorded)]);
    assert_eq!(once.code, 0, "{}", once.stderr);
    let exchanges = std::fs::read_to_string(recorded.join("exchanges.jsonl")).unwrap();
    assert!(!exchanges.contains("0123456789012345678901234567890123456789"), "a token is in the recording");
    let before = files(&story.lab.state());
    let same = story.run("replay", &["--json", arg(&recorded)]);
    assert_eq!(same.code, 0, "{}", same.stderr);
    let same = same.json();
    assert_eq!((&same["same"], &same["different"]), (&2.into(), &Value::Array(vec![])), "{same}");
    story.configured("[server.project.policy]\n", "[server.project.policy]\ndecline = [\"RFC\"]\n");
    let other = story.run("replay", &["--json", arg(&recorded)]).json();
    assert_eq!(other["same"], 1, "{other}");
    let different = &other["different"][0];
    assert_eq!(different["series"], "fake/2");
    assert!(different["now"][0].as_str().unwrap().starts_with("declined: "), "{different}");
    assert_eq!(files(&story.lab.state()), before, "a replay changes nothing");
}

#[test]
fn a_project_that_the_server_does_not_know_is_said_at_the_start() {
    let story = Story::of(&[]);
    story.configured(&format!("\"{LIST}\""), "\"linuxppc\"");
    let ran = story.run("run", &[]);
    assert_eq!(ran.code, 2);
    let last = ran.stderr.lines().last().unwrap();
    assert!(last.contains("the server fake has no project \"linuxppc\": correct its name in"), "{last}");
}

#[test]
fn an_extra_patch_makes_a_new_revision() {
    let story = Story::of(&[]);
    let diff = |number: usize| {
        format!(
            "---\ndiff --git a/f{number}.c b/f{number}.c\n--- a/f{number}.c\n+++ b/f{number}.c\n@@ -1,4 +1,4 @@\n-f{number} line 1\n+new\n f{number} line 2\n f{number} line 3\n f{number} line 4\n"
        )
    };
    let patch = |number: usize, of: usize| {
        let mail = by_hand(
            &format!("late-{number}"),
            KNOWN,
            &format!("[PATCH {number}/{of}] step {number}"),
            &diff(number),
        );
        let threaded = if number == 1 { vec![] } else { b"In-Reply-To: <late-1@example.com>\n".to_vec() };
        Sent { project: LIST, mail: [threaded, mail].concat() }
    };
    story.lab.receives(&[patch(1, 2), patch(2, 2)]);
    let bridge = story.lab.start(None);
    story.becomes(&bridge, 1, "passed");
    story.lab.receives(&[patch(3, 2)]);
    let again =
        within(SOON, || story.record(1).filter(|record| record.revision == 2)).expect("a second revision");
    assert_eq!(again.listing.patches.len(), 3);
    story.becomes(&bridge, 1, "passed");
    assert_eq!(story.lab.github.model().runs.len(), 2);
    let posted = story.lab.patchwork.checks_of(3);
    assert!(posted.iter().any(|check| check.state == "success"), "{posted:?}");
}

#[test]
fn the_same_mails_on_two_servers_run_once_and_are_told_on_both() {
    let story = Story::of(&[change("a", "fix a", 1)]);
    let other = FakePatchwork::start();
    other.has_project(OTHER_LIST);
    other.has_user("bot", "bot@example.com", "9876543210987654321098765432109876543210");
    other.lets_maintain("bot", OTHER_LIST);
    story.lab.keep_secret("other-token", "9876543210987654321098765432109876543210");
    let config = std::fs::read_to_string(story.lab.config()).unwrap();
    let server = format!(
        "[[server]]\nname = \"other\"\nurl = \"{}\"\ntoken = {{ file = \"other-token\" }}\npoll = \"200 ms\"\n\
         settle = \"100 ms\"\n[[server.project]]\nname = \"{OTHER_LIST}\"\nlabels = [\"power8\"]\n\
         [server.project.policy]\nlisted = [\"known@example.com\"]\n",
        other.url()
    );
    std::fs::write(story.lab.config(), config + &server).unwrap();
    let bridge = story.lab.start(None);
    story.becomes(&bridge, 1, "passed");
    // The second list gets them later, when there is a verdict already.
    for mail in &story.mails {
        other.receives(OTHER_LIST, mail);
    }
    let said = |checks: Vec<SeenCheck>| {
        checks.iter().any(|check| check.state == "success" && check.context == "patchlift-kvm")
    };
    let told = within(SOON, || said(other.checks_of(1)).then_some(()));
    assert!(told.is_some(), "{:?}\n{}", other.checks_of(1), bridge.said());
    assert!(said(story.lab.patchwork.checks_of(1)));
    let description = other.checks_of(1).pop().unwrap().description;
    assert!(description.ends_with(&format!("(the same mails as series 1 of {LIST})")), "{description}");
    assert_eq!(story.lab.github.model().runs.len(), 1);
    let tokens: Vec<_> = other.takes_requests().into_iter().filter_map(|asked| asked.authorization).collect();
    assert!(tokens.iter().all(|token| token.contains("9876543210")), "each server gets its own token only");
}

#[test]
fn a_series_waits_for_the_one_it_depends_on() {
    let story = Story::of(&[]);
    let diff = |old: &str, new: &str, note: &str| {
        format!(
            "{note}---\ndiff --git a/f1.c b/f1.c\n--- a/f1.c\n+++ b/f1.c\n@@ -1,4 +1,4 @@\n-{old}\n+{new}\n f1 line 2\n f1 line 3\n f1 line 4\n"
        )
    };
    let send = |id: &str, subject: &str, text: &str| {
        story.lab.receives(&[Sent { project: LIST, mail: by_hand(id, KNOWN, subject, text) }]);
    };
    // The second patch of the first series comes later; the second series needs both.
    send("need-1", "[PATCH 1/2] first", &diff("f1 line 1", "one", ""));
    send("wants-1", "[PATCH] third", &diff("two", "three", "Depends-on: <need-1@example.com>\n"));
    let bridge = story.lab.start(None);
    story.becomes(&bridge, 1, "incomplete");
    let waits = within(SOON, || story.record(2).filter(|record| record.trouble.is_some())).expect("it waits");
    assert_eq!(waits.trouble.unwrap().what, "it depends on fake/1, which is incomplete");
    let second = by_hand("need-2", KNOWN, "[PATCH 2/2] second", &diff("one", "two", ""));
    let threaded = [b"In-Reply-To: <need-1@example.com>\n".to_vec(), second].concat();
    story.lab.receives(&[Sent { project: LIST, mail: threaded }]);
    let done = story.becomes(&bridge, 2, "passed");
    assert_eq!(done.state.applied().unwrap().base.name, "series fake/1");
    story.becomes(&bridge, 1, "passed");
}
