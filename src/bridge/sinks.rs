//! The sinks beside Patchwork: what each would say of a series, and how it is said.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use patchlift_publish::mail::{self, Mailer, Reply};
use patchlift_publish::slack::{self, Place, Slack};
use patchlift_publish::{
    Api, ApiError, CheckRun, CheckRunConclusion, CheckStatus, CommitStatus, GitHub, GitHubError, Notice,
    PullRequest, Repository, checks, pull_request,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::gate::Gate;
use super::site::{chain, ours};
use crate::bytes::hex;
use crate::record::decide::Failure;
use crate::record::{Sink, Telling};

/// Mails of one series whose Message-IDs are kept: there is one for each test, and one for a conflict.
const MAILS_REMEMBERED: usize = 50;

/// Slack takes a message a second in a channel.
const SLACK_GAP: Duration = Duration::from_secs(1);

/// How the mirror's commits are marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// Check runs: an App's, or `GITHUB_TOKEN`'s.
    CheckRuns,
    /// Commit statuses: anybody's who may push.
    Statuses,
    /// Not at all.
    None,
}

/// What is said on GitHub beside the runs.
#[derive(Debug, Clone)]
pub struct OnGitHub {
    /// `owner/name` of the mirror.
    pub repository: String,
    /// How its commits are marked.
    pub marks: Marks,
    /// A pull request for each series.
    pub pull_requests: bool,
    /// Addresses of its branches for people, up to the branch's name.
    pub branches: String,
}

/// All sinks that are configured.
#[derive(Debug, Default)]
pub struct Sinks {
    github: Option<Marker>,
    pull_requests: Option<(GitHub, Repository)>,
    slack: Option<(Slack, bool, Mutex<Option<Instant>>)>,
    mail: Option<(Mailer, mail::ReplySettings)>,
    /// Addresses of the mirror's branches for people.
    pub branches: Option<String>,
    /// In the order of [`Sink::ALL`].
    gates: [Gate; Sink::ALL.len()],
}

#[derive(Debug)]
struct Marker {
    github: GitHub,
    repository: Repository,
    marks: Marks,
}

impl Marker {
    /// By what a mark is found again.
    fn key(&self, run: &CheckRun) -> String {
        match self.marks {
            Marks::Statuses => format!("{} {}", run.head_sha, run.name),
            _ => run.external_id.clone(),
        }
    }

    /// What is remembered of it.
    fn mark(&self, run: &CheckRun) -> Mark {
        let said = match self.marks {
            Marks::Statuses => format!("{:?}", CommitStatus::from(run)),
            _ => format!("{run:?}"),
        };
        let waits = matches!(run.status.conclusion(), None | Some(CheckRunConclusion::ActionRequired));
        Mark { said: digest(&said), open: waits.then(|| (run.name.clone(), run.head_sha.clone())) }
    }

    async fn put(&self, runs: impl Iterator<Item = &CheckRun>) -> Result<(), GitHubError> {
        if self.marks == Marks::Statuses {
            let statuses: Vec<CommitStatus> = runs.map(CommitStatus::from).collect();
            self.github.set_statuses(&self.repository, &statuses).await?;
            return Ok(());
        }
        for run in runs {
            self.github.publish(&self.repository, run).await?;
        }
        Ok(())
    }
}

/// What a sink is to say.
#[derive(Debug, Clone)]
pub enum Draft {
    /// Check runs on the mirror's commits, or the commit statuses that say the same.
    Marks(Vec<CheckRun>),
    /// A pull request.
    PullRequest(Box<PullRequest>),
    /// A message, by its notice.
    Slack(Box<Notice>),
    /// A mail.
    Mail(Box<Reply>),
}

/// What came of saying it.
#[derive(Debug, Default)]
pub struct Said {
    /// By what it is found again.
    pub place: Option<serde_json::Value>,
    /// Why it was not said, or not all of it.
    pub failure: Option<Failure>,
    /// It may have been said all the same.
    pub may_have_happened: bool,
}

