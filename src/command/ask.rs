//! `patchlift release`, `refuse`, `retest` and `priority`: a request is left for the bridge, which does it within a
//! second; where none runs, the next one does.

use std::io::Write as _;

use clap::Args;
use jiff::Timestamp;

use super::bridge::{BridgeError, ConfigArg, end, load};
use crate::exit::Ending;
use crate::listing::SeriesKey;
use crate::store::{Request, Store, What};

/// Arguments of `patchlift release` and `retest`.
#[derive(Debug, Args)]
pub struct AskArgs {
    /// The series, as `patchlift status` shows it: SERVER/NUMBER
    series: SeriesKey,
    #[command(flatten)]
    config: ConfigArg,
}

/// Arguments of `patchlift refuse`.
#[derive(Debug, Args)]
pub struct RefuseArgs {
    #[command(flatten)]
    ask: AskArgs,
    /// Why, for its author and for other maintainers
    #[arg(long, default_value = "")]
    reason: String,
}

/// Arguments of `patchlift priority`.
#[derive(Debug, Args)]
pub struct PriorityArgs {
    #[command(flatten)]
    ask: AskArgs,
    /// Higher is tested earlier; 0 is usual
    #[arg(allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-100..=100))]
    priority: i32,
}

/// `patchlift release`.
pub fn release(args: &AskArgs) -> Ending {
    end(ask(args, What::Release))
}

/// `patchlift retest`.
pub fn retest(args: &AskArgs) -> Ending {
    end(ask(args, What::Retest))
}

/// `patchlift refuse`.
pub fn refuse(args: &RefuseArgs) -> Ending {
    let reason = patchlift_report::clean::line(&args.reason, 300);
    end(ask(&args.ask, What::Refuse { reason }))
}

/// `patchlift priority`.
pub fn priority(args: &PriorityArgs) -> Ending {
    end(ask(&args.ask, What::Priority { priority: args.priority }))
}

fn ask(args: &AskArgs, what: What) -> Result<(), BridgeError> {
    let config = load(&args.config)?;
    let store = Store::for_requests(&config.state_dir)?;
    let Some(record) = store.get(&args.series)? else {
        return Err(BridgeError::Asked(format!(
            "there is no series {}: see `patchlift status --all` or `patchlift find MESSAGE-ID`",
            args.series
        )));
    };
    store.ask(&Request { key: args.series.clone(), what, who: who(), at: Timestamp::now() })?;
    let title = record.text.map_or_else(|| record.listing.name.unwrap_or_default(), |text| text.title);
    let mut out = std::io::stdout().lock();
    writeln!(out, "noted for {} ({})", args.series, patchlift_report::clean::line(&title, 100))?;
    if store.heartbeat()?.is_none() {
        writeln!(out, "no bridge is running: it is done when one starts")?;
    }
    Ok(())
}

/// Who asks, for the history.
fn who() -> String {
    let name = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_default();
    let name = patchlift_report::clean::line(&name, 60);
    if name.is_empty() { "somebody at the command line".to_owned() } else { name }
}
