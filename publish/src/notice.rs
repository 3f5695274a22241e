//! What people are told of a series: where its test stands, made anew each time from what is known. No I/O.
//!
//! Every sink renders the same notice, so that GitHub, Slack, a mail and a pull request never say different things.

use jiff::Timestamp;
use patchlift_report::{Fault, Report};

/// A series and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its name, `ozlabs/503389`.
    pub key: String,
    /// 1 for the patches as they were first seen; one more each time they changed at the server.
    pub revision: u32,
    /// 1 for its first test, 2 for the repetition after a fault of ours, and so on.
    pub attempt: u32,
    /// Its title without the prefix in brackets. As the author wrote it: hostile.
    pub title: String,
    /// The version of the posting, from 1.
    pub version: u32,
    /// The sender's name; hostile.
    pub author: String,
    /// The sender's address; hostile.
    pub author_address: String,
    /// The project's name at its server.
    pub project: String,
    /// The patches in order.
    pub patches: Vec<NoticePatch>,
    /// Message-ID of the cover letter, or else of the first patch, without angle brackets.
    pub message_id: String,
    /// Where more is to be seen.
    pub links: Links,
    /// Its commits, once there are any.
    pub commits: Option<Commits>,
    /// The box that it is tested on, once one is kept for it.
    pub on: Option<String>,
    /// Where it stands.
    pub standing: Standing,
    /// Since when it stands there.
    pub since: Timestamp,
    /// Stages that the run has begun or ended, as far as they are seen from outside; in order.
    pub live: Vec<LiveStage>,
    /// The run's report, once there is one on these commits.
    pub report: Option<Box<Report>>,
}

/// One patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticePatch {
    /// Its subject; hostile.
    pub subject: String,
    /// Its commit, 40 hex digits, once there is one.
    pub commit: Option<String>,
}

/// Addresses for people; each may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    /// The series at its Patchwork server.
    pub patchwork: Option<String>,
    /// The thread in the list's archive.
    pub thread: Option<String>,
    /// The run of the workflow.
    pub run: Option<String>,
    /// The branch on the mirror.
    pub branch: Option<String>,
    /// The page of the bridge's dashboard about it.
    pub page: Option<String>,
}

/// The commits that are tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commits {
    /// The last one, 40 hex digits.
    pub head: String,
    /// The branch on the mirror.
    pub branch: String,
    /// What they are put on: `powerpc/next`.
    pub base: String,
    /// The commit that is, 40 hex digits.
    pub base_commit: String,
    /// Why that base was taken, a fragment: `named as base-commit`.
    pub base_why: String,
    /// The branch of a tree that holds the base, `powerpc/next`, where one does.
    pub base_branch: Option<String>,
}

/// Where a series stands, as far as people outside care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Policy wants a maintainer to look before anything of it is run; why, each in a sentence.
    Held {
        /// The reasons.
        reasons: Vec<String>,
    },
    /// It applies to none of its bases: the series' own fault.
    Conflict {
        /// Each base that was tried: `powerpc/next: patch 2: hw/occ.c: the hunk does not fit the file`.
        tried: Vec<String>,
    },
    /// A base holds it already.
    AlreadyApplied {
        /// That base.
        base: String,
    },
    /// Its branch is there, and no box to test it on.
    Pushed,
    /// It waits for a box, or for the runner beside its box.
    Waiting,
    /// It is being tested.
    Testing,
    /// There is a verdict; [`Notice::report`] has all of it where there is one.
    Ended {
        /// `None`: tested and good.
        fault: Option<Fault>,
        /// The verdict's title, one line.
        summary: String,
    },
    /// A newer version took its place.
    Superseded {
        /// The newer one, `ozlabs/503390`.
        by: String,
    },
    /// It will not be tested: policy, or a maintainer, or the bridge cannot get on with it.
    NotTested {
        /// Why, one line.
        reason: String,
        /// Whose fault that is; `None`: nobody's, it was decided so.
        fault: Option<Fault>,
    },
}

impl Standing {
    /// A word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Held { .. } => "held",
            Self::Conflict { .. } => "conflict",
            Self::AlreadyApplied { .. } => "already-applied",
            Self::Pushed => "pushed",
            Self::Waiting => "waiting",
            Self::Testing => "testing",
            Self::Ended { .. } => "ended",
            Self::Superseded { .. } => "superseded",
            Self::NotTested { .. } => "not-tested",
        }
    }

    /// Nothing more will be said unless something new happens.
    pub fn is_over(&self) -> bool {
        !matches!(self, Self::Held { .. } | Self::Waiting | Self::Testing)
    }
}

/// A stage of a run that is at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveStage {
    /// The stage's name as in the report: `boot` ([`patchlift_report::StageName::slug`]).
    pub stage: String,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended; `None`: it is at work.
    pub ended: Option<Timestamp>,
    /// Whether it ended well; nothing is said of whose fault it is before the report is there.
    pub passed: bool,
}
