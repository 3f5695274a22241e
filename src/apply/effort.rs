//! What one series may cost, however many patches it has: real ones need a small part of it, hostile ones are refused
//! when it is used up.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::refusal::{Reason, Refusal, Stop};

/// Comparisons of lines while places for hunks are looked for. The worst real series (116 patches on files of 30 000
/// lines) needs a thousandth of it; all of it takes about a second.
pub(crate) const COMPARISONS: u64 = 500_000_000;
/// Bytes of changed files, all versions of all patches together. The same real series makes 120 MB.
const CONTENT: u64 = 384 << 20;
/// Git, while it merges renamed files: a merge takes it some milliseconds.
const GIT: Duration = Duration::from_secs(60);

/// What the series has cost so far.
#[derive(Debug, Default)]
pub(crate) struct Effort {
    comparisons: Cell<u64>,
    content: Cell<u64>,
    git: Cell<Duration>,
}

impl Effort {
    /// Another series begins.
    pub(crate) fn begin(&self) {
        self.comparisons.set(0);
        self.content.set(0);
        self.git.set(Duration::ZERO);
    }

    /// Comparisons so far.
    pub(crate) fn comparisons(&self) -> u64 {
        self.comparisons.get()
    }

    /// There were more comparisons: the new sum.
    pub(crate) fn compared(&self, sum: u64) {
        self.comparisons.set(sum);
    }

    /// A version of a file is made.
    pub(crate) fn made(&self, path: &[u8], content: &[u8]) -> Result<(), Stop> {
        self.content.set(self.content.get() + content.len() as u64);
        if self.content.get() > CONTENT {
            let reason = Reason::TooMuchContent { megabytes: CONTENT >> 20 };
            return Err(Refusal::of(path, reason).into());
        }
        Ok(())
    }

    /// Until when a git process may run that begins now.
    pub(crate) fn git_deadline(&self) -> Instant {
        Instant::now() + GIT.saturating_sub(self.git.get())
    }

    /// A git process that began then has ended.
    pub(crate) fn git_ended(&self, began: Instant) {
        self.git.set(self.git.get() + began.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_makes_only_so_much_and_the_next_one_begins_anew() {
        let effort = Effort::default();
        let content = vec![0; 64 << 20];
        let made: Vec<bool> = (0..9).map(|_| effort.made(b"f", &content).is_ok()).collect();
        assert_eq!(made, [[true; 6].as_slice(), &[false; 3]].concat());
        effort.begin();
        assert!(effort.made(b"f", &content).is_ok());
    }
}
