//! A series as check runs: one for the whole, one for whether it applies, one for each step of the test. No I/O.

use patchlift_report::Report;

use crate::check_run::CheckRun;
use crate::notice::Notice;

/// The check runs of a series as it stands; none before it has commits.
pub fn of_notice(_notice: &Notice) -> Vec<CheckRun> {
    Vec::new()
}

/// The check runs of a run that is over: the same as those of a notice with this report.
pub fn of_report(_report: &Report, _details_url: Option<&str>) -> Vec<CheckRun> {
    Vec::new()
}
