//! The bridge is killed at every moment that matters, and its disk and its servers fail: it ends in the same place.

mod faults;
pub(crate) mod lab;
pub(crate) mod mails;
mod peers;
mod proxy;
pub(crate) mod runners;
pub(crate) mod scenario;
mod shim;
mod stand_in;

use std::time::Instant;

use lab::{Lab, Life};
use scenario::Scenario;
use shim::{Orders, Shim, Side};

use crate::world::process;

/// How many kills: `usual` in a normal run, `PATCHLIFT_KILLS` in a long one.
fn kills(usual: usize) -> usize {
    let wanted = std::env::var("PATCHLIFT_KILLS").ok();
    wanted.map_or(usual, |text| text.parse().expect("PATCHLIFT_KILLS is a number"))
}

/// So many of all cases, evenly spread: in a long run all of them.
fn spread<T: Copy>(all: &[T], count: usize) -> Vec<T> {
    let count = count.min(all.len());
    (0..count).map(|number| all[number * all.len() / count]).collect()
}

#[test]
fn restart_of_nothing_the_undisturbed_run_ends_where_it_should() {
    let Some(shim) = Shim::build() else { return };
    let scenario = Scenario::whole();
    let lab = Lab::new(&scenario);
    let began = Instant::now();
    let lives = lab.run(&scenario, &shim, |_| Life::default());
    eprintln!("{} series in {:?}, {} syncs", scenario.ends.len(), began.elapsed(), shim.syncs());
    assert_eq!(lives, 1);
    assert_eq!(lab.followers_of_either(), 1);
    assert_eq!(lab.said_twice(), Vec::<String>::new());
}

#[test]
fn kill_at_every_step() {
    let Some(shim) = Shim::build() else { return };
    let scenario = Scenario::small();
    let undisturbed = Lab::new(&scenario);
    undisturbed.run(&scenario, &shim, |_| Life::default());
    let expected = undisturbed.result();
    let syncs = shim.syncs() as usize;
    let all: Vec<(usize, Side)> =
        (1..=syncs).flat_map(|at| [(at, Side::Before), (at, Side::After)]).collect();
    for (at, side) in spread(&all, kills(8)) {
        let lab = Lab::new(&scenario);
        let kill = Orders { kill: Some((at as u64, side)), disk: None };
        lab.run(&scenario, &shim, |life| Life {
            orders: if life == 0 { kill.clone() } else { Orders::default() },
            killed_after: None,
        });
        assert_eq!(lab.result(), expected, "killed {side:?} sync {at}");
        assert_eq!(lab.said_twice(), Vec::<String>::new(), "killed {side:?} sync {at}");
    }
}

/// Many short lives over all thirty series: each bridge is killed at a random sync or after a random time, until one
/// gets through.
#[test]
fn kill_at_random_instants() {
    let Some(shim) = Shim::build() else { return };
    let scenario = Scenario::whole();
    let undisturbed = Lab::new(&scenario);
    let began = Instant::now();
    undisturbed.run(&scenario, &shim, |_| Life::default());
    let takes = began.elapsed();
    let expected = undisturbed.result();
    let wanted = kills(30);
    let mut killed = 0;
    for seed in 0.. {
        let mut rng = fastrand::Rng::with_seed(seed);
        let lab = Lab::new(&scenario);
        // A series whose step dies ten times in a row is parked, so each bridge lives long enough to get on.
        let most = if wanted - killed < 25 { wanted - killed } else { 25 };
        let lives = lab.run(&scenario, &shim, |life| random_life(&mut rng, life, most, takes));
        killed += lives - 1;
        assert_eq!(lab.result(), expected, "seed {seed}, killed {} times", lives - 1);
        assert_eq!(lab.said_twice(), Vec::<String>::new(), "seed {seed}");
        assert_eq!(lab.followers_of_either(), 1, "seed {seed}");
        if killed >= wanted {
            eprintln!("killed {killed} times in {} scenarios, one takes {takes:?}", seed + 1);
            return;
        }
    }
}

fn random_life(rng: &mut fastrand::Rng, life: usize, most: usize, takes: std::time::Duration) -> Life {
    if life >= most {
        return Life::default();
    }
    if rng.bool() {
        let side = if rng.bool() { Side::Before } else { Side::After };
        return Life {
            orders: Orders { kill: Some((rng.u64(1..120), side)), disk: None },
            killed_after: None,
        };
    }
    let millis = u64::try_from(takes.as_millis()).unwrap() / 4;
    let killed_after = Some(std::time::Duration::from_millis(rng.u64(1..millis.max(100))));
    Life { orders: Orders::default(), killed_after }
}
