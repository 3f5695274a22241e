//! The fixed sentences. Every place that shows a report says the same thing in the same words.

use crate::comparison::{Change, Compared};
use crate::console::EventClass;
use crate::report::{RollBack, TestStatus};
use crate::stage::{Lane, StageResult};
use crate::verdict::Ending;
use crate::{Report, clean};

/// Longest title shown anywhere, in characters. The contract says 80; this is for a writer that does not keep it.
pub const TITLE_MAX: usize = 160;

/// Longest reason, subject or name shown anywhere, in characters: the length of a console line.
pub const LINE_MAX: usize = 400;

/// Longest summary shown anywhere, in characters: four long sentences.
pub const SUMMARY_MAX: usize = 2000;

/// What a colour stands for; never shown without a word beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    /// It works.
    Good,
    /// It does not, and it is the series' doing.
    Bad,
    /// It does not, and it is somebody else's doing.
    Warn,
    /// It says nothing.
    Calm,
}

impl Tone {
    /// The name of the tone in style sheets.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Warn => "warn",
            Self::Calm => "calm",
        }
    }

    /// The sign of the tone where people read on a screen that shows emoji.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Good => "✅",
            Self::Bad => "❌",
            Self::Warn => "⚠️",
            Self::Calm => "➖",
        }
    }
}

/// The ending in two or three words: "Passed", "Does not build", …
pub fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Passed => "Passed",
        Ending::DoesNotBuild => "Does not build",
        Ending::DoesNotBoot => "Does not boot",
        Ending::FailsTests => "Fails tests",
        Ending::BaseBroken => "Base is broken",
        Ending::Infrastructure => "Lab failed",
        Ending::Hardware => "Hardware error",
        Ending::Cancelled => "Cancelled",
    }
}

/// The tone of an ending.
pub fn ending_tone(ending: Ending) -> Tone {
    match ending {
        Ending::Passed => Tone::Good,
        Ending::DoesNotBuild | Ending::DoesNotBoot | Ending::FailsTests => Tone::Bad,
        Ending::BaseBroken | Ending::Infrastructure | Ending::Hardware => Tone::Warn,
        Ending::Cancelled => Tone::Calm,
    }
}

/// Whose fault it is, said outright. One sentence.
pub fn blame(ending: Ending) -> &'static str {
    match ending {
        Ending::Passed => "No fault was found in the series.",
        Ending::DoesNotBuild | Ending::DoesNotBoot | Ending::FailsTests => {
            "This is the series' fault: its base does not fail this way."
        }
        Ending::BaseBroken | Ending::Infrastructure | Ending::Hardware | Ending::Cancelled => {
            "This is not the author's fault. Nothing is held against the series."
        }
    }
}

/// Who has to act, and what they have to do. One sentence.
pub fn who_acts(ending: Ending) -> &'static str {
    match ending {
        Ending::Passed => "Nobody has to act.",
        Ending::DoesNotBuild | Ending::DoesNotBoot | Ending::FailsTests => {
            "The author of the series has to act: the commands below repeat the failure."
        }
        Ending::BaseBroken => {
            "Whoever keeps the base has to act: it fails without the series. The series is tested again on a base that works."
        }
        Ending::Infrastructure => {
            "The operator of the lab has to act. The series is tested again afterwards."
        }
        Ending::Hardware => {
            "The operator of the box has to look at its hardware. The series is tested again afterwards."
        }
        Ending::Cancelled => "Nobody has to act: the run was stopped before it had a result.",
    }
}

/// Where the run left the box. One sentence.
pub fn box_state(report: &Report) -> String {
    match &report.roll_back {
        _ if report.verdict.box_quarantined => {
            let reason = match &report.roll_back {
                RollBack::Failed { reason } => clean::line(reason, LINE_MAX),
                RollBack::NotNeeded | RollBack::Proven { .. } => "its state is not known".to_owned(),
            };
            format!("The box is NOT proven to be back and is quarantined: {reason}")
        }
        RollBack::Failed { reason } => {
            format!("The box is NOT proven to be back: {}", clean::line(reason, LINE_MAX))
        }
        RollBack::NotNeeded => "The box never left its known-good kernel.".to_owned(),
        RollBack::Proven { release, build_id, millis } => format!(
            "The box is back on its known-good kernel {} (build id {}), proven in {}.",
            clean::line(release, LINE_MAX),
            clean::short_hex(build_id),
            duration(millis_to_seconds(*millis)),
        ),
    }
}

/// The tone of the box's state.
pub fn box_tone(report: &Report) -> Tone {
    match &report.roll_back {
        _ if report.verdict.box_quarantined => Tone::Warn,
        RollBack::Failed { .. } => Tone::Warn,
        RollBack::NotNeeded | RollBack::Proven { .. } => Tone::Good,
    }
}

/// The result of a stage with its fault where it is not the series' own: "failed", "timed out, the lab", …
pub fn stage_result(result: &StageResult) -> String {
    match result.failure() {
        Some((fault, _)) => format!("{}: {fault}", result.word()),
        None => result.word().to_owned(),
    }
}

