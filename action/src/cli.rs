//! The command line of `patchlift-action`.

mod background;
mod console;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use patchlift_action::cancel::Cancel;
use patchlift_action::inputs::Request;
use patchlift_action::progress::Progress;
use patchlift_action::run::{self, chain};
use patchlift_report::Report;
use patchlift_report::text::TextStyle;

use console::console;

/// Exit codes, as `--help` prints them. They are part of the contract: `docs/report.md`.
const EXIT_CODES: &str = "Exit codes:
    0  the series passed
    1  the lab or this program failed: nothing can be said of the series
    2  bad input: nothing was done
   10  the series does not build, and its base does
   11  the series does not boot, and its base does
   12  the series fails a test that its base passes
   20  the base fails in the same way: nothing is held against the series
   30  the machine reported a hardware error
   40  the box did not come back to its known-good kernel: it is quarantined
  130  the run was stopped";

/// Builds a patch series' kernel, boots it once on a POWER8 box, tests it, rolls the box back and says whose
/// fault a failure is.
#[derive(Debug, Parser)]
#[command(name = "patchlift-action", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Takes one series through all stages; always writes report.json and report.html
    #[command(after_help = EXIT_CODES)]
    Run(Box<RunArgs>),
    /// Shows what matters in a console log: crashes, complaints, hardware errors, boots that stopped
    Console {
        /// The log, or - for standard input; of this program (console.log) or of any other
        log: PathBuf,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Starts the same in the background and waits until it has the box, or has failed
    ///
    /// For a workflow, one step of which ends with a cancel while the run has a box to give back: `follow` shows
    /// its stages one by one, `stop` ends it.
    Start(Box<background::StartArgs>),
    /// Shows what a started run does until one of its stages has ended
    #[command(after_help = EXIT_CODES)]
    Follow(background::FollowArgs),
    /// Ends a started run: asks it to stop where it is still at work, waits for the roll-back, tells the verdict
    ///
    /// May be called again and again. A run that is rolling back anyway is only waited for. Where its process was
    /// killed, its box is brought back here.
    #[command(after_help = EXIT_CODES)]
    Stop(background::StopArgs),
    /// What `start` starts
    #[command(hide = true)]
    Continue {
        /// The folder of the run
        dir: PathBuf,
    },
    /// Shows a report.json again, for the terminal, or as HTML or Markdown
    Report {
        /// The report
        file: PathBuf,
        /// What to print
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
        /// Append it as Markdown to this file instead, cut to the size that a workflow's runner takes
        #[arg(long, value_name = "FILE", conflicts_with = "format")]
        job_summary: Option<PathBuf>,
    },
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    #[command(flatten)]
    request: Request,
    /// Also append the report as Markdown to this file; a workflow's runner names it
    #[arg(long, value_name = "FILE", env = "GITHUB_STEP_SUMMARY")]
    job_summary: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// The stage table and the verdict
    Text,
    /// A page that needs nothing else
    Html,
    /// For a job summary
    Markdown,
    /// The report as it is read, in the newest format
    Json,
}

/// Runs the program and gives its exit code.
pub(crate) fn run(cli: Cli) -> u8 {
    match cli.command {
        Command::Run(args) => run_series(*args),
        Command::Console { log, json } => match console(&log, json) {
            Ok(_) => 0,
            Err(error) => complain_text(&format!("cannot read {}: {error}", log.display()), BAD_INPUT),
        },
        Command::Start(args) => background::start(*args),
        Command::Follow(args) => background::follow(&args),
        Command::Stop(args) => background::stop(&args),
        Command::Continue { dir } => background::go_on(dir),
        Command::Report { file, format, job_summary } => show(&file, format, job_summary.as_deref()),
    }
}

/// Bad input: nothing was done.
const BAD_INPUT: u8 = 2;

/// The lab or this program failed.
const OUR_FAULT: u8 = 1;

fn run_series(args: RunArgs) -> u8 {
    let inputs = match args.request.check() {
        Ok(inputs) => inputs,
        Err(error) => return complain(&error, BAD_INPUT),
    };
    let cancel = match Cancel::on_signals() {
        Ok(cancel) => cancel,
        Err(error) => return complain(&error, OUR_FAULT),
    };
    let progress = Progress::new(style(io::stderr().is_terminal()));
    match run::execute(inputs, cancel, progress) {
        Ok((report, dir)) => {
            let text = report.to_text(&style(io::stdout().is_terminal()));
            print(&format!("{text}\n{}\n", dir.join("report.html").display()));
            summarise(args.job_summary.as_deref(), &report);
            report.verdict.exit_code()
        }
        Err(error) => complain(&error, OUR_FAULT),
    }
}

/// Appends the report to the summary of the job, where there is one. The verdict stands without it.
fn summarise(path: Option<&Path>, report: &Report) {
    if let Some(path) = path
        && let Err(error) = patchlift_publish::job_summary::append(path, report)
    {
        complain(&error, 0);
    }
}

fn show(file: &Path, format: Format, job_summary: Option<&Path>) -> u8 {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => return complain_text(&format!("cannot read {}: {error}", file.display()), BAD_INPUT),
    };
    let report = match Report::from_json(&bytes) {
        Ok(report) => report,
        Err(error) => return complain_text(&format!("{}: {}", file.display(), chain(&error)), BAD_INPUT),
    };
    if let Some(path) = job_summary {
        return match patchlift_publish::job_summary::append(path, &report) {
            Ok(()) => 0,
            Err(error) => complain(&error, OUR_FAULT),
        };
    }
    let text = match format {
        Format::Text => report.to_text(&style(io::stdout().is_terminal())),
        Format::Html => report.to_html(),
        Format::Markdown => report.to_markdown(),
        Format::Json => match report.to_json() {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => return complain(&error, OUR_FAULT),
        },
    };
    print(&text);
    0
}

/// Colours and symbols only where a person looks.
fn style(terminal: bool) -> TextStyle {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let utf8 = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .is_some_and(|locale| locale.to_lowercase().replace('-', "").ends_with("utf8"));
    let width = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_col));
    TextStyle {
        ansi: terminal && wanted,
        unicode: utf8,
        width: if terminal && width > 0 { width } else { 100 },
    }
}

fn print(text: &str) {
    // A closed pipe is the reader's choice.
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

fn complain(error: &(dyn std::error::Error + 'static), code: u8) -> u8 {
    complain_text(&chain(error), code)
}

fn complain_text(text: &str, code: u8) -> u8 {
    // What is wrong may quote what is hostile.
    let text = patchlift_report::clean::line(text, 2000);
    let _ = writeln!(io::stderr().lock(), "patchlift-action: {text}");
    code
}
