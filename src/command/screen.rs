//! Outcomes on the screen: text for people on standard output, or JSON; one line for an error on standard error.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::failure::Failure;
use super::outcome::{Commit, Conflict, Outcome, Subject, Tried};
use crate::bytes::shown;
use crate::exit::Ending;
use crate::mirror::Moved;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Prints how a command ended and gives its exit code.
pub(crate) fn end(result: Result<Outcome, Failure>, json: bool) -> Ending {
    let ending = match &result {
        Ok(outcome) => outcome.ending(),
        Err(failure) => failure.ending(),
    };
    let printed = match &result {
        Ok(outcome) if json => print_json(outcome),
        Ok(outcome) => print_text(&mut anstream::stdout().lock(), outcome),
        Err(failure) => print_failure(failure, json),
    };
    // A closed pipe ends the output, not the work.
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Ending::OurFault,
        _ => ending,
    }
}

/// Prints one JSON object and a line feed.
pub(crate) fn print_json(value: &impl serde::Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, value).map_err(io::Error::from)?;
    writeln!(out)
}

fn print_failure(failure: &Failure, json: bool) -> io::Result<()> {
    let message = failure.line();
    writeln!(anstream::stderr().lock(), "{BAD}patchlift:{BAD:#} {message}")?;
    if json { print_json(&Outcome::Error { kind: failure.kind(), message }) } else { Ok(()) }
}

fn print_text(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    match outcome {
        Outcome::Applied { of, branch, moved, tip, commits, .. } => {
            head(out, of)?;
            for commit in commits {
                line(out, commit)?;
            }
            ending_line(out, branch.as_deref(), *moved, tip)
        }
        Outcome::AlreadyApplied { of, .. } => {
            head(out, of)?;
            writeln!(out, "{GOOD}already applied:{GOOD:#} {} holds every patch; no commit was made", base(of))
        }
        Outcome::Conflict { tried, conflict } => {
            head(out, tried)?;
            explain(out, tried, conflict)
        }
        Outcome::Error { message, .. } => writeln!(out, "{message}"),
    }
}

fn head(out: &mut impl Write, of: &Subject) -> io::Result<()> {
    let Some(series) = &of.series else { return Ok(()) };
    let version = if series.version > 1 { format!(" v{}", series.version) } else { String::new() };
    writeln!(out, "{BOLD}{}{BOLD:#}{version}", series.title)?;
    writeln!(out, "{DIM}{} on {}{DIM:#}", series.author, base(of))
}

fn base(of: &Subject) -> String {
    format!("{} ({})", shown(of.base.branch.as_bytes(), 100), short(&of.base.commit))
}

/// Twelve digits, as the kernel's people write commit ids.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

fn line(out: &mut impl Write, commit: &Commit) -> io::Result<()> {
    let width = commit.of.to_string().len();
    let note = if commit.merged { " (merged)" } else { "" };
    writeln!(
        out,
        "  {:>width$}/{} {GOOD}{}{GOOD:#} {}{DIM}{note}{DIM:#}",
        commit.patch,
        commit.of,
        short(&commit.commit),
        commit.subject,
    )
}

fn ending_line(
    out: &mut impl Write,
    branch: Option<&str>,
    moved: Option<Moved>,
    tip: &str,
) -> io::Result<()> {
    let Some(branch) = branch else { return writeln!(out, "tip {tip}") };
    match moved {
        None => writeln!(out, "dry run: {BOLD}{branch}{BOLD:#} would be at {tip}; nothing was written"),
        Some(Moved::Created) => writeln!(out, "branch {BOLD}{branch}{BOLD:#} made at {tip}"),
        Some(Moved::Updated) => writeln!(out, "branch {BOLD}{branch}{BOLD:#} moved to {tip}"),
        Some(Moved::Unchanged) => {
            writeln!(out, "branch {BOLD}{branch}{BOLD:#} is at {tip} already: nothing to do")
        }
    }
}

fn explain(out: &mut impl Write, tried: &Subject, conflict: &Conflict) -> io::Result<()> {
    let Conflict { patch, of, subject, file, hunk, reason, difference, made_for, known_base } = conflict;
    writeln!(out, "{BAD}conflict:{BAD:#} patch {patch}/{of} does not apply to {}", base(tried))?;
    writeln!(out, "  patch   {subject}")?;
    if let Some(file) = file {
        writeln!(out, "  file    {file}")?;
    }
    if let Some(hunk) = hunk {
        writeln!(out, "  hunk    {hunk}")?;
    }
    writeln!(out, "  reason  {reason}")?;
    if let Some(difference) = difference {
        writeln!(out, "  line {}: the patch expects {:?}", difference.line, difference.wanted)?;
        match &difference.found {
            Some(found) => writeln!(out, "  line {}: the base has     {found:?}", difference.line)?,
            None => writeln!(out, "  line {}: the file has ended", difference.line)?,
        }
    }
    for version in made_for.iter().filter(|version| Some(&version.file) == file.as_ref()) {
        let known =
            if version.known { "which is in the repository" } else { "which is not in the repository" };
        writeln!(out, "  made for version {} of the file, {known}", version.id)?;
    }
    if let Some(known) = known_base {
        writeln!(
            out,
            "  the series was made for {} ({}), or for a tree with the same files",
            known.name,
            short(&known.commit)
        )?;
    }
    for other in tried.tried.iter().skip(1) {
        let Tried { base, patch, reason, .. } = other;
        writeln!(out, "also tried {} ({}): patch {patch}/{of}: {reason}", base.branch, short(&base.commit))?;
    }
    writeln!(out, "nothing was written")
}
