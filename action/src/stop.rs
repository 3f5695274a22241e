//! The end of a run in the background: nobody waits for it for ever, and the box is back, whatever became of it.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use patchlift_report::text::TextStyle;
use patchlift_report::{Lane, Report, StageName, StageResult};

use crate::cancel::Cancel;
use crate::follow::{self, Follower};
use crate::inputs::{InputError, Limits};
use crate::journal::{Entry, Journal};
use crate::progress::Progress;
use crate::recover;
use crate::run::RunError;
use crate::run_folder::RunFolder;
use crate::workflow::StepLog;

/// For what a run does beside the way back: ending a build, writing the report.
const MARGIN: Duration = Duration::from_secs(60);

/// How often the run is looked at.
const POLL: Duration = Duration::from_millis(200);

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// The log can't be written.
    #[error("cannot write to standard output")]
    Log(#[source] io::Error),
    /// The run does not end.
    #[error("the run in {dir} is still at work after {} s", .limit.as_secs())]
    StillAtWork {
        /// The folder of the run.
        dir: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// Whoever asked does not want to wait. The run goes on with rolling the box back.
    #[error("no longer waited for; the run goes on with rolling the box back")]
    NotWaitedFor,
    /// The run is gone, and what it was asked for can't be used any more.
    #[error("the run was killed, and the box can't be brought back in its place")]
    Input(#[source] InputError),
    /// The folder of the run can't be used.
    #[error("the run's folder can't be used")]
    Folder(#[source] RunError),
}

/// Ends the run and gives its report. A run that is on its way home is only waited for; one that still has work to
/// do is asked to stop; the box of one that was killed is brought back here.
///
/// # Errors
/// See [`StopError`].
pub fn stop<W: Write>(
    folder: &RunFolder,
    log: &mut StepLog<W>,
    cancel: &Cancel,
) -> Result<Report, StopError> {
    log.open("Roll the box back").map_err(StopError::Log)?;
    wait(folder, log, cancel)?;
    if let Some(report) = follow::report(folder) {
        return Ok(report);
    }
    log.line("The run was killed. What it left on the box is undone now.").map_err(StopError::Log)?;
    let request = folder.load_request().map_err(StopError::Folder)?;
    let inputs = request.check().map_err(StopError::Input)?;
    recover::recover(folder, inputs, Progress::new(TextStyle::default())).map_err(StopError::Folder)
}

/// Waits until the run's process is gone.
fn wait<W: Write>(folder: &RunFolder, log: &mut StepLog<W>, cancel: &Cancel) -> Result<(), StopError> {
    let mut follower = Follower::new(folder);
    let wanted = folder.load_request().ok().and_then(|request| request.roll_back_limit);
    let limit = wanted.unwrap_or(Limits::default().roll_back) + MARGIN;
    let deadline = Instant::now() + limit;
    let mut asked = false;
    while folder.is_alive() {
        let entries = Journal::read(&folder.journal()).unwrap_or_default();
        if !asked && !on_its_way_home(&entries) {
            asked = folder.ask_to_stop();
            if asked {
                log.line("The run was asked to stop.").map_err(StopError::Log)?;
            }
        }
        follower.show(log).map_err(StopError::Log)?;
        if Instant::now() >= deadline {
            return Err(StopError::StillAtWork { dir: folder.path().display().to_string(), limit });
        }
        if cancel.at_first().sleep(POLL) {
            return Err(StopError::NotWaitedFor);
        }
    }
    follower.show(log).map_err(StopError::Log)
}

/// Whether nothing but the roll-back and the report is left to do for the run: asking it to stop would make its
/// verdict `cancelled`, or its way back a rougher one.
fn on_its_way_home(entries: &[Entry]) -> bool {
    entries.iter().filter(|entry| entry.lane == Lane::Series).any(|entry| {
        let not_passed = entry.done.as_ref().is_some_and(|stage| stage.result != StageResult::Passed);
        let last = entry.stage == StageName::KvmSmoke && entry.done.is_some();
        not_passed || last || entry.stage == StageName::RollBack
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use patchlift_report::{Fault, Stage};

    fn entry(stage: StageName, lane: Lane, result: Option<StageResult>) -> Entry {
        let at = Timestamp::UNIX_EPOCH;
        let done = result.map(|result| Stage::at_once(stage, lane, result, at));
        Entry { at, stage, lane, event: String::new(), done }
    }

    #[test]
    fn a_run_on_its_way_home_is_left_alone() {
        use StageName::{Boot, KvmSmoke, Preflight, RollBack};
        let passed = || Some(StageResult::Passed);
        let failed = || Some(StageResult::Failed { fault: Fault::Series, reason: "x".to_owned() });
        assert!(!on_its_way_home(&[]));
        assert!(!on_its_way_home(&[entry(Preflight, Lane::Series, passed())]));
        assert!(!on_its_way_home(&[entry(KvmSmoke, Lane::Series, None)]));
        assert!(!on_its_way_home(&[entry(RollBack, Lane::Base, None)]), "the series is still to come");
        assert!(!on_its_way_home(&[entry(Boot, Lane::Base, failed())]), "the series is still to come");
        assert!(on_its_way_home(&[entry(Boot, Lane::Series, failed())]));
        assert!(on_its_way_home(&[entry(KvmSmoke, Lane::Series, passed())]));
        assert!(on_its_way_home(&[entry(RollBack, Lane::Series, None)]));
    }
}