/// Why a stage ended as it did, in one line; empty for one that passed.
pub fn stage_reason(result: &StageResult) -> String {
    match result {
        StageResult::Passed => String::new(),
        StageResult::Failed { reason, .. } | StageResult::Skipped { reason } => clean::line(reason, LINE_MAX),
        StageResult::TimedOut { limit_s, reason, .. } => {
            format!("{} (limit {limit_s} s)", clean::line(reason, LINE_MAX))
        }
        StageResult::Interrupted => "stopped from outside".to_owned(),
    }
}

/// The tone of a stage's result.
pub fn stage_tone(result: &StageResult) -> Tone {
    match (result, result.failure()) {
        (StageResult::Passed, _) => Tone::Good,
        (_, Some((crate::Fault::Series, _))) => Tone::Bad,
        (_, Some(_)) => Tone::Warn,
        (_, None) => Tone::Calm,
    }
}

/// Avocado's word for a status.
pub fn test_status(status: TestStatus) -> &'static str {
    match status {
        TestStatus::Pass => "PASS",
        TestStatus::Fail => "FAIL",
        TestStatus::Error => "ERROR",
        TestStatus::Skip => "SKIP",
        TestStatus::Warn => "WARN",
        TestStatus::Cancel => "CANCEL",
        TestStatus::Interrupted => "INTERRUPTED",
    }
}

/// The tone of a test: a failure that the base shares is not the series' doing.
pub fn test_tone(row: &Compared<'_>) -> Tone {
    match row.series.map(|test| test.status) {
        Some(TestStatus::Pass) => Tone::Good,
        Some(TestStatus::Fail | TestStatus::Error) if row.change == Change::KnownFailure => Tone::Warn,
        Some(TestStatus::Fail | TestStatus::Error) => Tone::Bad,
        Some(TestStatus::Warn | TestStatus::Interrupted) => Tone::Warn,
        Some(TestStatus::Skip | TestStatus::Cancel) | None => Tone::Calm,
    }
}

/// What a change between base and series means, in a few words.
pub fn change(change: Change) -> &'static str {
    match change {
        Change::Same => "as on the base",
        Change::NewFailure => "new failure",
        Change::KnownFailure => "fails on the base too",
        Change::Fixed => "fixed by the series",
        Change::Lost => "no result with the series",
        Change::NotOnBase => "no result on the base",
        Change::BaseUnknown => "base not tested",
    }
}

/// The tone of a change.
pub fn change_tone(change: Change) -> Tone {
    match change {
        Change::NewFailure | Change::Lost => Tone::Bad,
        Change::KnownFailure => Tone::Warn,
        Change::Fixed => Tone::Good,
        Change::Same | Change::NotOnBase | Change::BaseUnknown => Tone::Calm,
    }
}

/// What the class of a console event means.
pub fn event_class(class: EventClass) -> &'static str {
    match class {
        EventClass::Fatal => "kernel died",
        EventClass::Report => "kernel complained",
        EventClass::Hardware => "hardware error",
        EventClass::BootStop => "boot stopped",
    }
}

/// The lane in words, for headings.
pub fn lane(lane: Lane) -> &'static str {
    match lane {
        Lane::Base => "The unpatched base",
        Lane::Series => "The series",
    }
}

/// A number and its noun: "1 patch", "3 patches".
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A time span for people: `0.4 s`, `42 s`, `4 min 12 s`, `1 h 04 min`.
pub fn duration(seconds: f64) -> String {
    // Nothing that is shown runs for a year; a clock that jumped must not give a number of 300 digits.
    let seconds = if seconds.is_finite() { seconds.clamp(0.0, 366.0 * 86_400.0) } else { 0.0 };
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round();
    let (hours, minutes) = ((whole / 3600.0).floor(), (whole / 60.0).floor());
    if whole < 60.0 {
        format!("{whole:.0} s")
    } else if whole < 3600.0 {
        format!("{minutes:.0} min {:02.0} s", whole - minutes * 60.0)
    } else {
        format!("{hours:.0} h {:02.0} min", minutes - hours * 60.0)
    }
}

/// Milliseconds as seconds, for [`duration`].
pub fn millis_to_seconds(millis: u64) -> f64 {
    std::time::Duration::from_millis(millis).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well_at_every_size() {
        for (seconds, expect) in [
            (0.0, "0.0 s"),
            (0.44, "0.4 s"),
            (9.94, "9.9 s"),
            (9.96, "10 s"),
            (59.4, "59 s"),
            (59.6, "1 min 00 s"),
            (252.0, "4 min 12 s"),
            (3599.6, "1 h 00 min"),
            (3840.0, "1 h 04 min"),
            (-5.0, "0.0 s"),
            (f64::NAN, "0.0 s"),
            (f64::INFINITY, "0.0 s"),
            (1e300, "8784 h 00 min"),
        ] {
            assert_eq!(duration(seconds), expect, "{seconds}");
        }
    }
}
