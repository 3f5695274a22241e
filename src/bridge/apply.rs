//! Asks policy, then makes a series' commits on the first base they fit.

use std::sync::Arc;

use git2::{Oid, Repository};
use jiff::Timestamp;

use super::ledger::{Change, depends_on, readable};
use super::site::{Site, StepError, chain, ours};
use crate::apply::objects::Objects;
use crate::apply::{self as applier, Applied as Made, ApplyError, Committer, Settings, pack};
use crate::bases::{self, Candidate, Why};
use crate::bytes::shown;
use crate::config::Project;
use crate::intake::Mails;
use crate::mail::Options;
use crate::mirror::MirrorError;
use crate::patch;
use crate::policy::sender::addresses;
use crate::policy::{self, Judgement, Reason, Sender, Senders, Subject, Touched};
use crate::record::decide::Failure;
use crate::record::state::{Applied, Base, Tried};
use crate::record::{Event, Record, Sink, State};
use crate::series::Message;
use crate::store::StoreError;

/// Judges and applies a series whose text is frozen.
pub(super) async fn apply(site: &Arc<Site>, record: Record) -> Result<Change, StepError> {
    let (_, project) = site.project(&record)?;
    let (key, revision) = (record.key.clone(), record.revision);
    let mails = site.ledger.with(move |store| match store.mails(&key, revision) {
        // They are fetched once more.
        Err(StoreError::Unreadable { .. }) => Ok(None),
        mails => mails,
    });
    let mails = mails.await?;
    let frozen = mails.as_deref().map(Mails::from_bytes);
    let Some(Ok(frozen)) = frozen else {
        // The record says that they are there: fetched again, with the same words.
        let mut record = record;
        let event =
            record.enter(State::Whole, "its frozen mails cannot be read: fetched again", site.clock.now());
        return Ok(Change::of(record, vec![event]));
    };
    let earlier = dependencies(site, &record).await?;
    let job =
        Job { site: Arc::clone(site), project: project.clone(), earlier, mails: frozen.patches, record };
    let done = tokio::task::spawn_blocking(move || job.run()).await;
    done.map_err(|error| ours(chain(&error)))?
}

/// Series that this one says it needs, with their last commits.
async fn dependencies(site: &Site, record: &Record) -> Result<Vec<Candidate>, StepError> {
    let Some(text) = &record.text else { return Ok(vec![]) };
    let (msgids, prerequisites, own) =
        (text.depends_on.clone(), text.prerequisites.clone(), record.key.clone());
    let needed = site
        .ledger
        .with(move |store| {
            let mut keys = Vec::new();
            // All prerequisites of one series, as git writes them for a series on top of another.
            if !prerequisites.is_empty() {
                keys.extend(store.by_patch_ids(&prerequisites)?);
            }
            for msgid in &msgids {
                keys.extend(store.by_msgid(msgid)?);
            }
            keys.retain(|key| *key != own);
            let read = keys.iter().map(|key| readable(store, key)).collect::<Result<Vec<_>, _>>()?;
            Ok(read.into_iter().flatten().collect::<Vec<Record>>())
        })
        .await?;
    let mut candidates: Vec<Candidate> = Vec::new();
    for other in needed {
        match other.can_be_built_on() {
            Some(applied) => {
                let why = Why::DependsOn { series: other.key.to_string() };
                candidates.push(Candidate { rev: applied.tip.clone(), why });
            }
            // Without it a conflict would be held against this one.
            None if !other.state.is_final() => {
                let what = depends_on(&other.key) + other.state.word();
                return Err(Failure { wide: true, ..ours(what) }.into());
            }
            None => {}
        }
    }
    Ok(candidates)
}

/// All that is needed off the network.
struct Job {
    site: Arc<Site>,
    project: Project,
    earlier: Vec<Candidate>,
    mails: Vec<Vec<u8>>,
    record: Record,
}

