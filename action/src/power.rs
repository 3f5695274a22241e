//! Switching the box through its BMC.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::cancel::Stop;
use crate::machine::BmcAccess;
use crate::process::{self, Exit, ProcessError};

/// One call of ipmitool takes 0.2 s on a healthy BMC, and up to 20 s on one that is busy.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// A BMC answers late or not at all while it switches the host: that many tries, that far apart. ipmitool
/// itself needs 10 s to find out that nobody is there.
const TRIES: u32 = 3;
const BETWEEN_TRIES: Duration = Duration::from_secs(3);

/// Whether the host has power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// It has.
    On,
    /// It has not.
    Off,
}

impl Power {
    fn in_words(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

/// What the BMC is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Power on.
    On,
    /// Power off, wait, power on.
    Cycle,
}

/// Why the BMC could not be used.
#[derive(Debug, thiserror::Error)]
pub enum PowerError {
    /// ipmitool could not be run.
    #[error("cannot ask the BMC at {host}")]
    Process {
        /// The BMC.
        host: String,
        /// Why.
        #[source]
        source: ProcessError,
    },
    /// The BMC did not answer, refused, or answered something else.
    #[error("the BMC at {host} did not do `{what}` ({exit}): {said}")]
    Refused {
        /// The BMC.
        host: String,
        /// The ipmitool command.
        what: String,
        /// How ipmitool ended.
        exit: Exit,
        /// Its last line.
        said: String,
    },
    /// It was told to, said yes, and the host did not follow.
    #[error("the BMC at {host} said yes to `{what}`, but the host was not {} after {after_s} s", .wanted.in_words())]
    Ignored {
        /// The BMC.
        host: String,
        /// The ipmitool command.
        what: &'static str,
        /// The state that was waited for.
        wanted: Power,
        /// How long.
        after_s: u64,
    },
    /// The run was told to stop.
    #[error("stopped while switching the box")]
    Stopped,
}

/// A BMC that is reached through ipmitool.
#[derive(Debug, Clone)]
pub struct Bmc {
    access: BmcAccess,
}

impl Bmc {
    /// A BMC as described.
    pub fn new(access: BmcAccess) -> Self {
        Self { access }
    }

    /// `ipmitool` with everything but the command. The password goes by file, never by argument.
    pub fn ipmitool(&self, args: &[&str]) -> Command {
        let BmcAccess::Ipmi { host, port, user, password_file, cipher_suite } = &self.access;
        let (port, suite) = (port.to_string(), cipher_suite.to_string());
        // Through a pipe ipmitool keeps its lines back, the one that says that the console is there among
        // them, until the machine prints something.
        let mut command = process::command(
            "stdbuf",
            &[
                "-oL", "ipmitool", "-I", "lanplus", "-N", "2", "-R", "2", "-C", &suite, "-H", host, "-p",
                &port, "-U", user, "-f",
            ],
        );
        command.arg(password_file).args(args);
        command
    }

    fn host(&self) -> String {
        let BmcAccess::Ipmi { host, port, .. } = &self.access;
        format!("{host}:{port}")
    }

    /// One command, tried again where the BMC does not answer.
    fn call(&self, args: &[&str], stop: Stop<'_>) -> Result<String, PowerError> {
        let mut attempt = 1;
        loop {
            let output = process::capture(&mut self.ipmitool(args), CALL_LIMIT, stop)
                .map_err(|source| PowerError::Process { host: self.host(), source })?;
            match output.exit {
                Exit::Stopped => return Err(PowerError::Stopped),
                exit if exit.success() => return Ok(output.text),
                exit if attempt == TRIES => {
                    let said = output.text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing");
                    let (what, said) = (args.join(" "), said.trim().to_owned());
                    return Err(PowerError::Refused { host: self.host(), what, exit, said });
                }
                _ => {}
            }
            attempt += 1;
            if stop.sleep(BETWEEN_TRIES) {
                return Err(PowerError::Stopped);
            }
        }
    }

    /// Asks whether the host has power.
    ///
    /// # Errors
    /// Where the BMC does not answer with one of the two.
    pub fn status(&self, stop: Stop<'_>) -> Result<Power, PowerError> {
        let text = self.call(&["chassis", "power", "status"], stop)?;
        if text.contains("Chassis Power is on") {
            Ok(Power::On)
        } else if text.contains("Chassis Power is off") {
            Ok(Power::Off)
        } else {
            let (what, said) = ("chassis power status".to_owned(), text.trim().to_owned());
            Err(PowerError::Refused { host: self.host(), what, exit: Exit::Code(0), said })
        }
    }

    /// Switches the host. For off and on it is waited, up to a minute, until the BMC reports that state;
    /// [`Switch::Cycle`] is done as off and on, so that a BMC that ignores it once is noticed.
    ///
    /// # Errors
    /// Where the BMC refuses, or the host does not follow.
    pub fn switch(&self, switch: Switch, stop: Stop<'_>) -> Result<(), PowerError> {
        match switch {
            Switch::On => self.reach(Power::On, stop),
            Switch::Cycle => {
                self.reach(Power::Off, stop)?;
                self.reach(Power::On, stop)
            }
        }
    }

    fn reach(&self, wanted: Power, stop: Stop<'_>) -> Result<(), PowerError> {
        /// `ipmi_sim` waits up to 30 s for its QEMU; a real POWER8 takes some 10 s.
        const LIMIT: Duration = Duration::from_secs(60);
        /// Asked again in between: a BMC may lose one request while the host goes down.
        const ASK_AGAIN: Duration = Duration::from_secs(20);
        let (what, args) = match wanted {
            Power::On => ("chassis power on", ["chassis", "power", "on"]),
            Power::Off => ("chassis power off", ["chassis", "power", "off"]),
        };
        let began = Instant::now();
        // A BMC may refuse to switch off what is off.
        if self.status(stop)? == wanted {
            return Ok(());
        }
        while began.elapsed() < LIMIT {
            self.call(&args, stop)?;
            let asked = Instant::now();
            while asked.elapsed() < ASK_AGAIN {
                if self.status(stop)? == wanted {
                    return Ok(());
                }
                if stop.sleep(Duration::from_millis(500)) {
                    return Err(PowerError::Stopped);
                }
            }
        }
        Err(PowerError::Ignored { host: self.host(), what, wanted, after_s: began.elapsed().as_secs() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_never_an_argument() {
        let bmc = Bmc::new(BmcAccess::Ipmi {
            host: "127.0.0.1".to_owned(),
            port: 1,
            user: "u".to_owned(),
            password_file: "/run/secret".into(),
            cipher_suite: 3,
        });
        let command = bmc.ipmitool(&["chassis", "power", "status"]);
        let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
        assert_eq!(
            args.join(" "),
            "-oL ipmitool -I lanplus -N 2 -R 2 -C 3 -H 127.0.0.1 -p 1 -U u -f /run/secret chassis power status"
        );
    }
}
