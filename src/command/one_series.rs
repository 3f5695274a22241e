//! `patchlift series SERVER/NUMBER`: one series of a Patchwork server, through the same steps as in the bridge.

use std::io::Write as _;

use super::bridge::{BridgeError, drive, load, log, say_what_would_be_done};
use super::{show, which};
use crate::bridge::Until;
use crate::bridge::open::{OpenError, Options};
use crate::cli::SeriesArgs;
use crate::store::StoreError;

/// Takes the series as far as it goes without waiting for others.
///
/// # Errors
/// It is not there, or nothing can be saved.
pub(super) fn run(text: &str, args: &SeriesArgs) -> Result<(), BridgeError> {
    log();
    let config = load(&args.config)?;
    let meant = which::meant(text, &config);
    let options = Options { dry: args.dry_run, ..Options::default() };
    let (opened, key) = drive(config, options, Until::Idle, Some(meant)).map_err(|error| match error {
        BridgeError::Open(OpenError::Store(StoreError::Locked { pid, .. })) => {
            let pid = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
            let advice = "it takes every series by itself; `patchlift show` and `patchlift retest` reach it";
            BridgeError::Asked(format!("a bridge is running{pid}: {advice}"))
        }
        error => error,
    })?;
    let Some(key) = key else { return Ok(()) };
    say_what_would_be_done(&opened)?;
    if args.dry_run {
        return Ok(writeln!(std::io::stdout().lock(), "nothing was written")?);
    }
    // The store is free again before it is read.
    drop(opened);
    show::one(&key.to_string(), &args.config, args.input.json)
}
