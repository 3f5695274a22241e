//! The bridge's process: started, asked to stop, killed.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// How often something outside is looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(5);

/// A running bridge. It dies with this value, and its children with it.
pub(crate) struct Bridge {
    child: Child,
    log: PathBuf,
}

impl Bridge {
    /// The command that runs the bridge with this configuration, for more to be added to it.
    pub(crate) fn command(config: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_patchlift"));
        command.args(["run", "--config"]).arg(config);
        command.env_remove("RUST_LOG").env("NO_COLOR", "1");
        command
    }

    /// Starts it. What it prints is added to `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> Self {
        let out = File::options().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out).process_group(0);
        Self { child: command.spawn().unwrap(), log: log.to_owned() }
    }

    /// How it ended; `None`: it runs.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self, at_most: Duration) -> Option<ExitStatus> {
        within(at_most, || self.ended())
    }

    /// Asks it to stop and gives the time it took.
    pub(crate) fn terminate(&mut self) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        self.signal(Signal::TERM);
        let Some(status) = self.wait(Duration::from_secs(20)) else {
            panic!("SIGTERM does not stop it\n{}", self.said());
        };
        (status, asked.elapsed())
    }

    /// SIGKILL, to it alone: its children have to see for themselves that it is gone.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.child.wait().unwrap();
    }

    /// Its number in the system.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All it has printed.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            let pid = Pid::from_child(&self.child);
            // It may have ended just now.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.child);
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Asks until there is an answer; `None` when the time is over.
pub(crate) fn within<T>(at_most: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + at_most;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() > end {
            return None;
        }
        std::thread::sleep(LOOK);
    }
}
