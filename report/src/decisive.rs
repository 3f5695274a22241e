//! Which stage and which console event decided the verdict: what a reader sees first.

use std::fmt;

use crate::clean::line;
use crate::console::EventClass;
use crate::report::Report;
use crate::stage::{Lane, Stage, StageName, StageResult};
use crate::verdict::{Ending, Fault};
use crate::words::LINE_MAX;

/// The lines that show why a run ended as it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence<'a> {
    /// Where they come from.
    pub from: Source,
    /// The lines as they were recorded: at least one, not yet cleaned.
    pub lines: &'a [String],
}

/// Where the lines of [`Evidence`] come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The excerpt of the stage that decided.
    Stage(StageName),
    /// The console, from this line on.
    Console(u64),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stage(name) => f.write_str(name.in_words()),
            Self::Console(line) => write!(f, "Console, line {line}"),
        }
    }
}

impl<'a> Evidence<'a> {
    /// The lines without the dump of the general registers, which takes a screen and tells hardly anybody anything.
    pub fn telling(&self) -> impl Iterator<Item = &'a str> {
        self.lines.iter().map(String::as_str).filter(|text| !general_registers(text))
    }
}

/// Whether a console line is one of powerpc's `GPR00: c000000000736248 …`, with or without a time stamp.
fn general_registers(text: &str) -> bool {
    let text = text.rsplit_once("] ").map_or(text, |(_, text)| text);
    text.trim_start().strip_prefix("GPR").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

impl Report {
    /// The lanes in the order in which they are worth reading: the one that decided first.
    pub fn lanes(&self) -> [Lane; 2] {
        match self.blamed_lane() {
            Lane::Series => [Lane::Series, Lane::Base],
            Lane::Base => [Lane::Base, Lane::Series],
        }
    }

    /// What to show first: the excerpt of the stage that decided, or else what the console said.
    pub fn evidence(&self) -> Option<Evidence<'_>> {
        if let Some(stage) = self.decisive_stage().filter(|stage| !stage.excerpt.is_empty()) {
            return Some(Evidence { from: Source::Stage(stage.name), lines: &stage.excerpt });
        }
        let event = self.events.get(self.decisive_event()?)?;
        let lines = if event.trace.is_empty() { std::slice::from_ref(&event.text) } else { &event.trace };
        Some(Evidence { from: Source::Console(event.line), lines })
    }

    /// The stage that decided the ending: the first that failed by the verdict's fault, or, where no stage was
    /// given that fault, the first that failed at all. None after a pass.
    pub fn decisive_stage(&self) -> Option<&Stage> {
        if self.verdict.ending == Ending::Cancelled {
            return self.stages.iter().find(|stage| stage.result == StageResult::Interrupted);
        }
        let fault = self.verdict.fault()?;
        let failed = |stage: &&Stage| stage.result.failure().is_some();
        self.stages
            .iter()
            .find(|stage| stage.result.failure().is_some_and(|(by, _)| by == fault))
            .or_else(|| self.lane(self.blamed_lane()).find(failed))
            .or_else(|| self.stages.iter().find(failed))
    }

    /// Index in `events` of the event that decided the ending, if the console showed one.
    pub fn decisive_event(&self) -> Option<usize> {
        let fault = self.verdict.fault()?;
        let decides = |class: EventClass| match fault {
            Fault::Hardware => class == EventClass::Hardware,
            Fault::Series | Fault::Base | Fault::Infrastructure => {
                matches!(class, EventClass::Fatal | EventClass::BootStop)
            }
        };
        let lane = self.decisive_stage().map_or(self.blamed_lane(), |stage| stage.lane);
        let mut candidates = self
            .events
            .iter()
            .enumerate()
            .filter(|(_, event)| decides(event.class) && event.lane.is_none_or(|of| of == lane));
        let first = candidates.clone().next();
        // The oops with its trace says more than the panic it ends in.
        candidates.find(|(_, event)| !event.trace.is_empty()).or(first).map(|(index, _)| index)
    }

    /// Why no stage of a lane was run, where none was: the reason of its first skipped stage.
    pub fn why_lane_never_ran(&self, lane: Lane) -> Option<String> {
        let mut stages = self.lane(lane);
        let StageResult::Skipped { reason } = &stages.next()?.result else { return None };
        stages
            .all(|stage| matches!(stage.result, StageResult::Skipped { .. }))
            .then(|| line(reason, LINE_MAX))
    }

    fn blamed_lane(&self) -> Lane {
        if self.verdict.ending == Ending::BaseBroken { Lane::Base } else { Lane::Series }
    }
}
