//! Where a series stands: one closed list, each with a sentence that says what is true in it.

use jiff::Timestamp;
use patchlift_report::Fault;
use serde::{Deserialize, Serialize};

use crate::listing::SeriesKey;

/// Where a series stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum State {
    /// Mails are missing, or it has not been looked at whether they are.
    Waiting,
    /// It looked whole; the same has to be seen once more before it is taken.
    Settling {
        /// The patches' numbers at the first look.
        patches: Vec<u64>,
    },
    /// It is whole; its text has still to be fetched and frozen.
    Whole,
    /// Its text is frozen, and policy keeps it from running until a maintainer releases it.
    Held {
        /// Why, each in a sentence.
        reasons: Vec<String>,
    },
    /// Its text is frozen and policy lets it run; it has still to be applied.
    Ready,
    /// It applies to none of its bases.
    Conflicts {
        /// Each base that was tried, in order.
        tried: Vec<Tried>,
    },
    /// A base holds the whole series already: nothing was made and nothing is tested.
    AlreadyApplied {
        /// That base.
        base: Base,
    },
    /// Its commits are made; its branch has still to be pushed.
    Applied {
        /// The commits.
        applied: Applied,
    },
    /// Its branch is on the mirror, and it waits for a box.
    Queued {
        /// The commits.
        applied: Applied,
    },
    /// Its branch is on the mirror, and there is no box to test it on.
    Pushed {
        /// The commits.
        applied: Applied,
    },
    /// A box is kept for it; the run has been asked for, or is just about to be.
    Starting {
        /// The commits.
        applied: Applied,
        /// The run; its number is not known yet.
        run: Run,
    },
    /// A run is at work, or waits for its runner.
    Running {
        /// The commits.
        applied: Applied,
        /// The run.
        run: Run,
    },
    /// There is a verdict.
    Finished {
        /// The commits.
        applied: Applied,
        /// The run.
        run: Run,
        /// What came out.
        outcome: Outcome,
    },
    /// A newer version took its place.
    Superseded {
        /// The newer one.
        by: SeriesKey,
        /// The run that has still to be cancelled.
        cancel: Option<Run>,
    },
    /// The same patches are tested as another series: what is said of that one holds for this one.
    Follows {
        /// The other one.
        leader: SeriesKey,
        /// Why they are the same.
        why: Same,
    },
    /// It will not be tested: policy or a maintainer says so.
    Declined {
        /// Why.
        reason: String,
        /// A run that has still to be cancelled.
        cancel: Option<Run>,
    },
    /// It never became whole.
    GivenUp {
        /// What was missing.
        reason: String,
    },
    /// The bridge cannot get on with it. Nothing more is tried until somebody asks for it.
    Parked {
        /// What keeps failing.
        reason: String,
        /// Where it stood.
        was: Box<State>,
    },
}

/// Why two series are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Same {
    /// The same mails went to two lists.
    CrossPost,
    /// The same patches were sent again.
    Resend,
}

/// A commit of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The tree's name and the branch, `powerpc/next`; or the commit, where the series named it.
    pub name: String,
    /// The commit, in hex.
    pub commit: String,
    /// Why it was taken, a fragment: `named as base-commit`.
    pub why: String,
    /// The branch of a tree that holds it, `powerpc/next`, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
}

impl Base {
    /// The base for people: `powerpc/next (0123456789ab)`.
    pub fn shown(&self) -> String {
        let commit = self.commit.get(..12).unwrap_or(&self.commit);
        if self.name.contains(commit) { self.name.clone() } else { format!("{} ({commit})", self.name) }
    }
}

/// A base on which a series does not apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// The base.
    pub base: Base,
    /// The patch's place, from 1; 0 where it is not about one patch.
    pub patch: u32,
    /// Its subject.
    pub subject: String,
    /// The file.
    pub file: Option<String>,
    /// The hunk's header.
    pub hunk: Option<String>,
    /// Why.
    pub reason: String,
}

impl Tried {
    /// Which patch, which file, and why: `patch 2: hw/occ.c: the hunk does not fit the file`.
    pub fn what(&self) -> String {
        let patch = if self.patch > 0 { format!("patch {}: ", self.patch) } else { String::new() };
        let file = self.file.as_ref().map(|file| format!("{file}: ")).unwrap_or_default();
        format!("{patch}{file}{}", self.reason)
    }
}

/// A series' commits on a base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The base that was taken.
    pub base: Base,
    /// Bases that were tried before it.
    pub passed_over: Vec<Tried>,
    /// The last commit, in hex.
    pub tip: String,
    /// Its tree, in hex.
    pub tree: String,
    /// All commits in order, in hex.
    pub commits: Vec<String>,
    /// The branch on the mirror.
    pub branch: String,
    /// The branch is not on the mirror yet, as its push starts the tests: nothing can be said on its commits there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held_back: bool,
}