impl Job {
    fn run(self) -> Result<Change, StepError> {
        let messages: Vec<Message> =
            self.mails.iter().map(|mail| Message::read(mail, Options::default())).collect();
        let now = self.site.clock.now();
        let mut record = self.record.clone();
        record.hold.clear();
        let subject = self.subject(&messages);
        if let Some(event) = self.judged(&mut record, &subject, now) {
            return Ok(Change::of(record, vec![event]));
        }
        let repository = self.site.trees.objects().map_err(|error| ours(chain(&error)))?;
        let event = match self.place(&repository, &messages)? {
            Placed::On { base, under, passed_over, made } => {
                // A patch does not say everything: what its commits change, down to the modes, is judged, too.
                let touched = self.changed(&repository, under, made.tip)?;
                match self.judged(&mut record, &Subject { touched, ..subject }, now) {
                    Some(event) => event,
                    None => {
                        self.anchor(&repository, made.tip)?;
                        self.applied(&mut record, base, passed_over, &made)
                    }
                }
            }
            Placed::Unknown(bases) => {
                let key = &record.key;
                self.site
                    .only_says(|| format!("{key}: apply it to {}, once they are fetched", bases.join(", ")));
                record.due = None;
                return Ok(Change::of(record, vec![]));
            }
            Placed::Already(base) => {
                let words = format!("{} holds the whole series", base.name);
                record.enter(State::AlreadyApplied { base }, words, now)
            }
            // The server's mailbox loses carriage returns and more; its JSON does not.
            Placed::Nowhere(_) if !record.from_json && self.may_be_the_mailbox() => {
                record.from_json = true;
                record.enter(
                    State::Whole,
                    "does not apply: its patches are taken one by one from the server",
                    now,
                )
            }
            Placed::Nowhere(tried) => {
                let words = tried.first().map_or(String::new(), in_words);
                record.enter(State::Conflicts { tried }, words, now)
            }
        };
        Ok(Change::of(record, vec![event]))
    }

    /// What policy makes of a series it does not let run.
    fn judged(&self, record: &mut Record, subject: &Subject, now: Timestamp) -> Option<Event> {
        if let Some(reason) = self.touches_the_tests(subject) {
            let declined = State::Declined { reason: reason.clone(), cancel: None };
            return Some(record.enter(declined, reason, now));
        }
        match policy::judge(&self.project.rules, subject) {
            Judgement::Run => None,
            Judgement::Hold(reasons) => {
                let about_the_sender = reasons.iter().all(Reason::is_about_the_sender);
                let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
                if about_the_sender && self.site.shows_held() {
                    record.hold = reasons;
                    return None;
                }
                record.hold.clear();
                record.left = None;
                let words = reasons.join("; ");
                Some(record.enter(State::Held { reasons }, words, now))
            }
            Judgement::Decline(reason) => {
                let reason = reason.to_string();
                let declined = State::Declined { reason: reason.clone(), cancel: None };
                Some(record.enter(declined, reason, now))
            }
        }
    }

    /// What the series' commits change on their base. In a dry run there are no commits to look at.
    fn changed(&self, repository: &Repository, from: Oid, tip: Oid) -> Result<Vec<Touched>, StepError> {
        if self.site.dry.is_some() {
            return Ok(vec![]);
        }
        let touched = policy::commits::touched(repository, from, tip);
        Ok(touched.map_err(|error| ours(chain(&error)))?)
    }

    /// Was any of it read from the mailbox?
    fn may_be_the_mailbox(&self) -> bool {
        let from_json = self.record.text.as_ref().map_or(0, |text| text.from_json.len());
        from_json < self.mails.len()
    }

    fn subject(&self, messages: &[Message]) -> Subject {
        let mut touched = Vec::new();
        for (at, message) in messages.iter().enumerate() {
            let Ok(content) = &message.content else { continue };
            // A diff that cannot be read is refused where it is applied.
            if let Ok(files) = patch::parse(&content.patch, None) {
                touched.extend(Touched::of(at + 1, &files));
            }
        }
        Subject {
            patches: messages.len(),
            bytes: self.mails.iter().map(|mail| mail.len() as u64).sum(),
            touched,
            words: self.record.text.as_ref().map(|text| text.words.clone()).unwrap_or_default(),
            senders: self.senders(),
            released: self.record.released,
        }
    }

    fn senders(&self) -> Vec<Sender> {
        let enough = match &self.project.rules.senders {
            Senders::Known { commits, .. } => *commits,
            Senders::All => 0,
        };
        let commits = |address: &str| {
            let counts =
                self.project.bases.iter().map(|rule| self.site.trees.commits_by(address, &rule.rev, enough));
            counts.max().unwrap_or(0)
        };
        let mails: Vec<&[u8]> = self.mails.iter().map(Vec::as_slice).collect();
        let addresses = addresses(&self.record.listing.submitter.email, &mails);
        addresses.into_iter().map(|address| Sender { commits: commits(&address), address }).collect()
    }

