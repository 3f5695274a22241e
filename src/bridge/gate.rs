//! Keeps away from a service that is down: one failure that concerns everybody closes the gate for all.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::backoff;

/// No server is given more time than this: [`backoff::after`].
const LONGEST: Duration = Duration::from_secs(86_400 + 60);

/// The gate to one service.
#[derive(Debug, Default)]
pub struct Gate {
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    failures: u32,
    closed_until: Option<Timestamp>,
}

impl Gate {
    fn inside(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when nobody may pass; `None`: come in.
    pub fn closed(&self, now: Timestamp) -> Option<Timestamp> {
        // A gate that is closed for longer than any back-off was closed by a clock that has been set back since.
        self.inside().closed_until.filter(|until| *until > now && *until <= now + LONGEST)
    }

    /// The service answered.
    pub fn worked(&self) {
        *self.inside() = Inside::default();
    }

    /// The service failed for everybody. Several failures that were under way together count once.
    pub fn failed(&self, asked: Option<Duration>, now: Timestamp) -> Timestamp {
        let mut inside = self.inside();
        if let Some(until) = inside.closed_until.filter(|until| *until > now) {
            return until;
        }
        inside.failures += 1;
        let until = now + backoff::after(inside.failures, asked);
        inside.closed_until = Some(until);
        until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_together_count_once_and_an_answer_opens() {
        let gate = Gate::default();
        let start = Timestamp::UNIX_EPOCH;
        let until = gate.failed(None, start);
        assert_eq!(gate.failed(None, start), until);
        assert_eq!(gate.closed(start), Some(until));
        assert_eq!(gate.closed(until), None);
        let second = gate.failed(None, until);
        assert!(second > until);
        gate.worked();
        assert_eq!(gate.closed(start), None);
    }
}
