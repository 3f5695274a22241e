//! `patchlift release`, `refuse`, `retest` and `priority`: a request is left for the bridge, which does it within a
//! second; where none runs, the next one does.

use std::io::Write as _;

use clap::Args;
use jiff::Timestamp;

use super::bridge::{BridgeError, ConfigArg, end};
use super::{looking, which};
use crate::bridge::answer::can_be_released;
use crate::config::{self, Config};
use crate::exit::Ending;
use crate::record::State;
use crate::store::{Request, Store, What};

/// Arguments of `patchlift release` and `retest`.
#[derive(Debug, Args)]
pub struct AskArgs {
    /// SERVER/NUMBER, a number, a Message-ID, or the address of a page
    series: String,
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
    #[arg(allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-1000..=1000))]
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
    let config = Config::look(&config::locate(args.config.config.as_deref())?)?;
    let store = Store::for_requests(&config.state_dir)?;
    let meant = which::series(&args.series, &config, &store)?;
    let [key] = &meant[..] else {
        let which = patchlift_report::clean::line(&args.series, 200);
        return Err(BridgeError::Asked(if meant.is_empty() {
            format!("there is no series {which}: see `patchlift status --all` or `patchlift find MESSAGE-ID`")
        } else {
            let keys: Vec<String> = meant.iter().map(ToString::to_string).collect();
            format!("{which} may mean {}: say which", keys.join(" or "))
        }));
    };
    let Some(record) = store.get(key)? else { return Ok(()) };
    let nothing = follows_nothing(&record.state, &what);
    store.ask(&Request { key: key.clone(), what, who: who(), at: Timestamp::now() })?;
    let title = record.text.map_or_else(|| record.listing.name.unwrap_or_default(), |text| text.title);
    let title = patchlift_report::clean::line(&title, 100);
    let running = store.heartbeat()?.is_some();
    let print = || {
        let mut out = std::io::stdout().lock();
        writeln!(out, "noted for {key} ({title})")?;
        if nothing {
            writeln!(out, "it is {}: nothing will follow", record.state.word())?;
        } else if !running {
            writeln!(out, "no bridge is running: it is done when one starts")?;
        }
        Ok(())
    };
    looking::printed(print())
}

/// Will the bridge do nothing about it?
fn follows_nothing(state: &State, what: &What) -> bool {
    match what {
        What::Release => !can_be_released(state),
        What::Refuse { .. } => matches!(state, State::Declined { .. }),
        What::Retest => state.run().is_some() && !state.is_final(),
        What::Priority { .. } => false,
    }
}

/// Who asks, for the history.
fn who() -> String {
    let name = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_default();
    let name = patchlift_report::clean::line(&name, 60);
    if name.is_empty() { "somebody at the command line".to_owned() } else { name }
}
