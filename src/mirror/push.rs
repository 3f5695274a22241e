//! Branches to the mirror: many in one push, each with its own answer, and none where nothing is to be done.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use git2::{ErrorCode, Oid, Reference};
use patchlift_publish::Api;
use secrecy::ExposeSecret as _;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::password::Password;
use super::porcelain::{self, Answer};
use super::slices::{self, slices};
use super::{Moved, Pace, Settings, askpass, without_git};
use crate::clock::Clock;
use crate::git_process::{self, Address, BadAddress, Call, Finished, GitProcessError};
use crate::trees::{Limits, Repository, TreeError, remove_stale_locks};

/// Where a branch of the mirror should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ref {
    /// The branch: `series/ozlabs/503389`, `base/powerpc/next`.
    pub name: String,
    /// The commit; `None`: the branch should not be there.
    pub to: Option<Oid>,
}

/// What became of a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefResult {
    /// The branch.
    pub name: String,
    /// What became of it.
    pub pushed: Pushed,
}

/// What became of a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// It points where it should.
    Moved(Moved),
    /// It is not there, or not there any more.
    Deleted,
    /// The mirror will not have it.
    Refused {
        /// The mirror's words, one line.
        why: String,
    },
}

/// Why nothing, or not everything, is known to be on the mirror. Pushing again is always safe.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The mirror's address is not one that is used.
    #[error("the mirror has no usable address")]
    Address(#[source] BadAddress),
    /// Such a branch cannot be.
    #[error("{name:?} is no branch's name")]
    BadName {
        /// The name.
        name: String,
    },
    /// The mirror cannot be reached, lets nobody in, or fell silent.
    #[error("the mirror cannot be pushed to: {said}")]
    Unreachable {
        /// git's last words, cleaned, without the password.
        said: String,
    },
    /// It took too long.
    #[error("the push was stopped after {} s", after.as_secs())]
    Timeout {
        /// The limit: in all, or without a sign of life.
        after: Duration,
    },
    /// There is no git program, and the mirror is not on this machine.
    #[error("there is no git program to push with")]
    NoGit,
    /// git cannot be run.
    #[error("git cannot be run")]
    Process(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is no password: GitHub gives the App no token.
    #[error("there is no token to push with")]
    Token(#[source] patchlift_publish::ApiError),
    /// The password's script cannot be written.
    #[error("cannot write the script that git asks for the mirror's password")]
    Askpass(#[source] std::io::Error),
    /// The bridge's own repository cannot be used.
    #[error("the bridge's repository cannot be used")]
    Repository(#[source] git2::Error),
    /// The bridge's own repository is damaged.
    #[error("the bridge's repository cannot be opened")]
    Open(#[source] TreeError),
}

/// Branches of the mirror and where they are.
pub(super) type Branches = BTreeMap<String, Oid>;

/// One change of a branch.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) name: String,
    pub(super) to: Option<Oid>,
    /// Where it was seen last.
    pub(super) from: Option<Oid>,
}

/// What git says of each branch of a push that a hook of the other side refused as a whole.
const HOOK: &str = "pre-receive hook declined";

/// Most branches of one push. Their names stay far below the system's limit for arguments.
const BATCH: usize = 100;

/// The mirror, and what is known of it.
#[derive(Debug)]
pub struct Mirror {
    repository: Repository,
    settings: Settings,
    address: Address,
    askpass: Option<PathBuf>,
    password: Password,
    clock: Clock,
    pace: Pace,
    per_slice: usize,
    /// Its series' and bases' branches. `None`: not looked at, or in doubt since something went wrong.
    known: Mutex<Option<Branches>>,
}

impl Mirror {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// The address cannot be used, or the script for the password cannot be written.
    pub fn new(repository: Repository, settings: Settings, clock: Clock) -> Result<Self, PushError> {
        let address = Address::parse(&settings.url).map_err(PushError::Address)?;
        let password = Password::fixed(settings.token.clone());
        let (pace, known) = (Pace::new(settings.pause), Mutex::new(None));
        let (askpass, per_slice) = (None, slices::USUAL);
        let mirror = Self { repository, settings, address, askpass, password, clock, pace, per_slice, known };
        if mirror.settings.token.is_some() { mirror.with_askpass() } else { Ok(mirror) }
    }

    /// The password is this App's token, a new one whenever the old one is about to end.
    ///
    /// # Errors
    /// The script for the password cannot be written.
    pub fn with_app(self, app: Api) -> Result<Self, PushError> {
        Self { password: Password::of_app(app), ..self }.with_askpass()
    }

    fn with_askpass(mut self) -> Result<Self, PushError> {
        if matches!(self.address, Address::Https | Address::LoopbackHttp) {
            self.askpass = Some(askpass::write(self.repository.path()).map_err(PushError::Askpass)?);
        }
        Ok(self)
    }

    /// Another number of commits in a slice than [`slices::USUAL`].
    pub fn with_slices_of(mut self, commits: usize) -> Self {
        self.per_slice = commits;
        self
    }

    /// When the next push may be. [`Mirror::push`] waits for it; who has time gathers branches until then.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// The series' and bases' branches that are on the mirror. Asks the mirror only where it is not known.
    ///
    /// # Errors
    /// The mirror cannot be read.
    pub async fn branches(&self) -> Result<BTreeMap<String, Oid>, PushError> {
        let mut known = self.known.lock().await;
        let there = match known.take() {
            Some(there) => there,
            None => self.list().await?,
        };
        Ok(known.insert(there).clone())
    }

    /// What is known of the mirror may be wrong: it is asked again before the next push.
    pub async fn doubt(&self) {
        *self.known.lock().await = None;
    }

    /// Puts the branches where they should be. A branch that is there already costs no connection; a branch that the
    /// mirror refuses does not keep the others back. Series' branches are set in the bridge's repository first, so
    /// that their commits stay.
    ///
    /// # Errors
    /// It is not known what became of the branches; some may be where they should be.
    pub async fn push(&self, wanted: &[Ref]) -> Result<Vec<RefResult>, PushError> {
        self.anchor(wanted)?;
        // It is put back only when it is certain: also where this future is dropped half way, it is in doubt.
        let mut known = self.known.lock().await;
        let (mut there, fresh) = match known.take() {
            Some(there) => (there, false),
            None => (self.list().await?, true),
        };
        let mut pushed = self.push_to(&mut there, wanted).await;
        if matches!(pushed, Err(PushError::Unreachable { .. })) && !fresh {
            // A branch that somebody else removed cannot be removed again, and stops the whole push.
            there = self.list().await?;
            pushed = self.push_to(&mut there, wanted).await;
        }
        let mut pushed = pushed?;
        let refused = |result: &RefResult| matches!(result.pushed, Pushed::Refused { .. });
        let removals: Vec<&str> =
            wanted.iter().filter(|one| one.to.is_none()).map(|one| one.name.as_str()).collect();
        if pushed.iter().any(|one| refused(one) && removals.contains(&one.name.as_str())) {
            // It was not where it was seen last. Perhaps it is gone already.
            there = self.list().await?;
            for one in pushed.iter_mut().filter(|one| removals.contains(&one.name.as_str())) {
                if !there.contains_key(&one.name) {
                    one.pushed = Pushed::Deleted;
                }
            }
        }
        if !pushed.iter().any(refused) {
            *known = Some(there);
        }
        self.release(&pushed)?;
        Ok(pushed)
    }

    async fn push_to(&self, there: &mut Branches, wanted: &[Ref]) -> Result<Vec<RefResult>, PushError> {
        let before = there.clone();
        // Of a branch that is named twice, the last word counts.
        let last: BTreeMap<&str, Option<Oid>> =
            wanted.iter().map(|one| (one.name.as_str(), one.to)).collect();
        let change = |(name, to): (&&str, &Option<Oid>)| Change {
            name: (*name).to_owned(),
            to: *to,
            from: before.get(*name).copied(),
        };
        let changes: Vec<Change> =
            last.iter().map(change).filter(|change| change.from != change.to).collect();
        self.push_slices(there, &changes).await?;
        let mut refused = BTreeMap::new();
        let mut batches: Vec<&[Change]> = changes.chunks(BATCH).rev().collect();
        while let Some(batch) = batches.pop() {
            let no = self.send(there, batch).await?;
            // A hook that looks at a push as a whole refuses all of it for one branch: the others go without it.
            if batch.len() > 1 && no.len() == batch.len() && no.values().all(|why| why.contains(HOOK)) {
                let (first, second) = batch.split_at(batch.len() / 2);
                batches.extend([second, first]);
            } else {
                refused.extend(no);
            }
        }
        let result = |(name, to): (&str, Option<Oid>)| RefResult {
            name: name.to_owned(),
            pushed: match (refused.remove(name), before.get(name), to) {
                (Some(why), ..) => Pushed::Refused { why },
                (None, _, None) => Pushed::Deleted,
                (None, None, Some(_)) => Pushed::Moved(Moved::Created),
                (None, Some(from), Some(to)) if *from == to => Pushed::Moved(Moved::Unchanged),
                (None, Some(_), Some(_)) => Pushed::Moved(Moved::Updated),
            },
        };
        Ok(last.into_iter().map(result).collect())
    }

    /// Sends what would be too much for one push: the history of a tree, to a mirror that has nothing of it.
    async fn push_slices(&self, there: &mut Branches, changes: &[Change]) -> Result<(), PushError> {
        let mut have: Vec<Oid> =
            there.iter().filter(|(name, _)| name.starts_with("base/")).map(|(_, tip)| *tip).collect();
        for change in changes {
            let Some(to) = change.to else { continue };
            // A series brings little more than its base has.
            if !there.is_empty() && !change.name.starts_with("base/") {
                continue;
            }
            let objects = self.repository.objects().map_err(PushError::Open)?;
            let (had, per_slice) = (have.clone(), self.per_slice);
            let cut = spawn_blocking(move || {
                let had: Vec<Oid> = had.into_iter().filter(|tip| objects.find_commit(*tip).is_ok()).collect();
                slices(&objects, to, &had, per_slice)
            });
            let cut = cut.await.map_err(|panic| PushError::Process(Box::new(panic)))?;
            for slice in cut.map_err(PushError::Repository)? {
                let from = there.get(&change.name).copied();
                let part = Change { name: change.name.clone(), to: Some(slice), from };
                if let Some((_, said)) = self.send(there, &[part]).await?.into_iter().next() {
                    return Err(PushError::Unreachable { said });
                }
            }
            have.push(to);
        }
        Ok(())
    }

    /// One push. Gives back what was refused, and notes in `there` what was not.
    async fn send(
        &self,
        there: &mut Branches,
        batch: &[Change],
    ) -> Result<BTreeMap<String, String>, PushError> {
        self.clock.wait_until(self.pace.next(self.clock.now())).await;
        self.pace.pushed(self.clock.now());
        self.repository.remove_stale_locks();
        if let Address::Local(path) = &self.address {
            // The other end of a push to it is a process of this machine, killed with the bridge.
            remove_stale_locks(path);
        }
        let mut hook_said = None;
        let answers = match self.git(push_args(&self.settings.url, batch), self.repository.limits()).await {
            Err(PushError::NoGit) => self.send_without_git(batch).await?,
            pushed => {
                let pushed = pushed?;
                let answers = porcelain::read(&pushed.stdout);
                // Lost on the way: it is not the mirror's word.
                let lost = |answer: &Answer| matches!(answer, Answer::Refused(why) if why.starts_with("[remote failure]"));
                let complete = batch.iter().all(|one| answers.iter().any(|(name, _)| *name == one.name));
                if !complete || answers.iter().any(|(_, answer)| lost(answer)) {
                    return Err(PushError::Unreachable { said: pushed.said });
                }
                hook_said = said_of_workflows(&pushed.said);
                answers
            }
        };
        let mut refused = BTreeMap::new();
        for (name, answer) in answers {
            let to = batch.iter().find(|change| change.name == name).and_then(|change| change.to);
            match (answer, to) {
                (Answer::Refused(why), _) => {
                    let why = match &hook_said {
                        Some(said) if why.contains(HOOK) => format!("{why}: {said}"),
                        _ => why,
                    };
                    refused.insert(name, self.password.hidden_in(why));
                }
                (Answer::Done, Some(to)) => drop(there.insert(name, to)),
                (Answer::Done, None) => drop(there.remove(&name)),
            }
        }
        Ok(refused)
    }

    async fn list(&self) -> Result<Branches, PushError> {
        let args =
            ["ls-remote", "--refs", "--", &self.settings.url, "refs/heads/series/*", "refs/heads/base/*"];
        let limits = self.repository.limits().for_a_list();
        let listed = match self.git(args.map(OsString::from).into(), limits).await {
            Err(PushError::NoGit) => return self.list_without_git().await,
            listed => listed?,
        };
        if !listed.success {
            return Err(PushError::Unreachable { said: listed.said });
        }
        let lines = String::from_utf8_lossy(&listed.stdout);
        let branches = lines.lines().filter_map(|line| {
            let (id, name) = line.split_once('\t')?;
            Some((ours(name)?, Oid::from_str(id).ok()?))
        });
        Ok(branches.collect())
    }

    async fn git(&self, args: Vec<OsString>, limits: Limits) -> Result<Finished, PushError> {
        let mut all: Vec<OsString> = Vec::new();
        // A redirect would take the password to another server.
        for setting in
            ["http.followRedirects=false".to_owned(), format!("credential.username={}", askpass::USER)]
        {
            all.extend(["-c".into(), setting.into()]);
        }
        all.extend(args);
        let mut env: Vec<(&'static str, OsString)> = Vec::new();
        if let Some(askpass) = &self.askpass {
            let password = self.password.current().await.map_err(PushError::Token)?;
            env.push(("GIT_ASKPASS", askpass.into()));
            env.extend(password.map(|password| (askpass::VARIABLE, password.expose_secret().into())));
        }
        let call = Call {
            git: self.repository.git(),
            git_dir: self.repository.path(),
            protocol: self.address.protocol(),
            args: all,
            env,
            limits,
            progress: None,
        };
        match git_process::run(&call).await {
            Ok(finished) => Ok(Finished { said: self.password.hidden_in(finished.said), ..finished }),
            Err(GitProcessError::NoGit) => Err(PushError::NoGit),
            Err(GitProcessError::Timeout { after }) => Err(PushError::Timeout { after }),
            Err(source) => Err(PushError::Process(Box::new(source))),
        }
    }

    fn local(&self) -> Result<PathBuf, PushError> {
        match &self.address {
            Address::Local(path) => Ok(path.clone()),
            _ => Err(PushError::NoGit),
        }
    }

    async fn list_without_git(&self) -> Result<Branches, PushError> {
        let (path, objects) = (self.local()?, self.repository.objects().map_err(PushError::Open)?);
        let listed = spawn_blocking(move || without_git::list(&objects, &path)).await;
        listed.map_err(|panic| PushError::Process(Box::new(panic)))?.map_err(unreachable)
    }

    async fn send_without_git(&self, batch: &[Change]) -> Result<Vec<(String, Answer)>, PushError> {
        let (path, objects) = (self.local()?, self.repository.objects().map_err(PushError::Open)?);
        let batch = batch.to_vec();
        let pushed = spawn_blocking(move || without_git::push(&objects, &path, &batch)).await;
        pushed.map_err(|panic| PushError::Process(Box::new(panic)))?.map_err(unreachable)
    }

    /// Sets the series' branches in the bridge's own repository.
    fn anchor(&self, wanted: &[Ref]) -> Result<(), PushError> {
        let objects = self.repository.objects().map_err(PushError::Open)?;
        for one in wanted {
            let name = format!("refs/heads/{}", one.name);
            if !Reference::is_valid_name(&name) || ours(&name).is_none() {
                return Err(PushError::BadName { name: one.name.clone() });
            }
            if let (Some(to), true) = (one.to, one.name.starts_with("series/")) {
                objects.reference(&name, to, true, "patchlift: push").map_err(PushError::Repository)?;
            }
        }
        Ok(())
    }

    /// Removes the series' branches that are no longer on the mirror from the bridge's own repository.
    fn release(&self, pushed: &[RefResult]) -> Result<(), PushError> {
        let objects = self.repository.objects().map_err(PushError::Open)?;
        for one in pushed.iter().filter(|one| one.pushed == Pushed::Deleted) {
            let name = format!("refs/heads/{}", one.name);
            let deleted = objects.find_reference(&name).and_then(|mut reference| reference.delete());
            match deleted {
                Err(error) if error.code() != ErrorCode::NotFound => {
                    return Err(PushError::Repository(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// GitHub's words for a token that may not write workflows: they stand beside the branch, or where hooks speak.
const OF_WORKFLOWS: &str = "refusing to allow";

fn said_of_workflows(said: &str) -> Option<String> {
    let at = said.find(OF_WORKFLOWS)?;
    Some(patchlift_report::clean::line(said.get(at..)?.split(['\n', ';']).next()?, 200))
}

/// Was a branch refused because it changes workflows, which the token may not? Pushing again is of no use.
pub fn is_about_workflows(why: &str) -> bool {
    why.contains(OF_WORKFLOWS) && why.contains("workflow")
}

fn unreachable(error: git2::Error) -> PushError {
    PushError::Unreachable { said: patchlift_report::clean::line(error.message(), 300) }
}

/// The branch's name, if it is one that the bridge makes.
pub(super) fn ours(reference: &str) -> Option<String> {
    let name = reference.strip_prefix("refs/heads/")?;
    (name.starts_with("series/") || name.starts_with("base/")).then(|| name.to_owned())
}

/// Branches are forced: whatever they point at, the bridge's word counts. Only a removal is held back where the branch
/// was moved since it was looked at: that would be another bridge's work.
fn push_args(url: &str, batch: &[Change]) -> Vec<OsString> {
    let mut args: Vec<OsString> =
        ["push", "--porcelain", "--progress", "--no-verify", "--no-recurse-submodules"]
            .map(Into::into)
            .into();
    for change in batch {
        if let (None, Some(from)) = (change.to, change.from) {
            args.push(format!("--force-with-lease=refs/heads/{}:{from}", change.name).into());
        }
    }
    args.push("--".into());
    args.push(url.into());
    for change in batch {
        let name = &change.name;
        args.push(match change.to {
            Some(to) => format!("+{to}:refs/heads/{name}").into(),
            None => format!(":refs/heads/{name}").into(),
        });
    }
    args
}
