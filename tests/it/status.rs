//! `patchlift status`, `show` and `find`: what people see of a store.

use std::fs;
use std::process::{Command, Output};

use jiff::Timestamp;
use patchlift::record::state::Same;
use patchlift::record::{Check, CheckState, Event, Moment, Posted, Record, State, Trouble};
use patchlift::store::{Save, Store, TreeState};
use patchlift_report::Fault;
use serde_json::Value;

use crate::store::samples::{applied, at, finished, key, run, stands, text, tried};

const CONFIG: &str = r#"
state_dir = "state"
[[server]]
name = "ozlabs"
url = "https://patchwork.ozlabs.org"
token = { file = "nobody-reads-this" }
[[server.project]]
name = "linuxppc-dev"
[[tree]]
name = "powerpc"
url = "linux.git"
branches = ["next"]
[mirror]
url = "https://github.com/example/linux.git"
[github]
repository = "example/linux"
token = { env = "PATCHLIFT_NOT_SET" }
[[box]]
name = "p8"
"#;

/// A bridge's folder, without a bridge.
struct Site {
    dir: tempfile::TempDir,
    store: Store,
}

fn site() -> Site {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("patchlift.toml"), CONFIG).unwrap();
    let store = Store::open(&dir.path().join("state")).unwrap();
    Site { dir, store }
}

impl Site {
    fn has(&mut self, record: &Record) {
        self.store
            .create(&Save::new(record, &[Moment { at: record.first_seen, event: Event::Seen }]))
            .unwrap();
    }

    fn runs(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_patchlift"))
            .args(args)
            .arg("--config")
            .arg(self.dir.path().join("patchlift.toml"))
            .env("TZ", "UTC")
            .output()
            .unwrap()
    }

