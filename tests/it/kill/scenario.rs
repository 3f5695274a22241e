//! Thirty series, and where each of them has to end.

use std::collections::BTreeMap;

use super::mails::{KNOWN, Posting, by_hand, file, resent, upstream, without_base};
use crate::git_repo::GitRepo;

/// A mail on its way to a list.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) project: &'static str,
    pub(crate) mail: Vec<u8>,
}

/// Everything that is sent, and what has to come of it.
pub(crate) struct Scenario {
    /// The tree the series are for; its branch is `main`.
    pub(crate) upstream: GitRepo,
    /// Sent before the bridge is started.
    pub(crate) first: Vec<Sent>,
    /// Sent when there is nothing more to do.
    pub(crate) later: Vec<Sent>,
    /// How each series ends, in the order in which the server sees them first.
    pub(crate) ends: Vec<End>,
}

/// Where one series has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// What it is, for people.
    pub(crate) name: &'static str,
    /// The word of its state before the later mails are sent; `None`: it is not there yet.
    pub(crate) first: Option<&'static str>,
    /// The word of its state at the very end.
    pub(crate) last: &'static str,
}

/// The list that is watched.
pub(crate) const LIST: &str = "linuxppc-dev";
/// Another one of the same server.
pub(crate) const OTHER_LIST: &str = "kvm-ppc";

/// The run of the first version of a series with this title goes on until it is cancelled.
pub(crate) const NEVER_ENDS: &str = "powerpc: wait for ever";

/// The run of a series with this title is cancelled by somebody.
pub(crate) const CANCELLED: &str = "powerpc: somebody presses the button";

/// The end of two series with the same mails: one of them is tested, and the other one follows it. Which one is which
/// depends on which of them is seen first.
pub(crate) const EITHER: &str = "passed|follows";

const STRANGER: &str = "Some Stranger <stranger@example.net>";

impl Scenario {
    /// A few ordinary series, for tests that run it very often.
    pub(crate) fn small() -> Self {
        let mut all = Maker::new();
        all.ordinary(&[("one patch", 1), ("three patches", 3)]);
        all.conflict();
        all.guarded();
        all.made()
    }

    /// One ordinary series, and where it ends.
    pub(crate) fn one(title: &'static str, ends: &'static str) -> Self {
        let mut all = Maker::new();
        all.ordinary(&[(title, 1)]);
        let mut one = all.made();
        one.ends[0].first = Some(ends);
        one.ends[0].last = ends;
        one
    }

    /// All thirty.
    pub(crate) fn whole() -> Self {
        let mut all = Maker::new();
        all.ordinary(&[
            ("KVM: PPC: fix the first thing", 1),
            ("KVM: PPC: fix two things", 2),
            ("powerpc/mm: three steps", 3),
            ("powerpc/64s: rework", 4),
            ("powerpc/xive: a fix", 1),
            ("powerpc/pseries: another fix", 1),
            ("selftests/powerpc: a test", 2),
            ("powerpc/kvm: last of the ordinary ones", 1),
        ]);
        all.conflict();
        all.guarded();
        all.already_applied();
        all.hostile_names();
        all.others();
        all.later();
        all.made()
    }
}

/// Collects a scenario.
struct Maker {
    upstream: GitRepo,
    base: String,
    first: Vec<Sent>,
    later: Vec<Sent>,
    ends: Vec<End>,
    later_ends: Vec<End>,
    /// The next file nobody has touched.
    file: usize,
}

impl Maker {
    fn new() -> Self {
        let (upstream, base) = upstream(40);
        let (first, later, ends, later_ends) = (vec![], vec![], vec![], vec![]);
        Self { upstream, base, first, later, ends, later_ends, file: 1 }
    }

    fn made(mut self) -> Scenario {
        self.upstream.git(&["checkout", "-q", "main"]);
        self.ends.append(&mut self.later_ends);
        Scenario { upstream: self.upstream, first: self.first, later: self.later, ends: self.ends }
    }

    fn mails(&self, posting: &Posting<'_>) -> Vec<Vec<u8>> {
        posting.mails(&self.upstream, &self.base)
    }

