//! What a person types: the commands, their arguments and their help.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::apply::Committer;
use crate::apply::commit::parse_committer;
use crate::bases::Rule;
use crate::date::{self, Moment};
use crate::{command, exit, input};

/// Lifts patch series from a mailing list onto real hardware and brings the verdict back.
#[derive(Debug, Parser)]
#[command(name = "patchlift", version, after_help = exit::HELP, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLE: &str = "\
Example:
  patchlift series series.mbox --repo linux.git --base master
  patchlift series ozlabs/503389 --dry-run";

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what runs, what waits and what needs a person
    Status(command::status::StatusArgs),
    /// Show everything that is known of a series, and its history
    Show(command::show::ShowArgs),
    /// Find the series a mail belongs to, and what became of it
    Find(command::find::FindArgs),
    /// Show the report on a series: the bridge keeps it for good
    Report(command::report::ReportArgs),
    /// Watch the Patchwork servers and take every series to its verdict
    ///
    /// Runs until it is told to stop; killed at any moment, it goes on where it was.
    Run(command::bridge::RunArgs),
    /// Do what there is to do now, and end
    Once(command::bridge::OnceArgs),
    /// Let a series run that policy holds
    Release(command::ask::AskArgs),
    /// Keep a series from being tested; its run is cancelled
    Refuse(command::ask::RefuseArgs),
    /// Test a series again
    Retest(command::ask::AskArgs),
    /// Test a series earlier or later than others
    Priority(command::ask::PriorityArgs),
    /// Decide once more on what was recorded, and say what would differ
    Replay(command::replay::ReplayArgs),
    /// Show the verdict of a run at GitHub: check runs, or commit statuses, beside the tested commits
    ///
    /// What the job of the workflow runs that has a token and no access to the box. Doing it again changes nothing.
    Publish(command::publish::PublishArgs),
    /// Turn a series into a branch: one commit a patch
    ///
    /// Given SERVER/NUMBER, a Message-ID or an address, takes that series from its Patchwork server as the bridge would.
    /// Given a file, reads the mailbox of one series (Patchwork's, or what git format-patch writes), checks that it is whole, makes
    /// one commit a patch on the base without any worktree, and puts them on the branch series/<id>. The same series
    /// on the same base gives the same commits on every machine; running it twice changes nothing.
    #[command(after_help = format!("{EXAMPLE}\n\n{}", exit::HELP))]
    Series(SeriesArgs),
    /// Show what each mail says: author, subject, message, patch
    ///
    /// Every mail of the mailbox is read as git mailinfo reads it. Nothing is written.
    Mail(MailArgs),
    /// Apply a mailbox's patches as git am -3 would, into the object store only
    ///
    /// Writes the commits into the repository's object store: no branch, no worktree, no index is touched. Takes what
    /// git am takes, also part of a series.
    #[command(after_help = exit::HELP)]
    Apply(ApplyArgs),
}

/// Arguments of `patchlift series`.
#[derive(Debug, Args)]
pub struct SeriesArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) config: command::bridge::ConfigArg,
    /// The git repository that holds the base [default: the bridge's, with the trees of the configuration]
    #[arg(long, value_name = "GIT DIR", requires = "base", conflicts_with = "config")]
    pub(crate) repo: Option<PathBuf>,
    /// The commit to apply to, as for `patchlift apply` [default: every branch of the configuration's trees]
    #[arg(long, value_name = "REV")]
    pub(crate) base: Vec<Rule>,
    #[command(flatten)]
    pub(crate) how: HowArgs,
    /// The bare repository that gets the branch [default: the repository of --repo]
    #[arg(long, value_name = "GIT DIR")]
    pub(crate) mirror: Option<PathBuf>,
    /// The name of the branch after "series/" [default: from the mails]
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// Show what would happen and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Arguments of `patchlift apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// The git repository that holds the base
    #[arg(long, value_name = "GIT DIR")]
    pub(crate) repo: PathBuf,
    /// The commit to apply to: a branch, a tag or an id. May be given several times: the first that fits is taken.
    /// "REV tag:NAME path:PREFIX" comes first for series with that word in their subject's brackets, or with all
    /// their files below that path
    #[arg(long, value_name = "REV", required = true)]
    pub(crate) base: Vec<Rule>,
    #[command(flatten)]
    pub(crate) how: HowArgs,
}

