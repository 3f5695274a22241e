//! What it means when a kernel under test is lost: the console is asked first.

use std::time::Duration;

use patchlift_report::{ConsoleEvent, Fault, Lane};

use crate::boot_watch;
use crate::crash;
use crate::host::HostError;
use crate::run::{Failure, Run, chain, fault_of};

/// Lines of the console that are shown where there is no trace.
const TAIL: usize = 30;

/// How long a box whose connection broke is asked whether it still runs.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// A failure of the kernel under test, with the end of the console.
pub(super) fn failure(run: &Run, lane: Lane, reason: impl Into<String>) -> Failure {
    Failure::new(fault_of(lane), reason).excerpt(run.console.tail(TAIL)).log("console.log")
}

/// The crash of the kernel that was booted last, if the console showed one.
pub(super) fn crash_now(run: &Run) -> Option<ConsoleEvent> {
    run.boot_mark.and_then(|mark| run.console.fatal_since(mark))
}

/// A crash, with its whole trace. One that came before the kernel under test had announced itself is the
/// known-good system's, and nobody's patch.
pub(super) fn crashed(run: &Run, lane: Lane, event: &ConsoleEvent) -> Failure {
    let with_trace = run.console.events().into_iter().find(|other| other.line == event.line);
    let event = with_trace.unwrap_or_else(|| event.clone());
    let early = run.boot_mark.is_some_and(|mark| run.console.crashed_before_banner(mark, &event));
    let place = event.fingerprint.as_deref().and_then(|frames| frames.split(':').next());
    let place = place.map(|symbol| format!(" in {symbol}")).unwrap_or_default();
    let what = format!("{}{place}", crash::headline(&event.text));
    let (fault, reason) = if early {
        (Fault::Infrastructure, format!("the known-good system crashed before it was left: {what}"))
    } else {
        (fault_of(lane), what)
    };
    Failure::new(fault, reason).excerpt(event.trace).log("console.log")
}

/// An error of SSH while a kernel under test runs. If the console shows a crash, it is that; if the box still
/// runs the same boot, the network between failed; otherwise the kernel lost its network or hangs.
pub(super) fn host_lost(run: &Run, lane: Lane, error: &HostError) -> Failure {
    let stop = run.cancel.at_first();
    if stop.requested() {
        return Failure::stopped();
    }
    run.console.let_it_finish();
    if let Some(event) = crash_now(run) {
        return crashed(run, lane, &event);
    }
    let same_boot = || {
        let ssh = boot_watch::wait_for_login(run, None, ASK_AGAIN, stop).ok()?;
        Some(Some(boot_watch::boot_id(&ssh, stop).ok()?) == run.boot_id)
    };
    match same_boot() {
        // A command that failed on a healthy box is no sign of anything but a wrong box.
        Some(true) => Failure::lab(error),
        Some(false) => failure(run, lane, "it booted again by itself"),
        None if stop.requested() => Failure::stopped(),
        None => failure(run, lane, format!("the host was lost: {}", chain(error))),
    }
}