impl Draft {
    /// The same for the same words.
    pub fn digest(&self) -> String {
        let text = match self {
            Self::Marks(runs) => format!("{runs:?}"),
            Self::PullRequest(wanted) => format!("{wanted:?}"),
            Self::Slack(notice) => format!("{:?}{:?}", slack::message(notice), slack::details(notice)),
            // Said once, whatever its date and the bases that were tried since.
            Self::Mail(reply) => reply.id.clone(),
        };
        digest(&text)
    }
}

fn digest(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// A mark that is on a commit, as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// Of what it says.
    said: String,
    /// The check run's name and its commit, as long as it is not over: it is ended when its commit is not tested any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open: Option<(String, String)>,
}

/// Marks by the check run's key, or by commit and context.
type MarksThere = BTreeMap<String, Mark>;

impl Sinks {
    /// Those that are configured.
    ///
    /// # Errors
    /// One of them cannot be used.
    pub fn new(
        api: Option<&Api>,
        on_github: Option<&OnGitHub>,
        slack: Option<&slack::Settings>,
        mail: Option<&(mail::Settings, mail::ReplySettings)>,
    ) -> Result<Self, SinkError> {
        let mut sinks = Self::default();
        if let (Some(api), Some(on)) = (api, on_github) {
            let repository = Repository::parse(&on.repository)?;
            let github = GitHub::new(api.clone());
            sinks.branches = Some(on.branches.clone());
            if on.pull_requests {
                sinks.pull_requests = Some((github.clone(), repository.clone()));
            }
            if on.marks != Marks::None {
                sinks.github = Some(Marker { github, repository, marks: on.marks });
            }
        }
        if let Some(settings) = slack {
            let by_bot = matches!(settings, slack::Settings::Bot { .. });
            sinks.slack = Some((Slack::new(settings.clone())?, by_bot, Mutex::default()));
        }
        if let Some((settings, reply)) = mail {
            sinks.mail = Some((Mailer::new(settings.clone())?, reply.clone()));
        }
        Ok(sinks)
    }

    /// Those that there are.
    pub fn configured(&self) -> Vec<Sink> {
        let there = |sink: &Sink| match sink {
            Sink::GitHub => self.github.is_some(),
            Sink::PullRequest => self.pull_requests.is_some(),
            Sink::Slack => self.slack.is_some(),
            Sink::Mail => self.mail.is_some(),
        };
        Sink::ALL.into_iter().filter(there).collect()
    }

    /// Is there any?
    pub fn any(&self) -> bool {
        !self.configured().is_empty()
    }

    /// Do people see check runs, which have buttons?
    pub fn has_buttons(&self) -> bool {
        self.github.as_ref().is_some_and(|marker| marker.marks == Marks::CheckRuns)
    }

    /// The gate to a sink.
    pub(super) fn gate(&self, sink: Sink) -> &Gate {
        &self.gates[sink as usize]
    }

    /// What a sink is to say; `None`: nothing.
    pub(super) fn draft(&self, sink: Sink, notice: &Notice, telling: &Telling) -> Option<Draft> {
        match sink {
            Sink::GitHub => {
                self.github.as_ref()?;
                let runs = checks::of_notice(notice);
                // What is there already may be of commits that are not tested any more.
                (!runs.is_empty() || telling.place.is_some()).then_some(Draft::Marks(runs))
            }
            Sink::PullRequest => {
                let base = crate::mirror::base_branch_of(notice.commits.as_ref()?.base_branch.as_ref()?);
                Some(Draft::PullRequest(Box::new(pull_request::of_notice(notice, &base)?)))
            }
            Sink::Slack => {
                let (_, by_bot, _) = self.slack.as_ref()?;
                let now = *by_bot || notice.standing.is_over();
                now.then(|| Draft::Slack(Box::new(notice.clone())))
            }
            Sink::Mail => {
                let (_, settings) = self.mail.as_ref()?;
                let sent: Vec<String> = read(telling.place.as_ref());
                let reply = mail::reply(notice, settings)?;
                // What does not apply is tried again whenever a base moves: the author is told once.
                let news = telling.in_doubt.is_some() || !sent.contains(&reply.id);
                news.then(|| Draft::Mail(Box::new(reply)))
            }
        }
    }

