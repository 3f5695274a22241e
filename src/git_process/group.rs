//! A child and all its children, which end together.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::Child;

/// A process group. It is ended when this is dropped, unless it is known to be over.
pub(super) struct Group(Option<Pid>);

/// git removes its lock files when it is asked to end, so it is asked first. It needs milliseconds.
const GRACE: Duration = Duration::from_secs(2);

impl Group {
    /// The group that `child` leads.
    pub(super) fn of(child: &Child) -> Self {
        let number = child.id().and_then(|id| i32::try_from(id).ok());
        Self(number.and_then(Pid::from_raw))
    }

    /// Its leader has ended by itself: what is left of the group is killed, nothing has to be cleaned up.
    pub(super) fn is_over(&mut self) {
        if let Some(group) = self.0.take() {
            // It is gone already in all but odd cases.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(group) = self.0.take() else { return };
        if kill_process_group(group, Signal::TERM).is_err() {
            return;
        }
        std::thread::spawn(move || {
            let step = Duration::from_millis(20);
            for _ in 0..GRACE.as_millis() / step.as_millis() {
                std::thread::sleep(step);
                if test_kill_process_group(group).is_err() {
                    return;
                }
            }
            let _ = kill_process_group(group, Signal::KILL);
        });
    }
}
