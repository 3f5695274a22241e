//! Tables for the rules, and random labs for what must hold in all of them.

use super::*;

const HOUR: i64 = 3600;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn key(id: u64) -> SeriesKey {
    SeriesKey { server: "ozlabs".into(), id }
}

fn waits(id: u64, sender: &str, priority: i32, since: i64) -> Waiting {
    Waiting { key: key(id), sender: sender.into(), priority, since: at(since), labels: Vec::new() }
}

fn runs(on: &str, id: u64, sender: &str, since: i64) -> Busy {
    let usual = Some(Duration::from_secs(3600));
    Busy { on: on.into(), key: key(id), sender: sender.into(), since: at(since), usual }
}

fn labels(labels: &[&str]) -> Vec<String> {
    labels.iter().map(ToString::to_string).collect()
}

fn test_box(name: &str, with: &[&str]) -> TestBox {
    TestBox { name: name.into(), labels: labels(with) }
}

fn ids(places: &[Place]) -> Vec<u64> {
    places.iter().map(|place| place.key.id).collect()
}

#[test]
fn priority_then_turns_then_age() {
    let waiting = [
        waits(1, "flood", 0, 1),
        waits(2, "flood", 0, 2),
        waits(3, "flood", 0, 3),
        waits(4, "one", 0, 10),
        waits(5, "busy", 0, 5),
        waits(6, "late", 7, 20),
    ];
    let busy = [runs("p8", 100, "busy", 0)];
    let places = order(&waiting, &busy, &[test_box("p8", &[])], at(30));
    // The high priority; whoever has nothing running, oldest first; then second turns, oldest first; then third ones.
    assert_eq!(ids(&places), [6, 1, 4, 2, 5, 3]);
    assert_eq!(places.iter().map(|place| place.position).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert!(places.iter().all(|place| place.on.is_none()));
}

#[test]
fn waiting_times_follow_from_usual_runs() {
    let waiting = [waits(1, "a", 0, 0), waits(2, "b", 0, 1), waits(3, "c", 0, 2)];
    let busy = [runs("p8", 100, "x", 0), runs("p9", 101, "y", -2 * HOUR)];
    let places = order(&waiting, &busy, &[test_box("p8", &[]), test_box("p9", &[])], at(600));
    let starts: Vec<_> = places.iter().map(|place| place.expected_start).collect();
    // p9 is late and may end at any moment; p8 ends an hour after it began; then p9 again.
    assert_eq!(starts, [Some(at(600)), Some(at(3600)), Some(at(4200))]);
    let unknown = [Busy { usual: None, ..busy[0].clone() }];
    let places = order(&waiting, &unknown, &[test_box("p8", &[])], at(600));
    assert!(places.iter().all(|place| place.expected_start.is_none()));
}

#[test]
fn what_only_one_box_can_do_is_left_to_it() {
    let any = waits(1, "a", 0, 0);
    let hv = Waiting { labels: labels(&["kvm-hv"]), ..waits(2, "b", 0, 1) };
    let nowhere = Waiting { labels: labels(&["s390x"]), ..waits(3, "c", 9, 0) };
    let both = [test_box("a-both", &["power8", "kvm-hv"]), test_box("plain", &["power8"])];
    let places = order(&[any.clone(), hv.clone(), nowhere.clone()], &[], &both, at(5));
    let got: Vec<_> = places.iter().map(|place| (place.key.id, place.on.as_deref())).collect();
    assert_eq!(got, [(1, Some("plain")), (2, Some("a-both")), (3, None)]);
    assert_eq!(places[2].expected_start, None);
    // Neither box has fewer labels, and the first one of the line would block the second one.
    let left = Waiting { labels: labels(&["x"]), ..any };
    let right = Waiting { labels: labels(&["x", "y"]), ..hv };
    let boxes = [test_box("one", &["x", "y"]), test_box("two", &["x", "z"])];
    let places = order(&[left, right], &[], &boxes, at(5));
    let got: Vec<_> = places.iter().map(|place| (place.key.id, place.on.as_deref())).collect();
    assert_eq!(got, [(1, Some("two")), (2, Some("one"))]);
}

#[test]
fn who_waits_too_long_goes_before_priorities() {
    let day = 24 * HOUR;
    let old = waits(1, "patient", -3, 0);
    let urgent = waits(2, "urgent", 9, 2 * day);
    let boxes = [test_box("p8", &[])];
    let first = |now, busy: &[Busy]| ids(&order(&[old.clone(), urgent.clone()], busy, &boxes, at(now)))[0];
    assert_eq!(first(day - 1, &[]), 2);
    assert_eq!(first(day, &[]), 1);
    // Who has something running waits longer for more.
    let busy = [runs("p9", 100, "patient", 0)];
    assert_eq!(first(2 * day, &busy), 2);
    assert_eq!(first(3 * day, &busy), 1);
    // A flood of old series gets one turn, not all of them.
    let flood = (10..60).map(|id| waits(id, "flood", 0, id.cast_signed()));
    let waiting: Vec<_> = flood.chain([waits(2, "new", 0, 2 * day)]).collect();
    assert_eq!(ids(&order(&waiting, &[], &boxes, at(2 * day + 1)))[..2], [10, 2]);
}

#[test]
fn the_median_is_not_moved_by_one_odd_run() {
    let of = |minutes: &[u64]| {
        usual(&minutes.iter().map(|m| Duration::from_secs(m * 60)).collect::<Vec<_>>())
            .map(|d| d.as_secs() / 60)
    };
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[40]), Some(40));
    assert_eq!(of(&[600, 41, 40, 39, 1]), Some(40));
    assert_eq!(of(&[60, 40]), Some(40));
}

