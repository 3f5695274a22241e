//! The bridge's process and what it has taken so far.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running bridge; it ends with this value.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    pub(crate) started: jiff::Timestamp,
}

/// Processor time in seconds, user and system.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    /// Of the bridge itself.
    pub(crate) own: f64,
    /// Of the git processes that it started and that have ended.
    pub(crate) children: f64,
}

impl Cpu {
    pub(crate) fn since(self, before: Self) -> Self {
        Self { own: self.own - before.own, children: self.children - before.children }
    }

    pub(crate) fn all(self) -> f64 {
        self.own + self.children
    }
}

impl Process {
    /// `patchlift run` with this configuration; what it says goes to `log`.
    pub(crate) fn start(config: &Path, log: &Path) -> Self {
        let out = File::create(log).unwrap();
        let started = jiff::Timestamp::now();
        let child = Command::new(env!("CARGO_BIN_EXE_patchlift"))
            .args(["run", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        Self { child, log: log.to_owned(), started }
    }

    /// Fields 14 to 17 of /proc/PID/stat: hundredths of a second on every Linux.
    pub(crate) fn cpu(&self) -> Cpu {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let after_name = stat.rsplit_once(')').unwrap().1;
        let ticks: Vec<f64> =
            after_name.split_whitespace().skip(11).take(4).map(|ticks| ticks.parse().unwrap()).collect();
        Cpu { own: (ticks[0] + ticks[1]) / 100.0, children: (ticks[2] + ticks[3]) / 100.0 }
    }

    /// The most memory it has had, in MB.
    pub(crate) fn peak_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0 / 1e6
    }

    /// Waits until it is so; stops the benchmark with the bridge's last words where it never is.
    pub(crate) fn until(&mut self, what: &str, mut is_so: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(300);
        while !is_so() {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < end, "{what}: {ended:?}\n{}", self.last_words());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lines of its log that warn.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        let bad = |line: &&str| line.contains("WARN") || line.contains("ERROR");
        said.lines().filter(bad).map(str::to_owned).collect()
    }

    fn last_words(&self) -> String {
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        said.lines().rev().take(20).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.child),
            rustix::process::Signal::TERM,
        );
        let _ = self.child.wait();
    }
}
