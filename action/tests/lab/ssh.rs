//! SSH to the box: a real OpenSSH server, with everything that can go wrong on the way.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use patchlift_action::cancel::Cancel;
use patchlift_action::host::{HostError, RemoteExit, SshHost};
use patchlift_action::machine::Machine;

use crate::{cache, lab_wanted, top};

const NAME: &str = "test-ssh";
const LIMIT: Duration = Duration::from_secs(60);

/// A box that is switched off when the test ends, however it ends.
struct LabBox {
    machine: Machine,
}

impl LabBox {
    fn up() -> Self {
        let status = Command::new(top().join("lab/up")).arg(NAME).stdin(Stdio::null()).status();
        assert!(status.expect("lab/up runs").success(), "the box did not come up");
        let description = cache().join("lab/boxes").join(NAME).join("box.toml");
        Self { machine: Machine::read(&description).expect("its description is good") }
    }
}

impl Drop for LabBox {
    fn drop(&mut self) {
        let status = Command::new(top().join("lab/down")).arg(NAME).stdin(Stdio::null()).status();
        assert!(status.expect("lab/down runs").success());
    }
}

/// One box for all of it: to boot one costs 20 s.
#[test]
fn ssh_to_the_box() {
    if !lab_wanted() {
        return;
    }
    let lab = LabBox::up();
    commands_and_their_ends(&lab.machine);
    files_arrive_as_they_were(&lab.machine);
    waits_are_bounded(&lab.machine);
    only_the_pinned_host_key_is_accepted(&lab.machine);
}

fn connect(machine: &Machine) -> SshHost {
    SshHost::connect(&machine.ssh, LIMIT).expect("the box answers")
}

fn commands_and_their_ends(machine: &Machine) {
    let cancel = Cancel::default();
    let stop = cancel.at_first();
    let ssh = connect(machine);
    assert_eq!(ssh.read_text(&["uname", "-m"], LIMIT, stop).expect("it runs"), "ppc64le");
    // An argument stays one argument, whatever is in it.
    let hostile = "a b; touch /tmp/pwned $(id) `id` 'q' \"q\" *";
    assert_eq!(ssh.read_text(&["printf", "%s", hostile], LIMIT, stop).expect("it runs"), hostile);
    assert!(ssh.read(&["test", "-e", "/tmp/pwned"], LIMIT, stop).is_err());
    let run = |script: &str| ssh.stream(&["sh", "-c", script], LIMIT, stop, |_| {}).expect("it runs");
    assert_eq!(run("exit 7"), RemoteExit::Code(7));
    assert_eq!(run("kill -KILL $$"), RemoteExit::Signal("KILL".to_owned()));
    let error = ssh.read(&["sh", "-c", "echo why; exit 3"], LIMIT, stop).expect_err("it fails").to_string();
    assert!(error.contains("exit code 3") && error.ends_with("why"), "{error}");
    // Both streams, in the order in which they were written.
    let mut seen = Vec::new();
    let exit = ssh
        .stream(&["sh", "-c", "echo out; echo err >&2"], LIMIT, stop, |bytes| seen.extend_from_slice(bytes));
    assert_eq!(exit.expect("it runs"), RemoteExit::Code(0));
    assert_eq!(String::from_utf8_lossy(&seen), "out\nerr\n");
}

fn files_arrive_as_they_were(machine: &Machine) {
    let cancel = Cancel::default();
    let stop = cancel.at_first();
    let ssh = connect(machine);
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    ssh.put(&bytes, "/var/lib/patchlift/t e s t/file", LIMIT, stop).expect("it is put");
    let count =
        ssh.read_text(&["wc", "-c", "/var/lib/patchlift/t e s t/file"], LIMIT, stop).expect("it runs");
    assert!(count.starts_with("3000000 "), "{count}");
    // A full file system is told as such, and no half file takes the name.
    let full = "mkdir -p /tmp/small && mount -t tmpfs -o size=1m none /tmp/small";
    ssh.read(&["sh", "-c", full], LIMIT, stop).expect("it is mounted");
    let error = ssh.put(&bytes, "/tmp/small/file", LIMIT, stop).expect_err("it does not fit").to_string();
    assert!(error.contains("No space left"), "{error}");
    assert!(ssh.read(&["test", "-e", "/tmp/small/file"], LIMIT, stop).is_err());
}

fn waits_are_bounded(machine: &Machine) {
    let cancel = Cancel::default();
    let began = Instant::now();
    let limit = Duration::from_secs(2);
    let result = connect(machine).stream(&["sleep", "60"], limit, cancel.at_first(), |_| {});
    assert!(matches!(result, Err(HostError::Lost { .. })), "{result:?}");
    assert!(began.elapsed() < Duration::from_secs(20));

    let other = cancel.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(1));
        other.request();
    });
    let result = connect(machine).stream(&["sleep", "60"], LIMIT, cancel.at_first(), |_| {});
    assert!(matches!(result, Err(HostError::Stopped { .. })), "{result:?}");
    thread.join().expect("the thread ends");
}

fn only_the_pinned_host_key_is_accepted(machine: &Machine) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let pinned = std::fs::read_to_string(&machine.ssh.known_hosts_file).expect("it is there");
    let known_hosts = dir.path().join("known_hosts");
    let mut access = machine.ssh.clone();
    access.known_hosts_file = known_hosts.clone();

    std::fs::write(&known_hosts, "").expect("it is written");
    let error = SshHost::connect(&access, LIMIT).expect_err("nothing is pinned").to_string();
    assert!(error.contains("is not pinned"), "{error}");

    // The key of another machine under this machine's name.
    let mut fields = pinned.split_whitespace();
    let (host, kind) = (fields.next().expect("a host"), fields.next().expect("a kind of key"));
    let key = dir.path().join("key");
    let made = Command::new("ssh-keygen").args(["-q", "-N", "", "-t", "ed25519", "-f"]).arg(&key).status();
    assert!(made.expect("ssh-keygen runs").success());
    let public = std::fs::read_to_string(key.with_extension("pub")).expect("it was made");
    let other = public.split_whitespace().nth(1).expect("a key");
    std::fs::write(&known_hosts, format!("{host} {kind} {other}\n")).expect("it is written");
    let error = SshHost::connect(&access, LIMIT).expect_err("another key is pinned").to_string();
    assert!(error.contains("is not the pinned one"), "{error}");
}
