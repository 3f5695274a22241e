//! The kernel is booted once, by kexec from the known-good system: the disk's default entry stays what it
//! is, and a power cycle is the way back.

use std::time::Instant;

use patchlift_report::{Fault, Lane, StageResult};

use crate::boot_watch::{self, BootOutcome};
use crate::host::HostError;
use crate::run::{Done, Failure, Run, SHORT, chain, fault_of};
use crate::stages::install_host_kernel::{built, paths};
use crate::stages::watched::{crashed, failure};

/// The shell that is asked must answer before its kernel is gone, so the jump comes later. The disk is synced
/// and read-only by then (sysrq only asks for that), so that the known-good system finds it clean.
const JUMP: &str = "sync; echo \"patchlift: boot of $1\" > /dev/kmsg; \
    (sleep 1; echo u > /proc/sysrq-trigger; sleep 1; kexec -e) < /dev/null > /dev/null 2>&1 &";

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
    match ssh.read(&["sh", "-c", JUMP, "sh", &built.release], SHORT, stop) {
        // On a slow box the answer may not make it; whether it jumped is seen below.
        Ok(_) | Err(HostError::Lost { .. }) => drop(ssh),
        Err(error) => return Err(error.into()),
    }
    match boot_watch::watch(run, mark, &old_boot_id, stop) {
        BootOutcome::Up { boot_id } => {
            run.boot_id = Some(boot_id.clone());
            let up = format!("{:.1} s", began.elapsed().as_secs_f64());
            Ok(Done::default().fact("up after", up).fact("boot id", boot_id).log("console.log"))
        }
        BootOutcome::Stopped => Err(Failure::stopped()),
        BootOutcome::Crashed(event) => Err(crashed(run, lane, &event)),
        BootOutcome::NeverLeft => {
            let reason = "kexec did not leave the known-good system, which still answers";
            Err(Failure::new(Fault::Infrastructure, reason).excerpt(run.console.tail(30)).log("console.log"))
        }
        BootOutcome::NoConsole => {
            let reason = "the serial console was lost while it booted: what happened cannot be told";
            Err(Failure::new(Fault::Infrastructure, reason).log("console.log"))
        }
        BootOutcome::Silent(silent) => {
            let seconds = silent.as_secs();
            Err(failure(run, lane, format!("it went silent for {seconds} s and cannot be logged in to")))
        }
        BootOutcome::NoContact { last } => {
            let what = if run.console.banners_since(mark).is_empty() {
                "no kernel announced itself on the console"
            } else {
                "it announced itself, but cannot be logged in to"
            };
            let why = last.map(|error| format!("; {}", chain(&error))).unwrap_or_default();
            let limit_s = run.inputs.limits.boot.as_secs();
            let result =
                StageResult::TimedOut { fault: fault_of(lane), limit_s, reason: format!("{what}{why}") };
            Err(Failure { result, ..failure(run, lane, String::new()) })
        }
    }
}
