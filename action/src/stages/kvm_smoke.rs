//! `/dev/kvm` is there, and a guest with the same kernel reaches its init under KVM and powers off.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use patchlift_report::{Fault, Lane, TestResult, TestStatus};

use crate::cancel::Stop;
use crate::guest;
use crate::host::{HostError, RemoteExit, SshHost};
use crate::run::{Done, Failure, Run, SHORT, fault_of};
use crate::stages::install_host_kernel::{built, paths};
use crate::stages::watched::{crash_now, crashed, host_lost};
use crate::{crash, text};

/// A guest's console is cut here.
const MAX_GUEST_LOG: u64 = 16 << 20;

/// `timeout` on the box ends a guest; this much later the connection is given up.
const SLACK: Duration = Duration::from_secs(20);

pub(super) fn run(run: &mut Run, lane: Lane) -> Result<Done, Failure> {
    let cancel = run.cancel.clone();
    let (ssh, device) = {
        let crashed = || crash_now(run).is_some();
        let stop = cancel.at_first().or_when(&crashed);
        let found = run.ssh().and_then(|ssh| dev_kvm(&ssh, stop).map(|device| (ssh, device)));
        found.map_err(|error| host_lost(run, lane, &error))?
    };
    let present = device.status == TestStatus::Pass;
    keep(run, lane, device.clone());
    if !present {
        return Err(Failure::new(fault_of(lane), format!("kvm.device: {}", device.reason)));
    }
    let test = guest_boot(run, lane, &ssh)?;
    let (status, millis, reason) = (test.status, test.millis, test.reason.clone());
    let log = test.log.clone().unwrap_or_default();
    keep(run, lane, test);
    if status == TestStatus::Pass {
        let seconds = format!("{:.1} s", millis as f64 / 1e3);
        return Ok(Done::default().fact("guest", reason).fact("guest ran for", seconds).log(&log));
    }
    let tail = tail_of(run, &log);
    // An error is the test's own: QEMU is missing, or another kernel was given to it.
    let fault = if status == TestStatus::Error { Fault::Infrastructure } else { fault_of(lane) };
    Err(Failure::new(fault, format!("kvm.guest-boot: {reason}")).excerpt(tail).log(&log))
}

fn keep(run: &mut Run, lane: Lane, test: TestResult) {
    run.tests.entry(lane).or_default().push(test);
}

fn dev_kvm(ssh: &SshHost, stop: Stop<'_>) -> Result<TestResult, HostError> {
    let began = Instant::now();
    // Where KVM is a module it may not be loaded yet.
    let script =
        "[ -c /dev/kvm ] || modprobe kvm_hv 2>/dev/null; [ -c /dev/kvm ] && echo present || echo absent";
    let answer = ssh.read_text(&["sh", "-c", script], SHORT, stop)?;
    let (status, reason) = match answer.as_str() {
        "present" => (TestStatus::Pass, "/dev/kvm is there"),
        _ => (TestStatus::Fail, "there is no /dev/kvm"),
    };
    Ok(TestResult {
        name: "kvm.device".into(),
        status,
        millis: millis_since(began),
        reason: reason.into(),
        log: None,
    })
}

fn millis_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// What the guest printed, as far as it decides.
#[derive(Debug, Default)]
struct GuestSaid {
    partial: Vec<u8>,
    greeting: Option<guest::Greeting>,
    crash: Option<String>,
    last: String,
}

impl GuestSaid {
    /// Takes what was printed; `keep` is given every whole line.
    fn bytes(&mut self, bytes: &[u8], nonce: &str, keep: &mut dyn FnMut(&str)) {
        for byte in bytes {
            if *byte == b'\n' {
                let line = text::clean(&std::mem::take(&mut self.partial));
                keep(&line);
                self.line(&line, nonce);
            } else if self.partial.len() < 16 << 10 {
                self.partial.push(*byte);
            }
        }
    }

    fn line(&mut self, line: &str, nonce: &str) {
        if self.greeting.is_none() {
            self.greeting = guest::greeting(line, nonce);
        }
        let ends = |class| {
            matches!(class, patchlift_report::EventClass::Fatal | patchlift_report::EventClass::BootStop)
        };
        if self.crash.is_none() && crash::classify(line).is_some_and(|found| ends(found.class)) {
            self.crash = Some(crash::headline(line));
        }
        if !line.trim().is_empty() {
            self.last = text::cut(line.trim(), 200);
        }
    }

