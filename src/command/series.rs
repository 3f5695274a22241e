//! `patchlift series`: a mailbox to a branch.

use super::apply::{Job, refused_patch};
use super::failure::{Failure, RefusedSeries, open};
use super::outcome::{Outcome, SeriesView, commits};
use super::screen;
use crate::apply::pack;
use crate::cli::SeriesArgs;
use crate::exit::Ending;
use crate::mail::Options;
use crate::series::{assemble, read_mailbox};
use crate::{input, mirror};

/// Runs the command.
pub fn run(args: &SeriesArgs) -> Ending {
    screen::end(series(args), args.apply.input.json)
}

fn series(args: &SeriesArgs) -> Result<Outcome, Failure> {
    let from = &args.apply.input;
    let mailbox = input::read_mailbox(&from.mbox, from.max_size).map_err(Failure::Input)?;
    let options = Options { scissors: from.scissors, ..Options::default() };
    let series = assemble(read_mailbox(&mailbox, options), args.id.clone())
        .map_err(|refused| RefusedSeries { path: from.mbox.display().to_string(), refused })?;
    let repository = open(&args.apply.repo)?;
    let mirror = args.mirror.as_deref().map(open).transpose()?;
    let patches: Vec<_> = series.patches.iter().collect();
    let job = Job::new(&repository, &args.apply, Some(SeriesView::of(&series)))?;
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
