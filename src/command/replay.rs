//! `patchlift replay`: decides once more on what was recorded, and says what would differ.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::bridge::{BridgeError, ConfigArg, drive, end, load, log};
use crate::bridge::Until;
use crate::bridge::decisions::{self, Difference};
use crate::bridge::open::Options;
use crate::exit::Ending;
use crate::patchwork::Recording;

/// Arguments of `patchlift replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The folder that `patchlift run --record` filled
    dir: PathBuf,
    #[command(flatten)]
    config: ConfigArg,
    /// Print one JSON object instead of text for people
    #[arg(long)]
    json: bool,
}

/// So many of the configured waits after the last exchange, everything that was recorded has been decided on.
const WAITS_AFTER_THE_END: u32 = 5;

/// Runs the command.
pub fn run(args: &ReplayArgs) -> Ending {
    log();
    end(replay(args))
}

fn replay(args: &ReplayArgs) -> Result<(), BridgeError> {
    let config = load(&args.config)?;
    let asked =
        |error: &dyn std::fmt::Display| BridgeError::Asked(format!("{}: {error}", args.dir.display()));
    let recording = Recording::open(&args.dir).map_err(|error| asked(&crate::bridge::site::chain(&error)))?;
    let was = decisions::read(&args.dir).map_err(|error| asked(&error))?;
    if recording.skipped() > 0 {
        let lines = recording.skipped();
        tracing::warn!("{lines} lines of the recording cannot be read and are left out");
    }
    let last = recording.exchanges().last().map(|exchange| exchange.at);
    let Some(last) = last else { return Err(asked(&"nothing is recorded there")) };
    let exchanges = recording.exchanges().len();
    let waits = config.servers.iter().map(|server| server.poll + server.settle).max().unwrap_or_default();
    let options = Options { replay: Some(recording), ..Options::default() };
    let (opened, _) = drive(config, options, Until::Clock(last + waits * WAITS_AFTER_THE_END), None)?;
    let trees = &opened.site.config.trees;
    let bases = trees.iter().flat_map(|tree| tree.branches.iter().map(|branch| tree.base(branch)));
    let missing: Vec<String> = bases.filter(|base| opened.site.trees.resolve(base).is_none()).collect();
    if !missing.is_empty() {
        let what = "not fetched in state_dir, without which nothing can be applied";
        return Err(BridgeError::Asked(format!("{}: {what}", missing.join(", "))));
    }
    let folder = opened.temporary().unwrap_or(&args.dir);
    let now = decisions::read(folder).map_err(|error| asked(&error))?;
    let differ = decisions::differences(&was, &now);
    let same = was.keys().chain(now.keys()).collect::<std::collections::BTreeSet<_>>().len() - differ.len();
    let mut out = anstream::stdout().lock();
    if args.json {
        let value = serde_json::json!({ "exchanges": exchanges, "same": same, "different": differ });
        writeln!(out, "{value}")?;
    } else {
        writeln!(
            out,
            "{exchanges} exchanges; {same} series decided as before, {} differently",
            differ.len()
        )?;
        for difference in &differ {
            show(&mut out, difference)?;
        }
    }
    Ok(())
}

fn show(out: &mut impl std::io::Write, difference: &Difference) -> std::io::Result<()> {
    writeln!(out, "{}", difference.series)?;
    for (mark, lines) in [("was", &difference.was), ("now", &difference.now)] {
        let lines = if lines.is_empty() { "nothing decided".to_owned() } else { lines.join("; ") };
        writeln!(out, "  {mark}  {lines}")?;
    }
    Ok(())
}
