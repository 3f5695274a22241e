//! The time, real or replayed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// Where the bridge gets the time from. Cloned clocks show the same time.
#[derive(Debug, Clone)]
pub enum Clock {
    /// This machine's.
    System,
    /// One that stands still but where somebody waits: waiting moves it on at once. In milliseconds since 1970.
    Replayed(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `start`.
    pub fn replayed(start: Timestamp) -> Self {
        Self::Replayed(Arc::new(AtomicI64::new(start.as_millisecond())))
    }

    /// Is it one that moves on only where somebody waits?
    pub fn is_replayed(&self) -> bool {
        matches!(self, Self::Replayed(_))
    }

    /// The time now, in whole milliseconds: more is not kept in the store.
    pub fn now(&self) -> Timestamp {
        let millis = match self {
            Self::System => Timestamp::now().as_millisecond(),
            Self::Replayed(millis) => millis.load(Ordering::SeqCst),
        };
        Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Waits until `then`; at once where the clock is a replayed one.
    pub async fn wait_until(&self, then: Timestamp) {
        // Rounded up: a clock that shows whole milliseconds would otherwise stand just before `then` for ever.
        let whole = then.as_millisecond();
        let then = whole + i64::from(then.as_nanosecond() > i128::from(whole) * 1_000_000);
        match self {
            Self::System => {
                let millis = then.saturating_sub(self.now().as_millisecond());
                tokio::time::sleep(Duration::from_millis(u64::try_from(millis).unwrap_or(0))).await;
            }
            Self::Replayed(millis) => {
                millis.fetch_max(then, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_replayed_clock_arrives_where_it_is_waited_for() {
        let clock = Clock::replayed(Timestamp::UNIX_EPOCH);
        let then = Timestamp::from_nanosecond(5_000_001).unwrap();
        clock.wait_until(then).await;
        assert!(clock.now() >= then);
        assert_eq!(clock.now().as_millisecond(), 6);
    }
}
