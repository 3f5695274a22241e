//! Watching a run from outside: what it prints, until one of its stages has ended.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use patchlift_report::{Fault, Lane, Report, Stage, StageName, StageResult};
use serde::{Deserialize, Serialize};

use crate::cancel::Cancel;
use crate::classify;
use crate::journal::{Entry, Journal};
use crate::plan::STOPPED;
use crate::run_folder::{self, RunFolder};
use crate::text;
use crate::workflow::StepLog;

/// How often the run is looked at.
const POLL: Duration = Duration::from_millis(200);

/// Read in one go.
const MAX_CHUNK: u64 = 1 << 20;

/// A box that prints without end must not fill the log of the workflow; a boot prints some 600 lines.
const MAX_LINES: usize = 5000;

/// The lab or this program failed.
const OUR_FAULT: u8 = 1;

/// The run was stopped.
const CANCELLED: u8 = 130;

/// How far the files of a run have been shown; in bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Shown {
    output: u64,
    console: u64,
}

/// Shows what a run prints and what its box says, each line once, over as many steps as there are.
#[derive(Debug)]
pub struct Follower<'a> {
    folder: &'a RunFolder,
    mark: PathBuf,
    shown: Shown,
    lines: usize,
}

impl<'a> Follower<'a> {
    /// Goes on where the last one ended.
    pub fn new(folder: &'a RunFolder) -> Self {
        let mark = folder.path().join("shown.json");
        let shown = std::fs::read(&mark).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { folder, mark, shown: shown.unwrap_or_default(), lines: 0 }
    }

    /// Shows what is new.
    ///
    /// # Errors
    /// Where the log can't be written.
    pub fn show<W: Write>(&mut self, log: &mut StepLog<W>) -> io::Result<()> {
        let console = new_lines(&self.folder.console_log(), &mut self.shown.console);
        let output = new_lines(&self.folder.output(), &mut self.shown.output);
        for line in output {
            log.line(&line)?;
        }
        for line in console {
            self.lines += 1;
            match self.lines {
                ..MAX_LINES => log.line(&format!("    | {line}"))?,
                MAX_LINES => log.line("    | … the rest is in console.log")?,
                _ => {}
            }
        }
        // Without the mark the next step shows some lines again.
        if let Ok(bytes) = serde_json::to_vec(&self.shown) {
            let _ = run_folder::replace(&self.mark, &bytes);
        }
        Ok(())
    }
}

/// The whole lines behind `from`, which is moved on. A file that is not there yet has none.
fn new_lines(path: &Path, from: &mut u64) -> Vec<String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(*from))?;
        file.take(MAX_CHUNK).read_to_end(&mut bytes)
    });
    if read.is_err() {
        return Vec::new();
    }
    // A line without an end is shown when it has one, but a chunk of nothing else is not waited for.
    let full = u64::try_from(bytes.len()).is_ok_and(|length| length == MAX_CHUNK);
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
    let end = end.unwrap_or(if full { bytes.len() } else { 0 });
    *from += u64::try_from(end).unwrap_or_default();
    let whole = bytes.get(..end).unwrap_or_default();
    whole.split_inclusive(|byte| *byte == b'\n').map(text::clean).collect()
}

/// How one stage of the series ended, as the step of a workflow that stands for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// 0 where it passed or was not needed; otherwise that of the class of its failure.
    pub code: u8,
    /// Why it is not 0; one line.
    pub reason: String,
    /// The lines that show why.
    pub excerpt: Vec<String>,
}

/// The end of `name` for the series, once the journal has it.
pub fn ended(entries: &[Entry], name: StageName) -> Option<Ended> {
    let done = || entries.iter().filter_map(|entry| entry.done.as_ref());
    let stage = done().rfind(|stage| stage.name == name && stage.lane == Lane::Series)?;
    let (code, reason) = match &stage.result {
        StageResult::Passed => (0, String::new()),
        StageResult::Skipped { .. } if name == StageName::RollBack => (0, String::new()),
        StageResult::Skipped { reason } => (why_skipped(done(), reason), reason.clone()),
        StageResult::Interrupted => (CANCELLED, STOPPED.to_owned()),
        StageResult::Failed { fault, reason } | StageResult::TimedOut { fault, reason, .. } => {
            (code_of(name, *fault), reason.clone())
        }
    };
    Some(Ended { code, reason, excerpt: stage.excerpt.clone() })
}

/// A stage is skipped because of another one, whose code it has.
fn why_skipped<'a>(mut done: impl Iterator<Item = &'a Stage>, reason: &str) -> u8 {
    let decisive = done.find_map(|stage| match &stage.result {
        StageResult::Interrupted => Some(CANCELLED),
        result => {
            let (fault, _) = result.failure()?;
            let held_back = stage.lane == Lane::Series || fault != Fault::Base;
            held_back.then(|| code_of(stage.name, fault))
        }
    });
    decisive.unwrap_or(if reason == STOPPED { CANCELLED } else { OUR_FAULT })
}

/// The exit code of a run that this failure decides.
fn code_of(stage: StageName, fault: Fault) -> u8 {
    use patchlift_report::Ending;
    let ending = match fault {
        Fault::Series => classify::phase(stage).ending(),
        Fault::Base => Ending::BaseBroken,
        Fault::Infrastructure => Ending::Infrastructure,
        Fault::Hardware => Ending::Hardware,
    };
    ending.exit_code()
}

