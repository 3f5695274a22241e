//! One step of a run.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::verdict::Fault;

/// The steps of a run, in the order in which they are planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageName {
    /// Tools, disk, access to the box and its BMC; the box runs its known-good kernel.
    Preflight,
    /// The commits under test are in a source tree on the controller.
    FetchSource,
    /// The kernel of the commit under test is compiled.
    BuildHostKernel,
    /// The kernel is on the box; the default boot entry is untouched.
    InstallHostKernel,
    /// The kernel is booted once.
    Boot,
    /// What runs is the kernel that was built: boot id, release, build id.
    Verify,
    /// `/dev/kvm` is there, and a guest with the same kernel reaches its init under KVM and powers off.
    KvmSmoke,
    /// The box is back on its known-good kernel, proven.
    RollBack,
}

impl StageName {
    /// All stages in planned order.
    pub const ALL: [Self; 8] = [
        Self::Preflight,
        Self::FetchSource,
        Self::BuildHostKernel,
        Self::InstallHostKernel,
        Self::Boot,
        Self::Verify,
        Self::KvmSmoke,
        Self::RollBack,
    ];

    /// The name used in files, flags and JSON.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::FetchSource => "fetch-source",
            Self::BuildHostKernel => "build-host-kernel",
            Self::InstallHostKernel => "install-host-kernel",
            Self::Boot => "boot",
            Self::Verify => "verify",
            Self::KvmSmoke => "kvm-smoke",
            Self::RollBack => "roll-back",
        }
    }

    /// The name as people read it.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Preflight => "Check the box",
            Self::FetchSource => "Fetch the source",
            Self::BuildHostKernel => "Build the host kernel",
            Self::InstallHostKernel => "Put it on the box",
            Self::Boot => "Boot it once",
            Self::Verify => "Prove what booted",
            Self::KvmSmoke => "Run a KVM guest",
            Self::RollBack => "Roll the box back",
        }
    }
}

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug())
    }
}

/// Which commit a stage works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// The unpatched base, run when nothing is known of it on this box yet.
    Base,
    /// The series.
    Series,
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Base => "base",
            Self::Series => "series",
        })
    }
}

/// How a stage ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum StageResult {
    /// It did what its name says.
    Passed,
    /// It did not, and this is who has to act.
    Failed {
        /// Who has to act.
        fault: Fault,
        /// What happened, one line.
        reason: String,
    },
    /// It was not needed or could not be tried.
    Skipped {
        /// Why, one line.
        reason: String,
    },
    /// It did not end in its time.
    TimedOut {
        /// Who has to act.
        fault: Fault,
        /// The limit, in seconds.
        limit_s: u64,
        /// What was being waited for, one line.
        reason: String,
    },
    /// The run was stopped from outside while it ran.
    Interrupted,
}

impl StageResult {
    /// The fault and the reason of a stage that failed or timed out.
    pub fn failure(&self) -> Option<(Fault, &str)> {
        match self {
            Self::Failed { fault, reason } | Self::TimedOut { fault, reason, .. } => Some((*fault, reason)),
            Self::Passed | Self::Skipped { .. } | Self::Interrupted => None,
        }
    }

    /// One word for tables: passed, failed, skipped, timed out, interrupted.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed { .. } => "failed",
            Self::Skipped { .. } => "skipped",
            Self::TimedOut { .. } => "timed out",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Something a stage found out, for people: a label and a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is, for example "build id".
    pub label: String,
    /// Its value, one line.
    pub value: String,
}

/// One stage as it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Which step.
    pub name: StageName,
    /// On which commit.
    pub lane: Lane,
    /// How it ended.
    #[serde(flatten)]
    pub result: StageResult,
    /// When it began; the same as `ended` for a skipped stage.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// What it found out, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
    /// The lines that show why it ended as it did: a compiler error, an oops. At most 60, control
    /// characters removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excerpt: Vec<String>,
    /// The whole log, relative to the folder of the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

impl Stage {
    /// A stage that took no time and left no facts, no lines and no log: one that was skipped, say.
    pub fn at_once(name: StageName, lane: Lane, result: StageResult, at: Timestamp) -> Self {
        Self { name, lane, result, started: at, ended: at, facts: vec![], excerpt: vec![], log: None }
    }

    /// Wall time in seconds, never negative even if the clock was set back.
    pub fn seconds(&self) -> f64 {
        self.ended.duration_since(self.started).as_secs_f64().max(0.0)
    }
}
