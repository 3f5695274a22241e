//! `start`, `follow`, `stop`: a run in the background, as the steps of a workflow.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use patchlift_action::cancel::Cancel;
use patchlift_action::inputs::Request;
use patchlift_action::progress::Progress;
use patchlift_action::run::{self, RunError};
use patchlift_action::run_folder::RunFolder;
use patchlift_action::start::{Begun, StartError};
use patchlift_action::workflow::{StepLog, write_outputs};
use patchlift_action::{follow, start, stop};
use patchlift_report::text::TextStyle;
use patchlift_report::{Report, RollBack, StageName};

use super::{BAD_INPUT, OUR_FAULT, complain, complain_text, style, summarise};

/// The step was ended from outside.
const CANCELLED: u8 = 130;

#[derive(Debug, clap::Args)]
pub(super) struct StartArgs {
    #[command(flatten)]
    request: Request,
    #[command(flatten)]
    file: RunFile,
    /// Also write the output `report`, the folder of the run, to this file; a workflow's runner names it
    #[arg(long, value_name = "FILE", env = "GITHUB_OUTPUT")]
    outputs: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct RunFile {
    /// Names the run: written by `start`, read by `follow` and `stop`; one for each job
    #[arg(long, value_name = "FILE", env = "PATCHLIFT_RUN_FILE")]
    run_file: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(super) struct FollowArgs {
    #[command(flatten)]
    file: RunFile,
    /// Which stage
    #[arg(long, value_name = "STAGE", env = "PATCHLIFT_STAGE", value_parser = stages())]
    stage: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct StopArgs {
    #[command(flatten)]
    file: RunFile,
    /// Exit with 0 where the box is on its known-good kernel, whatever the verdict is
    #[arg(long)]
    box_only: bool,
    /// Also append the report as Markdown to this file; a workflow's runner names it
    #[arg(long, value_name = "FILE", env = "GITHUB_STEP_SUMMARY")]
    job_summary: Option<PathBuf>,
    /// Also write the outputs `exit-code` and `report` to this file; a workflow's runner names it
    #[arg(long, value_name = "FILE", env = "GITHUB_OUTPUT")]
    outputs: Option<PathBuf>,
}

fn stages() -> PossibleValuesParser {
    PossibleValuesParser::new(StageName::ALL.map(StageName::slug))
}

/// Whether a workflow's runner reads what is printed.
fn in_a_workflow() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// The log of the step; with commands where a runner reads it.
fn step_log() -> StepLog<io::StdoutLock<'static>> {
    StepLog::new(io::stdout().lock(), in_a_workflow())
}

/// Says an error, on the page of the workflow's run where there is one.
fn fail(error: &(dyn std::error::Error + 'static), code: u8) -> u8 {
    if in_a_workflow() && step_log().error("patchlift", &run::chain(error)).is_ok() {
        return code;
    }
    complain(error, code)
}

fn told(path: Option<&Path>, outputs: &[(&str, &str)]) -> Result<(), RunError> {
    path.map_or(Ok(()), |path| write_outputs(path, outputs).map_err(RunError::write(path)))
}

pub(super) fn start(args: StartArgs) -> u8 {
    let cancel = match Cancel::on_signals() {
        Ok(cancel) => cancel,
        Err(error) => return fail(&error, OUR_FAULT),
    };
    let (folder, begun) = match start::start(args.request, &args.file.run_file, &cancel) {
        Ok(started) => started,
        Err(error @ StartError::Input(_)) => return fail(&error, BAD_INPUT),
        Err(error) => return fail(&error, OUR_FAULT),
    };
    if let Err(error) = told(args.outputs.as_deref(), &[("report", &folder.path().to_string_lossy())]) {
        return fail(&error, OUR_FAULT);
    }
    let mut log = step_log();
    let said = log.line(&format!("The run {} works in {}", folder.id(), folder.path().display()));
    let code = match begun {
        Begun::AtWork => 0,
        Begun::NotWaitedFor => CANCELLED,
        Begun::Over(code) => {
            let code = code.and_then(|code| u8::try_from(code).ok()).unwrap_or(OUR_FAULT);
            let shown = said
                .and_then(|()| log.open("What it said"))
                .and_then(|()| follow::Follower::new(&folder).show(&mut log));
            let reason = follow::report(&folder).map_or_else(
                || "the run ended before it began".to_owned(),
                |report| report.verdict.summary.clone(),
            );
            return match shown.and_then(|()| log.error("patchlift", &reason)) {
                Ok(()) => code,
                Err(error) => complain(&error, code),
            };
        }
    };
    match said {
        Ok(()) => code,
        Err(error) => complain(&error, code),
    }
}

/// The rest of [`start`], in the background.
pub(super) fn go_on(dir: PathBuf) -> u8 {
    // A session of its own: no signal that is meant for the step of a workflow, or for a terminal, reaches it.
    if let Err(error) = rustix::process::setsid() {
        return complain(&error, OUR_FAULT);
    }
    let folder = RunFolder::at(dir);
    let cancel = match Cancel::on_signals() {
        Ok(cancel) => cancel,
        Err(error) => return complain(&error, OUR_FAULT),
    };
    let request = match folder.note_process().and_then(|()| folder.load_request()) {
        Ok(request) => request,
        Err(error) => return complain(&error, OUR_FAULT),
    };
    let inputs = match request.check() {
        Ok(inputs) => inputs,
        Err(error) => return complain(&error, BAD_INPUT),
    };
    // A workflow's log breaks lines by itself.
    let wide = TextStyle { width: 200, ..style(false) };
    match run::execute_in(&folder, inputs, cancel, Progress::new(wide)) {
        Ok(report) => report.verdict.exit_code(),
        Err(error) => complain(&error, OUR_FAULT),
    }
}

pub(super) fn follow(args: &FollowArgs) -> u8 {
    let cancel = match Cancel::on_signals() {
        Ok(cancel) => cancel,
        Err(error) => return fail(&error, OUR_FAULT),
    };
    let stage = StageName::ALL.into_iter().find(|stage| stage.slug() == args.stage);
    let (folder, stage) = match (start::find(&args.file.run_file), stage) {
        (Ok(Some(folder)), Some(stage)) => (folder, stage),
        (Err(error), _) => return fail(&error, OUR_FAULT),
        _ => {
            return complain_text(
                &format!("no run was started with {}", args.file.run_file.display()),
                BAD_INPUT,
            );
        }
    };
    match follow::follow(&folder, stage, &mut step_log(), &cancel) {
        Ok(code) => code,
        Err(error) => complain(&error, OUR_FAULT),
    }
}

pub(super) fn stop(args: &StopArgs) -> u8 {
    let cancel = match Cancel::on_signals() {
        Ok(cancel) => cancel,
        Err(error) => return fail(&error, OUR_FAULT),
    };
    let folder = match start::find(&args.file.run_file) {
        Ok(Some(folder)) => folder,
        // Whoever ends the step that starts the run early enough, leaves nothing to be done.
        Ok(None) => {
            let said = step_log().line("No run was started: there is nothing to bring back.");
            return said.map_or_else(|error| complain(&error, OUR_FAULT), |()| 0);
        }
        Err(error) => return fail(&error, OUR_FAULT),
    };
    let mut log = step_log();
    match stop::stop(&folder, &mut log, &cancel) {
        Ok(report) => match tell(args, &folder, &report, &mut log) {
            Ok(()) => code(args, &report),
            Err(error) => complain(&error, OUR_FAULT),
        },
        Err(error) => {
            let closed = log.close();
            let code = if matches!(error, stop::StopError::NotWaitedFor) { CANCELLED } else { OUR_FAULT };
            closed.map_or_else(|error| complain(&error, code), |()| fail(&error, code))
        }
    }
}

/// The exit code of the step.
fn code(args: &StopArgs, report: &Report) -> u8 {
    let back = !report.verdict.box_quarantined && !matches!(report.roll_back, RollBack::Failed { .. });
    if args.box_only && back { 0 } else { report.verdict.exit_code() }
}

/// Shows the verdict, in the log and wherever the runner wants it.
fn tell(
    args: &StopArgs,
    folder: &RunFolder,
    report: &Report,
    log: &mut StepLog<io::StdoutLock<'_>>,
) -> io::Result<()> {
    if args.box_only && code(args, report) == 0 {
        log.line(match &report.roll_back {
            RollBack::NotNeeded => "The box never left its known-good kernel.",
            _ => "The box is back on its known-good kernel.",
        })?;
        log.close()?;
        return write_outcome(args, folder, report);
    }
    let text = report.to_text(&TextStyle { ansi: false, ..style(io::stdout().is_terminal()) });
    log.open("Verdict")?;
    for line in text.lines() {
        log.line(line)?;
    }
    if code(args, report) == 0 {
        log.close()?;
    } else {
        log.error(&report.verdict.title, &report.verdict.summary)?;
    }
    summarise(args.job_summary.as_deref(), report);
    write_outcome(args, folder, report)
}

/// The step's outputs.
fn write_outcome(args: &StopArgs, folder: &RunFolder, report: &Report) -> io::Result<()> {
    let exit_code = report.verdict.exit_code().to_string();
    let outputs = [("exit-code", exit_code.as_str()), ("report", &folder.path().to_string_lossy())];
    args.outputs.as_deref().map_or(Ok(()), |path| write_outputs(path, &outputs))
}
