//! `patchlift find`: which series a mail belongs to, and what became of it.

use std::io::Write as _;

use anstyle::Style;
use clap::Args;
use jiff::Timestamp;

use super::bridge::{BridgeError, ConfigArg, end};
use super::status::Series;
use super::{looking, screen, which};
use crate::config::Config;
use crate::exit::Ending;
use crate::record::Record;
use crate::store::Store;

/// Arguments of `patchlift find`.
#[derive(Debug, Args)]
pub struct FindArgs {
    /// A Message-ID of a patch or a cover letter, the address of its page, or SERVER/NUMBER
    which: String,
    #[command(flatten)]
    config: ConfigArg,
    /// Print one JSON array instead of text for people
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &FindArgs) -> Ending {
    end(find(args))
}

fn find(args: &FindArgs) -> Result<(), BridgeError> {
    let (config, store) = looking::open(&args.config)?;
    let now = Timestamp::now();
    let found: Vec<Series> =
        records(&args.which, &config, &store)?.iter().map(|record| Series::of(record, None, now)).collect();
    looking::printed(if args.json { screen::print_json(&found) } else { print(&found) })
}

/// The records that are meant; at least one.
///
/// # Errors
/// There is none, or it cannot be read.
pub(super) fn records(which: &str, config: &Config, store: &Store) -> Result<Vec<Record>, BridgeError> {
    let mut records = Vec::new();
    for key in which::series(which, config, store)? {
        records.extend(store.get(&key)?);
    }
    if records.is_empty() {
        let which = patchlift_report::clean::line(which, 200);
        let what =
            format!("no series is known as {which}; the bridge sees the projects of its configuration only");
        return Err(BridgeError::Asked(what));
    }
    Ok(records)
}

fn print(found: &[Series]) -> std::io::Result<()> {
    const BOLD: Style = Style::new().bold();
    let mut out = anstream::stdout().lock();
    for one in found {
        writeln!(out, "{BOLD}{}{BOLD:#} {}: {}", one.series, one.state, one.title)?;
        for (name, value) in
            [("detail", Some(&one.detail)), ("branch", one.branch.as_ref()), ("run", one.run.as_ref())]
        {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                writeln!(out, "  {name:<7} {value}")?;
            }
        }
    }
    Ok(())
}