    fn send(&mut self, name: &'static str, ends: &'static str, mails: Vec<Vec<u8>>) {
        self.first.extend(mails.into_iter().map(|mail| Sent { project: LIST, mail }));
        self.ends.push(End { name, first: Some(ends), last: ends });
    }

    /// What has been sent last will end elsewhere when the later mails are there.
    fn changes_later(&mut self, first: &'static str) {
        if let Some(end) = self.ends.last_mut() {
            end.first = Some(first);
        }
    }

    fn send_later(&mut self, name: &'static str, ends: &'static str, mails: Vec<Vec<u8>>) {
        self.later.extend(mails.into_iter().map(|mail| Sent { project: LIST, mail }));
        self.later_ends.push(End { name, first: None, last: ends });
    }

    fn next_file(&mut self) -> usize {
        self.file += 1;
        self.file - 1
    }

    /// `count` patches to one file of its own.
    fn posting(&mut self, id: &'static str, title: &'static str, count: usize) -> Posting<'static> {
        let number = self.next_file();
        let mut changed = BTreeMap::new();
        let mut patches = Vec::new();
        for step in 1..=count {
            changed.insert(step * 5, title);
            patches.push((format!("f{number}.c"), file(number, &changed)));
        }
        Posting { id, title, sender: KNOWN, prefix: "PATCH", patches }
    }

    fn ordinary(&mut self, all: &[(&'static str, usize)]) {
        const IDS: [&str; 8] = ["o1", "o2", "o3", "o4", "o5", "o6", "o7", "o8"];
        for (number, (id, (title, count))) in IDS.into_iter().zip(all).enumerate() {
            let posting = self.posting(id, title, *count);
            let mails = self.mails(&posting);
            // Not everybody says what his series is for.
            let mails = if number % 2 == 0 { mails } else { without_base(mails) };
            self.send(title, "passed", mails);
        }
    }

    fn conflict(&mut self) {
        let number = self.next_file();
        let path = format!("f{number}.c");
        self.upstream.git(&["checkout", "-q", "--detach", &self.base]);
        self.upstream.write(&path, &file(number, &BTreeMap::from([(10, "what upstream never had")])));
        let elsewhere = self.upstream.commit("elsewhere");
        let posting = Posting::of(
            "conflict",
            "it does not apply",
            &path,
            &file(number, &BTreeMap::from([(10, "mine")])),
        );
        let mails = posting.mails(&self.upstream, &elsewhere);
        self.send("conflict", "conflict", mails);
    }

    fn guarded(&mut self) {
        let workflow = Posting::of("guard", "let me in", ".github/workflows/evil.yml", "on: push\n");
        let mails = self.mails(&workflow);
        self.send("guarded path", "held", mails);
        let posting = self.posting("stranger", "my first patch", 1).from(STRANGER);
        let mails = self.mails(&posting);
        self.send("stranger", "held", mails);
    }

    fn already_applied(&mut self) {
        let posting = self.posting("applied", "it is there already", 1);
        let mails = without_base(self.mails(&posting));
        let (path, content) = posting.patches[0].clone();
        self.upstream.git(&["checkout", "-q", "main"]);
        self.upstream.write(&path, &content);
        self.upstream.commit("the same, picked by the maintainer");
        self.send("already applied", "already-applied", mails);
    }

    fn hostile_names(&mut self) {
        let titles = [
            ("h1", "doc: $(touch /tmp/pwned) `id` ; rm -rf ../../etc \"quotes\" <b>bold</b>"),
            ("h2", "doc: \u{202e}esrever %2e%2e @{upstream} refs/heads/main --force"),
        ];
        for (id, title) in titles {
            let posting = self.posting(id, title, 1);
            let mails = self.mails(&posting);
            self.send("hostile title", "passed", mails);
        }
        let posting = self.posting("h3", "leave the tree", 1);
        let escape = posting.patches[0].0.clone();
        let mail = String::from_utf8(self.mails(&posting).remove(0)).unwrap();
        let mail = mail.replace(&format!("/{escape}"), "/../../outside.c").into_bytes();
        self.send("a path out of the tree", "declined", vec![mail]);
    }

    fn others(&mut self) {
        let pull = by_hand(
            "pull",
            KNOWN,
            "[GIT PULL] Please pull powerpc-6.19-2",
            "The following changes since commit 1234567890123456789012345678901234567890:\n\n  x (2022-04-15 00:00:00 +0000)\n\nare available in the Git repository at:\n\n  https://git.example.com/linux.git powerpc-6.19-2\n\nfor you to fetch changes up to 1234567890123456789012345678901234567890:\n\n  y (2022-04-15 00:00:00 +0000)\n",
        );
        self.send("pull request", "declined", vec![pull]);
        let posting = self.posting("forever", "it never gets whole", 3);
        let mut mails = self.mails(&posting);
        mails.remove(2);
        self.send("incomplete for ever", "incomplete", mails);
        let v1 = self.posting("mixed", "two versions in one", 2);
        let mut mails = self.mails(&v1);
        let second = String::from_utf8(mails.remove(2)).unwrap();
        mails.push(second.replace("[PATCH 2/2]", "[PATCH v2 2/2]").into_bytes());
        self.send("mixed versions", "given-up", mails);
        let tree = self.posting("tagged", "for a named tree", 1).tagged("PATCH powerpc/next");
        let mails = self.mails(&tree);
        self.send("tagged", "passed", mails);
        let long = "a very long title ".repeat(30);
        let number = self.next_file();
        let path = format!("f{number}.c");
        let posting = Posting::of("long", long.trim_end(), &path, &file(number, &BTreeMap::from([(3, "x")])));
        let mails = self.mails(&posting);
        self.send("long title", "passed", mails);
        let text = self.posting("tabs", "new files", 1).and("new dir/ü.txt", "text\n").and("empty", "x\n");
        let mails = self.mails(&text);
        self.send("odd file names", "passed", mails);
        self.crossed();
    }

    /// The same mails to two lists: one of the two series is tested.
    fn crossed(&mut self) {
        let posting = self.posting("crossed", "to two lists", 2);
        let mails = self.mails(&posting);
        self.send("to two lists", EITHER, mails.clone());
        self.first.extend(mails.into_iter().map(|mail| Sent { project: OTHER_LIST, mail }));
        self.ends.push(End { name: "to two lists, the other one", first: Some(EITHER), last: EITHER });
    }

    /// What comes when all the rest is done.
    fn later(&mut self) {
        let late = self.posting("late", "one mail comes late", 3);
        let mut mails = self.mails(&late);
        let missing = mails.remove(2);
        self.send("late", "passed", mails);
        self.changes_later("incomplete");
        self.later.push(Sent { project: LIST, mail: missing });

        let v1 = self.posting("reroll", NEVER_ENDS, 2);
        let mails = self.mails(&v1);
        self.send("replaced while it runs", "superseded", mails);
        self.changes_later("running");
        let mut v2 = Posting { id: "reroll2", ..v1.clone() }.tagged("PATCH v2");
        v2.patches[1].1.push_str("one more line\n");
        let mails = self.mails(&v2);
        self.send_later("the better version", "passed", mails);

        let again = self.posting("resend", "sent twice", 1);
        let mails = self.mails(&again);
        self.send("sent twice", "passed", mails.clone());
        self.send_later("the resend", "follows", resent(&mails, "resend", "resend2"));

        let posting = self.posting("p2a", "a late one", 1);
        let mails = self.mails(&posting);
        self.send_later("a late one", "passed", mails);
        let posting = self.posting("p2b", "a late one of two", 2);
        let mails = self.mails(&posting);
        self.send_later("a late one of two", "passed", mails);
    }
}

/// Exactly what the long tests are said to run over.
#[test]
fn the_scenario_has_thirty_series() {
    let whole = Scenario::whole();
    assert_eq!(whole.ends.len(), 30, "{:?}", whole.ends);
    assert!(whole.first.iter().chain(&whole.later).all(|sent| sent.mail.starts_with(b"Message-ID: <")));
}
