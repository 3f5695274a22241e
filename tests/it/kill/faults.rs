//! Nobody is killed here: answers, the disk and the operator are what goes wrong.

use std::time::Duration;

use rustix::io::Errno;

use super::lab::{Lab, Life, Result};
use super::proxy::{Order, Proxy, Spoiled};
use super::scenario::Scenario;
use super::shim::{Disk, Orders, Shim};
use super::{kills, spread};

/// All that can come instead of an answer.
const SPOILED: [Spoiled; 8] = [
    Spoiled::ServerError,
    Spoiled::BadGateway,
    Spoiled::NotFound,
    Spoiled::TooMany,
    Spoiled::BotWall,
    Spoiled::Reset,
    Spoiled::HalfBody,
    // Longer than the bridge of these tests waits.
    Spoiled::Silence(Duration::from_secs(4)),
];

/// Can the server have done it all the same? Not where it says that it refused to; that is believed.
fn may_follow_the_effect(spoiled: Spoiled) -> bool {
    !matches!(spoiled, Spoiled::NotFound | Spoiled::TooMany | Spoiled::BotWall)
}

/// The end of an undisturbed run, and how many exchanges it took.
fn undisturbed(scenario: &Scenario, shim: &Shim, door: fn(&Lab) -> &Proxy) -> (Result, Vec<String>) {
    let lab = Lab::new(scenario);
    door(&lab).spoil(None);
    lab.run(scenario, shim, |_| Life::default());
    (lab.result(), door(&lab).seen())
}

fn every_answer(door: fn(&Lab) -> &Proxy, usual: usize) {
    let Some(shim) = Shim::build() else { return };
    let scenario = Scenario::small();
    let (expected, exchanges) = undisturbed(&scenario, &shim, door);
    let mut all = Vec::new();
    for at in 1..=exchanges.len() {
        for spoiled in SPOILED {
            let has_effect = !exchanges[at - 1].starts_with("GET") && may_follow_the_effect(spoiled);
            let sides: &[bool] = if has_effect { &[false, true] } else { &[false] };
            all.extend(sides.iter().map(|&after_the_effect| Order { at, spoiled, after_the_effect }));
        }
    }
    let mut wrong = Vec::new();
    for order in spread(&all, kills(usual)) {
        let lab = Lab::new(&scenario);
        door(&lab).spoil(Some(order));
        lab.run(&scenario, &shim, |_| Life::default());
        let what = door(&lab).seen().get(order.at - 1).cloned().unwrap_or_default();
        if lab.result() != expected {
            wrong.push(format!("{order:?} {what}:\n{}", lab.result().differences(&expected)));
        }
        wrong.extend(lab.said_twice().iter().map(|twice| format!("{order:?} {what}: said twice {twice}")));
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

#[test]
fn fault_of_any_answer_of_patchwork_changes_nothing_in_the_end() {
    every_answer(|lab| &lab.patchwork_door, 6);
}

#[test]
fn fault_of_any_answer_of_github_changes_nothing_in_the_end() {
    every_answer(|lab| &lab.github_door, 6);
}

/// The disk of the state folder fails from some write on. The bridge says so and neither loses nor repeats anything:
/// when the disk is well again, it goes on to the same end.
fn disk(errno: Errno, from: u64, said: &[&str]) {
    let Some(shim) = Shim::build() else { return };
    let scenario = Scenario::small();
    let (expected, _) = undisturbed(&scenario, &shim, |lab| &lab.patchwork_door);
    let lab = Lab::new(&scenario);
    std::fs::create_dir(lab.state()).unwrap();
    let ill = tempfile::NamedTempFile::new().unwrap();
    let only_while = Some(ill.path().to_owned());
    let disk = Disk { errno, from, below: lab.state(), only_while };
    let mut bridge = lab.start(Some((&shim, &Orders { kill: None, disk: Some(disk) })));
    let ended = bridge.wait(Duration::from_secs(4));
    let log = bridge.said();
    let words = log.to_lowercase();
    assert!(
        said.iter().any(|said| words.contains(said)),
        "{errno:?} from {from}: it does not say why\n{log}"
    );
    assert!(!ended.is_some_and(|status| status.success()), "it ended as if all were well");
    assert!(ended.is_none_or(|status| status.code().is_some()), "{ended:?}");
    drop(bridge);
    drop(ill);
    lab.run(&scenario, &shim, |_| Life::default());
    assert_eq!(lab.result(), expected, "{errno:?} from write {from}");
    assert_eq!(lab.said_twice(), Vec::<String>::new(), "{errno:?} from write {from}");
}

#[test]
fn fault_full_disk_is_said_and_survived() {
    for from in spread(&[1, 10, 60, 200, 400], kills(3)) {
        disk(Errno::NOSPC, from, &["full", "no space left", "unable to open the database file"]);
    }
}

#[test]
fn fault_read_only_disk_is_said_and_survived() {
    for from in spread(&[1, 40, 300], kills(2)) {
        // SQLite does not tell why a write failed, only that it did.
        disk(Errno::ROFS, from, &["read-only", "error writing to disk"]);
    }
}

/// Told to stop at any moment, it stops at once, and the next one goes on.
#[test]
fn restart_after_a_stop_at_any_moment() {
    let Some(shim) = Shim::build() else { return };
    let scenario = Scenario::small();
    let (expected, _) = undisturbed(&scenario, &shim, |lab| &lab.patchwork_door);
    let lab = Lab::new(&scenario);
    let mut rng = fastrand::Rng::with_seed(1);
    let mut slowest = Duration::ZERO;
    for _ in 0..kills(10) {
        let mut bridge = lab.start(None);
        if super::process::within(Duration::from_secs(20), || lab.is_up(&bridge).then_some(())).is_none() {
            panic!("it does not begin\n{}", bridge.said());
        }
        std::thread::sleep(Duration::from_millis(rng.u64(0..800)));
        let (status, took) = bridge.terminate();
        assert!(status.success(), "{status}\n{}", bridge.said());
        slowest = slowest.max(took);
    }
    assert!(slowest < Duration::from_secs(1), "SIGTERM took {slowest:?}");
    lab.run(&scenario, &shim, |_| Life::default());
    assert_eq!(lab.result(), expected);
    assert_eq!(lab.said_twice(), Vec::<String>::new());
}
