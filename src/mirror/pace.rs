//! How often the mirror is pushed to.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// The pause between two pushes, kept by all who share it.
#[derive(Debug)]
pub struct Pace {
    pause: Duration,
    last: Mutex<Option<Timestamp>>,
}

impl Pace {
    /// No push yet.
    pub fn new(pause: Duration) -> Self {
        Self { pause, last: Mutex::new(None) }
    }

    /// When the next push may be: `now`, or later. Never later than a pause from now, even if the clock was set back.
    pub fn next(&self, now: Timestamp) -> Timestamp {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = last.and_then(|last| last.checked_add(self.pause).ok()).unwrap_or(now);
        let latest = now.checked_add(self.pause).unwrap_or(now);
        rested.clamp(now, latest)
    }

    /// There is a push now.
    pub fn pushed(&self, now: Timestamp) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushes_keep_their_distance() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let pace = Pace::new(Duration::from_secs(10));
        assert_eq!(pace.next(at(1000)), at(1000));
        pace.pushed(at(1000));
        for (now, next) in [(1000, 1010), (1003, 1010), (1010, 1010), (1500, 1500), (5, 15)] {
            assert_eq!(pace.next(at(now)), at(next), "{now}");
        }
    }
}
