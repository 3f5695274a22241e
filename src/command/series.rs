//! `patchlift series`: a mailbox, or a series of a server, to a branch.

use super::apply::{Job, refused_patch};
use super::bridge::{BridgeError, end};
use super::failure::{Failure, RefusedSeries, open};
use super::outcome::{Outcome, SeriesView, commits};
use super::{one_series, screen};
use crate::apply::pack;
use crate::bases::Rule;
use crate::cli::{ApplyArgs, SeriesArgs};
use crate::config::{self, Config};
use crate::exit::Ending;
use crate::listing::SeriesKey;
use crate::mail::Options;
use crate::series::{assemble, read_mailbox};
use crate::{input, mirror};

/// Runs the command.
pub fn run(args: &SeriesArgs) -> Ending {
    let text = args.input.mbox.to_string_lossy();
    let is_file = text == "-" || args.input.mbox.exists() || args.repo.is_some();
    if !is_file && names_a_series(&text) {
        return one_series::run(&text, args).unwrap_or_else(|error| end(Err(error)));
    }
    match mailbox_args(args) {
        Ok(apply) => screen::end(series(args, &apply), args.input.json),
        Err(error) => end(Err(error)),
    }
}

/// A series of a server, and not the name of a file that is not there?
fn names_a_series(text: &str) -> bool {
    let key = text.parse::<SeriesKey>().is_ok() || text.parse::<u64>().is_ok();
    key || text.contains('@') || text.starts_with("http://") || text.starts_with("https://")
}

/// What a mailbox is applied to: what the command line says, else the configuration's trees.
fn mailbox_args(args: &SeriesArgs) -> Result<ApplyArgs, BridgeError> {
    let (input, mut how) = (args.input.clone(), args.how.clone());
    if let Some(repo) = args.repo.clone() {
        return Ok(ApplyArgs { input, repo, base: args.base.clone(), how });
    }
    let config = Config::look(&config::locate(args.config.config.as_deref())?)?;
    let branches = config.trees.iter().flat_map(|tree| tree.branches.iter().map(|branch| tree.base(branch)));
    let rule = |name: String| Rule { rev: format!("refs/trees/{name}"), tags: vec![], paths: vec![] };
    let given = if args.base.is_empty() { branches.map(rule).collect() } else { args.base.clone() };
    how.committer = how.committer.or(Some(config.committer));
    Ok(ApplyArgs { input, repo: config.state_dir.join("git"), base: given, how })
}

fn series(args: &SeriesArgs, apply: &ApplyArgs) -> Result<Outcome, Failure> {
    let from = &args.input;
    let mailbox = input::read_mailbox(&from.mbox, from.max_size).map_err(Failure::Input)?;
    let options = Options { scissors: from.scissors, ..Options::default() };
    let series = assemble(read_mailbox(&mailbox, options), args.id.clone())
        .map_err(|refused| RefusedSeries { path: from.mbox.display().to_string(), refused })?;
    let repository = open(&apply.repo)?;
    let mirror = args.mirror.as_deref().map(open).transpose()?;
    let patches: Vec<_> = series.patches.iter().collect();
    let job = Job::new(&repository, apply, Some(SeriesView::of(&series)))?;
    let (applied, of) = match job.apply(&patches, series.cover.as_ref())? {
        Ok(done) => done,
        Err(refused) => return refused_patch(*refused),
    };
    if applied.made.is_empty() {
        return Ok(Outcome::AlreadyApplied { of, commits: Vec::new() });
    }
    let moved = if args.dry_run {
        None
    } else {
        pack::write(&repository, &job.objects, &applied)?;
        Some(match &mirror {
            Some(mirror) => mirror::send(&repository, mirror, &series.id, applied.tip)?,
            None => mirror::set_branch(&repository, &series.id, applied.tip)?,
        })
    };
    Ok(Outcome::Applied {
        branch: Some(mirror::branch_of(&series.id)),
        moved,
        tip: applied.tip.to_string(),
        tree: applied.tree.to_string(),
        commits: commits(&applied, &patches),
        of,
    })
}