/// A random lab: its boxes, what runs on them, who waits.
fn random(rng: &mut fastrand::Rng) -> (Vec<Waiting>, Vec<Busy>, Vec<TestBox>) {
    let some = |rng: &mut fastrand::Rng, most| -> Vec<String> {
        let all = ["a", "b", "c"].iter().filter(|_| rng.usize(..3) < most);
        all.map(ToString::to_string).collect()
    };
    let boxes: Vec<_> =
        (0..rng.usize(1..5)).map(|n| TestBox { name: format!("box{n}"), labels: some(rng, 2) }).collect();
    let mut busy = Vec::new();
    for (id, one) in (1000..).zip(&boxes) {
        if rng.bool() {
            let mut run = runs(&one.name, id, ["u", "v", "w"][rng.usize(..3)], rng.i64(-9000..0));
            run.usual = run.usual.filter(|_| rng.bool());
            busy.push(run);
        }
    }
    let waiting = (0..rng.u64(0..12)).map(|id| Waiting {
        labels: some(rng, 1),
        ..waits(id, ["u", "v", "w", "x"][rng.usize(..4)], rng.i32(-1..2), rng.i64(-100 * HOUR..0))
    });
    (waiting.collect(), busy, boxes)
}

#[test]
fn every_answer_is_sound_whatever_the_lab() {
    for seed in 0..3000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut waiting, mut busy, mut boxes) = random(&mut rng);
        let places = order(&waiting, &busy, &boxes, at(0));
        rng.shuffle(&mut waiting);
        rng.shuffle(&mut busy);
        rng.shuffle(&mut boxes);
        assert_eq!(order(&waiting, &busy, &boxes, at(0)), places, "seed {seed}: the input's order matters");
        let mut named = ids(&places);
        named.sort_unstable();
        assert_eq!(named, (0..waiting.len() as u64).collect::<Vec<_>>(), "seed {seed}: lost or doubled");
        let mut used: Vec<&str> = busy.iter().map(|busy| busy.on.as_str()).collect();
        for place in &places {
            let wanted = &waiting.iter().find(|one| one.key == place.key).unwrap().labels;
            let fitting: Vec<_> = boxes.iter().filter(|one| one.fits(wanted)).collect();
            match &place.on {
                Some(on) => {
                    assert!(fitting.iter().any(|one| one.name == *on), "seed {seed}: wrong labels");
                    assert!(!used.contains(&on.as_str()), "seed {seed}: {on} is given twice");
                    assert_eq!(place.expected_start, Some(at(0)), "seed {seed}");
                    used.push(on);
                }
                None if fitting.is_empty() => assert_eq!(place.expected_start, None, "seed {seed}"),
                None => {}
            }
        }
        let idle = |place: &&Place| {
            let wanted = &waiting.iter().find(|one| one.key == place.key).unwrap().labels;
            place.on.is_none()
                && boxes.iter().any(|one| one.fits(wanted) && !used.contains(&one.name.as_str()))
        };
        assert_eq!(places.iter().find(idle), None, "seed {seed}: a box is idle");
    }
}

/// Days of an overloaded lab: every hour more urgent series come than the boxes can take, from new senders, from the
/// same few, and from the victim himself. Gives the hours until series 1 got its box.
fn hours_until_it_runs(seed: u64) -> i64 {
    let mut rng = fastrand::Rng::with_seed(seed);
    let boxes: Vec<_> = (0..rng.usize(1..4)).map(|n| test_box(&format!("box{n}"), &[])).collect();
    let mut waiting = vec![waits(1, "victim", -5, 0)];
    let mut busy: Vec<Busy> = Vec::new();
    let mut next = 2;
    for hour in 0..1000 {
        busy.retain(|run| at(hour * HOUR) < run.since + jiff::SignedDuration::from_hours(1));
        for n in 0..=boxes.len() {
            let sender = match rng.usize(..3) {
                0 => "victim".to_owned(),
                1 => format!("regular{n}"),
                _ => format!("new{next}"),
            };
            waiting.push(waits(next, &sender, rng.i32(0..10), hour * HOUR));
            next += 1;
        }
        for place in order(&waiting, &busy, &boxes, at(hour * HOUR)) {
            let Some(on) = place.on else { continue };
            if place.key == key(1) {
                return hour;
            }
            let taken = waiting.iter().position(|one| one.key == place.key).unwrap();
            let taken = waiting.swap_remove(taken);
            busy.push(runs(&on, taken.key.id, &taken.sender, hour * HOUR));
        }
    }
    panic!("seed {seed}: it starves")
}

#[test]
fn nothing_starves_in_an_overloaded_lab() {
    let longest = (0..60).map(hours_until_it_runs).max().unwrap();
    // It has waited longest of all, so its turn comes when the limit for those with a run is over, if not before.
    assert!(longest <= 72, "{longest} hours");
}

#[test]
fn ten_thousand_wait_without_work_for_the_bridge() {
    let waiting: Vec<_> =
        (0..10_000).map(|id| waits(id, &format!("sender{}", id % 300), 0, id.cast_signed())).collect();
    let began = std::time::Instant::now();
    let places = order(&waiting, &[runs("p8", 99_999, "x", 0)], &[test_box("p8", &[])], at(20_000));
    assert_eq!(places.len(), 10_000);
    // Some 40 ms without optimisation; quadratic work would take minutes.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