    fn says(&self, args: &[&str]) -> String {
        let output = self.runs(args);
        assert!(output.status.success(), "{args:?} {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.says(args)).unwrap()
    }
}

fn lines_with(text: &str, parts: &[&str]) -> usize {
    text.lines().filter(|line| parts.iter().all(|part| line.contains(part))).count()
}

/// A series of each kind that a person may look for.
fn busy_site() -> Site {
    let mut site = site();
    let queued = |id, since| Record {
        queued: Some(at(since)),
        ..stands(id, State::Queued { applied: applied() }, None)
    };
    site.has(&stands(1, State::Running { applied: applied(), run: run(7) }, None));
    site.has(&queued(2, 20));
    site.has(&queued(3, 10));
    let reasons = vec!["patch 1 touches .github/workflows/ci.yml".to_owned()];
    site.has(&stands(4, State::Held { reasons }, None));
    let was = Box::new(State::Ready);
    site.has(&stands(5, State::Parked { reason: "pushing it failed 24 times: no route".into(), was }, None));
    let mut missing = stands(6, State::Waiting, None);
    missing.listing.patches.pop();
    missing.listing.patches[0].name = "[1/2] first".to_owned();
    missing.listing.received_all = false;
    site.has(&missing);
    site.has(&stands(7, finished(8), None));
    site.has(&stands(8, State::Follows { leader: key(7), why: Same::Resend }, None));
    let mut failing = stands(9, State::Ready, Some(at(1)));
    failing.trouble = Some(Trouble {
        whose: Fault::Infrastructure,
        what: "no space left".into(),
        times: 3,
        outages: 0,
        last: at(2),
    });
    site.has(&failing);
    site
}

#[test]
fn what_fails_for_everybody_is_shown_with_the_series_that_waits_for_it() {
    let mut site = site();
    let mut waits = stands(9, State::Ready, Some(at(1)));
    let what = "it depends on ozlabs/8, which is held".to_owned();
    waits.trouble = Some(Trouble { whose: Fault::Infrastructure, what, times: 0, outages: 2, last: at(2) });
    site.has(&waits);
    let text = site.says(&["status"]);
    assert!(text.contains("it depends on ozlabs/8, which is held (") && text.contains("2 times"), "{text}");
}

#[test]
fn status_shows_what_runs_waits_and_needs_a_person() {
    let text = busy_site().says(&["status"]);
    for parts in [
        &["the bridge is not running"][..],
        &["ozlabs", "not looked at yet"],
        &["powerpc/next", "not fetched yet"],
        &["p8", "works on ozlabs/1", "a run takes 10 minutes"],
        &["ozlabs/1 ", "running", "hw/occ: Fix it"],
        &["on p8: https://github.example/run/7"],
        &["number 1 in the line"],
        &["ozlabs/4 ", "held"],
        &["touches .github/workflows/ci.yml (patchlift release ozlabs/4)"],
        &["pushing it failed 24 times: no route (patchlift retest ozlabs/5)"],
        &["2 of 2 is missing"],
        &["2 of 40 tests failed"],
        &["the same patches are tested as ozlabs/7"],
        &["no space left (", " ago, 3 times)"],
        &["in all: 1 running, 2 queued, 1 held, 1 parked, 1 ready, 1 incomplete, 1 failed, 1 follows"],
    ] {
        assert_eq!(lines_with(&text, parts), 1, "{parts:?}\n{text}");
    }
    let place = |part: &str| text.find(part).unwrap();
    assert!(place("ozlabs/1 ") < place("ozlabs/3 ") && place("ozlabs/3 ") < place("ozlabs/2 "), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours where there is no terminal");
}

#[test]
fn status_as_json_says_the_same() {
    let json = busy_site().json(&["status", "--json"]);
    assert_eq!(json["bridge"]["running"], false);
    assert_eq!(json["boxes"][0]["works_on"], "ozlabs/1");
    assert_eq!(json["counts"]["queued"], 2);
    let series = json["series"].as_array().unwrap();
    assert_eq!(series.len(), 9);
    let one = |id: u64| series.iter().find(|one| one["series"] == format!("ozlabs/{id}")).unwrap();
    assert_eq!((&one(3)["position"], &one(2)["position"]), (&1.into(), &2.into()));
    assert_eq!((&one(7)["state"], &one(7)["final"]), (&"failed".into(), &true.into()));
    assert_eq!(one(1)["branch"], "series/ozlabs/1");
    assert_eq!(one(1)["run"], "https://github.example/run/7");
}

#[test]
fn status_can_be_narrowed() {
    let site = busy_site();
    let keys = |args: &[&str]| -> Vec<String> {
        let json = site.json(&[&["status", "--json"], args].concat());
        json["series"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["series"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(keys(&["--state", "held"]), ["ozlabs/4"]);
    assert_eq!(keys(&["--project", "kvm"]), [""; 0]);
    assert_eq!(keys(&["--all"]).len(), 9);
    let wrong = site.runs(&["status", "--state", "helt"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("'held'"));
}

#[test]
fn status_says_who_is_in_trouble_and_whether_the_bridge_lives() {
    let site = site();
    let now = Timestamp::now();
    site.store.beat(now).unwrap();
    site.store.set_watermark("ozlabs", 500, now).unwrap();
    site.store.set_server_trouble("github", Some("answers 502\u{1b}[31m"), now).unwrap();
    let trouble = Some(("no route to host".to_owned(), now));
    let commit = Some("0123456789abcdef".to_owned());
    let branch = "next".to_owned();
    let tree = TreeState { tree: "powerpc".to_owned(), branch, commit, fetched_at: Some(now), trouble };
    site.store.set_tree(&tree).unwrap();
    let text = site.says(&["status"]);
    for parts in [
        &["the bridge runs (process ", "last sign of life "][..],
        &["ozlabs", "looked at "],
        &["github", "in trouble for ", "answers 502[31m"],
        &["powerpc/next", "in trouble for ", "no route to host"],
        &["no series has been seen yet"],
    ] {
        assert_eq!(lines_with(&text, parts), 1, "{parts:?}\n{text}");
    }
    site.store.beat(at(0)).unwrap();
    assert!(site.says(&["status"]).contains("the bridge is not running (last sign of life "));
}

#[test]
fn show_tells_the_whole_history() {
    let mut site = site();
    let mut one = stands(1, finished(7), None);
    one.text = Some(text(&["p1"]));
    one.listing.patches[0].name = "[v2,1/2] evil \u{1b}[2J\u{202e}".to_owned();
    one.listing.web_url = Some("javascript:alert(1)".to_owned());
    let check =
        Check { state: CheckState::Success, description: "all 2 patches apply".to_owned(), url: None };
    for patch in [11, 12] {
        let (context, check) = ("patchlift-apply".to_owned(), check.clone());
        one.posted.push(Posted { patch, context, check, at: at(3), refused: None });
    }
    site.has(&one);
    let words = "on p8".to_owned();
    let became = Moment { at: at(61), event: Event::Became { state: "running".into(), words } };
    site.store.save(&Save::of(&one, &[became])).unwrap();
    let text = site.says(&["show", "ozlabs/1"]);
    for parts in [
        &["ozlabs/1  Fix it"][..],
        &["from", "Ada <ada@example.org>"],
        &["state", "failed since 2023-11-14 22:13:21"],
        &["2 of 40 tests failed"],
        &["base", "powerpc/next (b1): given"],
        &["branch", "series/ozlabs/1 at c2"],
        &["not on", "powerpc/next (b1): patch 2: hw/occ.c: @@ -1 +1 @@: the lines are not there"],
        &["run", "https://github.example/run/7"],
        &["on p8, attempt 1, completed, asked for 2023-11-14 22:13:20, begun 2023-11-14 22:13:30"],
        &["[v2,1/2] evil [2J"],
        &["checks", "patchlift-apply success: all 2 patches apply (on 2 patches)"],
        &["2023-11-14 22:13:21  seen"],
        &["2023-11-14 22:14:21  running: on p8"],
    ] {
        assert_eq!(lines_with(&text, parts), 1, "{parts:?}\n{text}");
    }
    assert!(!text.contains(['\u{1b}', '\u{202e}']) && !text.contains("javascript"), "{text}");

    let json = site.json(&["show", "1", "--json"]);
    assert_eq!(json[0]["state"], "failed");
    assert_eq!(json[0]["record"]["state"]["is"], "finished");
    assert_eq!(json[0]["history"][1]["line"], "running: on p8");
    assert_eq!(json[0]["history"][1]["event"]["state"], "running");
}

#[test]
fn show_says_why_a_series_does_not_apply() {
    let mut site = site();
    site.has(&stands(1, State::Conflicts { tried: vec![tried(), tried()] }, None));
    let text = site.says(&["show", "https://patchwork.ozlabs.org/project/linuxppc-dev/list/?series=1"]);
    assert_eq!(lines_with(&text, &["not on", "hw/occ.c: @@ -1 +1 @@"]), 2, "{text}");
}

#[test]
fn find_goes_from_a_mail_to_its_series() {
    let mut site = site();
    site.has(&stands(1, finished(7), None));
    site.has(&stands(2, State::Ready, None));
    let text = site.says(&["find", "<11@example.org>"]);
    assert_eq!(
        text.lines().map(str::trim_end).collect::<Vec<_>>(),
        [
            "ozlabs/1 failed: hw/occ: Fix it",
            "  detail  2 of 40 tests failed",
            "  branch  series/ozlabs/1",
            "  run     https://github.example/run/7",
        ]
    );
    let json = site.json(&["find", "https://lore.kernel.org/r/20@example.org/", "--json"]);
    assert_eq!(json[0]["series"], "ozlabs/2");
    let unknown = site.runs(&["find", "nobody@example.org"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no series is known as nobody@example.org"));
}

#[test]
fn a_record_that_cannot_be_read_is_shown_as_that() {
    let mut site = site();
    site.has(&stands(1, State::Ready, None));
    site.has(&stands(2, State::Ready, None));
    let db = rusqlite::Connection::open(site.dir.path().join("state/patchlift.db")).unwrap();
    db.execute_batch("UPDATE series SET record = '{}' WHERE id = 1").unwrap();
    let text = site.says(&["status"]);
    assert_eq!(lines_with(&text, &["ozlabs/1 cannot be read: missing field"]), 1, "{text}");
    assert_eq!(lines_with(&text, &["ozlabs/2", "ready"]), 1, "{text}");
    let shown = site.runs(&["show", "ozlabs/1"]);
    assert_eq!(shown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&shown.stderr).contains("ozlabs/1: what is stored of it cannot be read"));
}

#[test]
fn without_a_store_nothing_is_made() {
    let site = site();
    let dir = site.dir;
    drop(site.store);
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_patchlift"))
        .args(["status", "--config"])
        .arg(dir.path().join("patchlift.toml"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("no store there; check state_dir, or start the bridge once"), "{error}");
    assert!(!dir.path().join("state").exists());
}

#[test]
fn a_report_is_kept_for_good_and_shown_in_every_form() {
    use patchlift_report::{Ending, sample};
    let mut site = site();
    let done = stands(7, finished(8), None);
    site.has(&done);
    let refused = site.runs(&["report", "7"]);
    assert_eq!(refused.status.code(), Some(2));
    let words = String::from_utf8(refused.stderr).unwrap();
    assert!(words.contains("no report on ozlabs/7; patchlift show ozlabs/7"), "{words}");
    let report = sample::report(Ending::DoesNotBoot).to_json().unwrap();
    site.store.save(&Save { report: Some(&report), ..Save::of(&done, &[]) }).unwrap();
    // Its patches changed since: the old report is still the newest there is.
    site.store.save(&Save::of(&Record { revision: 2, ..done }, &[])).unwrap();
    assert_eq!(site.says(&["report", "7", "--format", "json"]).as_bytes(), report);
    for (format, part) in [("text", "Does not boot"), ("html", "<!DOCTYPE html>"), ("markdown", "## ❌")] {
        let text = site.says(&["report", "ozlabs/7", "--format", format]);
        assert!(text.contains(part) && text.contains("kvm_exit_stats_init"), "{format}: {text}");
        assert!(!text.contains('\u{1b}'), "no colours in a file");
    }
    assert_eq!(site.runs(&["report", "7", "--revision", "2"]).status.code(), Some(2));
}
