//! How a command ends: the one table of exit codes.

/// The end of a command; its number is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Ending {
    /// The series is applied; or there was nothing to apply and nothing was asked for.
    Done = 0,
    /// The disk, the repository or the configuration failed: not the series' fault.
    OurFault = 1,
    /// What was given is no whole series, or a name given on the command line is wrong.
    BadInput = 2,
    /// A patch does not apply to the base.
    Conflict = 3,
    /// The base holds the whole series already; no commit was made.
    AlreadyApplied = 4,
}

/// The table as `--help` shows it.
pub const HELP: &str = "\
Exit codes:
  0  done; of a series: applied
  1  our own fault: disk, repository, or something that is needed does not answer
  2  bad input: a mistake in the configuration, no whole series, no mailbox, or no such series, file, base or repository
  3  conflict: a patch does not apply
  4  already applied: the base holds the whole series, no commit was made";

impl From<Ending> for std::process::ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(ending as u8)
    }
}
