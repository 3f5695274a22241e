//! `patchlift status`: what runs, what waits, and what needs a person.

mod table;
mod view;

use clap::Args;
use clap::builder::PossibleValuesParser;
use jiff::Timestamp;

pub(crate) use view::Series;
use view::View;

use super::bridge::{BridgeError, ConfigArg, end};
use super::state_words::STATES;
use super::{looking, paper, screen};
use crate::exit::Ending;

/// Arguments of `patchlift status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Print one JSON object instead of text for people
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    choice: Choice,
}

/// Which series are shown.
#[derive(Debug, Args)]
struct Choice {
    /// Show every series there ever was
    #[arg(long)]
    all: bool,
    /// Only series of this project
    #[arg(long)]
    project: Option<String>,
    /// Only series in this state
    #[arg(long, value_parser = PossibleValuesParser::new(STATES))]
    state: Option<String>,
}

/// Runs the command.
pub fn run(args: &StatusArgs) -> Ending {
    end(status(args))
}

fn status(args: &StatusArgs) -> Result<(), BridgeError> {
    let (config, store) = looking::open(&args.config)?;
    let view = View::of(&config, &store, &args.choice, Timestamp::now())?;
    let whole = args.choice.all || args.choice.state.is_some();
    looking::printed(if args.json {
        screen::print_json(&view)
    } else {
        table::write(&mut anstream::stdout().lock(), &view, paper::width(), whole)
    })
}
