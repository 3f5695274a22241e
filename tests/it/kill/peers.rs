//! What other bridges got wrong when it was tried on them: here it has to go right.

use std::time::Duration;

use super::lab::Lab;
use super::mails::{KNOWN, by_hand};
use super::scenario::{CANCELLED, LIST, Scenario, Sent};
use crate::run::patchlift;
use crate::world::github::{Fault as GitHubFault, When};
use crate::world::patchwork::Fault;
use crate::world::process::{Bridge, within};

const SOON: Duration = Duration::from_secs(30);

/// Waits for something that has to come.
fn must_come(what: &str, bridge: &Bridge, mut is_there: impl FnMut() -> bool) {
    let came = within(SOON, || is_there().then_some(()));
    assert!(came.is_some(), "it does not come: {what}\n{}", bridge.said());
}

/// States of the checks of one patch in one context, the oldest first.
fn said(lab: &Lab, patch: u64, context: &str) -> Vec<String> {
    let checks = lab.patchwork.checks_of(patch).into_iter();
    checks.filter(|check| check.context == context).map(|check| check.state).collect()
}

#[test]
fn fault_the_list_answers_502_and_no_series_is_missed() {
    let scenario = Scenario::small();
    let lab = Lab::new(&scenario);
    lab.patchwork.fails("GET /api/1.3/series/?", Fault::BadGateway, 2);
    let mut bridge = lab.start(None);
    assert!(lab.all_done(&mut bridge), "it ended\n{}", bridge.said());
}

#[test]
fn fault_of_one_series_leaves_the_others_alone() {
    for fault in [Fault::NotFound, Fault::ServerError] {
        let scenario = Scenario::small();
        let lab = Lab::new(&scenario);
        lab.patchwork.fails("/series/1/", fault.clone(), 1000);
        let mut bridge = lab.start(None);
        must_come("all but the first are done", &bridge, || lab.undone() == [1]);
        let first = lab.records().remove(0);
        assert!(first.trouble.is_some() && !first.state.is_final(), "{fault:?}: {:?}", first.state);
        lab.patchwork.recovers();
        assert!(lab.all_done(&mut bridge), "{fault:?}: it ended\n{}", bridge.said());
    }
}

#[test]
fn fault_an_mbox_of_502_and_html_is_never_a_verdict() {
    for fault in [Fault::BadGateway, Fault::BotWall] {
        let scenario = Scenario::one("an ordinary series", "passed");
        let lab = Lab::new(&scenario);
        lab.patchwork.fails("/mbox/", fault.clone(), 2);
        let mut bridge = lab.start(None);
        assert!(lab.all_done(&mut bridge), "{fault:?}: it ended\n{}", bridge.said());
        assert_eq!(said(&lab, 1, "patchlift-apply"), ["success"], "{fault:?}");
    }
}

#[test]
fn fault_github_unreachable_at_the_start_neither_spins_nor_hangs() {
    let scenario = Scenario::one("an ordinary series", "passed");
    let lab = Lab::new(&scenario);
    for _ in 0..1000 {
        lab.github.goes_wrong("", When::Before, GitHubFault::Reset);
    }
    let mut bridge = lab.start(None);
    must_come("GitHub is asked", &bridge, || !lab.github.model().requests.is_empty());
    std::thread::sleep(Duration::from_secs(2));
    let asked = lab.github.model().requests.len();
    assert!(asked <= 10, "{asked} requests in two seconds");
    let (status, took) = bridge.terminate();
    assert!(status.success() && took < Duration::from_secs(1), "{status} after {took:?}");
    lab.github.model().faults.clear();
    let mut bridge = lab.start(None);
    assert!(lab.all_done(&mut bridge), "it ended\n{}", bridge.said());
    assert_eq!(lab.github.model().runs.len(), 1);
}

#[test]
fn restart_on_one_core_is_no_deadlock() {
    let scenario = Scenario::small();
    let lab = Lab::new(&scenario);
    let mut bridge = lab.start_under(&["taskset", "-c", "0"]);
    assert!(lab.all_done(&mut bridge), "it ended\n{}", bridge.said());
}

