//! Being told to stop, and waiting no longer than that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// How often a wait looks whether it was told to stop. Short enough for Ctrl-C to feel immediate, long
/// enough to cost nothing.
const POLL: Duration = Duration::from_millis(50);

/// Counts requests to stop. The first one ends the work and lets the box be rolled back; the second one
/// gives up on that, too.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    requests: Arc<AtomicUsize>,
}

impl Cancel {
    /// A token that SIGINT, SIGTERM and SIGHUP pull.
    ///
    /// # Errors
    /// Where a handler can't be installed.
    pub fn on_signals() -> std::io::Result<Self> {
        let cancel = Self::default();
        let requests = Arc::clone(&cancel.requests);
        let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        std::thread::spawn(move || {
            for signal in signals.forever() {
                if signal == SIGINT {
                    requests.fetch_add(1, Ordering::SeqCst);
                } else {
                    // Whoever ends a job sends these again and again; only a person presses Ctrl-C twice.
                    requests.fetch_max(1, Ordering::SeqCst);
                }
            }
        });
        Ok(cancel)
    }

    /// Asks for a stop.
    pub fn request(&self) {
        self.requests.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether the work should end.
    pub fn requested(&self) -> bool {
        self.requests.load(Ordering::SeqCst) >= 1
    }

    /// The token for a roll-back: the first request does not stop it, the second does.
    pub fn after_first(&self) -> Stop<'_> {
        Stop { cancel: self, at: 2, given_up: None }
    }

    /// The token for everything else: the first request stops it.
    pub fn at_first(&self) -> Stop<'_> {
        Stop { cancel: self, at: 1, given_up: None }
    }
}

/// What a wait looks at to learn that it should end.
#[derive(Clone, Copy)]
pub struct Stop<'a> {
    cancel: &'a Cancel,
    at: usize,
    given_up: Option<&'a dyn Fn() -> bool>,
}

impl std::fmt::Debug for Stop<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stop").field("cancel", self.cancel).field("at", &self.at).finish_non_exhaustive()
    }
}

impl<'a> Stop<'a> {
    /// Ends a wait also when `given_up` says that what is waited for can't come any more.
    #[must_use]
    pub fn or_when(self, given_up: &'a dyn Fn() -> bool) -> Self {
        Self { given_up: Some(given_up), ..self }
    }

    /// Whether to end now.
    pub fn requested(self) -> bool {
        self.cancel.requests.load(Ordering::SeqCst) >= self.at
            || self.given_up.is_some_and(|given_up| given_up())
    }

    /// Sleeps for `time`, less if told to stop. Returns whether it was.
    pub fn sleep(self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        while !self.requested() {
            let now = Instant::now();
            if now >= deadline {
                return false;
            }
            std::thread::sleep(POLL.min(deadline - now));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_request_stops_a_roll_back() {
        let cancel = Cancel::default();
        assert!(!cancel.at_first().requested());
        cancel.request();
        assert!(cancel.at_first().requested());
        assert!(!cancel.after_first().requested());
        cancel.request();
        assert!(cancel.after_first().requested());
    }

    #[test]
    fn a_sleep_ends_when_told_to() {
        let cancel = Cancel::default();
        let other = cancel.clone();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            other.request();
        });
        let began = Instant::now();
        assert!(cancel.at_first().sleep(Duration::from_secs(20)));
        assert!(began.elapsed() < Duration::from_secs(5));
        thread.join().expect("the thread ends");
    }
}
