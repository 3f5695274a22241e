//! The box is back on its known-good kernel, proven by release, build id and the checksums of `/boot`.

use std::time::Instant;

use patchlift_report::{Fault, Lane, RollBack};

use crate::cancel::Stop;
use crate::known_good::{self, WayBack, WayBackError};
use crate::run::{Done, Failure, KnownGood, Run, SHORT};
use crate::stages::ON_BOX;
use crate::stages::watched::crashed;

pub(super) fn run(run: &mut Run, lane: Lane) -> Result<Done, Failure> {
    let cancel = run.cancel.clone();
    // The first request to stop ends the test; the box is given back all the same.
    let stop = cancel.after_first();
    let began = Instant::now();
    let mark = run.console.mark();
    let (found, way) = match give_back(run, stop) {
        Ok(back) => back,
        Err(error) => return Err(lost(run, &error)),
    };
    // Between the decision and the first line of the next kernel it was the one under test that spoke.
    let crash = run.console.fatal_since(mark).filter(|event| run.console.crashed_before_banner(mark, event));
    if let Some(difference) = run.known_good.as_ref().and_then(|before| difference(before, &found)) {
        run.roll_back = RollBack::Failed { reason: difference.clone() };
        return Err(Failure::new(Fault::Infrastructure, difference));
    }
    // What lies there is only rubbish now; that it stays would fill the disk one day.
    let cleaned = run.ssh().and_then(|ssh| ssh.read(&["rm", "-rf", ON_BOX], SHORT, stop));
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    run.roll_back =
        RollBack::Proven { release: found.release.clone(), build_id: found.build_id.clone(), millis };
    if let Some(event) = crash.filter(|_| way == Some(WayBack::PowerCycle)) {
        let failure = crashed(run, lane, &event);
        let (fault, reason) = failure.result.failure().unwrap_or((Fault::Infrastructure, "a crash"));
        return Err(Failure::new(fault, format!("crashed while it went down: {reason}"))
            .excerpt(failure.excerpt)
            .log("console.log"));
    }
    let done = Done::default()
        .fact("runs again", found.release)
        .fact("build id", found.build_id)
        .fact("/boot", "unchanged")
        .fact("by", way.map_or("nothing, it was never left", WayBack::in_words));
    Ok(match cleaned {
        Ok(_) => done,
        Err(error) => done.fact("left on the box", format!("{ON_BOX}: {error}")),
    })
}

/// Brings the box back; a box that was not booted yet is only looked at.
fn give_back(run: &mut Run, stop: Stop<'_>) -> Result<(KnownGood, Option<WayBack>), WayBackError> {
    let Some(mark) = run.boot_mark else {
        let looked = run.ssh().map_err(WayBackError::Read).and_then(|ssh| known_good::look(&ssh, stop));
        if let Ok(found) = looked
            && found.release == run.inputs.machine.boot.known_good_release
        {
            return Ok((found, None));
        }
        return known_good::return_to(run, false, stop).map(|(found, way)| (found, Some(way)));
    };
    let healthy = run.console.fatal_since(mark).is_none() && run.boot_id.is_some();
    // The power switch is quicker where somebody waits for the end.
    let orderly = healthy && !run.cancel.requested();
    let result = known_good::return_to(run, orderly, stop);
    run.boot_mark = None;
    run.boot_id = None;
    result.map(|(found, way)| (found, Some(way)))
}

fn lost(run: &mut Run, error: &WayBackError) -> Failure {
    let failure = Failure::lab(error);
    let reason = crate::run::chain(error);
    run.roll_back = RollBack::Failed { reason };
    failure
}

/// What differs between the known-good system before and after.
fn difference(before: &KnownGood, after: &KnownGood) -> Option<String> {
    if before.release != after.release {
        return Some(format!("{} runs, {} ran before", after.release, before.release));
    }
    if before.build_id != after.build_id {
        return Some(format!("build id {} runs, {} ran before", after.build_id, before.build_id));
    }
    let changed = before.boot_sums.lines().find(|line| !after.boot_sums.lines().any(|other| other == *line));
    let added = after.boot_sums.lines().find(|line| !before.boot_sums.lines().any(|other| other == *line));
    let file = changed.or(added)?.split_whitespace().last()?;
    Some(format!("{file} was changed while the kernel under test ran"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_is_named() {
        let good = KnownGood {
            release: "6.1".into(),
            build_id: "aa".into(),
            boot_sums: "1 /boot/a\n2 /boot/b".into(),
        };
        assert_eq!(difference(&good, &good), None);
        let cases = [
            (KnownGood { release: "6.2".into(), ..good.clone() }, "6.2 runs, 6.1 ran before"),
            (KnownGood { build_id: "bb".into(), ..good.clone() }, "build id bb runs, aa ran before"),
            (KnownGood { boot_sums: "1 /boot/a\n3 /boot/b".into(), ..good.clone() }, "/boot/b was changed"),
            (KnownGood { boot_sums: "1 /boot/a".into(), ..good.clone() }, "/boot/b was changed"),
            (
                KnownGood { boot_sums: "1 /boot/a\n2 /boot/b\n4 /boot/c".into(), ..good.clone() },
                "/boot/c was changed",
            ),
        ];
        for (after, expected) in cases {
            let found = difference(&good, &after).unwrap_or_default();
            assert!(found.starts_with(expected), "{found}");
        }
    }
}
