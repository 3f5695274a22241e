//! What a killed run left behind: its builds would go on in the folder that the next run uses.
//!
//! Every child carries the identity of its controller in its environment, and hands it down to its own
//! children. A process whose controller is gone is an orphan and is ended.

use std::path::Path;
use std::sync::LazyLock;

/// The variable that names the controller.
pub const VARIABLE: &str = "PATCHLIFT_CONTROLLER";

/// This process: its id and its start, which tells it from a later process with the same id.
static IDENTITY: LazyLock<String> = LazyLock::new(|| {
    let id = std::process::id();
    format!("{id}-{}", started(Path::new("/proc"), &id.to_string()).unwrap_or_default())
});

/// The value of [`VARIABLE`] for children of this process.
pub fn identity() -> &'static str {
    &IDENTITY
}

/// When a process was started, in ticks since the boot: field 22 of `/proc/N/stat`, which stands 20 fields
/// behind the name in parentheses.
fn started(proc: &Path, id: &str) -> Option<String> {
    let stat = std::fs::read_to_string(proc.join(id).join("stat")).ok()?;
    let behind_name = stat.rsplit_once(')')?.1;
    behind_name.split_whitespace().nth(19).map(str::to_owned)
}

/// The controller that a process names in its environment.
fn controller(proc: &Path, id: &str) -> Option<String> {
    let environ = std::fs::read(proc.join(id).join("environ")).ok()?;
    let mut variables = environ.split(|byte| *byte == 0);
    let prefix = format!("{VARIABLE}=");
    let value = variables.find_map(|variable| variable.strip_prefix(prefix.as_bytes()))?;
    String::from_utf8(value.to_vec()).ok()
}

fn is_alive(proc: &Path, identity: &str) -> bool {
    let Some((id, start)) = identity.split_once('-') else { return false };
    id.bytes().all(|b| b.is_ascii_digit()) && started(proc, id).is_some_and(|found| found == start)
}

/// Ends every process whose controller is gone; gives how many there were.
pub fn end() -> usize {
    let proc = Path::new("/proc");
    let mut ended = 0;
    for entry in std::fs::read_dir(proc).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = name.parse().ok().and_then(rustix::process::Pid::from_raw) else { continue };
        if controller(proc, &name).is_some_and(|identity| !is_alive(proc, &identity)) {
            // It may be gone by now; that is what was wanted.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            ended += 1;
        }
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn only_processes_without_their_controller_are_ended() {
        let sleep = |controller: &str| {
            Command::new("sleep")
                .arg("60")
                .env(VARIABLE, controller)
                .stdin(Stdio::null())
                .spawn()
                .expect("it starts")
        };
        let mut mine = sleep(identity());
        let mut orphan = sleep("4194305-1");
        // The environment is there once the program runs.
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert!(end() >= 1);
        let status = orphan.wait().expect("it is waited for");
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
        assert!(mine.try_wait().expect("it is looked at").is_none(), "a child of ours was ended");
        mine.kill().expect("it is ended");
        mine.wait().expect("it is waited for");
    }
}