/// A run of the workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its unique name, by which it is found again.
    pub run_key: String,
    /// GitHub's number, once it is known.
    pub id: Option<u64>,
    /// Its page.
    pub url: Option<String>,
    /// The box that is kept for it.
    pub on: String,
    /// 1 for the first run, 2 for its repetition after a fault of ours.
    pub attempt: u32,
    /// GitHub's word for where it is: `queued`, `in_progress`, `completed`; empty before it says any.
    pub status: String,
    /// When it was asked for last. Written before it is asked for: from then on it may be there.
    pub asked: Option<Timestamp>,
    /// When a runner took it.
    pub started: Option<Timestamp>,
    /// Stages that it has begun or ended, as far as they are seen from outside; in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub live: Vec<LiveStage>,
    /// The push that starts it, where none is dispatched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<PushedRun>,
    /// It is being ended before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<Stopping>,
}

impl Run {
    /// A run that was not asked for yet.
    pub fn new(run_key: String, on: &str, attempt: u32) -> Self {
        Self {
            run_key,
            id: None,
            url: None,
            on: on.to_owned(),
            attempt,
            status: String::new(),
            asked: None,
            started: None,
            live: vec![],
            pushed: None,
            stopping: None,
        }
    }
}

/// A stage of a run that is at work, as GitHub shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveStage {
    /// The stage's name as in the report: `boot` ([`patchlift_report::StageName::slug`]).
    pub stage: String,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended; `None`: it is at work.
    pub ended: Option<Timestamp>,
    /// Whether it ended well; whose fault it is otherwise, only the report says.
    pub passed: bool,
}

/// How a run is found that a push starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushedRun {
    /// The commit, in hex.
    pub head: String,
    /// The newest run of that commit before the push; its own has a higher number.
    pub after: u64,
}

/// A run that is being ended before its time. Its box is kept until GitHub says that it is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopping {
    /// Why, one line.
    pub why: String,
    /// When GitHub was asked to cancel it, or is about to be.
    pub asked: Timestamp,
    /// GitHub took it. Until then it is asked again: it was written down before GitHub was asked.
    #[serde(default)]
    pub taken: bool,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Tested and good.
    pub passed: bool,
    /// Whose fault it is, where it is not good.
    pub whose: Option<Fault>,
    /// One line for people.
    pub summary: String,
    /// When it ended.
    pub ended: Timestamp,
    /// There is a report in the store.
    pub reported: bool,
}

impl State {
    /// The commits, where there are any.
    pub fn applied(&self) -> Option<&Applied> {
        match self {
            Self::Applied { applied }
            | Self::Queued { applied }
            | Self::Pushed { applied }
            | Self::Starting { applied, .. }
            | Self::Running { applied, .. }
            | Self::Finished { applied, .. } => Some(applied),
            _ => None,
        }
    }

    /// The box that is kept for it.
    pub fn holds(&self) -> Option<&str> {
        match self {
            Self::Starting { run, .. }
            | Self::Running { run, .. }
            | Self::Superseded { cancel: Some(run), .. }
            | Self::Declined { cancel: Some(run), .. } => Some(&run.on),
            _ => None,
        }
    }

    /// The run, where there is one.
    pub fn run(&self) -> Option<&Run> {
        match self {
            Self::Starting { run, .. }
            | Self::Running { run, .. }
            | Self::Finished { run, .. }
            | Self::Superseded { cancel: Some(run), .. }
            | Self::Declined { cancel: Some(run), .. } => Some(run),
            _ => None,
        }
    }

    /// Nothing more happens by itself.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Superseded { cancel, .. } | Self::Declined { cancel, .. } => cancel.is_none(),
            Self::Pushed { .. }
            | Self::Finished { .. }
            | Self::Conflicts { .. }
            | Self::AlreadyApplied { .. }
            | Self::Follows { .. }
            | Self::GivenUp { .. }
            | Self::Parked { .. } => true,
            _ => false,
        }
    }

    /// The state's name, one word as `patchlift status` prints it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Waiting => "incomplete",
            Self::Settling { .. } => "settling",
            Self::Whole => "received",
            Self::Held { .. } => "held",
            Self::Ready => "ready",
            Self::Conflicts { .. } => "conflict",
            Self::AlreadyApplied { .. } => "already-applied",
            Self::Applied { .. } => "applied",
            Self::Queued { .. } => "queued",
            Self::Pushed { .. } => "pushed",
            Self::Starting { .. } => "starting",
            Self::Running { .. } => "running",
            Self::Finished { outcome, .. } => match (outcome.passed, outcome.whose) {
                (true, _) => "passed",
                (false, Some(Fault::Series)) => "failed",
                (false, _) => "no-verdict",
            },
            Self::Superseded { .. } => "superseded",
            Self::Follows { .. } => "follows",
            Self::Declined { .. } => "declined",
            Self::GivenUp { .. } => "given-up",
            Self::Parked { .. } => "parked",
        }
    }
}
