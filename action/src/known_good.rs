//! The known-good system: looking at it, and getting back to it.

use std::time::Duration;

use crate::boot_watch;
use crate::cancel::Stop;
use crate::host::{HostError, SshHost};
use crate::notes;
use crate::power::{Power, PowerError, Switch};
use crate::run::{KnownGood, Run, SHORT};

/// Power cycles that are tried before the box is given up: a BMC may lose one.
const CYCLES: u32 = 2;

/// How long an orderly reboot may take. A real box needs longer for its firmware alone; it is then switched
/// off and on in the middle of that, which it survives, and which costs it the time of one more boot.
const ORDERLY: Duration = Duration::from_secs(6 * 60);

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

/// How the box came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayBack {
    /// The system under test rebooted when it was asked to.
    Reboot,
    /// It was switched off and on.
    PowerCycle,
}

impl WayBack {
    /// For people.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Reboot => "reboot",
            Self::PowerCycle => "power cycle",
        }
    }
}

/// Brings the box to its known-good kernel: by an orderly reboot where it can still be logged in to and
/// `orderly` is wanted, otherwise by its power switch, which needs nobody's consent.
///
/// # Errors
/// Where it does not come back.
pub fn return_to(run: &mut Run, orderly: bool, stop: Stop<'_>) -> Result<(KnownGood, WayBack), WayBackError> {
    if orderly && let Some(old) = ask_to_reboot(run, stop) {
        run.progress.note("rebooting");
        match wait_for_it(run, Some(&old), ORDERLY, stop) {
            Err(WayBackError::NotUp { .. } | WayBackError::OtherKernel { .. }) => {}
            result => return result.map(|found| (found, WayBack::Reboot)),
        }
    }
    let limit = run.inputs.limits.roll_back / CYCLES;
    let mut attempt = 1;
    loop {
        run.progress.note("switching the power");
        run.bmc.switch(Switch::Cycle, stop).map_err(|error| match error {
            PowerError::Stopped => WayBackError::Stopped,
            error => WayBackError::Power(error),
        })?;
        match wait_for_it(run, None, limit, stop) {
            Err(WayBackError::NotUp { .. } | WayBackError::OtherKernel { .. }) if attempt < CYCLES => {
                attempt += 1
            }
            result => return result.map(|found| (found, WayBack::PowerCycle)),
        }
    }
}

/// Asks the running system to reboot. Gives the boot id that has to go, if it could be asked.
fn ask_to_reboot(run: &Run, stop: Stop<'_>) -> Option<String> {
    let ssh = run.ssh().ok()?;
    let old = boot_watch::boot_id(&ssh, stop).ok()?;
    // The connection may be gone before the answer is there.
    let _ = ssh.read(&["sh", "-c", "sync; reboot"], Duration::from_secs(10), stop);
    Some(old)
}

/// Waits until the box can be logged in to under another boot id than `old`, and runs its known-good kernel.
fn wait_for_it(
    run: &Run,
    old: Option<&str>,
    limit: Duration,
    stop: Stop<'_>,
) -> Result<KnownGood, WayBackError> {
    let ssh = boot_watch::wait_for_login(run, old, limit, stop).map_err(|source| match source {
        HostError::Stopped { .. } => WayBackError::Stopped,
        source => WayBackError::NotUp { limit_s: limit.as_secs(), source },
    })?;
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
