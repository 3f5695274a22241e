//! `patchlift run` and `patchlift once`: the bridge itself.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::Duration;

use clap::Args;

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::which::Meant;
use crate::bridge::open::{OpenError, Opened, Options, check_projects, open};
use crate::bridge::site::chain;
use crate::bridge::take::{TakeError, take};
use crate::bridge::{Bridge, Until};
use crate::clock::Clock;
use crate::config::{self, Config, ConfigError};
use crate::exit::Ending;
use crate::listing::SeriesKey;
use crate::store::StoreError;
use crate::webhook::{self, WebhookError};

/// Which configuration.
#[derive(Debug, Args)]
pub struct ConfigArg {
    /// The configuration [default: $PATCHLIFT_CONFIG, ./patchlift.toml, /etc/patchlift/patchlift.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Arguments of `patchlift run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Keep every exchange with the Patchwork servers in this folder, for `patchlift replay`
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
}

/// Arguments of `patchlift once`.
#[derive(Debug, Args)]
pub struct OnceArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Only say what would be done: nothing is written, nothing outside is changed
    #[arg(long)]
    dry_run: bool,
    /// Keep every exchange with the Patchwork servers in this folder, for `patchlift replay`
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
}

/// Why the bridge ended.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It could not begin.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Nothing can be saved.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// GitHub's deliveries.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// The series that is meant.
    #[error(transparent)]
    Take(#[from] TakeError),
    /// The runtime.
    #[error("cannot start")]
    Start(#[source] std::io::Error),
    /// The output.
    #[error("the output cannot be written")]
    Output(#[from] std::io::Error),
    /// Something that is needed does not answer; what could be done is done.
    #[error("not everything could be reached: {0}")]
    Unreached(String),
    /// Not something that was asked for.
    #[error("{0}")]
    Asked(String),
}

impl BridgeError {
    fn ending(&self) -> Ending {
        match self {
            Self::Config(_)
            | Self::Asked(_)
            | Self::Take(TakeError::Nowhere { .. })
            | Self::Open(OpenError::NoProject { .. }) => Ending::BadInput,
            _ => Ending::OurFault,
        }
    }
}

/// Prints an error once, with all that lies below it.
pub(super) fn end(result: Result<(), BridgeError>) -> Ending {
    match result {
        // Who closes the pipe has seen enough.
        Err(BridgeError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ending::Done,
        Ok(()) => Ending::Done,
        Err(error) => {
            let lines = match &error {
                // All that is wrong in a configuration, a line each.
                BridgeError::Config(ConfigError::Wrong { problems }) => {
                    problems.iter().map(ToString::to_string).collect()
                }
                _ => vec![chain(&error)],
            };
            for line in lines {
                // Where standard error is gone nobody is left to tell.
                let _ = writeln!(anstream::stderr().lock(), "patchlift: {line}");
            }
            error.ending()
        }
    }
}

/// Reads the configuration that is meant.
pub(super) fn load(arg: &ConfigArg) -> Result<Config, BridgeError> {
    let path = config::locate(arg.config.as_deref())?;
    Ok(Config::load(&path)?)
}

/// Longest time that ending takes: blocking work is left where it is; what is saved is whole at any moment.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// Runs the bridge until it is told to stop.
pub fn run(args: &RunArgs) -> Ending {
    log();
    end(load(&args.config).and_then(|config| {
        let options = Options { record: args.record.clone(), ..Options::default() };
        drive(config, options, Until::Stopped, None).map(|_| ())
    }))
}

/// Runs the bridge until nothing is left to do but to wait.
pub fn once(args: &OnceArgs) -> Ending {
    log();
    end(load(&args.config).and_then(|config| {
        let options = Options { record: args.record.clone(), dry: args.dry_run, ..Options::default() };
        let (opened, _) = drive(config, options, Until::Idle, None)?;
        say_what_would_be_done(&opened)?;
        troubles(&opened)
    }))
}

/// A timer that runs the bridge once has to see that a far side was down.
fn troubles(opened: &Opened) -> Result<(), BridgeError> {
    let (servers, trees) = opened.site.ledger.now(|store| Ok((store.server_troubles()?, store.trees()?)))?;
    let is_sink = |name: &str| opened.site.sinks.configured().iter().any(|sink| sink.name() == name);
    let known = |name: &str| {
        name == "mirror" || name == "github" || is_sink(name) || opened.site.servers.contains_key(name)
    };
    let servers = servers.into_iter().filter(|trouble| known(&trouble.server));
    let servers = servers.map(|trouble| format!("{}: {}", trouble.server, trouble.what));
    let configured = |name: &str| opened.site.config.trees.iter().any(|tree| tree.name == name);
    let trees = trees.into_iter().filter(|state| configured(&state.tree));
    let trees =
        trees.filter_map(|state| Some(format!("{}/{}: {}", state.tree, state.branch, state.trouble?.0)));
    let all: Vec<String> = servers.chain(trees).collect();
    if all.is_empty() { Ok(()) } else { Err(BridgeError::Unreached(all.join("; "))) }
}

/// In a dry run: what would have been done.
pub(super) fn say_what_would_be_done(opened: &Opened) -> Result<(), BridgeError> {
    let Some(dry) = &opened.site.dry else { return Ok(()) };
    let mut out = std::io::stdout().lock();
    for line in dry.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        writeln!(out, "would {line}")?;
    }
    Ok(())
}

/// Opens everything and runs. Ends at once on SIGTERM and SIGINT.
pub(super) fn drive(
    config: Config,
    options: Options,
    until: Until,
    only: Option<Meant>,
) -> Result<(Opened, Option<SeriesKey>), BridgeError> {
    let replayed = options.replay.as_ref().and_then(|recording| recording.start());
    let clock = replayed.map_or(Clock::System, Clock::replayed);
    let runtime = Runtime::new().map_err(BridgeError::Start)?;
    let result = runtime.block_on(async {
        let opened = open(config, clock, options)?;
        let listener = match opened.site.config.webhook.clone().filter(|_| until == Until::Stopped) {
            Some(settings) => Some((webhook::bind(&settings).await?, settings)),
            None => None,
        };
        let mut terminate = signal(SignalKind::terminate()).map_err(BridgeError::Start)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(BridgeError::Start)?;
        let mut taken = None;
        let work = async {
            if let Some(meant) = &only {
                taken = Some(take(&opened.site, &meant.keys, &meant.msgids).await?);
            }
            let bridge = Bridge::new(std::sync::Arc::clone(&opened.site), until);
            let bridge = match taken.clone() {
                Some(key) => bridge.only(key),
                None => bridge,
            };
            tracing::info!(version = env!("CARGO_PKG_VERSION"), "the bridge runs");
            // Beside each other: one server that is silent keeps nobody from looking at the others. A replay asks for
            // nothing that was not recorded.
            let asks = only.is_none() && !opened.site.clock.is_replayed();
            let check = async {
                if asks { check_projects(&opened.site).await.map_err(BridgeError::from) } else { Ok(()) }
            };
            let run = async { bridge.run().await.map_err(BridgeError::from) };
            let deliveries = async {
                let Some((listener, settings)) = listener else { return std::future::pending().await };
                let (ledger, clock) = (opened.site.ledger.clone(), opened.site.clock.clone());
                webhook::serve(listener, settings, ledger, clock).await.map_err(BridgeError::from)
            };
            tokio::select! {
                done = async { tokio::try_join!(check, run).map(|_| ()) } => done,
                stopped = deliveries => stopped,
            }
        };
        let stop = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("told to stop");
        };
        let ended = tokio::select! {
            done = work => done,
            () = stop => Ok(()),
        };
        // `patchlift status` need not guess. Where it cannot be written, it guesses.
        let last_words = opened.site.ledger.with(|store| store.end_heartbeat());
        let _ = tokio::time::timeout(LAST_WORDS, last_words).await;
        ended.map(|()| (opened, taken))
    });
    runtime.shutdown_timeout(LAST_WORDS);
    result
}

/// Log lines go to standard error: to the journal, where systemd starts the bridge.
pub(super) fn log() {
    let filter =
        EnvFilter::try_from_env("PATCHLIFT_LOG").unwrap_or_else(|_| EnvFilter::new("warn,patchlift=info"));
    let colours =
        std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second logger is refused; the first one does.
    let _ = lines.with_ansi(colours).try_init();
}
