//! Tools, disk, access to the box and its BMC; the box runs its known-good kernel.

use std::time::Duration;

use patchlift_report::Fault;

use crate::cancel::Stop;
use crate::host::SshHost;
use crate::kernel::on_path;
use crate::known_good;
use crate::run::{Done, Failure, Run, SHORT};

/// A worktree of Linux takes 1.5 GB, a build of the lab's kernel 0.3 GB, of a distribution's 10 GB.
const MIN_FREE_BYTES: u64 = 3 << 30;

/// The console has to be there before anything is booted: a boot without it proves nothing when it fails.
const CONSOLE_LIMIT: Duration = Duration::from_secs(30);

pub(super) fn run(run: &mut Run) -> Result<Done, Failure> {
    check_controller(run)?;
    let cancel = run.cancel.clone();
    let stop = cancel.at_first();
    run.compiler =
        crate::guest::compiler_version(&run.inputs.recipe.cross_compile, stop).map_err(Failure::from)?;
    let mut done = Done::default().fact("compiler", run.compiler.clone());
    let switched_on = known_good::ensure_power(run, stop)?;
    if switched_on {
        done = done.fact("power", "was off, is on now");
    }
    if !run.console.wait_connected(CONSOLE_LIMIT, stop) {
        return Err(if stop.requested() {
            Failure::stopped()
        } else {
            let reason = "the BMC gives no serial console (ipmitool sol activate): a crash would go unseen";
            Failure::new(Fault::Infrastructure, reason)
        });
    }
    let (ssh, returned) = known_good_login(run, switched_on, stop)?;
    let found = known_good::look(&ssh, stop)?;
    let cpuinfo = ssh.read_text(&["cat", "/proc/cpuinfo"], SHORT, stop)?;
    run.machine.cpu = cpuinfo_value(&cpuinfo, "cpu");
    run.machine.model = cpuinfo_value(&cpuinfo, "machine");
    // A box without a clock of its own starts in 1970, which confuses make, TLS and every reader of its logs.
    let now = format!("@{}", jiff::Timestamp::now().as_second());
    ssh.read(&["date", "-u", "-s", &now], SHORT, stop)?;
    done = done
        .fact("known-good kernel", found.release.clone())
        .fact("its build id", found.build_id.clone())
        .fact("cpu", run.machine.cpu.clone())
        .fact("machine", run.machine.model.clone());
    if let Some(was) = returned {
        done = done.fact("was found on", format!("{was}, left by an earlier run; it was rolled back"));
    }
    run.known_good = Some(found);
    Ok(done)
}

fn check_controller(run: &Run) -> Result<(), Failure> {
    let cross = &run.inputs.recipe.cross_compile;
    let compiler = format!("{cross}gcc");
    // The kernel's own list is Documentation/process/changes.rst.
    for tool in ["git", "make", "gcc", "flex", "bison", "bc", "ipmitool", "stdbuf", "nice", compiler.as_str()]
    {
        if !on_path(tool) {
            let reason = format!("{tool} is not installed on the controller");
            return Err(Failure::new(Fault::Infrastructure, reason));
        }
    }
    let free = rustix::fs::statvfs(&run.dir).map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize));
    match free {
        Ok(free) if free < MIN_FREE_BYTES => {
            let (free, wanted) = (free >> 20, MIN_FREE_BYTES >> 20);
            let reason =
                format!("{} has {free} MiB free, {wanted} MiB are needed", run.inputs.work.display());
            Err(Failure::new(Fault::Infrastructure, reason))
        }
        _ => Ok(()),
    }
}

/// Logs in to the known-good kernel; a box on another kernel, or in none, is brought back to it first. The
/// second value names the kernel it was found on.
fn known_good_login(
    run: &mut Run,
    switched_on: bool,
    stop: Stop<'_>,
) -> Result<(SshHost, Option<String>), Failure> {
    // A box that was just switched on takes its time; one that does not come is switched off and on.
    let patience = if switched_on { run.inputs.limits.roll_back / 3 } else { run.inputs.limits.boot / 2 };
    let first = crate::boot_watch::wait_for_login(run, None, patience, stop);
    let found = match first {
        Ok(ssh) => {
            let release = ssh.read_text(&["uname", "-r"], SHORT, stop)?;
            if release == run.inputs.machine.boot.known_good_release {
                return Ok((ssh, None));
            }
            release
        }
        Err(error @ (crate::host::HostError::HostKey { .. } | crate::host::HostError::Stopped { .. })) => {
            return Err(error.into());
        }
        Err(_) => "no kernel that answers".to_owned(),
    };
    known_good::return_to(run, false, stop)?;
    Ok((run.ssh()?, Some(found)))
}

/// The value of `key` in `/proc/cpuinfo`.
fn cpuinfo_value(cpuinfo: &str, key: &str) -> String {
    let value = cpuinfo.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    });
    value.map(|value| crate::text::cut(&value, 100)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::cpuinfo_value;

    #[test]
    fn cpuinfo_is_read_by_whole_keys() {
        let cpuinfo = "processor : 0\ncpu  : POWER8, altivec supported\nmachine : PowerNV IBM\ncpu : second";
        assert_eq!(cpuinfo_value(cpuinfo, "cpu"), "POWER8, altivec supported");
        assert_eq!(cpuinfo_value(cpuinfo, "machine"), "PowerNV IBM");
        assert_eq!(cpuinfo_value(cpuinfo, "mach"), "");
    }
}
