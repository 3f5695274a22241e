//! What stands in the thread below the message.

use patchlift_report::clean::line;
use patchlift_report::words::{self, LINE_MAX};
use patchlift_report::{Report, Stage, StageResult};

use crate::gist::new_failures;
use crate::notice::{Notice, Standing};
use crate::slack::block::{Block, Blocks, Message, TEXT_MAX, Text};
use crate::slack::markup::{Lines, code, fenced, plain};

/// Each list, in bytes: all of them together stay below what a message may have.
const LIST_MAX: usize = 2500;
/// Most lines of console or compiler.
const EVIDENCE_MAX: usize = 30;
/// Most commands.
const COMMANDS_MAX: usize = 20;
/// Longest line of a console, in bytes.
const CONSOLE_LINE: usize = 200;

/// The details of a verdict for the thread; none before there is one, or where there is no report.
pub fn details(notice: &Notice) -> Option<Message> {
    let report = notice.report.as_deref()?;
    if !matches!(notice.standing, Standing::Ended { .. }) {
        return None;
    }
    let mut blocks = Blocks::default();
    blocks.section(titled("New failures", &failures(report)));
    blocks.section(evidence(report));
    blocks.section(titled("To repeat it", &commands(report)));
    blocks.section(titled("Stages", &stages(report)));
    blocks.push(Block::Section { text: Text::plain(plain(&words::box_state(report), 2 * LINE_MAX)) });
    let text = format!("Details of {}", notice.shown_title());
    Some(blocks.finish(plain(&text, TEXT_MAX)))
}

fn titled(title: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("*{title}*\n{text}") }
}

fn failures(report: &Report) -> String {
    let mut lines = Lines::new(LIST_MAX);
    for failure in new_failures(report) {
        lines.push(&format!("• {}", code(&failure, LIST_MAX / 2)));
    }
    lines.finish()
}

fn evidence(report: &Report) -> String {
    let Some(evidence) = report.evidence() else { return String::new() };
    let lines: Vec<_> = evidence.telling().map(|text| line(text, CONSOLE_LINE)).collect();
    titled(&evidence.from.to_string(), &fenced(lines.iter().map(String::as_str), EVIDENCE_MAX, LIST_MAX))
}

fn commands(report: &Report) -> String {
    fenced(report.reproduce.iter().map(String::as_str), COMMANDS_MAX, LIST_MAX)
}

fn stages(report: &Report) -> String {
    let mut lines = Lines::new(LIST_MAX);
    for lane in report.lanes() {
        match report.why_lane_never_ran(lane) {
            Some(why) => lines.push(&format!("{}: not run: {}", words::lane(lane), code(&why, LINE_MAX))),
            None => report.lane(lane).for_each(|stage| lines.push(&stage_line(stage))),
        }
    }
    lines.finish()
}

fn stage_line(stage: &Stage) -> String {
    let symbol = words::stage_tone(&stage.result).symbol();
    let time = match stage.result {
        StageResult::Skipped { .. } => String::new(),
        _ => format!(", {}", words::duration(stage.seconds())),
    };
    let result = words::stage_result(&stage.result);
    let why = code(&words::stage_reason(&stage.result), LINE_MAX);
    let colon = if why.is_empty() { "" } else { ": " };
    format!("{symbol} {} ({}): {result}{time}{colon}{why}", stage.name.in_words(), stage.lane)
}
