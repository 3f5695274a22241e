//! `patchlift status` as text: what needs a person's eye first, then the series.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use patchlift_report::clean;

use super::super::paper::{column, fit, widest};
use super::super::state_words::age;
use super::view::{Series, View};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const CARE: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const PLAIN: Style = Style::new();

/// So many series of one state are shown unless they are asked for.
const EACH: usize = 10;

/// Writes everything; `whole`: as many series as there are.
pub(super) fn write(out: &mut impl Write, view: &View, width: usize, whole: bool) -> io::Result<()> {
    bridge(out, view, width)?;
    far_sides(out, view, width)?;
    writeln!(out)?;
    series(out, view, width, whole)?;
    for one in &view.unreadable {
        writeln!(out, "{BAD}{}{BAD:#} cannot be read: {}", one.series, fit(&one.why, width))?;
    }
    counts(out, view)
}

fn bridge(out: &mut impl Write, view: &View, width: usize) -> io::Result<()> {
    let (style, words) = match (&view.bridge.running, view.bridge.last_sign, view.bridge.pid) {
        (true, Some(sign), Some(pid)) => {
            (GOOD, format!("runs (process {pid}, last sign of life {} ago)", age(sign, view.now)))
        }
        (_, Some(sign), _) => {
            (BAD, format!("is not running (last sign of life {} ago)", age(sign, view.now)))
        }
        _ => (BAD, "is not running".to_owned()),
    };
    writeln!(out, "the bridge {style}{}{style:#}", fit(&words, width.saturating_sub(11)))
}

/// Servers, trees and boxes, a line each; quiet ones in short.
fn far_sides(out: &mut impl Write, view: &View, width: usize) -> io::Result<()> {
    let mut lines = Vec::new();
    for server in &view.servers {
        let looked = server.looked_at.map(|at| format!("looked at {} ago", age(at, view.now)));
        let looked = looked.unwrap_or_else(|| "not looked at yet".to_owned());
        lines.push((&server.name, server.trouble.as_ref().zip(server.trouble_since), looked));
    }
    for tree in &view.trees {
        let commit = tree.commit.as_deref().map(clean::short_hex).unwrap_or_default();
        let fetched = tree.fetched_at.map(|at| format!("{commit} fetched {} ago", age(at, view.now)));
        let fetched = fetched.unwrap_or_else(|| "not fetched yet".to_owned());
        lines.push((&tree.base, tree.trouble.as_ref().zip(tree.trouble_since), fetched));
    }
    for one in &view.boxes {
        let usual =
            one.usual_seconds.map(|seconds| format!("; a run takes {} minutes", seconds.div_ceil(60)));
        let work = one.works_on.as_ref().map_or_else(|| "free".to_owned(), |key| format!("works on {key}"));
        lines.push((&one.name, None, work + &usual.unwrap_or_default()));
    }
    let names = widest(lines.iter().map(|(name, ..)| name.as_str()), 30);
    let room = width.saturating_sub(names + 2);
    for (name, trouble, quiet) in &lines {
        let name = column(name, names);
        match trouble {
            Some((what, since)) => {
                let words = format!("in trouble for {}: {what}", age(*since, view.now));
                writeln!(out, "{name}  {BAD}{}{BAD:#}", fit(&words, room))?;
            }
            None => writeln!(out, "{name}  {DIM}{}{DIM:#}", fit(quiet, room))?,
        }
    }
    Ok(())
}

/// The widths of the columns before the title.
struct Columns {
    key: usize,
    state: usize,
    since: usize,
    /// What is left for the title.
    title: usize,
    /// What is left for what stands below the state and all behind it.
    below: usize,
}

impl Columns {
    fn of(view: &View, width: usize) -> Self {
        let column = |head: &str, most, text: &dyn Fn(&Series) -> String| {
            let texts: Vec<String> = view.series.iter().map(text).collect();
            widest(texts.iter().map(String::as_str), most).max(head.len())
        };
        let key = column("SERIES", 30, &|one| one.series.clone());
        let state = column("STATE", 15, &|one| one.state.to_owned());
        let since = column("SINCE", 12, &|one| age(one.since, view.now));
        // Where texts would get less than this they are cut, but not to nothing.
        let left = |taken: usize| width.saturating_sub(taken).max(20);
        Self { key, state, since, title: left(key + state + since + 6), below: left(key + 2) }
    }
}

fn series(out: &mut impl Write, view: &View, width: usize, whole: bool) -> io::Result<()> {
    let columns = Columns::of(view, width);
    if !view.series.is_empty() {
        let Columns { key, state, since, .. } = columns;
        writeln!(out, "{BOLD}{:key$}  {:state$}  {:since$}  TITLE{BOLD:#}", "SERIES", "STATE", "SINCE")?;
    }
    for group in view.series.chunk_by(|one, next| one.state == next.state) {
        let shown = if whole { group.len() } else { group.len().min(EACH) };
        for one in &group[..shown] {
            row(out, one, &columns, view)?;
        }
        if let (more @ 1.., Some(first)) = (group.len() - shown, group.first()) {
            writeln!(out, "{DIM}… and {more} more: patchlift status --state {}{DIM:#}", first.state)?;
        }
    }
    Ok(())
}

/// A series: its line, and below it what more there is to say.
fn row(out: &mut impl Write, one: &Series, columns: &Columns, view: &View) -> io::Result<()> {
    let style = style(one);
    let (key, state) = (column(&one.series, columns.key), column(one.state, columns.state));
    let since = column(&age(one.since, view.now), columns.since);
    writeln!(out, "{key}  {style}{state}{style:#}  {since}  {}", fit(&one.title, columns.title))?;
    let indent = columns.key + 2;
    for (text, style) in [(Some(&one.detail), DIM), (one.trouble.as_ref(), CARE)] {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            writeln!(out, "{:indent$}{style}{}{style:#}", "", fit(text, columns.below))?;
        }
    }
    Ok(())
}

fn style(series: &Series) -> Style {
    match series.state {
        "passed" => GOOD,
        "failed" | "conflict" | "parked" => BAD,
        "held" | "no-verdict" | "given-up" => CARE,
        "running" | "starting" => BOLD,
        _ => PLAIN,
    }
}

fn counts(out: &mut impl Write, view: &View) -> io::Result<()> {
    let order = super::super::state_words::STATES;
    let words: Vec<String> = order
        .iter()
        .filter_map(|state| view.counts.get(*state).map(|count| format!("{count} {state}")))
        .collect();
    if words.is_empty() {
        return writeln!(out, "no series has been seen yet");
    }
    let stored: u64 = view.counts.values().sum();
    let hint = if stored > view.series.len() as u64 { "; patchlift status --all shows all" } else { "" };
    writeln!(out, "{DIM}in all: {}{hint}{DIM:#}", words.join(", "))
}