/// The report of a run that has one.
pub fn report(folder: &RunFolder) -> Option<Report> {
    Report::from_json(&std::fs::read(folder.report()).ok()?).ok()
}

/// Shows what the run does until `name` has ended for the series, or the run is over. Gives the exit code of the
/// step.
///
/// # Errors
/// Where the log can't be written.
pub fn follow<W: Write>(
    folder: &RunFolder,
    name: StageName,
    log: &mut StepLog<W>,
    cancel: &Cancel,
) -> io::Result<u8> {
    let mut follower = Follower::new(folder);
    log.open(name.in_words())?;
    let end = loop {
        // In this order: a run that is over writes nothing more.
        let alive = folder.is_alive();
        let entries = Journal::read(&folder.journal()).unwrap_or_default();
        follower.show(log)?;
        if let Some(end) = ended(&entries, name) {
            break end;
        }
        if !alive {
            let code = report(folder).map_or(OUR_FAULT, |report| report.verdict.exit_code().max(OUR_FAULT));
            let reason = format!("the run ended before it came to this; see {}", folder.output().display());
            break Ended { code, reason, excerpt: Vec::new() };
        }
        if cancel.at_first().sleep(POLL) {
            let reason = "no longer watched; the run goes on until it is told to stop".to_owned();
            break Ended { code: CANCELLED, reason, excerpt: Vec::new() };
        }
    };
    for line in &end.excerpt {
        log.line(line)?;
    }
    match end.code {
        0 => log.close()?,
        _ => log.error(name.in_words(), &end.reason)?,
    }
    Ok(end.code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn entry(stage: StageName, lane: Lane, result: StageResult) -> Entry {
        let at = Timestamp::UNIX_EPOCH;
        let event = result.word().to_owned();
        Entry { at, stage, lane, event, done: Some(Stage::at_once(stage, lane, result, at)) }
    }

    fn failed(fault: Fault) -> StageResult {
        StageResult::Failed { fault, reason: "x".to_owned() }
    }

    fn skipped(reason: &str) -> StageResult {
        StageResult::Skipped { reason: reason.to_owned() }
    }

    fn code(entries: &[Entry], name: StageName) -> Option<u8> {
        ended(entries, name).map(|ended| ended.code)
    }

    #[test]
    fn a_stage_has_ended_when_it_has_for_the_series() {
        use StageName::{Boot, BuildHostKernel};
        let mut entries = vec![entry(BuildHostKernel, Lane::Base, StageResult::Passed)];
        assert_eq!(code(&entries, BuildHostKernel), None, "the series is still to come");
        entries.push(entry(Boot, Lane::Base, failed(Fault::Base)));
        entries.push(entry(BuildHostKernel, Lane::Series, StageResult::Passed));
        assert_eq!(code(&entries, BuildHostKernel), Some(0));
        assert_eq!(code(&entries, Boot), None);
    }

    #[test]
    fn a_failure_has_the_code_of_its_class() {
        use StageName::{Boot, BuildHostKernel, KvmSmoke, Preflight};
        for (name, fault, expected) in [
            (BuildHostKernel, Fault::Series, 10),
            (Boot, Fault::Series, 11),
            (KvmSmoke, Fault::Series, 12),
            (Boot, Fault::Base, 20),
            (Preflight, Fault::Infrastructure, 1),
            (Boot, Fault::Hardware, 30),
        ] {
            assert_eq!(code(&[entry(name, Lane::Series, failed(fault))], name), Some(expected));
        }
        let interrupted = [entry(Boot, Lane::Series, StageResult::Interrupted)];
        assert_eq!(code(&interrupted, Boot), Some(130));
    }

    #[test]
    fn a_skipped_stage_has_the_code_of_what_kept_it_back() {
        use StageName::{Boot, BuildHostKernel, RollBack, Verify};
        let lost = [
            entry(Boot, Lane::Base, failed(Fault::Infrastructure)),
            entry(BuildHostKernel, Lane::Series, skipped("could not boot it once for the base")),
            entry(RollBack, Lane::Series, skipped("the box never left its known-good kernel")),
        ];
        assert_eq!(code(&lost, BuildHostKernel), Some(1));
        assert_eq!(code(&lost, RollBack), Some(0));
        let stopped = [entry(Verify, Lane::Series, skipped(STOPPED))];
        assert_eq!(code(&stopped, Verify), Some(130));
    }

    #[test]
    fn every_line_is_shown_once_and_only_when_it_is_whole() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let folder = RunFolder::at(dir.path().to_owned());
        let shown = |text: &str| {
            std::fs::write(folder.output(), text).expect("it is written");
            let mut out = Vec::new();
            Follower::new(&folder).show(&mut StepLog::new(&mut out, false)).expect("it is shown");
            String::from_utf8(out).expect("it is text")
        };
        assert_eq!(shown("one\ntw"), "one\n");
        assert_eq!(shown("one\ntwo\n\u{1b}[31mthree\n"), "two\nthree\n");
        assert_eq!(shown("one\ntwo\n\u{1b}[31mthree\n"), "");
    }
}
