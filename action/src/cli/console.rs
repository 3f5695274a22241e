//! `patchlift-action console`: what matters in a console log.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;

use patchlift_action::scan::{Scanned, scan};
use patchlift_report::words;

/// Prints the events of a log, or of standard input for `-`: a line each, as JSON where it is asked for.
///
/// # Errors
/// The log cannot be read. A reader that has seen enough is no error.
pub(crate) fn console(log: &Path, json: bool) -> io::Result<u64> {
    let mut out = io::stdout().lock();
    let mut count = 0;
    let print = |event: Scanned| {
        count += 1;
        if json {
            serde_json::to_writer(&mut out, &event)?;
            writeln!(out)
        } else {
            writeln!(out, "{}", in_words(&event))
        }
    };
    let read = if log.as_os_str() == "-" {
        scan(io::stdin().lock(), print)
    } else {
        scan(BufReader::new(File::open(log)?), print)
    };
    match read {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(count),
        read => read.map(|()| count),
    }
}

fn in_words(event: &Scanned) -> String {
    let place = event.fingerprint.as_ref().map(|frames| format!(" in {frames}")).unwrap_or_default();
    format!("{:>7}  {}  {}{place}: {}", event.line, words::event_class(event.class), event.kind, event.text)
}
