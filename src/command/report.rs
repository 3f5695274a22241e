//! `patchlift report`: the report on a series, from the bridge's own store, long after GitHub's artifact is gone.

use std::io::{IsTerminal as _, Write as _};

use clap::{Args, ValueEnum};
use patchlift_report::Report;
use patchlift_report::text::TextStyle;

use super::bridge::{BridgeError, ConfigArg, end};
use super::{find, looking};
use crate::exit::Ending;
use crate::store::Store;

/// Arguments of `patchlift report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// SERVER/NUMBER, a number, a Message-ID, or the address of a page
    which: String,
    #[command(flatten)]
    config: ConfigArg,
    /// What is printed
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// The revision of its patches [default: the newest with a report]
    #[arg(long, value_name = "N")]
    revision: Option<u32>,
}

/// What is printed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For a terminal
    Text,
    /// One page that needs nothing else
    Html,
    /// As GitHub shows it
    Markdown,
    /// report.json as the action wrote it
    Json,
}

/// Runs the command.
pub fn run(args: &ReportArgs) -> Ending {
    end(report(args))
}

fn report(args: &ReportArgs) -> Result<(), BridgeError> {
    let (config, store) = looking::open(&args.config)?;
    let records = find::records(&args.which, &config, &store)?;
    let mut found = None;
    for record in &records {
        let newest = args.revision.unwrap_or(record.revision);
        let oldest = args.revision.unwrap_or(1);
        found = (oldest..=newest).rev().find_map(|revision| stored(&store, record, revision).transpose());
        if found.is_some() {
            break;
        }
    }
    let Some(bytes) = found.transpose()? else {
        let key = records.first().map(|record| record.key.to_string()).unwrap_or_default();
        let what = format!("there is no report on {key}; patchlift show {key} says where it stands");
        return Err(BridgeError::Asked(what));
    };
    looking::printed(print(&bytes, args.format)?)
}

fn stored(
    store: &Store,
    record: &crate::record::Record,
    revision: u32,
) -> Result<Option<Vec<u8>>, BridgeError> {
    Ok(store.report(&record.key, revision)?)
}

fn print(bytes: &[u8], format: Format) -> Result<std::io::Result<()>, BridgeError> {
    let mut out = anstream::stdout().lock();
    if matches!(format, Format::Json) {
        return Ok(out.write_all(bytes));
    }
    let report = Report::from_json(bytes)
        .map_err(|error| BridgeError::Asked(patchlift_report::clean::with_causes(&error)))?;
    let text = match format {
        Format::Html => report.to_html(),
        Format::Markdown => report.to_markdown(),
        _ => {
            // Colours are taken out again where nobody would see them.
            let ansi = std::io::stdout().is_terminal();
            let width = if ansi { super::paper::width() } else { TextStyle::default().width };
            report.to_text(&TextStyle { ansi, width, ..TextStyle::default() })
        }
    };
    Ok(out.write_all(text.as_bytes()))
}
