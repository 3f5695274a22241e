//! Waiting for a kernel to come up, with one eye on the console.

use std::time::{Duration, Instant};

use patchlift_report::ConsoleEvent;

use crate::cancel::Stop;
use crate::console::Mark;
use crate::host::{HostError, SshHost};
use crate::run::{Run, SHORT};

/// Between two attempts to log in. An attempt on a box that is down costs nothing.
const BETWEEN_LOGINS: Duration = Duration::from_millis(1500);

/// One attempt to log in.
const LOGIN: Duration = Duration::from_secs(10);

/// How a boot went.
#[derive(Debug)]
pub enum BootOutcome {
    /// It can be logged in to, with this boot id.
    Up {
        /// `/proc/sys/kernel/random/boot_id`.
        boot_id: String,
    },
    /// The console showed a crash or a stop.
    Crashed(Box<ConsoleEvent>),
    /// The console went silent: it hangs.
    Silent(Duration),
    /// Neither a crash nor a login in the time limit.
    NoContact {
        /// The last attempt to log in.
        last: HostError,
    },
    /// The run was told to stop.
    Stopped,
}

/// Watches a boot that began at `mark`, until the box can be logged in to under another boot id than
/// `old_boot_id`, or crashes, or goes silent, or its time is over.
pub fn watch(run: &mut Run, mark: Mark, old_boot_id: &str, stop: Stop<'_>) -> BootOutcome {
    let limits = run.inputs.limits;
    let began = Instant::now();
    loop {
        if let Some(event) = run.console.fatal_since(mark) {
            // What follows the first line tells where and why: 2 s of quiet, but a loop of messages ends it.
            run.console.drain(Duration::from_secs(2), Duration::from_secs(10));
            return BootOutcome::Crashed(Box::new(event));
        }
        let last = match login(run, old_boot_id, stop) {
            Ok(boot_id) => return BootOutcome::Up { boot_id },
            Err(HostError::Stopped { .. }) => return BootOutcome::Stopped,
            Err(error) => error,
        };
        let silent = run.console.silent_for().unwrap_or_else(|| began.elapsed()).min(began.elapsed());
        if silent >= limits.silence {
            return BootOutcome::Silent(silent);
        }
        if began.elapsed() >= limits.boot {
            return BootOutcome::NoContact { last };
        }
        let line = run.console.tail(1).pop().unwrap_or_default();
        run.progress.note(&crate::text::cut(&line, 60));
        if stop.sleep(BETWEEN_LOGINS) {
            return BootOutcome::Stopped;
        }
    }
}

/// Logs in and reads the boot id, which must be a new one: right after `kexec -e` the old system may still
/// answer.
fn login(run: &Run, old_boot_id: &str, stop: Stop<'_>) -> Result<String, HostError> {
    let ssh = SshHost::connect(&run.inputs.machine.ssh, LOGIN)?;
    let boot_id = boot_id(&ssh, stop)?;
    if boot_id == old_boot_id {
        let source = std::io::Error::other("the old kernel still runs");
        return Err(HostError::Connect { address: run.inputs.machine.ssh.host.clone(), source });
    }
    Ok(boot_id)
}

/// The random id of the running boot.
///
/// # Errors
/// Where it can't be read.
pub fn boot_id(ssh: &SshHost, stop: Stop<'_>) -> Result<String, HostError> {
    ssh.read_text(&["cat", "/proc/sys/kernel/random/boot_id"], SHORT, stop)
}

/// Waits until the box can be logged in to, whatever runs on it.
///
/// # Errors
/// The last failed attempt, when `limit` is over; a foreign host key at once.
pub fn wait_for_login(run: &Run, limit: Duration, stop: Stop<'_>) -> Result<SshHost, HostError> {
    let deadline = Instant::now() + limit;
    loop {
        match SshHost::connect(&run.inputs.machine.ssh, LOGIN) {
            Ok(ssh) => return Ok(ssh),
            Err(error @ HostError::HostKey { .. }) => return Err(error),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => {}
        }
        if stop.sleep(BETWEEN_LOGINS) {
            return Err(HostError::Stopped { address: run.inputs.machine.ssh.host.clone() });
        }
    }
}
