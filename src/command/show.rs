//! `patchlift show`: everything that is known of a series, and its history in words.

use std::io::{self, Write};

use anstyle::Style;
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use patchlift_report::clean;
use serde::Serialize;

use super::bridge::{BridgeError, ConfigArg, end};
use super::state_words::{age, author, detail, title, trouble};
use super::{find, looking, screen};
use crate::exit::Ending;
use crate::record::state::{Run, Tried};
use crate::record::{Moment, Record, State};
use crate::store::Store;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Longest line of what others wrote.
const MAX: usize = 500;

/// Arguments of `patchlift show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// SERVER/NUMBER, a number, a Message-ID, or the address of a page
    which: String,
    #[command(flatten)]
    config: ConfigArg,
    /// Print one JSON array instead of text for people
    #[arg(long)]
    json: bool,
}

/// One series as JSON: what is stored, and its history.
#[derive(Debug, Serialize)]
struct Shown {
    /// [`State::word`].
    state: &'static str,
    /// More on where it stands.
    detail: String,
    /// What is stored.
    record: Record,
    /// What happened, in order.
    history: Vec<ShownMoment>,
}

#[derive(Debug, Serialize)]
struct ShownMoment {
    /// In words.
    line: String,
    /// As it is stored.
    #[serde(flatten)]
    moment: Moment,
}

/// Runs the command.
pub fn run(args: &ShowArgs) -> Ending {
    end(show(args))
}

fn show(args: &ShowArgs) -> Result<(), BridgeError> {
    one(&args.which, &args.config, args.json)
}

/// Prints the series that is meant.
pub(super) fn one(which: &str, config: &ConfigArg, json: bool) -> Result<(), BridgeError> {
    let (config, store) = looking::open(config)?;
    let now = Timestamp::now();
    let records = find::records(which, &config, &store)?;
    let shown = records.into_iter().map(|record| Shown::of(record, &store, now));
    let shown = shown.collect::<Result<Vec<_>, BridgeError>>()?;
    looking::printed(if json {
        screen::print_json(&shown)
    } else {
        let mut out = anstream::stdout().lock();
        shown.iter().try_for_each(|one| write(&mut out, one, now))
    })
}

impl Shown {
    fn of(record: Record, store: &Store, now: Timestamp) -> Result<Self, BridgeError> {
        let line = |moment: &Moment| clean::line(&moment.event.words(), MAX);
        let history = store.history(&record.key)?;
        let history = history.into_iter().map(|moment| ShownMoment { line: line(&moment), moment }).collect();
        Ok(Self { state: record.state.word(), detail: detail(&record, None, now), record, history })
    }
}

/// A time where the reader is.
fn local(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn write(out: &mut impl Write, shown: &Shown, now: Timestamp) -> io::Result<()> {
    let record = &shown.record;
    writeln!(out, "{BOLD}{}{BOLD:#}  {}", record.key, title(record))?;
    field(
        out,
        "from",
        &format!("{} <{}>", author(record), clean::line(&record.listing.submitter.email, 100)),
    )?;
    field(out, "project", &clean::line(&record.listing.project, 100))?;
    if let Some(page) = record.listing.web_url.as_deref().and_then(clean::web_url) {
        field(out, "page", page)?;
    }
    let since = format!("{} since {} ({})", shown.state, local(record.since), age(record.since, now));
    field(out, "state", &since)?;
    field(out, "", &shown.detail)?;
    if let Some(trouble) = trouble(record, now) {
        field(out, "trouble", &trouble)?;
    }
    if record.released {
        field(out, "policy", "released by a maintainer")?;
    }
    commits(out, &record.state)?;
    if let Some(run) = record.state.run() {
        write_run(out, run)?;
    }
    patches(out, record)?;
    checks(out, record)?;
    writeln!(out, "  history")?;
    for moment in &shown.history {
        writeln!(out, "    {DIM}{}{DIM:#}  {}", local(moment.moment.at), moment.line)?;
    }
    Ok(())
}

/// A name and a value; nothing where there is no value.
fn field(out: &mut impl Write, name: &str, value: &str) -> io::Result<()> {
    if value.is_empty() { Ok(()) } else { writeln!(out, "  {name:<9} {value}") }
}

fn commits(out: &mut impl Write, state: &State) -> io::Result<()> {
    let tried: &[Tried] = match state {
        State::Conflicts { tried } => tried,
        _ => state.applied().map_or(&[], |applied| &applied.passed_over),
    };
    if let Some(applied) = state.applied() {
        let base = &applied.base;
        let words = format!("{} ({}): {}", base.name, clean::short_hex(&base.commit), base.why);
        field(out, "base", &clean::line(&words, MAX))?;
        field(out, "branch", &clean::line(&format!("{} at {}", applied.branch, applied.tip), MAX))?;
    }
    for one in tried {
        let patch = if one.patch > 0 { format!("patch {}: ", one.patch) } else { String::new() };
        let place =
            [&one.file, &one.hunk].into_iter().flatten().map(|part| format!("{part}: ")).collect::<String>();
        let base = &one.base;
        let words =
            format!("{} ({}): {patch}{place}{}", base.name, clean::short_hex(&base.commit), one.reason);
        field(out, "not on", &clean::line(&words, MAX))?;
    }
    Ok(())
}

fn write_run(out: &mut impl Write, run: &Run) -> io::Result<()> {
    let url = run.url.as_deref().and_then(clean::web_url).unwrap_or("its number is not known yet");
    field(out, "run", url)?;
    let times = [("asked for", run.asked), ("begun", run.started)];
    let times = times.iter().filter_map(|(what, at)| at.map(|at| format!(", {what} {}", local(at))));
    let status = if run.status.is_empty() { "" } else { ", " };
    let words = format!("on {}, attempt {}{status}{}", run.on, run.attempt, run.status);
    field(out, "", &clean::line(&(words + &times.collect::<String>()), MAX))
}

fn patches(out: &mut impl Write, record: &Record) -> io::Result<()> {
    let all = record.listing.cover.iter().chain(&record.listing.patches);
    for (place, patch) in all.enumerate() {
        field(out, if place == 0 { "mails" } else { "" }, &clean::line(&patch.name, MAX))?;
        writeln!(out, "  {:<9} {DIM}{}{DIM:#}", "", clean::line(&patch.msgid, MAX))?;
    }
    Ok(())
}

/// Checks that say the same on several patches are one line.
fn checks(out: &mut impl Write, record: &Record) -> io::Result<()> {
    let mut lines: Vec<(String, usize)> = Vec::new();
    for posted in &record.posted {
        let colour = posted.check.state.word();
        let refused = posted.refused.as_ref().map(|why| format!("; refused: {why}")).unwrap_or_default();
        let line = format!("{} {colour}: {}{refused}", posted.context, posted.check.description);
        match lines.iter_mut().find(|(known, _)| *known == line) {
            Some((_, count)) => *count += 1,
            None => lines.push((line, 1)),
        }
    }
    for (place, (line, count)) in lines.iter().enumerate() {
        let on = if *count == 1 { "on 1 patch".to_owned() } else { format!("on {count} patches") };
        field(out, if place == 0 { "checks" } else { "" }, &clean::line(&format!("{line} ({on})"), MAX))?;
    }
    Ok(())
}
