//! A series in one message.

use patchlift_report::Report;
use patchlift_report::words::{self, Tone};

use crate::gist::{Gist, new_failures, tests_in_one_line};
use crate::notice::{Notice, Standing};
use crate::notice_words::{stage_in_words, titled};
use crate::slack::block::{Block, Blocks, HEADER_MAX, Message, TEXT_MAX, Text};
use crate::slack::markup::{Lines, code, fenced, link, plain};

/// Longest summary in bytes: four long sentences.
const SUMMARY_MAX: usize = 2400;
/// Each list, in bytes.
const REASONS_MAX: usize = 1800;
/// Longest value of a field, in bytes.
pub(super) const VALUE_MAX: usize = 300;
/// Most new failures; the thread has them all.
const FAILURES_MAX: usize = 5;
/// Most commands.
const COMMANDS_MAX: usize = 10;
/// A symbol and a blank, in bytes.
const SYMBOL_MAX: usize = 8;

/// One message for the series as it stands; mentions nobody.
pub fn message(notice: &Notice) -> Message {
    let gist = notice.gist();
    let mut blocks = Blocks::default();
    let heading = plain(&format!("{}: {}", gist.state, titled(notice)), HEADER_MAX - SYMBOL_MAX);
    blocks.push(Block::Header { text: Text::plain(format!("{} {heading}", gist.symbol)) });
    blocks.push(Block::Section { text: Text::plain(plain(&gist.sentences, SUMMARY_MAX)) });
    blocks.section(reasons(&gist));
    if notice.standing.is_over() || !gist.blame.is_empty() {
        blocks.section(blame(&gist));
    }
    if let Some(report) = notice.report.as_deref() {
        blocks.section(failures(report));
        if is_reproduced(&gist) {
            blocks.section(commands(report));
        }
    }
    let fields = fields(notice);
    if !fields.is_empty() {
        blocks.push(Block::Fields { fields });
    }
    // No stage's name is made into markup, even of one that is not known here.
    blocks.push(Block::Section { text: Text::plain(stages_so_far(notice)) });
    let links = links(notice);
    blocks.push(Block::Context { elements: vec![Text::markup(links)] });
    blocks.push(Block::Context { elements: vec![Text::plain(small_print(notice))] });
    blocks.finish(in_one_line(notice, &gist))
}

/// What a notification shows.
fn in_one_line(notice: &Notice, gist: &Gist) -> String {
    let title = titled(notice);
    let what = if gist.what.is_empty() { String::new() } else { format!(": {}", gist.what) };
    let text = format!("{}: {title} ({}){what}. {}", gist.state, notice.shown_size(), gist.blame);
    format!("{} {}", gist.symbol, plain(&text, TEXT_MAX))
}

fn reasons(gist: &Gist) -> String {
    let mut lines = Lines::new(REASONS_MAX);
    for reason in &gist.reasons {
        lines.push(&format!("• {}", code(reason, REASONS_MAX / 2)));
    }
    lines.finish()
}

fn blame(gist: &Gist) -> String {
    let blame = plain(&gist.blame, VALUE_MAX);
    let blame = if blame.is_empty() { blame } else { format!("*{blame}* ") };
    format!("{blame}{}", plain(&gist.who_acts, VALUE_MAX))
}

fn failures(report: &Report) -> String {
    let mut lines = Lines::new(REASONS_MAX);
    let new = new_failures(report);
    for failure in new.iter().take(FAILURES_MAX) {
        lines.push(&format!("• {}", code(failure, 2 * VALUE_MAX)));
    }
    if let Some(more) = new.len().checked_sub(FAILURES_MAX).filter(|&more| more > 0) {
        lines.push(&format!("… and {more} more"));
    }
    below("What fails here and not on the base", &lines.finish())
}

/// Whether the message has the commands that repeat the failure: it does where the author has to act.
pub(super) fn is_reproduced(gist: &Gist) -> bool {
    gist.tone == Tone::Bad
}

/// The commands that repeat what decided.
pub(super) fn commands(report: &Report) -> String {
    below("To repeat it", &fenced(report.reproduce.iter().map(String::as_str), COMMANDS_MAX, REASONS_MAX))
}

/// A text below a title; nothing where there is no text.
pub(super) fn below(title: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("*{title}*\n{text}") }
}

fn fields(notice: &Notice) -> Vec<Text> {
    let report = notice.report.as_deref();
    let kernel = report.and_then(|report| report.kernel.as_ref()).map(|kernel| kernel.release.clone());
    let time = report.map(|report| words::duration(report.seconds()));
    let rows = [
        ("Series", Some(notice.shown_size())),
        ("Base", notice.shown_base()),
        ("Box", notice.shown_box()),
        ("Kernel", kernel),
        ("Tests", report.and_then(tests_in_one_line)),
        ("Time", time),
    ];
    rows.into_iter().filter_map(|(label, value)| field(label, &value?)).collect()
}

/// A label and a value that others wrote.
pub(super) fn field(label: &str, value: &str) -> Option<Text> {
    let value = code(value, VALUE_MAX);
    (!value.is_empty()).then(|| Text::markup(format!("*{label}*\n{value}")))
}

/// The stages that are seen from outside while there is no report.
fn stages_so_far(notice: &Notice) -> String {
    if notice.standing != Standing::Testing {
        return String::new();
    }
    let mut lines = Lines::new(REASONS_MAX);
    for stage in &notice.live {
        let time = stage.started.zip(stage.ended).map(|(from, to)| to.duration_since(from).as_secs_f64());
        let time = time.map_or_else(|| "…".to_owned(), words::duration);
        let symbol = match (stage.ended, stage.passed) {
            (None, _) => "⏳",
            (Some(_), true) => Tone::Good.symbol(),
            (Some(_), false) => Tone::Warn.symbol(),
        };
        lines.push(&format!("{symbol} {}, {time}", plain(&stage_in_words(&stage.stage), VALUE_MAX)));
    }
    lines.finish()
}

fn links(notice: &Notice) -> String {
    let links = &notice.links;
    let links = [
        (&links.patchwork, "Patchwork"),
        (&links.thread, "Thread"),
        (&links.run, "Run"),
        (&links.branch, "Branch"),
        (&links.page, "Report"),
    ];
    let links: Vec<_> = links.into_iter().filter_map(|(url, label)| link(url.as_deref(), label)).collect();
    links.join(" · ")
}

fn small_print(notice: &Notice) -> String {
    let since = notice.since.strftime("%Y-%m-%d %H:%M UTC");
    let attempt = match notice.attempt {
        0 | 1 => String::new(),
        attempt => format!(", test {attempt}"),
    };
    let project = match notice.project.as_str() {
        "" => String::new(),
        project => format!(" of {project}"),
    };
    plain(&format!("{}{project}{attempt}, since {since}", notice.key), VALUE_MAX)
}
