//! What stands in the thread below the message.

use patchlift_report::clean::line;
use patchlift_report::words::{self, LINE_MAX};
use patchlift_report::{Report, Stage, StageResult};

use crate::notice::{Notice, Standing};
use crate::notice_words::titled;
use crate::slack::block::{Block, Blocks, Message, TEXT_MAX, Text};
use crate::slack::markup::{Lines, code, fenced, plain};
use crate::slack::message::{VALUE_MAX, below, commands, field, is_reproduced};

/// Each list, in bytes: all of them together stay below what a message may have.
const LIST_MAX: usize = 2200;
/// Most lines of console or compiler.
const EVIDENCE_MAX: usize = 30;
/// Longest line of a console, in bytes.
const CONSOLE_LINE: usize = 200;

/// The details of a verdict for the thread; none before there is one, or where there is no report.
pub fn details(notice: &Notice) -> Option<Message> {
    let report = notice.report.as_deref()?;
    if !matches!(notice.standing, Standing::Ended { .. }) {
        return None;
    }
    let mut blocks = Blocks::default();
    blocks.section(evidence(report));
    if !is_reproduced(&notice.gist()) {
        blocks.section(commands(report));
    }
    blocks.section(tests(report));
    blocks.section(stages(report));
    let fields = fields(report);
    if !fields.is_empty() {
        blocks.push(Block::Fields { fields });
    }
    blocks.push(Block::Section { text: Text::plain(plain(&words::box_state(report), 2 * LINE_MAX)) });
    let text = format!("Details of {}", titled(notice));
    Some(blocks.finish(plain(&text, TEXT_MAX)))
}

/// What the message itself does not have.
fn fields(report: &Report) -> Vec<Text> {
    let wanted = ["Tested commit", "CPU", "Build id", "Compiler", "Unpatched base", "Run"];
    let rows = report.tested().into_iter().chain(report.tested_on());
    let rows = rows.filter(|row| wanted.contains(&row.label));
    rows.filter_map(|row| field(row.label, &row.value)).collect()
}

fn tests(report: &Report) -> String {
    let mut lines = Lines::new(LIST_MAX);
    for row in report.compared_tests() {
        let test = row.series.or(row.base);
        let status = row.series.map_or("no result", |test| words::test_status(test.status));
        let time = test.map(|test| words::duration(words::millis_to_seconds(test.millis)));
        let why = row.series.map_or(String::new(), |test| code(&test.reason, VALUE_MAX));
        let colon = if why.is_empty() { "" } else { ": " };
        lines.push(&format!(
            "{} {} {status}, {}, {}{colon}{why}",
            words::test_tone(&row).symbol(),
            code(row.name, VALUE_MAX),
            time.unwrap_or_default(),
            words::change(row.change),
        ));
    }
    below("Tests", &lines.finish())
}

fn evidence(report: &Report) -> String {
    let Some(evidence) = report.evidence() else { return String::new() };
    let lines: Vec<_> = evidence.telling().map(|text| line(text, CONSOLE_LINE)).collect();
    below(&evidence.from.to_string(), &fenced(lines.iter().map(String::as_str), EVIDENCE_MAX, LIST_MAX))
}

fn stages(report: &Report) -> String {
    let mut lines = Lines::new(LIST_MAX);
    for lane in report.lanes() {
        match report.why_lane_never_ran(lane) {
            Some(why) => lines.push(&format!("{}: not run: {}", words::lane(lane), code(&why, LINE_MAX))),
            None => report.lane(lane).for_each(|stage| lines.push(&stage_line(stage))),
        }
    }
    below("Stages", &lines.finish())
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