#[test]
fn fault_a_refused_check_is_noted_and_the_rest_goes_on() {
    let scenario = Scenario::small();
    let lab = Lab::new(&scenario);
    lab.patchwork.fails("POST /api/1.3/patches/1/checks/", Fault::NotFound, 1000);
    let mut bridge = lab.start(None);
    must_come("all but the first are done", &bridge, || lab.undone().iter().all(|id| *id == 1));
    must_come("the refusal is noted", &bridge, || {
        let first = lab.records().remove(0);
        first.unposted.is_some() || first.posted.iter().any(|posted| posted.refused.is_some())
    });
    assert_eq!(said(&lab, 1, "patchlift-apply"), Vec::<String>::new());
    // A bridge that starts again does not begin with the same refusal over and over.
    let (status, _) = bridge.terminate();
    assert!(status.success(), "{status}");
    lab.patchwork.takes_requests();
    let mut bridge = lab.start(None);
    must_come("it is up", &bridge, || lab.is_up(&bridge));
    std::thread::sleep(Duration::from_secs(1));
    let again = lab.patchwork.takes_requests().iter().filter(|asked| asked.method == "POST").count();
    assert!(again <= 2, "{again} POSTs in a second");
    let (status, _) = bridge.terminate();
    assert!(status.success(), "{status}");
}

#[test]
fn restart_after_more_than_a_page_of_new_series_finds_all() {
    let scenario = Scenario::one("an ordinary series", "passed");
    let lab = Lab::new(&scenario);
    let mut bridge = lab.start(None);
    assert!(lab.all_done(&mut bridge), "it ended\n{}", bridge.said());
    let (status, _) = bridge.terminate();
    assert!(status.success(), "{status}");
    let diff = "---\ndiff --git a/f9.c b/f9.c\n--- a/f9.c\n+++ b/f9.c\n@@ -1 +1 @@\n-no\n+yes\n";
    let mails = (0..75).map(|number| Sent {
        project: LIST,
        mail: by_hand(&format!("many-{number}"), KNOWN, &format!("[PATCH] number {number}"), diff),
    });
    lab.receives(&mails.collect::<Vec<_>>());
    let mut bridge = lab.start(None);
    must_come("76 series are known", &bridge, || lab.records().len() == 76);
    let (status, _) = bridge.terminate();
    assert!(status.success(), "{status}");
}

#[test]
fn restart_of_a_test_replaces_its_check() {
    let scenario = Scenario::one("an ordinary series", "passed");
    let lab = Lab::new(&scenario);
    let mut bridge = lab.start(None);
    assert!(lab.all_done(&mut bridge), "it ended\n{}", bridge.said());
    let config = lab.config();
    let asked = patchlift(&["retest", "--config", crate::run::arg(&config), "fake/1"]);
    assert_eq!(asked.code, 0, "{}{}", asked.stdout, asked.stderr);
    must_come("a second run", &bridge, || lab.github.model().runs.len() == 2);
    assert!(lab.all_done(&mut bridge), "it ended\n{}", bridge.said());
    let all = said(&lab, 1, "patchlift-kvm");
    assert_eq!(all.iter().filter(|state| *state == "success").count(), 2, "{all:?}");
    assert_eq!(all.last().map(String::as_str), Some("success"), "{all:?}");
}

#[test]
fn fault_a_cancelled_run_is_a_warning_and_not_the_series_fault() {
    let scenario = Scenario::one(CANCELLED, "no-verdict");
    let lab = Lab::new(&scenario);
    let mut bridge = lab.start(None);
    assert!(lab.all_done(&mut bridge), "it ended\n{}", bridge.said());
    let all = said(&lab, 1, "patchlift-kvm");
    assert_eq!(all.last().map(String::as_str), Some("warning"), "{all:?}");
    assert!(!all.contains(&"fail".to_owned()), "{all:?}");
    assert_eq!(lab.github.model().runs.len(), 1, "whoever cancelled it does not want it again");
}

/// The run is there, and its number never arrived: it is found by its name.
#[test]
fn fault_a_lost_answer_to_a_dispatch_starts_no_second_run() {
    for fault in [GitHubFault::Reset, GitHubFault::HalfBody] {
        let scenario = Scenario::one("an ordinary series", "passed");
        let lab = Lab::new(&scenario);
        lab.github.goes_wrong("/dispatches", When::After, fault.clone());
        let mut bridge = lab.start(None);
        assert!(lab.all_done(&mut bridge), "{fault:?}: it ended\n{}", bridge.said());
        assert_eq!(lab.github.model().runs.len(), 1, "{fault:?}");
    }
}