    /// How the test ended, by what the guest said and how QEMU ended.
    fn verdict(&self, exit: &RemoteExit, release: &str) -> (TestStatus, String) {
        if let Some(crash) = &self.crash {
            return (TestStatus::Fail, format!("the guest crashed: {crash}"));
        }
        match (&self.greeting, exit) {
            (Some(greeting), _) if greeting.release != release => {
                (TestStatus::Error, format!("the guest runs {}, not {release}", greeting.release))
            }
            (Some(greeting), RemoteExit::Code(0)) => {
                (TestStatus::Pass, format!("{} under KVM reached its init and powered off", greeting.cpu))
            }
            (Some(_), exit) => {
                (TestStatus::Fail, format!("the guest reached its init, then QEMU ended with {exit}"))
            }
            (None, RemoteExit::Code(125..=127)) => {
                (TestStatus::Error, format!("QEMU cannot be run on the box: {}", self.last))
            }
            // 124 and 137 are `timeout`'s.
            (None, RemoteExit::Code(124 | 137)) => (
                TestStatus::Fail,
                format!("the guest did not reach its init in time, last line: {}", self.last),
            ),
            (None, exit) => (TestStatus::Fail, format!("QEMU ended with {exit}, last line: {}", self.last)),
        }
    }
}

fn guest_boot(run: &Run, lane: Lane, ssh: &SshHost) -> Result<TestResult, Failure> {
    let built = built(run, lane)?;
    let (kernel, initrd) = paths(&built.release);
    let nonce = nonce().map_err(|error| Failure::new(Fault::Infrastructure, error.to_string()))?;
    let limit = run.inputs.limits.guest;
    let command = guest::command_line(&run.inputs.machine.kvm, &kernel, &initrd, &nonce, limit);
    let argv: Vec<&str> = command.iter().map(String::as_str).collect();
    let log = format!("guest-{lane}.log");
    let path = run.dir.join(&log);
    let mut file = File::create(&path).map_err(|error| {
        Failure::new(Fault::Infrastructure, format!("cannot write {}: {error}", path.display()))
    })?;
    let mut said = GuestSaid::default();
    let mut written = 0u64;
    let began = Instant::now();
    let crashed_host = || crash_now(run).is_some();
    let stop = run.cancel.at_first().or_when(&crashed_host);
    let exit = ssh.stream(&argv, limit + SLACK, stop, |bytes| {
        said.bytes(bytes, &nonce, &mut |line| {
            written += line.len() as u64 + 1;
            if written <= MAX_GUEST_LOG {
                // A full disk is noticed where the report is written.
                let _ = writeln!(file, "{line}");
            }
        });
        run.progress.note(&text::cut(&said.last, 60));
    });
    let millis = millis_since(began);
    let exit = exit.map_err(|error| host_lost(run, lane, &error))?;
    if let Some(event) = crash_now(run) {
        run.console.let_it_finish();
        return Err(crashed(run, lane, &event));
    }
    let (status, reason) = said.verdict(&exit, &built.release);
    Ok(TestResult { name: "kvm.guest-boot".into(), status, millis, reason, log: Some(log) })
}

/// 16 random bytes in hex: in no image and in no earlier log, so that a guest which repeats them was started
/// by this run.
fn nonce() -> std::io::Result<String> {
    let mut bytes = [0u8; 16];
    std::io::Read::read_exact(&mut File::open("/dev/urandom")?, &mut bytes)?;
    Ok(crate::host::hex(&bytes))
}

fn tail_of(run: &Run, log: &str) -> Vec<String> {
    let bytes = std::fs::read(run.dir.join(log)).unwrap_or_default();
    let lines: Vec<String> =
        bytes.split(|b| *b == b'\n').map(text::clean).filter(|line| !line.is_empty()).collect();
    lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str, exit: RemoteExit) -> (TestStatus, String) {
        let mut said = GuestSaid::default();
        said.bytes(text.as_bytes(), "n1", &mut |_| {});
        said.verdict(&exit, "6.1-x")
    }

    #[test]
    fn only_a_guest_that_greets_and_powers_off_passes() {
        let hello = "boot\nPATCHLIFT-GUEST nonce=n1 release=6.1-x machine=ppc64le cpu=POWER8\n";
        assert_eq!(verdict(hello, RemoteExit::Code(0)).0, TestStatus::Pass);
        assert_eq!(verdict(hello, RemoteExit::Code(124)).0, TestStatus::Fail);
        assert_eq!(verdict(hello, RemoteExit::Signal("SEGV".into())).0, TestStatus::Fail);
        assert_eq!(verdict("", RemoteExit::Code(0)).0, TestStatus::Fail);
        assert_eq!(verdict("sh: qemu: not found\n", RemoteExit::Code(127)).0, TestStatus::Error);
        let old = hello.replace("n1", "n0");
        assert_eq!(verdict(&old, RemoteExit::Code(0)).0, TestStatus::Fail);
        let other = hello.replace("6.1-x", "6.1-y");
        assert_eq!(verdict(&other, RemoteExit::Code(0)).0, TestStatus::Error);
        let (status, reason) =
            verdict(&format!("[ 0.1] Kernel panic - not syncing: x\n{hello}"), RemoteExit::Code(0));
        assert_eq!(
            (status, reason.as_str()),
            (TestStatus::Fail, "the guest crashed: Kernel panic - not syncing: x")
        );
    }
}
