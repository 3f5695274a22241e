//! The kernel is booted once, by kexec from the known-good system: the disk's default entry stays what it
//! is, and a power cycle is the way back.

use std::time::{Duration, Instant};

use patchlift_report::{ConsoleEvent, Fault, Lane, StageResult};

use crate::boot_watch::{self, BootOutcome};
use crate::crash;
use crate::run::{Done, Failure, Run, SHORT, chain, fault_of};
use crate::stages::install_host_kernel::{built, paths};

/// Lines of the console that are shown where there is no trace.
const TAIL: usize = 30;

pub(super) fn run(run: &mut Run, lane: Lane) -> Result<Done, Failure> {
    let cancel = run.cancel.clone();
    let stop = cancel.at_first();
    let built = built(run, lane)?;
    let (image, _) = paths(&built.release);
    let command_line = run.inputs.machine.boot.command_line.clone();
    let ssh = run.ssh()?;
    let old_boot_id = boot_watch::boot_id(&ssh, stop)?;
    let append = format!("--command-line={command_line}");
    ssh.read(&["kexec", "-l", &image, &append], SHORT, stop)?;

    let mark = run.console.mark();
    run.boot_mark = Some(mark);
    let began = Instant::now();
    // The shell that is asked must answer before its kernel is gone: the jump comes a second later. The
    // disk is synced and read-only by then, so that the known-good system finds it clean.
    let jump = "sync; echo \"patchlift: boot of $1\" > /dev/kmsg; \
                (sleep 1; echo u > /proc/sysrq-trigger; kexec -e) < /dev/null > /dev/null 2>&1 &";
    ssh.read(&["sh", "-c", jump, "sh", &built.release], SHORT, stop)?;
    drop(ssh);
    match boot_watch::watch(run, mark, &old_boot_id, stop) {
        BootOutcome::Up { boot_id } => {
            run.boot_id = Some(boot_id.clone());
            let seconds = began.elapsed().as_secs_f64();
            Ok(Done::default()
                .fact("up after", format!("{seconds:.1} s"))
                .fact("boot id", boot_id)
                .log("console.log"))
        }
        BootOutcome::Stopped => Err(Failure::stopped()),
        BootOutcome::Crashed(event) => Err(crashed(run, lane, &event)),
        BootOutcome::Silent(silent) => {
            let reason = format!("it went silent for {} s and cannot be logged in to", silent.as_secs());
            Err(failure(run, lane, reason))
        }
        BootOutcome::NoContact { last } => {
            let limit_s = run.inputs.limits.boot.as_secs();
            let what = if run.console.banners_since(mark).is_empty() {
                "no kernel announced itself on the console"
            } else {
                "it announced itself, but cannot be logged in to"
            };
            let why = last.map(|error| format!("; {}", chain(&error))).unwrap_or_default();
            let reason = format!("{what}{why}");
            let fault = fault_of(lane);
            let result = StageResult::TimedOut { fault, limit_s, reason };
            Err(Failure { result, ..failure(run, lane, String::new()) })
        }
    }
}

fn failure(run: &Run, lane: Lane, reason: String) -> Failure {
    Failure::new(fault_of(lane), reason).excerpt(run.console.tail(TAIL)).log("console.log")
}

/// A crash, with its whole trace: of the events on the console, the one that was seen first.
pub(super) fn crashed(run: &Run, lane: Lane, event: &ConsoleEvent) -> Failure {
    let with_trace = run.console.events().into_iter().find(|other| other.line == event.line);
    let event = with_trace.unwrap_or_else(|| event.clone());
    let fault =
        if event.class == patchlift_report::EventClass::Hardware { Fault::Hardware } else { fault_of(lane) };
    let place = event.fingerprint.as_deref().and_then(|frames| frames.split(':').next());
    let place = place.map(|symbol| format!(" in {symbol}")).unwrap_or_default();
    let reason = format!("{}{place}", crash::headline(&event.text));
    Failure::new(fault, reason).excerpt(event.trace).log("console.log")
}

/// Time that a crash may still need to print, before the box is switched off.
pub(super) const AFTER_CRASH: Duration = Duration::from_secs(2);
