//! The boxes given to a line of series, and the waiting times that follow.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Busy, Place, TestBox, Waiting, usual};

/// Gives out the free boxes, then thinks ahead: who gets which box when its run ends.
pub(super) fn places(line: &[&Waiting], busy: &[Busy], boxes: &[TestBox], now: Timestamp) -> Vec<Place> {
    let mut boxes: Vec<&TestBox> = boxes.iter().collect();
    // Boxes with few labels are given out first: what only the others can do is left to them.
    boxes.sort_by_key(|one| (one.labels.len(), one.name.as_str()));
    boxes.dedup_by_key(|one| one.name.as_str());
    let is_free = |one: &&TestBox| !busy.iter().any(|busy| busy.on == one.name);
    let free: Vec<&TestBox> = boxes.iter().copied().filter(is_free).collect();
    let given = give(line, &free);
    let mut ahead = Ahead::new(&boxes, busy, now);
    let mut places = Vec::with_capacity(line.len());
    for (&at, &to) in &given {
        let Some(test_box) = free.get(to) else { continue };
        ahead.begins(&test_box.name, Some(now));
        places.push(place(line[at], Some(test_box.name.clone()), Some(now)));
    }
    for (at, one) in line.iter().enumerate() {
        if !given.contains_key(&at) {
            let start = ahead.next(&one.labels);
            places.push(place(one, None, start));
        }
    }
    for (position, place) in (1..).zip(&mut places) {
        place.position = position;
    }
    places
}

fn place(one: &Waiting, on: Option<String>, expected_start: Option<Timestamp>) -> Place {
    Place { key: one.key.clone(), on, position: 0, expected_start }
}

/// Which place in the line gets which free box. Who stands further ahead keeps a box if there is any way to give him
/// one; which box it is changes when that lets one more series run.
fn give(line: &[&Waiting], free: &[&TestBox]) -> BTreeMap<usize, usize> {
    let mut holder: Vec<Option<usize>> = vec![None; free.len()];
    for at in 0..line.len() {
        if holder.iter().all(Option::is_some) {
            break;
        }
        find(at, line, free, &mut holder, &mut vec![false; free.len()]);
    }
    holder.iter().enumerate().filter_map(|(to, at)| Some(((*at)?, to))).collect()
}

/// Kuhn's search for an augmenting path: a box for `at`, others moved where they can be. As deep as there are boxes.
fn find(
    at: usize,
    line: &[&Waiting],
    free: &[&TestBox],
    holder: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    for to in 0..free.len() {
        if tried[to] || !free[to].fits(&line[at].labels) {
            continue;
        }
        tried[to] = true;
        let can_move = match holder[to] {
            None => true,
            Some(other) => find(other, line, free, holder, tried),
        };
        if can_move {
            holder[to] = Some(at);
            return true;
        }
    }
    false
}

/// When each box will be free, as far as anybody can say.
struct Ahead<'a> {
    boxes: Vec<(&'a TestBox, Option<Timestamp>)>,
    usual: BTreeMap<&'a str, Duration>,
    /// For boxes nothing is known of: what is usual on the others.
    elsewhere: Option<Duration>,
}

impl<'a> Ahead<'a> {
    fn new(boxes: &[&'a TestBox], busy: &'a [Busy], now: Timestamp) -> Self {
        let known = busy.iter().filter_map(|busy| Some((busy.on.as_str(), busy.usual?)));
        let known: BTreeMap<&str, Duration> = known.collect();
        let elsewhere = usual(&known.values().copied().collect::<Vec<_>>());
        let mut ahead =
            Self { boxes: boxes.iter().map(|one| (*one, Some(now))).collect(), usual: known, elsewhere };
        for busy in busy {
            // A run that takes longer than usual may end at any moment.
            let end = busy.usual.and_then(|usual| later(busy.since, usual)).map(|end| end.max(now));
            ahead.set(&busy.on, end);
        }
        ahead
    }

    fn set(&mut self, name: &str, free: Option<Timestamp>) {
        for (_, at) in self.boxes.iter_mut().filter(|(one, _)| one.name == name) {
            *at = free;
        }
    }

    /// A run begins there: the box is free again when it ends.
    fn begins(&mut self, name: &str, start: Option<Timestamp>) {
        let usual = self.usual.get(name).copied().or(self.elsewhere);
        let end = start.and_then(|start| later(start, usual?));
        self.set(name, end);
    }

    /// The box that is free first for these labels, and when; it is taken from then on.
    fn next(&mut self, labels: &[String]) -> Option<Timestamp> {
        let fitting = self.boxes.iter().filter(|(one, _)| one.fits(labels));
        let (test_box, start) =
            fitting.filter_map(|(one, at)| Some((*one, (*at)?))).min_by_key(|(_, at)| *at)?;
        self.begins(&test_box.name, Some(start));
        Some(start)
    }
}

fn later(from: Timestamp, by: Duration) -> Option<Timestamp> {
    from.checked_add(SignedDuration::try_from(by).ok()?).ok()
}
