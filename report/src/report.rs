//! The document: `report.json`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::console::ConsoleEvent;
use crate::stage::{Lane, Stage};
use crate::verdict::{Ending, Verdict};

/// The version of the format that this crate writes. It grows when a reader of the old one would
/// misread the new one; an added optional field does not count.
pub const FORMAT: u32 = 1;

/// One run of the action over one series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// Name and version of the writing program.
    pub generator: String,
    /// Names this run: unique on its controller, safe in file names.
    pub run_id: String,
    /// What was tested.
    pub series: Series,
    /// What it was applied to.
    pub base: Base,
    /// The commit under test, 40 hex digits; empty where it never became known.
    pub head: String,
    /// What it was tested on.
    pub machine: Machine,
    /// The kernel of the series, once it was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Kernel>,
    /// What the unpatched base did on the same box with the same configuration, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// Every planned stage, in order, whatever became of it.
    pub stages: Vec<Stage>,
    /// Every test of the series' lane.
    pub tests: Vec<TestResult>,
    /// What the console said that matters.
    pub events: Vec<ConsoleEvent>,
    /// Whether the box is back.
    pub roll_back: RollBack,
    /// What it all means.
    pub verdict: Verdict,
    /// Commands that repeat the decisive step, one a line.
    pub reproduce: Vec<String>,
    /// When the run began.
    pub started: Timestamp,
    /// When the run ended.
    pub ended: Timestamp,
}

/// The series under test, as far as the action was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// Its name on the mirror, for example the Patchwork series id.
    pub id: String,
    /// The cover letter's subject or the first patch's.
    pub title: String,
    /// The version of the posting, from 1.
    pub version: u32,
    /// Who sent it, as `Name <address>`.
    pub author: String,
    /// Where it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its patches, in order.
    pub patches: Vec<Patch>,
    /// 1 for its first test, 2 for the repetition after a fault of ours, and so on.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub attempt: u32,
    /// The files that it changes, from the top of the tree; empty where they are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            id: String::new(),
            title: String::new(),
            version: 0,
            author: String::new(),
            url: None,
            patches: Vec::new(),
            attempt: first(),
            files: Vec::new(),
        }
    }
}

fn first() -> u32 {
    1
}

fn is_first(attempt: &u32) -> bool {
    *attempt <= 1
}

/// One patch of the series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    /// The commit, 40 hex digits.
    pub commit: String,
    /// The first line of its message.
    pub subject: String,
}

/// What the series was applied to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The branch, as the operator names it.
    pub branch: String,
    /// The commit, 40 hex digits; empty where it never became known.
    pub commit: String,
}

/// The box.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// What the operator calls it.
    pub name: String,
    /// `cpu:` of its `/proc/cpuinfo`.
    pub cpu: String,
    /// `machine:` of its `/proc/cpuinfo`.
    pub model: String,
    /// Release of its known-good kernel.
    pub known_good: String,
}

/// A kernel that was built for the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// `uname -r`, unique to the commit.
    pub release: String,
    /// The GNU build id, hex digits: proves which binary runs.
    pub build_id: String,
    /// The compiler's version line.
    pub compiler: String,
    /// SHA-256 of the `.config`.
    pub config_sha256: String,
    /// Size of the kernel image put on the box, in bytes.
    pub image_bytes: u64,
}

/// What is known of the unpatched base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// The base commit.
    pub commit: String,
    /// How it ended: [`Ending::Passed`], or how the base fails.
    pub ending: Ending,
    /// Why it failed, one line; empty when it passed.
    pub reason: String,
    /// When it was run; long before this run if it was known already.
    pub tested: Timestamp,
    /// Whether this run had to make it.
    pub made_now: bool,
    /// Its tests.
    pub tests: Vec<TestResult>,
}

/// Avocado's words, used for every test (`avocado/core/teststatus.py`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TestStatus {
    /// It passed.
    Pass,
    /// What it tests does not work.
    Fail,
    /// The test itself broke.
    Error,
    /// It was not run.
    Skip,
    /// It passed with a complaint.
    Warn,
    /// It gave up by itself.
    Cancel,
    /// It was stopped from outside.
    Interrupted,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestResult {
    /// Its name, the same for base and series.
    pub name: String,
    /// How it ended.
    pub status: TestStatus,
    /// Wall time in milliseconds.
    pub millis: u64,
    /// Why it did not pass, or what it proved; one line.
    pub reason: String,
    /// Its whole log, relative to the folder of the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// The state in which the run left the box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RollBack {
    /// The box never left its known-good kernel in this run.
    NotNeeded,
    /// The box runs its known-good kernel again: release, build id and `/boot` were compared.
    Proven {
        /// Release that runs.
        release: String,
        /// Build id that runs.
        build_id: String,
        /// From the decision to roll back to the proof, in milliseconds.
        millis: u64,
    },
    /// It could not be proven: the box is quarantined.
    Failed {
        /// What is wrong, one line.
        reason: String,
    },
}

/// Why a report could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not JSON, cut short, or not a report.
    #[error("not a readable report")]
    Json(#[source] serde_json::Error),
    /// Written by a newer program.
    #[error("the report has format {found}, this program reads up to {FORMAT}: upgrade it")]
    Newer {
        /// The format it has.
        found: u32,
    },
}

impl Report {
    /// Reads `report.json`. Formats from 1 to [`FORMAT`] are read; a newer one is refused by name.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ReadError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = serde_json::from_slice(bytes).map_err(ReadError::Json)?;
        if head.format > FORMAT {
            return Err(ReadError::Newer { found: head.format });
        }
        serde_json::from_slice(bytes).map_err(ReadError::Json)
    }

    /// Writes `report.json`, indented, with a final newline.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The stages of one lane, in order.
    pub fn lane(&self, lane: Lane) -> impl Iterator<Item = &Stage> {
        self.stages.iter().filter(move |stage| stage.lane == lane)
    }

    /// Wall time of the run in seconds.
    pub fn seconds(&self) -> f64 {
        self.ended.duration_since(self.started).as_secs_f64().max(0.0)
    }
}
