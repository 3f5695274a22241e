//! What the machine said on its console that matters for the verdict.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::stage::{Lane, StageName};

/// How bad a console event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventClass {
    /// The kernel is done: stop the test, collect, power-cycle.
    Fatal,
    /// The kernel complained and went on: the verdict is a warning at least.
    Report,
    /// The hardware or the firmware reported an error: never the series' fault.
    Hardware,
    /// The boot stopped in a prompt or without a root file system.
    BootStop,
}

/// One event on the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleEvent {
    /// Line number in the console log, from 1.
    pub line: u64,
    /// When the line was seen, where the console was captured live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// How bad it is.
    pub class: EventClass,
    /// What it is, as a slug: `panic`, `oops`, `hard-lockup`, …
    pub kind: String,
    /// The line, at most 400 characters, control characters removed.
    pub text: String,
    /// The first five frames of the trace that follows, joined by `:`; none where there is no trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The lines around it, the trace among them; at most 60.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<String>,
    /// The stage in which it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageName>,
    /// The commit under test when it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
}
