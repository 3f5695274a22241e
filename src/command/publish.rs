//! `patchlift publish`: a report's verdict, shown beside the tested commits at GitHub.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use patchlift_publish::api::PUBLIC_API;
use patchlift_publish::{
    Api, ApiError, App, Change, CheckRun, CommitStatus, Credential, GitHub, GitHubError, Repository, checks,
};
use patchlift_report::{ReadError, Report};

use crate::bridge::site::chain;
use crate::config::secret;
use crate::exit::Ending;

/// Longest report that is read, in bytes: what the action writes is below 2 MB.
const REPORT_MAX: u64 = 16 << 20;

/// How long a GitHub that is out of order, or asks to wait, is waited for in all.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// The first pause after a failure; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Where a token is looked for when none is named.
const TOKEN_VARIABLE: &str = "GITHUB_TOKEN";

/// Arguments of `patchlift publish`.
#[derive(Debug, Args)]
pub struct PublishArgs {
    /// The report.json of the run
    report: PathBuf,
    /// The repository with the tested commits, OWNER/NAME
    #[arg(long, value_name = "OWNER/NAME")]
    repository: String,
    /// GitHub's address for requests; of an Enterprise Server https://HOST/api/v3
    #[arg(long, value_name = "URL", env = "GITHUB_API_URL", default_value = PUBLIC_API)]
    api: String,
    /// The file with a token [default: the environment's GITHUB_TOKEN]
    #[arg(long, value_name = "FILE", conflicts_with = "app_id")]
    token_file: Option<PathBuf>,
    /// The number of a GitHub App, which asks in place of a token
    #[arg(long, value_name = "NUMBER", requires = "app_key_file")]
    app_id: Option<u64>,
    /// The file with the App's private key
    #[arg(long, value_name = "FILE", requires = "app_id")]
    app_key_file: Option<PathBuf>,
    /// Where more is to be seen [default: the workflow's run, in one]
    #[arg(long, value_name = "URL")]
    details_url: Option<String>,
    /// Set commit statuses: personal tokens may write no check runs
    #[arg(long)]
    statuses: bool,
    /// The pause between two writes: GitHub asks for a second
    #[arg(long, value_name = "MS", default_value_t = 1000, hide = true, value_parser = clap::value_parser!(u64).range(..=60_000))]
    pause: u64,
}