    /// The bases to try, in their order.
    fn candidates(&self) -> Vec<Candidate> {
        let text = self.record.text.as_ref();
        let named =
            text.and_then(|text| text.base_commit.as_deref()).filter(|_| self.project.use_base_commit);
        let named = named.and_then(|commit| self.site.trees.upstream_holds(commit)).map(|id| id.to_string());
        let words = text.map_or(&[][..], |text| &text.words);
        let paths: Vec<Vec<u8>> =
            text.map_or(vec![], |text| text.paths.iter().map(|path| path.clone().into_bytes()).collect());
        let mut candidates = bases::order(&self.project.bases, named.as_deref(), words, &paths);
        let behind_named = usize::from(named.is_some());
        candidates.splice(behind_named..behind_named, self.earlier.iter().cloned());
        candidates
    }

    fn place(&self, repository: &Repository, messages: &[Message]) -> Result<Placed, StepError> {
        let settings = Settings { committer: self.committer(), ..Settings::default() };
        let objects = Objects::open(repository).map_err(|error| ours(chain(&error)))?;
        let mails: Vec<_> = messages.iter().map(|message| message.content.as_ref()).collect();
        let mut tried = Vec::new();
        let mut unknown = Vec::new();
        for Candidate { rev, why } in self.candidates() {
            let Some(commit) = self.commit(&rev) else {
                unknown.push(rev);
                continue;
            };
            let base = Base {
                name: self.name_of(&rev, commit, &why),
                commit: commit.to_string(),
                why: why.words(),
                branch: self.branch_of(&rev, commit),
            };
            let under = self.under(repository, commit, &base)?;
            match applier::apply(&objects, under, &mails, &settings) {
                Ok(made) if made.made.is_empty() => return Ok(Placed::Already(base)),
                Ok(made) => {
                    self.keep(repository, &objects, &made)?;
                    return Ok(Placed::On { base, under, passed_over: tried, made: Box::new(made) });
                }
                Err(ApplyError::Objects(error)) => return Err(ours(chain(&error)).into()),
                Err(refused) => tried.push(tried_on(base, messages, &refused)),
            }
        }
        // A base that has not been fetched may be the one it fits.
        if !unknown.is_empty() && self.site.dry.is_some() {
            return Ok(Placed::Unknown(unknown));
        }
        if !unknown.is_empty() {
            let what = format!("no base {} yet: it has not been fetched", unknown.join(", "));
            return Err(Failure { wide: true, ..ours(what) }.into());
        }
        Ok(Placed::Nowhere(tried))
    }

    /// What a series is put on: a base, or the commit on it with the workflow that a push starts.
    fn under(&self, repository: &Repository, base: Oid, named: &Base) -> Result<Oid, StepError> {
        let config = &self.site.config;
        let Some(files) = config.ci_files().filter(|_| self.site.dry.is_none()) else { return Ok(base) };
        let (name, email) = &config.committer;
        let told = super::start::told(config, &self.record, named);
        let made = files.commit(repository, base, &told, (name, email));
        Ok(made.map_err(|error| ours(chain(&error)))?)
    }

    /// Why a series is not tested, whoever lets it run: it touches what the push of it would start.
    fn touches_the_tests(&self, subject: &Subject) -> Option<String> {
        let files = self.site.config.ci_files()?;
        let touched = subject.touched.iter().find(|touched| files.guards(&touched.path))?;
        let path = shown(&touched.path, 200);
        Some(format!("it touches {path}, which belongs to the tests that its push would start"))
    }

    /// A base's commit: a branch's, or one that is named itself.
    fn commit(&self, rev: &str) -> Option<Oid> {
        match Oid::from_str(rev) {
            Ok(id) if rev.len() == 40 => Some(id),
            _ => self.site.trees.resolve(rev),
        }
    }