    /// Says it. `in_doubt`: since then it may have been said already.
    pub(super) async fn say(
        &self,
        draft: &Draft,
        place: Option<serde_json::Value>,
        in_doubt: Option<Timestamp>,
    ) -> Said {
        match draft {
            Draft::Marks(runs) => self.mark(runs, place).await,
            Draft::PullRequest(wanted) => self.propose(wanted, place).await,
            Draft::Slack(notice) => self.to_slack(notice, place, in_doubt).await,
            Draft::Mail(reply) => self.by_mail(reply, place).await,
        }
    }

    async fn mark(&self, runs: &[CheckRun], place: Option<serde_json::Value>) -> Said {
        let Some(marker) = &self.github else { return Said::default() };
        let mut there: MarksThere = read(place.as_ref());
        let left = abandoned(&mut there, |known| runs.iter().any(|run| marker.key(run) == *known));
        let wanted = runs.iter().chain(&left).map(|run| (marker.key(run), marker.mark(run), run));
        let news: Vec<_> = wanted.filter(|(key, mark, _)| there.get(key) != Some(mark)).collect();
        // All statuses together, as their commits are looked at once; a check run is looked up by itself.
        let at_once = if marker.marks == Marks::Statuses { news.len().max(1) } else { 1 };
        let mut failure = None;
        for news in news.chunks(at_once) {
            if let Err(error) = marker.put(news.iter().map(|(_, _, run)| *run)).await {
                failure = Some(failed_at_github(&error));
                break;
            }
            there.extend(news.iter().map(|(key, mark, _)| (key.clone(), mark.clone())));
        }
        Said { place: write(&there), failure, may_have_happened: false }
    }

    async fn propose(&self, wanted: &PullRequest, place: Option<serde_json::Value>) -> Said {
        let Some((github, repository)) = &self.pull_requests else { return Said::default() };
        match github.propose(repository, wanted).await {
            Ok(there) => Said { place: write(&there.map(|there| there.id)), ..Said::default() },
            Err(error) => Said { place, failure: Some(failed_at_github(&error)), may_have_happened: false },
        }
    }

    async fn to_slack(
        &self,
        notice: &Notice,
        place: Option<serde_json::Value>,
        in_doubt: Option<Timestamp>,
    ) -> Said {
        let Some((slack, _, last)) = &self.slack else { return Said::default() };
        let mut last = last.lock().await;
        if let Some(last) = *last {
            tokio::time::sleep_until(last + SLACK_GAP).await;
        }
        let known: Option<Place> = place.clone().and_then(|place| serde_json::from_value(place).ok());
        let told = slack.tell(notice, &notice.key, known.as_ref(), in_doubt).await;
        *last = Some(Instant::now());
        match told {
            Ok(place) => Said { place: write(&place), ..Said::default() },
            Err(error) => Said {
                place: error.place().map_or(place, write),
                may_have_happened: error.may_have_happened(),
                failure: Some(failed_at_slack(&error)),
            },
        }
    }

    async fn by_mail(&self, reply: &Reply, place: Option<serde_json::Value>) -> Said {
        let Some((mailer, _)) = &self.mail else { return Said::default() };
        match mailer.send(reply).await {
            Ok(_) => {
                let mut sent: Vec<String> = read(place.as_ref());
                sent.push(reply.id.clone());
                sent.drain(..sent.len().saturating_sub(MAILS_REMEMBERED));
                Said { place: write(&sent), ..Said::default() }
            }
            Err(error) => Said {
                place,
                may_have_happened: error.may_have_happened(),
                failure: Some(failed_at_mail(&error)),
            },
        }
    }
}