/// Why the verdict is not shown, or not all of it.
#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error("{}: cannot be read", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{}: longer than {REPORT_MAX} bytes, which no report is", .path.display())]
    TooLong { path: PathBuf },
    #[error("{}", .path.display())]
    Report {
        path: PathBuf,
        #[source]
        source: ReadError,
    },
    #[error("{}: names no tested commit: there is nothing that a check could stand beside", .path.display())]
    NoCommit { path: PathBuf },
    #[error("{0}")]
    Secret(String),
    #[error("nobody to ask as: give --token-file, or --app-id with --app-key-file, or set {TOKEN_VARIABLE}")]
    Nobody,
    #[error("personal tokens may write no check runs: use --statuses, an App, or the workflow's own token")]
    Personal(#[source] GitHubError),
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    GitHub(#[from] GitHubError),
    #[error("cannot start")]
    Start(#[source] std::io::Error),
    #[error("the output cannot be written")]
    Output(#[source] std::io::Error),
}

impl PublishError {
    fn ending(&self) -> Ending {
        match self {
            Self::Start(_) | Self::Output(_) => Ending::OurFault,
            Self::GitHub(GitHubError::Api(error)) | Self::Api(error) if !error.is_final() => Ending::OurFault,
            Self::GitHub(GitHubError::TooLong) => Ending::OurFault,
            Self::Read { .. }
            | Self::TooLong { .. }
            | Self::Report { .. }
            | Self::NoCommit { .. }
            | Self::Secret(_)
            | Self::Nobody
            | Self::Personal(_)
            | Self::Api(_)
            | Self::GitHub(_) => Ending::BadInput,
        }
    }
}

/// `patchlift publish`.
pub fn run(args: &PublishArgs) -> Ending {
    match publish(args) {
        Ok(()) => Ending::Done,
        Err(PublishError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ending::Done,
        Err(error) => {
            // Where standard error is gone nobody is left to tell.
            let _ = writeln!(anstream::stderr().lock(), "patchlift: {}", chain(&error));
            error.ending()
        }
    }
}

fn publish(args: &PublishArgs) -> Result<(), PublishError> {
    let report = read(&args.report)?;
    let details = args.details_url.clone().or_else(run_of_this_workflow);
    let checks = checks::of_report(&report, details.as_deref());
    if checks.is_empty() {
        return Err(PublishError::NoCommit { path: args.report.clone() });
    }
    let repository = Repository::parse(&args.repository)?;
    let api = Api::new(&args.api, credential(args)?)?.with_gap(Duration::from_millis(args.pause));
    let github = GitHub::new(api);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(PublishError::Start)?;
    runtime.block_on(async {
        for check in &checks {
            let change = patiently(&github, &repository, check, args.statuses).await?;
            say(check, change).map_err(PublishError::Output)?;
        }
        Ok(())
    })
}

fn read(path: &Path) -> Result<Report, PublishError> {
    let unreadable = |source| PublishError::Read { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(REPORT_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > REPORT_MAX {
        return Err(PublishError::TooLong { path: path.to_owned() });
    }
    Report::from_json(&bytes).map_err(|source| PublishError::Report { path: path.to_owned(), source })
}

fn credential(args: &PublishArgs) -> Result<Credential, PublishError> {
    if let (Some(id), Some(path)) = (args.app_id, &args.app_key_file) {
        let key = secret::key_from_file(path).map_err(PublishError::Secret)?;
        return Ok(App { id, key, installation: None }.into());
    }
    if let Some(path) = &args.token_file {
        return Ok(secret::from_file(path).map_err(PublishError::Secret)?.into());
    }
    let token = std::env::var(TOKEN_VARIABLE).map_err(|_| PublishError::Nobody)?;
    let place = format!("the environment's {TOKEN_VARIABLE}");
    Ok(secret::checked(&token, &place).map_err(PublishError::Secret)?.into())
}

/// The page of the run of the workflow that this is a part of, as the runner's environment tells it.
fn run_of_this_workflow() -> Option<String> {
    let of = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (server, repository, run) =
        (of("GITHUB_SERVER_URL")?, of("GITHUB_REPOSITORY")?, of("GITHUB_RUN_ID")?);
    Some(format!("{server}/{repository}/actions/runs/{run}"))
}

/// Publishes one; again and again while GitHub asks to wait, or does not answer as it should.
async fn patiently(
    github: &GitHub,
    repository: &Repository,
    check: &CheckRun,
    statuses: bool,
) -> Result<Change, PublishError> {
    let begun = tokio::time::Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match once(github, repository, check, statuses).await {
            Ok(change) => return Ok(change),
            Err(error) => error,
        };
        let wait = match &error {
            GitHubError::Api(ApiError::RateLimited { wait, .. }) => *wait,
            GitHubError::Api(ApiError::Refused { status: 403, message, by_github: true, .. })
                if message.contains("personal access token") =>
            {
                return Err(PublishError::Personal(error));
            }
            GitHubError::Api(error) if !error.is_final() => pause,
            _ => return Err(error.into()),
        };
        if begun.elapsed() + wait > PATIENCE {
            return Err(error.into());
        }
        tokio::time::sleep(wait).await;
        pause *= 2;
    }
}

async fn once(
    github: &GitHub,
    repository: &Repository,
    check: &CheckRun,
    statuses: bool,
) -> Result<Change, GitHubError> {
    if statuses {
        let changes = github.set_statuses(repository, &[CommitStatus::from(check)]).await?;
        return Ok(changes.first().copied().unwrap_or(Change::None));
    }
    Ok(github.publish(repository, check).await?.change)
}

fn say(check: &CheckRun, change: Change) -> std::io::Result<()> {
    let change = match change {
        Change::Created => "created",
        Change::Updated => "updated",
        Change::None => "unchanged",
    };
    let mark = check.status.conclusion().map_or(check.status.word(), |mark| mark.word());
    let (name, commit) = (&check.name, patchlift_report::clean::short_hex(&check.head_sha));
    writeln!(std::io::stdout().lock(), "{change} {commit} {name}: {mark}: {}", check.title)
}
