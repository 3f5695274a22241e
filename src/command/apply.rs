//! `patchlift apply`: a mailbox's patches into the object store, as `git am -3` would commit them.

use git2::{Oid, Repository};

use super::failure::{Failure, RefusedSeries, open, resolve};
use super::outcome::{Base, Conflict, Outcome, SeriesView, Subject, commits};
use super::screen;
use crate::apply::objects::Objects;
use crate::apply::{self, Applied, ApplyError, Settings, pack};
use crate::cli::ApplyArgs;
use crate::exit::Ending;
use crate::input;
use crate::mail::Options;
use crate::series::{Message, Problem, Refused, in_file_order, read_mailbox};

/// Runs the command.
pub fn run(args: &ApplyArgs) -> Ending {
    screen::end(apply(args), args.input.json)
}

fn apply(args: &ApplyArgs) -> Result<Outcome, Failure> {
    let mailbox = input::read_mailbox(&args.input.mbox, args.input.max_size).map_err(Failure::Input)?;
    let options = Options { scissors: args.input.scissors, ..Options::default() };
    let messages = read_mailbox(&mailbox, options);
    let patches = in_file_order(&messages);
    if !patches.iter().any(|message| message.has_diff() || message.content.is_err()) {
        let refused = Refused { problems: vec![Problem::NoPatch] };
        return Err(RefusedSeries { path: args.input.mbox.display().to_string(), refused }.into());
    }
    let repository = open(&args.repo)?;
    let job = Job::new(&repository, args, None)?;
    let applied = match job.apply(&patches)? {
        Ok(applied) => applied,
        Err(conflict) => return refused_patch(conflict, job.of),
    };
    if applied.made.is_empty() {
        return Ok(Outcome::AlreadyApplied { of: job.of, commits: Vec::new() });
    }
    pack::write(&repository, &job.objects, &applied)?;
    Ok(Outcome::Applied {
        branch: None,
        moved: None,
        tip: applied.tip.to_string(),
        tree: applied.tree.to_string(),
        commits: commits(&applied, &patches),
        of: job.of,
    })
}

/// A repository, a base in it, and the objects made on top of it.
pub(super) struct Job<'r> {
    pub(super) objects: Objects<'r>,
    pub(super) of: Subject,
    base: Oid,
    settings: Settings,
}

impl<'r> Job<'r> {
    pub(super) fn new(
        repository: &'r Repository,
        args: &ApplyArgs,
        series: Option<SeriesView>,
    ) -> Result<Self, Failure> {
        let base = resolve(repository, &args.base)?;
        // A branch must be the same on any machine; without one, git is stood in for.
        let committer = if series.is_some() { args.committer() } else { args.committer_as_git() };
        let of = Subject { series, base: Base { branch: args.base.clone(), commit: base.to_string() } };
        let settings = Settings { committer, ..Settings::default() };
        Ok(Self { objects: Objects::open(repository)?, of, base, settings })
    }

    /// Applies the patches in memory; `Err` inside is a patch that does not apply.
    pub(super) fn apply(&self, patches: &[&Message]) -> Result<Result<Applied, RefusedPatch>, Failure> {
        let mails: Vec<_> = patches.iter().map(|message| message.content.as_ref()).collect();
        match apply::apply(&self.objects, self.base, &mails, &self.settings) {
            Ok(applied) => Ok(Ok(applied)),
            Err(ApplyError::Objects(error)) => Err(error.into()),
            Err(ApplyError::Refused { patch, refusal, made_for }) => {
                let is_unsafe = refusal.is_unsafe();
                Ok(Err(RefusedPatch {
                    conflict: Conflict::of(patches, patch, &refusal, made_for),
                    is_unsafe,
                }))
            }
        }
    }
}

/// A patch that does not apply; an unsafe one is bad input.
pub(super) struct RefusedPatch {
    conflict: Conflict,
    is_unsafe: bool,
}

/// The outcome of a refused patch.
pub(super) fn refused_patch(refused: RefusedPatch, tried: Subject) -> Result<Outcome, Failure> {
    let RefusedPatch { conflict, is_unsafe } = refused;
    if is_unsafe {
        return Err(Failure::Unsafe {
            patch: conflict.patch,
            of: conflict.of,
            file: conflict.file.unwrap_or_default(),
            reason: conflict.reason,
        });
    }
    Ok(Outcome::Conflict { tried, conflict: Box::new(conflict) })
}