/// How a series is applied.
#[derive(Debug, Clone, Args)]
pub struct HowArgs {
    /// Try the commit first that the series names as its base-commit, if one of the bases holds it
    #[arg(long)]
    pub(crate) use_base_commit: bool,
    /// Who commits, as `Name <address>` [default: patchlift <patchlift@localhost>]
    ///
    /// `patchlift apply` looks at git's GIT_COMMITTER_NAME, _EMAIL and _DATE before it takes the defaults.
    #[arg(long, value_name = "WHO", value_parser = committer)]
    pub(crate) committer: Option<(String, String)>,
    /// When it is committed, as "1700000000 +0000" or a mail's date [default: each mail's own date]
    #[arg(long, value_name = "DATE", value_parser = moment)]
    pub(crate) committer_date: Option<Moment>,
}

impl HowArgs {
    /// The committer of a branch: the same on any machine, so nothing but the arguments counts.
    pub(crate) fn committer(&self) -> Committer {
        let default = || ("patchlift".to_owned(), "patchlift@localhost".to_owned());
        let (name, email) = self.committer.clone().unwrap_or_else(default);
        Committer { name, email, when: self.committer_date }
    }

    /// The committer where `git am` is stood in for: what git reads from the environment counts, too.
    pub(crate) fn committer_as_git(&self) -> Committer {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut committer = self.committer();
        if self.committer.is_none()
            && let (Some(name), Some(email)) =
                (variable("GIT_COMMITTER_NAME"), variable("GIT_COMMITTER_EMAIL"))
        {
            (committer.name, committer.email) = (name, email);
        }
        if committer.when.is_none() {
            let date = variable("GIT_COMMITTER_DATE");
            committer.when = date.and_then(|date| date::parse(date.trim_start_matches('@').as_bytes()));
        }
        committer
    }
}

/// Arguments of `patchlift mail`.
#[derive(Debug, Args)]
pub struct MailArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,
}

/// Which mailbox, and how its mails are read.
#[derive(Debug, Clone, Args)]
pub struct InputArgs {
    /// The mailbox file, or - for standard input; for `patchlift series` also SERVER/NUMBER, a Message-ID, or the
    /// address of a page
    pub(crate) mbox: PathBuf,
    /// Print one JSON object instead of text for people
    #[arg(long)]
    pub(crate) json: bool,
    /// Drop what stands above a scissors line (-- >8 --) in a mail
    #[arg(long)]
    pub(crate) scissors: bool,
    /// The largest mailbox that is read
    #[arg(long, value_name = "MiB", default_value_t = input::LIMIT_MIB, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub(crate) max_size: u64,
}

fn committer(text: &str) -> Result<(String, String), String> {
    parse_committer(text).ok_or_else(|| "expected \"Name <address>\"".to_owned())
}

fn moment(text: &str) -> Result<Moment, String> {
    date::parse(text.as_bytes()).ok_or_else(|| "no date: try \"1700000000 +0000\"".to_owned())
}

/// Runs the command of this process.
pub fn main() -> ExitCode {
    let ending = match Cli::parse().command {
        Command::Status(args) => command::status::run(&args),
        Command::Show(args) => command::show::run(&args),
        Command::Find(args) => command::find::run(&args),
        Command::Report(args) => command::report::run(&args),
        Command::Run(args) => command::bridge::run(&args),
        Command::Once(args) => command::bridge::once(&args),
        Command::Release(args) => command::ask::release(&args),
        Command::Refuse(args) => command::ask::refuse(&args),
        Command::Retest(args) => command::ask::retest(&args),
        Command::Priority(args) => command::ask::priority(&args),
        Command::Replay(args) => command::replay::run(&args),
        Command::Publish(args) => command::publish::run(&args),
        Command::Series(args) => command::series::run(&args),
        Command::Mail(args) => command::mail::run(&args),
        Command::Apply(args) => command::apply::run(&args),
    };
    ending.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