/// Why a sink cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// GitHub.
    #[error("nothing can be said on GitHub")]
    GitHub(#[from] ApiError),
    /// Slack.
    #[error("Slack cannot be used")]
    Slack(#[from] slack::SlackError),
    /// The mail server.
    #[error("mails cannot be sent")]
    Mail(#[from] mail::MailError),
}

/// What is remembered of a sink; what an older patchlift wrote and this one cannot read is looked up anew.
fn read<T: Default + for<'de> Deserialize<'de>>(place: Option<&serde_json::Value>) -> T {
    place.and_then(|place| T::deserialize(place).ok()).unwrap_or_default()
}

fn write(place: &impl Serialize) -> Option<serde_json::Value> {
    serde_json::to_value(place).ok()
}

/// Forgets marks that are not wanted any more; gives the end of those that people would wait for.
fn abandoned(there: &mut MarksThere, is_wanted: impl Fn(&String) -> bool) -> Vec<CheckRun> {
    // What is over stays at GitHub as it is, and needs no memory.
    there.retain(|key, mark| mark.open.is_some() || is_wanted(key));
    let open = there.iter().filter(|(key, _)| !is_wanted(key));
    open.filter_map(|(key, mark)| Some(not_tested_any_more(key, mark.open.as_ref()?))).collect()
}

/// Ends a check run whose commit is not tested any more, because the series was put on another base or changed.
fn not_tested_any_more(key: &str, (name, head): &(String, String)) -> CheckRun {
    let text = "The series is tested as other commits, or not at all.";
    CheckRun {
        name: name.clone(),
        head_sha: head.clone(),
        external_id: key.to_owned(),
        details_url: None,
        status: CheckStatus::Completed(CheckRunConclusion::Cancelled),
        started_at: None,
        completed_at: None,
        title: "Not tested any more".to_owned(),
        summary: text.to_owned(),
        annotations: vec![],
        actions: vec![],
    }
}

/// What GitHub does not answer or does not allow for one series, it does not for any; a request whose content it cannot
/// use is about one.
fn failed_at_github(error: &GitHubError) -> Failure {
    let (wide, lasting, wait) = match error {
        GitHubError::Api(ApiError::Refused { status: 400 | 413 | 422, by_github: true, .. }) => {
            (false, true, None)
        }
        // A commit or a check run that is gone.
        GitHubError::Api(ApiError::Refused { status: 404 | 410, by_github: true, .. }) => {
            (false, false, None)
        }
        GitHubError::Api(ApiError::RateLimited { wait, .. }) => (true, false, Some(*wait)),
        _ => (true, false, None),
    };
    Failure { wide, down: wide, lasting, retry_after: wait, ..ours(chain(error)) }
}

fn failed_at_slack(error: &slack::SlackError) -> Failure {
    // What is wrong with token or channel is for the operator to mend: the message is said when it is.
    let about_it = ["invalid_blocks", "msg_", "no_text", "invalid_arguments", "invalid_metadata"];
    let content = match error {
        slack::SlackError::Refused { code, .. } => about_it.iter().any(|part| code.starts_with(part)),
        slack::SlackError::Status { status, .. } => *status == 400,
        slack::SlackError::TooManyMessages { .. } => true,
        _ => false,
    };
    let retry_after = error.retry_after();
    Failure { wide: !content, down: !content, lasting: content, retry_after, ..ours(chain(error)) }
}

fn failed_at_mail(error: &mail::MailError) -> Failure {
    // Encryption and passwords are for the operator to mend: the mail is sent when they are.
    let about_it = matches!(error, mail::MailError::Refused { step, .. }
        if !matches!(step, mail::Step::Connect | mail::Step::LogIn));
    let lasting = error.is_lasting() && about_it;
    Failure { wide: !about_it, down: !about_it, lasting, ..ours(chain(error)) }
}
