//! The known-good system: looking at it, and getting back to it.

use std::time::{Duration, Instant};

use crate::boot_watch;
use crate::cancel::Stop;
use crate::host::{HostError, SshHost};
use crate::notes;
use crate::power::{Power, PowerError, Switch};
use crate::run::{KnownGood, Run, SHORT};

/// Power cycles that are tried before the box is given up: a BMC may lose one.
const CYCLES: u32 = 2;

/// How long an orderly reboot may take until the box is gone from the network. After that it hangs in it.
const ORDERLY: Duration = Duration::from_secs(45);

/// Why the box is not on its known-good system.
#[derive(Debug, thiserror::Error)]
pub enum WayBackError {
    /// The BMC can't be used.
    #[error("the box can't be switched")]
    Power(#[source] PowerError),
    /// It does not come up.
    #[error("the box did not come up on its known-good kernel in {limit_s} s")]
    NotUp {
        /// The limit.
        limit_s: u64,
        /// The last attempt to log in.
        #[source]
        source: HostError,
    },
    /// Another kernel came up.
    #[error("the box boots {found} by itself, its description says {wanted}")]
    OtherKernel {
        /// What runs.
        found: String,
        /// What should.
        wanted: String,
    },
    /// It can't be looked at.
    #[error("the known-good system can't be read")]
    Read(#[source] HostError),
    /// Its kernel has no build id.
    #[error("the known-good kernel has no build id in /sys/kernel/notes")]
    NoBuildId,
    /// The run was told to stop.
    #[error("stopped on the way back")]
    Stopped,
}

/// What runs now: release, build id, checksums of `/boot`.
///
/// # Errors
/// Where it can't be read.
pub fn look(ssh: &SshHost, stop: Stop<'_>) -> Result<KnownGood, WayBackError> {
    let read = |argv: &[&str]| ssh.read_text(argv, SHORT, stop).map_err(WayBackError::Read);
    let release = read(&["uname", "-r"])?;
    let notes = ssh.read(&["cat", "/sys/kernel/notes"], SHORT, stop).map_err(WayBackError::Read)?;
    let build_id = notes::build_id(&notes).ok_or(WayBackError::NoBuildId)?;
    let boot_sums = read(&["sh", "-c", "find /boot -xdev -type f -exec sha256sum {} + | sort -k2"])?;
    Ok(KnownGood { release, build_id, boot_sums })
}

/// Brings the box to its known-good kernel: by an orderly reboot where it can still be logged in to and
/// `orderly` is wanted, otherwise by its power switch, which needs nobody's consent.
///
/// # Errors
/// Where it does not come back.
pub fn return_to(run: &mut Run, orderly: bool, stop: Stop<'_>) -> Result<KnownGood, WayBackError> {
    if orderly && reboot_orderly(run, stop) {
        run.progress.note("rebooting");
        match wait_for_it(run, stop) {
            Err(WayBackError::NotUp { .. } | WayBackError::OtherKernel { .. }) => {}
            result => return result,
        }
    }
    let mut attempt = 1;
    loop {
        run.progress.note("switching the power");
        run.bmc.switch(Switch::Cycle, stop).map_err(|error| match error {
            PowerError::Stopped => WayBackError::Stopped,
            error => WayBackError::Power(error),
        })?;
        match wait_for_it(run, stop) {
            Err(WayBackError::NotUp { .. } | WayBackError::OtherKernel { .. }) if attempt < CYCLES => {
                attempt += 1
            }
            result => return result,
        }
    }
}

/// Asks the running system to reboot. Returns whether it went down.
fn reboot_orderly(run: &Run, stop: Stop<'_>) -> bool {
    let Ok(ssh) = run.ssh() else { return false };
    // The connection may be gone before the answer is there.
    let _ = ssh.read(&["sh", "-c", "sync; reboot"], Duration::from_secs(10), stop);
    let deadline = Instant::now() + ORDERLY;
    while Instant::now() < deadline && !stop.sleep(Duration::from_millis(500)) {
        if run.ssh().is_err() {
            return true;
        }
    }
    false
}

/// Waits until the box can be logged in to and runs its known-good kernel.
fn wait_for_it(run: &Run, stop: Stop<'_>) -> Result<KnownGood, WayBackError> {
    let limit = run.inputs.limits.roll_back / (CYCLES + 1);
    let ssh = boot_watch::wait_for_login(run, limit, stop)
        .map_err(|source| WayBackError::NotUp { limit_s: limit.as_secs(), source })?;
    let found = look(&ssh, stop)?;
    let wanted = &run.inputs.machine.boot.known_good_release;
    if found.release != *wanted {
        return Err(WayBackError::OtherKernel { found: found.release, wanted: wanted.clone() });
    }
    Ok(found)
}

/// Switches the box on where it is off.
///
/// # Errors
/// Where the BMC can't be used.
pub fn ensure_power(run: &Run, stop: Stop<'_>) -> Result<bool, PowerError> {
    if run.bmc.status(stop)? == Power::On {
        return Ok(false);
    }
    run.bmc.switch(Switch::On, stop).map(|()| true)
}
