//! A series as a pull request of the mirror: for reading along, never for merging. No I/O.

use patchlift_report::clean::line;
use patchlift_report::{Fault, words::TITLE_MAX};

use crate::notice::{Notice, Standing};
use crate::notice_words;

/// What all labels of this program begin with; it leaves others alone.
pub const LABEL: &str = "patchlift";

/// Longest body in bytes: GitHub's limit for what it shows in Markdown, counted as strictly as for check runs.
const BODY_MAX: usize = 65_535;

/// Longest title in characters: GitHub takes 256.
const TITLE_LIMIT: usize = TITLE_MAX + 40;

const WHERE_TO_ANSWER: &str = "\nThis pull request only shows a series from a mailing list. It is never merged here. \
                               Answer on the list: its author does not see what is written here.\n";

/// A pull request as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// The branch with the series.
    pub head: String,
    /// The branch that it is compared to.
    pub base: String,
    /// One line.
    pub title: String,
    /// Markdown.
    pub body: String,
    /// Its labels that begin with [`LABEL`]; those of people stay.
    pub labels: Vec<String>,
    /// Whether it is to be open.
    pub open: bool,
}

/// The pull request of a series; `None` before it has commits.
pub fn of_notice(notice: &Notice, base_branch: &str) -> Option<PullRequest> {
    let commits = notice.commits.as_ref()?;
    let version = if notice.version > 1 { format!("[v{}] ", notice.version) } else { String::new() };
    let title = notice_words::titled(notice);
    let page = notice_words::page(notice, BODY_MAX - WHERE_TO_ANSWER.len());
    Some(PullRequest {
        head: commits.branch.clone(),
        base: base_branch.to_owned(),
        title: line(&format!("{version}{title}"), TITLE_LIMIT),
        body: (page + WHERE_TO_ANSWER).trim_end().to_owned(),
        labels: vec![LABEL.to_owned(), format!("{LABEL}: {}", label(notice))],
        open: !matches!(notice.standing, Standing::Superseded { .. }),
    })
}

/// Where it stands, in a word or two.
fn label(notice: &Notice) -> &'static str {
    match &notice.standing {
        Standing::Held { .. } => "held",
        Standing::Conflict { .. } => "conflict",
        Standing::AlreadyApplied { .. } => "already applied",
        Standing::Pushed | Standing::NotTested { .. } => "not tested",
        Standing::Waiting => "waiting",
        Standing::Testing => "testing",
        Standing::Superseded { .. } => "superseded",
        Standing::Ended { fault: Some(Fault::Series), .. } => "failed",
        Standing::Ended { fault: Some(Fault::Base), .. } => "base broken",
        Standing::Ended { fault: Some(Fault::Infrastructure), .. } => "lab failed",
        Standing::Ended { fault: Some(Fault::Hardware), .. } => "hardware error",
        Standing::Ended { fault: None, .. } => match notice_words::report_of(notice) {
            Some(report) if report.verdict.ending == patchlift_report::Ending::Cancelled => "not tested",
            _ => "passed",
        },
    }
}
