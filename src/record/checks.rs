//! What is to be said on a series' patches. Pure: made from the record each time, so that nothing is said twice or
//! forgotten.

use patchlift_report::Fault;

use super::state::{Applied, Outcome, Same, Tried};
use super::{Check, CheckState, Posted, Record, State};

/// Which of the two checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Does it apply?
    Apply,
    /// What came of it on hardware?
    Kvm,
}

impl Kind {
    /// The check's name at the server.
    pub fn context(self, prefix: &str) -> String {
        match self {
            Self::Apply => format!("{prefix}-apply"),
            Self::Kvm => format!("{prefix}-kvm"),
        }
    }
}

/// Longest description: a cell of a table, and one line of a mail.
const DESCRIPTION_MAX: usize = 250;

/// Longest `target_url` that a Patchwork server takes.
const URL_MAX: usize = 200;

/// What is to be said of a series whose text is known. A series that follows another says what is said of that one
/// (`leader`).
pub fn wanted(record: &Record, leader: Option<&Record>) -> Vec<(Kind, Check)> {
    let promised = record.posted.iter().any(is_pending);
    if let State::Follows { why, .. } = &record.state {
        let Some(leader) = leader.filter(|leader| !matches!(leader.state, State::Follows { .. })) else {
            return vec![];
        };
        let said = of_state(leader, promised).into_iter();
        return said.map(|(kind, check)| (kind, carried(check, *why, leader))).collect();
    }
    of_state(record, promised)
}

/// `promised`: it was said on the patches that a test will come.
fn of_state(record: &Record, promised: bool) -> Vec<(Kind, Check)> {
    let apply = match &record.state {
        State::Conflicts { tried } => Some(conflict(tried)),
        State::AlreadyApplied { base } => {
            Some(warning(format!("nothing to test: {} holds the whole series already", base.name)))
        }
        state => state.applied().map(applies),
    };
    let kvm = tested(record).or_else(|| {
        // What was promised is not left pending for ever.
        let why = promised.then(|| why_not_tested(&record.state)).flatten()?;
        Some(warning(format!("not tested: {why}")))
    });
    let apply = apply.map(|check| (Kind::Apply, bounded(check)));
    apply.into_iter().chain(kvm.map(|check| (Kind::Kvm, bounded(check)))).collect()
}

/// What the test has come to.
fn tested(record: &Record) -> Option<Check> {
    let waits = "waits for a box";
    Some(match &record.state {
        State::Queued { .. } => pending(waits, None),
        State::Starting { run, .. } => pending(waits, run.url.clone()),
        State::Running { run, .. } if run.started.is_none() => pending(waits, run.url.clone()),
        State::Running { run, .. } => pending(&format!("is tested on {}", run.on), run.url.clone()),
        State::Finished { outcome, run, .. } => verdict(outcome, run.url.clone()),
        State::Held { .. } => pending("waits until a maintainer lets it run", None),
        State::Parked { reason, .. } if record.text.is_some() => {
            warning(format!("no result, and not the series' fault: {reason}"))
        }
        _ => return None,
    })
}

/// Why no test will come; `None`: it may still.
fn why_not_tested(state: &State) -> Option<String> {
    Some(match state {
        State::Superseded { by, .. } => format!("a newer version is there (series {})", by.id),
        State::Declined { reason, .. } | State::GivenUp { reason } | State::Parked { reason, .. } => {
            reason.clone()
        }
        State::Conflicts { .. } => "it does not apply".to_owned(),
        State::AlreadyApplied { base } => format!("{} holds it already", base.name),
        State::Pushed { .. } => "there is no box for it".to_owned(),
        _ => return None,
    })
}

/// Does this check still say that something will come?
fn is_pending(posted: &Posted) -> bool {
    posted.check.state == CheckState::Pending && posted.refused.is_none()
}

fn applies(applied: &Applied) -> Check {
    let count = applied.commits.len();
    let patches = if count == 1 { "applies".to_owned() } else { format!("all {count} patches apply") };
    let base = &applied.base;
    Check {
        state: CheckState::Success,
        description: format!("{patches} to {}, {}", base.shown(), base.why),
        url: None,
    }
}

fn conflict(tried: &[Tried]) -> Check {
    let description = match tried {
        [] => "applies to none of the known trees".to_owned(),
        [first, more @ ..] => {
            let others: Vec<&str> = more.iter().map(|tried| tried.base.name.as_str()).collect();
            let others =
                if others.is_empty() { String::new() } else { format!("; nor to {}", others.join(", ")) };
            format!("does not apply to {}: {}{others}", first.base.name, first.what())
        }
    };
    Check { state: CheckState::Fail, description, url: None }
}

fn verdict(outcome: &Outcome, url: Option<String>) -> Check {
    let state = match (outcome.passed, outcome.whose) {
        (true, _) => CheckState::Success,
        (false, Some(Fault::Series)) => CheckState::Fail,
        (false, _) => CheckState::Warning,
    };
    Check { state, description: outcome.summary.clone(), url }
}

fn pending(what: &str, url: Option<String>) -> Check {
    Check { state: CheckState::Pending, description: what.to_owned(), url }
}

fn warning(description: String) -> Check {
    Check { state: CheckState::Warning, description, url: None }
}

fn carried(check: Check, why: Same, leader: &Record) -> Check {
    let why = match why {
        Same::CrossPost => "the same mails",
        Same::Resend => "the same patches",
    };
    let project = &leader.listing.project;
    let description = format!("{} ({why} as series {} of {project})", check.description, leader.key.id);
    bounded(Check { description, ..check })
}

/// The check as a server takes it.
fn bounded(check: Check) -> Check {
    let url = check.url.filter(|url| {
        let host = url.split_once("://").map_or("", |(_, rest)| rest.split(['/', ':']).next().unwrap_or(""));
        url.len() <= URL_MAX && host.contains('.')
    });
    Check { description: patchlift_report::clean::line(&check.description, DESCRIPTION_MAX), url, ..check }
}

/// A check that has to be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// The patch's number at the server.
    pub patch: u64,
    /// The check's name there.
    pub context: String,
    /// What it says.
    pub check: Check,
}

/// What has to be posted so that the server says what is `wanted`. `patches` are those that get checks.
pub fn owed(record: &Record, wanted: &[(Kind, Check)], patches: &[u64], prefix: &str) -> Vec<Owed> {
    let mut owed = Vec::new();
    for (kind, check) in wanted {
        let context = kind.context(prefix);
        for patch in patches {
            let posted =
                record.posted.iter().find(|posted| posted.patch == *patch && posted.context == context);
            if posted.is_none_or(|posted| posted.check != *check) {
                owed.push(Owed { patch: *patch, context: context.clone(), check: check.clone() });
            }
        }
    }
    owed
}
