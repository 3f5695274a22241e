//! Waiting for a kernel to come up, with one eye on the console.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use patchlift_report::ConsoleEvent;

use crate::cancel::Stop;
use crate::console::Mark;
use crate::host::{HostError, SshHost};
use crate::machine::SshAccess;
use crate::run::Run;

/// Between two attempts to log in. An attempt on a box that is down costs nothing.
const BETWEEN_LOGINS: Duration = Duration::from_millis(1500);

/// One attempt to log in.
const LOGIN: Duration = Duration::from_secs(10);

/// How often the console is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(200);

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
    /// It never left the system that was to start it: that one still answers.
    NeverLeft,
    /// The console was lost, and with it the proof of what happened.
    NoConsole,
    /// The console went silent: it hangs.
    Silent(Duration),
    /// Neither a crash nor a login in the time limit.
    NoContact {
        /// The last attempt to log in that ended.
        last: Option<HostError>,
    },
    /// The run was told to stop.
    Stopped,
}

/// Watches a boot that began at `mark`, until the box can be logged in to under another boot id than
/// `old_boot_id`, or crashes, or goes silent, or its time is over. A crash is noticed while an attempt to log
/// in still waits for an answer that will not come.
pub fn watch(run: &mut Run, mark: Mark, old_boot_id: &str, stop: Stop<'_>) -> BootOutcome {
    let limits = run.inputs.limits;
    let began = Instant::now();
    let mut attempt = Attempt::start(run);
    let mut last = None;
    let mut old_answers = false;
    loop {
        if let Some(event) = run.console.fatal_since(mark) {
            // What follows the first line tells where and why: 2 s of quiet, but a loop of messages ends it.
            run.console.let_it_finish();
            return BootOutcome::Crashed(Box::new(event));
        }
        match attempt.result(LOOK) {
            Some(Ok(boot_id)) if boot_id != old_boot_id => return BootOutcome::Up { boot_id },
            Some(result) => {
                old_answers = result.is_ok();
                last = result.err();
                if stop.sleep(BETWEEN_LOGINS) {
                    return BootOutcome::Stopped;
                }
                attempt = Attempt::start(run);
            }
            None if stop.requested() => return BootOutcome::Stopped,
            None => {}
        }
        let silent = run.console.silent_for().unwrap_or_else(|| began.elapsed()).min(began.elapsed());
        let (hangs, late) = (silent >= limits.silence, began.elapsed() >= limits.boot);
        if hangs || late {
            return match (old_answers, run.console.is_connected()) {
                (true, _) => BootOutcome::NeverLeft,
                (false, false) => BootOutcome::NoConsole,
                (false, true) if hangs => BootOutcome::Silent(silent),
                (false, true) => BootOutcome::NoContact { last },
            };
        }
        let line = run.console.tail(1).pop().unwrap_or_default();
        run.progress.note(&crate::text::cut(&line, 60));
    }
}

/// One attempt to log in and to read the boot id, in a thread of its own: it may wait [`LOGIN`] for an answer.
struct Attempt {
    result: mpsc::Receiver<Result<String, HostError>>,
}

impl Attempt {
    fn start(run: &Run) -> Self {
        let (sender, result) = mpsc::channel();
        let (access, cancel) = (run.inputs.machine.ssh.clone(), run.cancel.clone());
        // It ends by itself within its limits; nobody may be there any more to take its result.
        std::thread::spawn(move || {
            let stop = cancel.at_first();
            let found = SshHost::connect(&access, LOGIN).and_then(|ssh| boot_id(&ssh, stop));
            let _ = sender.send(found);
        });
        Self { result }
    }

    /// Its result, if it comes within `wait`.
    fn result(&self, wait: Duration) -> Option<Result<String, HostError>> {
        match self.result.recv_timeout(wait) {
            Ok(result) => Some(result),
            Err(mpsc::RecvTimeoutError::Timeout) => None,
            // Its thread is gone without a word; the time limit of the boot ends this.
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                std::thread::sleep(wait);
                None
            }
        }
    }
}

/// Logs in to a boot other than `old`: while a system goes down it still answers, and through a port that is
/// forwarded even a box that is off takes a connection.
fn log_in_after(access: &SshAccess, old: Option<&str>, stop: Stop<'_>) -> Result<SshHost, HostError> {
    let ssh = SshHost::connect(access, LOGIN)?;
    if old.is_some() && old == Some(boot_id(&ssh, stop)?.as_str()) {
        let source = std::io::Error::other("the old system still runs");
        return Err(HostError::Connect { address: access.host.clone(), source });
    }
    Ok(ssh)
}

/// The random id of the running boot.
///
/// # Errors
/// Where it can't be read.
pub fn boot_id(ssh: &SshHost, stop: Stop<'_>) -> Result<String, HostError> {
    ssh.read_text(&["cat", "/proc/sys/kernel/random/boot_id"], LOGIN, stop)
}

/// Waits until the box can be logged in to, whatever runs on it, but under another boot id than `old`.
///
/// # Errors
/// The last failed attempt, when `limit` is over; a foreign host key at once.
pub fn wait_for_login(
    run: &Run,
    old: Option<&str>,
    limit: Duration,
    stop: Stop<'_>,
) -> Result<SshHost, HostError> {
    let deadline = Instant::now() + limit;
    loop {
        match log_in_after(&run.inputs.machine.ssh, old, stop) {
            Ok(ssh) => return Ok(ssh),
            Err(error @ (HostError::HostKey { .. } | HostError::Stopped { .. })) => return Err(error),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => {}
        }
        if stop.sleep(BETWEEN_LOGINS) {
            return Err(HostError::Stopped { address: run.inputs.machine.ssh.host.clone() });
        }
    }
}
