//! What is known of one series, and what comes next for it. Pure: nothing here reads or writes anything.
//!
//! In reading order: [`state`] says where a series stands, [`text`] what was frozen of its mails, [`history`] what
//! happened to it, in words; [`decide`] says what comes next, [`kin`] which series belong together, [`checks`] what
//! is to be said on its patches; [`telling`] is what was said of it elsewhere, [`standing`] what people are told there.

pub mod checks;
pub mod decide;
pub mod history;
pub mod kin;
pub mod standing;
pub mod state;
pub mod telling;
pub mod text;

use std::collections::BTreeMap;

use jiff::Timestamp;
use patchlift_report::Fault;
use serde::{Deserialize, Serialize};

pub use history::{Event, Moment};
pub use state::{Applied, State};
pub use telling::{Sink, Telling};
pub use text::Text;

use crate::listing::{Listing, SeriesKey};

/// A series of one project, and where it stands. Stored as JSON, so fields are only ever added, with a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Which series.
    pub key: SeriesKey,
    /// What the server said last.
    pub listing: Listing,
    /// 1, and one more each time its patches changed after they had been taken.
    pub revision: u32,
    /// When it was seen first, by the bridge's clock.
    pub first_seen: Timestamp,
    /// Where it stands.
    pub state: State,
    /// Since when it stands there.
    pub since: Timestamp,
    /// When its next step may be taken. `None`: nothing is to be done before something else happens.
    pub due: Option<Timestamp>,
    /// When its checks are to be looked after. `None`: all is said.
    #[serde(default)]
    pub publish_at: Option<Timestamp>,
    /// Since when it waits for a box; kept when it is applied anew because its base moved.
    #[serde(default)]
    pub queued: Option<Timestamp>,
    /// What keeps its next step from being done.
    pub trouble: Option<Trouble>,
    /// What was frozen of its mails; there from [`State::Ready`] on.
    pub text: Option<Text>,
    /// A maintainer let it run in spite of policy.
    pub released: bool,
    /// Why policy keeps it from running once its branch is pushed: its commits may be looked at meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hold: Vec<String>,
    /// Its text is taken from the server's JSON, patch by patch, as its mailbox did not apply.
    #[serde(default)]
    pub from_json: bool,
    /// Higher is tested earlier. 0 unless somebody said otherwise.
    pub priority: i32,
    /// What has been posted on its patches.
    pub posted: Vec<Posted>,
    /// What keeps a check from being posted.
    pub unposted: Option<Trouble>,
    /// When the sinks beside Patchwork are to be looked after. `None`: all is said.
    #[serde(default)]
    pub tell_at: Option<Timestamp>,
    /// How often there was something new to say.
    #[serde(default)]
    pub news: u64,
    /// What has been said at them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tellings: BTreeMap<Sink, Telling>,
    /// How many verdicts it has left behind, because somebody had it tested again or its patches changed.
    #[serde(default)]
    pub tests: u32,
    /// Its commits as they were when its state stopped having any: what was said on them is still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Box<Applied>>,
}

/// Failures of one step in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Whose fault it is.
    pub whose: Fault,
    /// What happened, a line for people.
    pub what: String,
    /// How many times in a row.
    pub times: u32,
    /// How many more times for a reason that was not about this series.
    #[serde(default)]
    pub outages: u32,
    /// When it happened last.
    pub last: Timestamp,
}

impl Trouble {
    /// How many failures in a row, for whatever reason. 0: nothing failed, it is only said what is missing.
    pub fn in_a_row(&self) -> u32 {
        self.times.saturating_add(self.outages)
    }
}

/// A check on one patch, as it was posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// The patch's number at the server.
    pub patch: u64,
    /// The check's name there.
    pub context: String,
    /// What it said.
    pub check: Check,
    /// When.
    pub at: Timestamp,
    /// The server will never take it (no rights, patch gone): not tried again until the check changes.
    #[serde(default)]
    pub refused: Option<String>,
}

/// What a check says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its colour.
    pub state: CheckState,
    /// One line.
    pub description: String,
    /// Where more is to be seen; at most 200 characters, with a dot in its host.
    pub url: Option<String>,
}

/// The states of a Patchwork check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    /// No result yet.
    Pending,
    /// Tested and good.
    Success,
    /// No result, and not for the series' fault.
    Warning,
    /// The series' own fault.
    Fail,
}

impl CheckState {
    /// The server's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Warning => "warning",
            Self::Fail => "fail",
        }
    }
}

impl Record {
    /// A series that was just seen.
    pub fn new(key: SeriesKey, listing: Listing, now: Timestamp) -> Self {
        Self {
            key,
            listing,
            revision: 1,
            first_seen: now,
            state: State::Waiting,
            since: now,
            due: Some(now),
            publish_at: None,
            queued: None,
            trouble: None,
            text: None,
            released: false,
            hold: Vec::new(),
            from_json: false,
            priority: 0,
            posted: Vec::new(),
            unposted: None,
            tell_at: None,
            news: 0,
            tellings: BTreeMap::new(),
            tests: 0,
            left: None,
        }
    }

    /// There is something new to be said of it.
    pub fn has_news(&mut self, now: Timestamp) {
        self.publish_at = Some(now);
        self.tell_at = Some(now);
        self.news += 1;
    }

    /// Its commits, where another series may be put on them: not while policy keeps them from being run.
    pub fn can_be_built_on(&self) -> Option<&Applied> {
        self.state.applied().filter(|_| self.hold.is_empty() || self.released)
    }

    /// When something is to be done for it next.
    pub fn wakes(&self) -> Option<Timestamp> {
        [self.due, self.publish_at].into_iter().flatten().min()
    }
}
