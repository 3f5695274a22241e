//! `patchlift apply`: a mailbox's patches into the object store, as `git am -3` would commit them.

use std::collections::BTreeSet;

use git2::Repository;

use super::failure::{Failure, RefusedSeries, open, resolve};
use super::outcome::{Base, Conflict, Outcome, SeriesView, Subject, Tried, commits};
use super::screen;
use crate::apply::objects::Objects;
use crate::apply::{self, Applied, ApplyError, Settings, pack};
use crate::bases::{self, Candidate, Rule};
use crate::cli::ApplyArgs;
use crate::exit::Ending;
use crate::mail::Options;
use crate::series::{Message, Problem, Refused, in_file_order, read_mailbox};
use crate::{input, patch};

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
    let (applied, of) = match job.apply(&patches, None)? {
        Ok(done) => done,
        Err(refused) => return refused_patch(*refused),
    };
    if applied.made.is_empty() {
        return Ok(Outcome::AlreadyApplied { of, commits: Vec::new() });
    }
    pack::write(&repository, &job.objects, &applied)?;
    Ok(Outcome::Applied {
        branch: None,
        moved: None,
        tip: applied.tip.to_string(),
        tree: applied.tree.to_string(),
        commits: commits(&applied, &patches),
        of,
    })
}

/// A repository, the bases in it that may be tried, and the objects made on top of it.
pub(super) struct Job<'r> {
    pub(super) objects: Objects<'r>,
    repository: &'r Repository,
    series: Option<SeriesView>,
    rules: Vec<Rule>,
    use_base_commit: bool,
    settings: Settings,
}

impl<'r> Job<'r> {
    pub(super) fn new(
        repository: &'r Repository,
        args: &ApplyArgs,
        series: Option<SeriesView>,
    ) -> Result<Self, Failure> {
        // A wrong name is a mistake also where another base would fit.
        for rule in &args.base {
            resolve(repository, &rule.rev)?;
        }
        // A branch must be the same on any machine; without one, git is stood in for.
        let committer = if series.is_some() { args.how.committer() } else { args.how.committer_as_git() };
        Ok(Self {
            objects: Objects::open(repository)?,
            repository,
            series,
            rules: args.base.clone(),
            use_base_commit: args.how.use_base_commit,
            settings: Settings { committer, ..Settings::default() },
        })
    }

    /// Applies the patches in memory to the first base they fit; `Err` inside says how they fit none.
    /// `cover` is only read for what it says about the base.
    pub(super) fn apply(
        &self,
        patches: &[&Message],
        cover: Option<&Message>,
    ) -> Result<Result<(Applied, Subject), Box<RefusedPatch>>, Failure> {
        let mails: Vec<_> = patches.iter().map(|message| message.content.as_ref()).collect();
        let mut tried: Vec<Tried> = Vec::new();
        let mut first: Option<(Conflict, Base, bool)> = None;
        for Candidate { rev, why } in self.candidates(patches, cover) {
            let commit = resolve(self.repository, &rev)?;
            let base = Base { branch: rev, commit: commit.to_string() };
            match apply::apply(&self.objects, commit, &mails, &self.settings) {
                Ok(applied) => {
                    return Ok(Ok((applied, Subject { series: self.series.clone(), base, tried })));
                }
                Err(ApplyError::Objects(error)) => return Err(error.into()),
                Err(ApplyError::Refused { patch, refusal, made_for, known_base }) => {
                    let is_unsafe = refusal.is_unsafe();
                    let reason = refusal.reason_shown();
                    tried.push(Tried { base: base.clone(), because: why, patch: patch + 1, reason });
                    let conflict = Conflict::of(patches, patch, &refusal, made_for, known_base);
                    // A patch that leaves the tree is tried nowhere else.
                    if first.is_none() || is_unsafe {
                        first = Some((conflict, base, is_unsafe));
                    }
                    if is_unsafe {
                        break;
                    }
                }
            }
        }
        let Some((conflict, base, is_unsafe)) = first else {
            return Err(Failure::Base {
                base: String::new(),
                path: self.repository.path().display().to_string(),
            });
        };
        if tried.len() == 1 {
            tried.clear();
        }
        let subject = Subject { series: self.series.clone(), base, tried };
        Ok(Err(Box::new(RefusedPatch { conflict, is_unsafe, subject })))
    }

    fn candidates(&self, patches: &[&Message], cover: Option<&Message>) -> Vec<Candidate> {
        let mut messages = cover.into_iter().chain(patches.iter().copied());
        let hints = messages.find_map(|message| message.hints.base_commit.as_deref());
        let named = hints.filter(|_| self.use_base_commit).filter(|id| self.holds(id));
        let words: Vec<String> = patches.iter().flat_map(|message| message.prefix.words.clone()).collect();
        bases::order(&self.rules, named, &words, &touched(patches))
    }

    /// Is this commit part of one of the bases? A mail must not choose any commit that happens to be there.
    fn holds(&self, id: &str) -> bool {
        let Ok(commit) = resolve(self.repository, id) else { return false };
        self.rules
            .iter()
            .filter_map(|rule| resolve(self.repository, &rule.rev).ok())
            .any(|base| base == commit || self.repository.graph_descendant_of(base, commit).unwrap_or(false))
    }
}

/// Every path that the patches name.
fn touched(patches: &[&Message]) -> Vec<Vec<u8>> {
    let contents = patches.iter().filter_map(|message| message.content.as_ref().ok());
    let files = contents.flat_map(|content| patch::outline(&content.patch).unwrap_or_default());
    let names = files.flat_map(|file| [file.old_name, file.new_name]).flatten();
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

/// A patch that does not apply; an unsafe one is bad input.
pub(super) struct RefusedPatch {
    conflict: Conflict,
    is_unsafe: bool,
    subject: Subject,
}

/// The outcome of a refused patch.
pub(super) fn refused_patch(refused: RefusedPatch) -> Result<Outcome, Failure> {
    let RefusedPatch { conflict, is_unsafe, subject } = refused;
    if is_unsafe {
        return Err(Failure::Unsafe {
            patch: conflict.patch,
            of: conflict.of,
            file: conflict.file.unwrap_or_default(),
            reason: conflict.reason,
        });
    }
    Ok(Outcome::Conflict { tried: subject, conflict: Box::new(conflict) })
}
