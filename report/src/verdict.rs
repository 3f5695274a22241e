//! What a run means, and whose fault it is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who has to act on a failure. Only [`Fault::Series`] is ever held against the author of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The series does what the unpatched base does not: it fails to build, to boot or to pass.
    Series,
    /// The unpatched base fails in the same way.
    Base,
    /// The lab, the network, the configuration or this program failed.
    Infrastructure,
    /// The machine reported a hardware event.
    Hardware,
}

impl Fault {
    /// The fault as it is written for people: "the series", "the base", …
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Series => "the series",
            Self::Base => "the base",
            Self::Infrastructure => "the lab",
            Self::Hardware => "the hardware",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.in_words())
    }
}

/// How a run ended. Each kind has an exit code of its own, see [`Ending::exit_code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Every stage and every test passed on a kernel that was proven to be the series'.
    Passed,
    /// The series does not compile, and its base does.
    DoesNotBuild,
    /// The series' kernel does not come up, and the base's does.
    DoesNotBoot,
    /// The series' kernel booted and then crashed or failed a test that the base passes.
    FailsTests,
    /// The base fails where the series fails: nothing can be said of the series.
    BaseBroken,
    /// The lab or this program failed: nothing can be said of the series.
    Infrastructure,
    /// The machine reported a hardware event: nothing can be said of the series.
    Hardware,
    /// Somebody or something stopped the run: nothing can be said of the series.
    Cancelled,
}

impl Ending {
    /// The exit code of `patchlift-action run` for this ending. 2 is left to bad input, which has no report.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Infrastructure => 1,
            Self::DoesNotBuild => 10,
            Self::DoesNotBoot => 11,
            Self::FailsTests => 12,
            Self::BaseBroken => 20,
            Self::Hardware => 30,
            Self::Cancelled => 130,
        }
    }

    /// Who has to act; nobody after [`Ending::Passed`] and [`Ending::Cancelled`].
    pub fn fault(self) -> Option<Fault> {
        match self {
            Self::Passed | Self::Cancelled => None,
            Self::DoesNotBuild | Self::DoesNotBoot | Self::FailsTests => Some(Fault::Series),
            Self::BaseBroken => Some(Fault::Base),
            Self::Infrastructure => Some(Fault::Infrastructure),
            Self::Hardware => Some(Fault::Hardware),
        }
    }
}

/// The one value that every sink renders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// How the run ended.
    pub ending: Ending,
    /// One line, at most 80 characters: what happened, without the words for the ending, which every rendering
    /// puts in front of it.
    pub title: String,
    /// Two to four sentences for a person who never heard of this program: what was tested, on what, what
    /// failed, whose fault it is. Plain text.
    pub summary: String,
    /// True when the box could not be proven to be back on its known-good kernel and must not be used.
    pub box_quarantined: bool,
}

impl Verdict {
    /// Who has to act, if anybody.
    pub fn fault(&self) -> Option<Fault> {
        self.ending.fault()
    }

    /// The exit code of the run. A box that did not come back matters more to the operator than the
    /// series does, so it has a code of its own, 40.
    pub fn exit_code(&self) -> u8 {
        if self.box_quarantined { 40 } else { self.ending.exit_code() }
    }
}