    /// A base's name for people: a commit that a series named has the name of the branch it is the tip of, if of any.
    fn name_of(&self, rev: &str, commit: Oid, why: &Why) -> String {
        match why {
            Why::DependsOn { series } => format!("series {series}"),
            Why::BaseCommit => {
                let tip =
                    self.project.bases.iter().find(|rule| self.site.trees.resolve(&rule.rev) == Some(commit));
                tip.map_or_else(|| format!("commit {}", &commit.to_string()[..12]), |rule| rule.rev.clone())
            }
            _ => rev.to_owned(),
        }
    }

    /// The branch of a tree that a base is, or that holds it: the mirror has all of them.
    fn branch_of(&self, rev: &str, commit: Oid) -> Option<String> {
        let trees = &self.site.config.trees;
        let branches: Vec<String> =
            trees.iter().flat_map(|tree| tree.branches.iter().map(|branch| tree.base(branch))).collect();
        if branches.iter().any(|branch| branch == rev) {
            return Some(rev.to_owned());
        }
        self.site.trees.nearest(commit, &branches)
    }

    fn committer(&self) -> Committer {
        let (name, email) = self.site.config.committer.clone();
        Committer { name, email, when: None }
    }

    /// Writes the commits.
    fn keep(&self, repository: &Repository, objects: &Objects<'_>, made: &Made) -> Result<(), StepError> {
        if self.site.only_says(|| {
            format!("{}: make {} commits, up to {}", self.record.key, made.made.len(), made.tip)
        }) {
            return Ok(());
        }
        pack::write(repository, objects, made).map_err(|error| ours(chain(&error)))?;
        Ok(())
    }

    /// Sets the branch that keeps the commits. Not before policy has seen them.
    fn anchor(&self, repository: &Repository, tip: Oid) -> Result<(), StepError> {
        if self.site.dry.is_some() {
            return Ok(());
        }
        let branch = self.record.key.to_string();
        crate::mirror::set_branch(repository, &branch, tip).map_err(|error| {
            // A bridge that was killed may have left the lock; the next try finds it gone.
            self.site.trees.remove_stale_locks();
            let MirrorError::Git { source, .. } = error;
            ours(format!("its branch cannot be written: {}", chain(&source)))
        })?;
        Ok(())
    }

    fn applied(&self, record: &mut Record, base: Base, passed_over: Vec<Tried>, made: &Made) -> Event {
        let mut words = format!("on {}, {}", base.shown(), base.why);
        if base.branch.is_none() && self.site.sinks.configured().contains(&Sink::PullRequest) {
            words.push_str("; no branch of the mirror holds that, so there is no pull request");
        }
        let applied = Applied {
            base,
            passed_over,
            tip: made.tip.to_string(),
            tree: made.tree.to_string(),
            commits: made.made.iter().map(|made| made.commit.to_string()).collect(),
            branch: crate::mirror::branch_of(&record.key.to_string()),
            held_back: false,
        };
        record.enter(State::Applied { applied }, words, self.site.clock.now())
    }
}

/// Where a series found its place.
enum Placed {
    On {
        base: Base,
        /// What the series' commits are put on: the base, or the commit between.
        under: Oid,
        passed_over: Vec<Tried>,
        made: Box<Made>,
    },
    Already(Base),
    Nowhere(Vec<Tried>),
    /// In a dry run: these bases are not there to be tried.
    Unknown(Vec<String>),
}

fn tried_on(base: Base, messages: &[Message], error: &ApplyError) -> Tried {
    let ApplyError::Refused { patch, refusal, known_base, .. } = error else {
        return Tried {
            base,
            patch: 0,
            subject: String::new(),
            file: None,
            hunk: None,
            reason: chain(error),
        };
    };
    let mut reason = refusal.reason_shown();
    if let Some(known) = known_base {
        let name = known.name.strip_prefix("trees/").unwrap_or(&known.name);
        reason = format!("{reason}; it was made for {name}");
    }
    Tried {
        base,
        patch: u32::try_from(patch + 1).unwrap_or(0),
        subject: messages.get(*patch).map(Message::title).unwrap_or_default(),
        file: refusal.file_shown(),
        hunk: refusal.hunk.as_deref().map(|hunk| shown(hunk.as_bytes(), 200)),
        reason,
    }
}

fn in_words(tried: &Tried) -> String {
    let file = tried.file.as_ref().map(|file| format!("{file}: ")).unwrap_or_default();
    format!("with {}: patch {} ({}): {file}{}", tried.base.name, tried.patch, tried.subject, tried.reason)
}
