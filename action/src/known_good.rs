//! The known-good system: looking at it, and getting back to it.

use std::time::Duration;

use crate::boot_watch;
use crate::cancel::Stop;
use crate::host::{HostError, SshHost};
use crate::notes;
use crate::power::{Power, PowerError, Switch};
use crate::run::{KnownGood, Run, SHORT};

/// Parts of the whole time limit: one for an orderly reboot, one for each power cycle.
const PARTS: u32 = 1 + CYCLES;

/// Power cycles that are tried before the box is given up: a BMC may lose one.
const CYCLES: u32 = 2;

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
    /// There is nothing to compare.
    #[error("there is no file in /boot of the known-good system: that it is unchanged cannot be proven")]
    NoBoot,
    /// The run was told to stop.
    #[error("stopped on the way back")]
    Stopped,
}

/// What runs now: release, build id, checksums of `/boot`.
///
/// # Errors
/// Where it can't be read.
pub fn look(ssh: &SshHost, stop: Stop<'_>) -> Result<KnownGood, WayBackError> {
    let failed = |error| match error {
        HostError::Stopped { .. } => WayBackError::Stopped,
        error => WayBackError::Read(error),
    };
    let read = |argv: &[&str]| ssh.read_text(argv, SHORT, stop).map_err(failed);
    let release = read(&["uname", "-r"])?;
    let notes = ssh.read(&["cat", "/sys/kernel/notes"], SHORT, stop).map_err(failed)?;
    let build_id = notes::build_id(&notes).ok_or(WayBackError::NoBuildId)?;
    let listing = read(&["find", "/boot", "-xdev", "-type", "f", "-exec", "sha256sum", "{}", "+"])?;
    let mut sums: Vec<_> = listing.lines().collect();
    sums.sort_unstable();
    if sums.is_empty() {
        return Err(WayBackError::NoBoot);
    }
    Ok(KnownGood { release, build_id, boot_sums: sums.join("\n") })
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
    let limit = run.inputs.limits.roll_back / PARTS;
    if orderly && let Some(old) = ask_to_reboot(run, stop) {
        run.progress.note("rebooting");
        // A system that crashes while it goes down is not waited for.
        let mark = run.boot_mark;
        let crashed = || mark.is_some_and(|mark| run.console.fatal_since(mark).is_some());
        match wait_for_it(run, Some(&old), limit, stop.or_when(&crashed)) {
            Err(WayBackError::NotUp { .. } | WayBackError::OtherKernel { .. }) => {}
            Err(WayBackError::Stopped) if !stop.requested() => {}
            result => return result.map(|found| (found, WayBack::Reboot)),
        }
    }
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
    // A connection that breaks here says no more than one that is not made.
    let found = look(&ssh, stop).map_err(|error| match error {
        WayBackError::Read(source) => WayBackError::NotUp { limit_s: limit.as_secs(), source },
        error => error,
    })?;
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
