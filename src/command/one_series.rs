//! `patchlift series SERVER/NUMBER`: one series of a Patchwork server, through the same steps as in the bridge.

use std::io::Write as _;

use super::bridge::{BridgeError, drive, load, log, say_what_would_be_done};
use super::{show, which};
use crate::bridge::Until;
use crate::bridge::open::{OpenError, Options};
use crate::cli::SeriesArgs;
use crate::exit::Ending;
use crate::record::State;
use crate::store::StoreError;

/// How the command ends, as for a mailbox.
fn ending(state: &State) -> Ending {
    match state {
        State::Conflicts { .. } => Ending::Conflict,
        State::AlreadyApplied { .. } => Ending::AlreadyApplied,
        State::Waiting | State::Settling { .. } | State::GivenUp { .. } | State::Declined { .. } => {
            Ending::BadInput
        }
        State::Whole | State::Ready | State::Parked { .. } => Ending::OurFault,
        _ => Ending::Done,
    }
}

/// Takes the series as far as it goes without waiting for others.
///
/// # Errors
/// It is not there, or nothing can be saved.
pub(super) fn run(text: &str, args: &SeriesArgs) -> Result<Ending, BridgeError> {
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
    let Some(key) = key else { return Ok(Ending::OurFault) };
    let record = {
        let key = key.clone();
        opened.site.ledger.now(move |store| store.get(&key))?
    };
    let ending = record.as_ref().map_or(Ending::OurFault, |record| ending(&record.state));
    say_what_would_be_done(&opened)?;
    if args.dry_run {
        let state = record.map_or("unknown", |record| record.state.word());
        writeln!(std::io::stdout().lock(), "{key} would be {state}; nothing was written")?;
        return Ok(ending);
    }
    // The store is free again before it is read.
    drop(opened);
    show::one(&key.to_string(), &args.config, args.input.json)?;
    Ok(ending)
}
