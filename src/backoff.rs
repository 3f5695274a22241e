//! How long to wait after a failure.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_secs(2);

/// The longest.
pub const LONGEST: Duration = Duration::from_secs(3600);

/// The wait after `times` failures in a row (from 1): doubled each time up to [`LONGEST`], then anything from half of
/// it to all of it, so that many series that failed together do not come back together. `asked` is what the server
/// asked for (`Retry-After`): never less than that, and at most a day.
pub fn after(times: u32, asked: Option<Duration>) -> Duration {
    let doubled = FIRST.saturating_mul(1 << times.saturating_sub(1).min(20)).min(LONGEST);
    let jittered = doubled.mul_f64(0.5 + fastrand::f64() / 2.0);
    asked.unwrap_or_default().min(Duration::from_secs(86_400)).max(jittered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour_and_spread() {
        for (times, most) in [(1, 2), (2, 4), (5, 32), (11, 2048), (12, 3600), (40, 3600), (u32::MAX, 3600)] {
            let most = Duration::from_secs(most);
            for _ in 0..50 {
                let wait = after(times, None);
                assert!(wait <= most && wait >= most / 2, "{times}: {wait:?}");
            }
        }
        assert!(after(1, Some(Duration::from_secs(90))) >= Duration::from_secs(90));
        assert_eq!(after(1, Some(Duration::from_secs(1 << 40))), Duration::from_secs(86_400));
    }
}
