//! How fast GitHub is asked: one write at a time with a pause after it, and not at all while it asks to wait.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// GitHub asks for a second between writes ("Best practices for using the REST API").
pub const GAP_BETWEEN_WRITES: Duration = Duration::from_secs(1);

/// The state that all handles of one [`super::Api`] share.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the last write was over.
    last_write: tokio::sync::Mutex<Option<Instant>>,
    /// GitHub asked to wait until then. Whoever goes on asking may be shut out for good.
    quiet_until: Mutex<Option<Instant>>,
}

/// The right to write; whoever holds it is alone.
pub(super) struct Turn<'a>(tokio::sync::MutexGuard<'a, Option<Instant>>);

impl Drop for Turn<'_> {
    /// Also where the one who wrote was stopped in the middle.
    fn drop(&mut self) {
        *self.0 = Some(Instant::now());
    }
}

impl Pace {
    /// Waits for the others, and until the gap since their last write is over.
    pub(super) async fn turn(&self, gap: Duration) -> Turn<'_> {
        let last = self.last_write.lock().await;
        if let Some(last) = *last {
            tokio::time::sleep_until(last + gap).await;
        }
        Turn(last)
    }

    /// How long nothing may be asked from now on.
    pub(super) fn quiet_for(&self) -> Option<Duration> {
        let until = *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.map(|until| until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    /// Nothing may be asked for this long from now on.
    pub(super) fn be_quiet(&self, wait: Duration) {
        let mut until = self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Some(Instant::now() + wait));
    }
}
