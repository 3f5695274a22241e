//! A GitHub check run: what is sent, and in which pieces. No I/O.

use jiff::Timestamp;
use patchlift_report::Ending;
use serde::Serialize;

use crate::annotation::Annotation;

/// Most annotations of one request (GitHub's OpenAPI description, `maxItems`).
pub const ANNOTATIONS_A_REQUEST: usize = 50;

/// Longest summary in bytes: GitHub's `maxLength` counts characters, its servers have counted bytes.
pub const SUMMARY_MAX: usize = 65_535;

/// Most buttons of a check run, and longest texts of one in characters (GitHub's OpenAPI description).
pub const ACTIONS_MAX: usize = 3;
const LABEL_MAX: usize = 20;
const DESCRIPTION_MAX: usize = 40;

/// A check run, in GitHub's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRun {
    /// What the check is called beside the commit.
    pub name: String,
    /// The commit, 40 hex digits.
    pub head_sha: String,
    /// Finds this check run again: no second one is made with the same.
    pub external_id: String,
    /// Where more is to be seen.
    pub details_url: Option<String>,
    /// How far it is, and the mark beside the commit.
    pub status: CheckStatus,
    /// When it began, once it did.
    pub started_at: Option<Timestamp>,
    /// When it ended; only of one that is completed.
    pub completed_at: Option<Timestamp>,
    /// One line.
    pub title: String,
    /// Markdown, at most [`SUMMARY_MAX`] bytes.
    pub summary: String,
    /// All notes, in order; [`CheckRun::requests`] sends them in pieces.
    pub annotations: Vec<Annotation>,
    /// Its buttons, at most [`ACTIONS_MAX`].
    pub actions: Vec<CheckAction>,
}

/// How far a check run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckStatus {
    /// It waits.
    Queued,
    /// It is at work.
    InProgress,
    /// It is over.
    Completed(CheckRunConclusion),
}

impl CheckStatus {
    /// GitHub's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed(_) => "completed",
        }
    }

    /// The mark, once it is over.
    pub fn conclusion(self) -> Option<CheckRunConclusion> {
        match self {
            Self::Queued | Self::InProgress => None,
            Self::Completed(conclusion) => Some(conclusion),
        }
    }
}

/// The mark beside the commit, in GitHub's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckRunConclusion {
    /// The series passed.
    Success,
    /// The series is to blame.
    Failure,
    /// The series is to blame: a test did not end in its time, and does on the base.
    TimedOut,
    /// Nothing can be said of the series: the base, the lab or the hardware failed.
    Neutral,
    /// The run was stopped, or a newer version took its place.
    Cancelled,
    /// It was not run, because what comes before it did not pass.
    Skipped,
    /// A maintainer has to look first.
    ActionRequired,
}

impl CheckRunConclusion {
    /// GitHub's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::TimedOut => "timed_out",
            Self::Neutral => "neutral",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::ActionRequired => "action_required",
        }
    }

    /// It says something of the series itself.
    pub fn is_verdict(self) -> bool {
        matches!(self, Self::Success | Self::Failure | Self::TimedOut)
    }
}

impl From<Ending> for CheckRunConclusion {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Passed => Self::Success,
            Ending::DoesNotBuild | Ending::DoesNotBoot | Ending::FailsTests => Self::Failure,
            Ending::BaseBroken | Ending::Infrastructure | Ending::Hardware => Self::Neutral,
            Ending::Cancelled => Self::Cancelled,
        }
    }
}

/// A button of a check run. GitHub tells the App by the webhook `check_run.requested_action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CheckAction {
    /// On the button, at most 20 characters.
    pub label: &'static str,
    /// Beside it, at most 40 characters.
    pub description: &'static str,
    /// What the App is told, at most 20 characters.
    pub identifier: &'static str,
}

impl CheckAction {
    /// Lets a series run that policy holds.
    pub const RUN_TESTS: Self =
        Self { label: "Run tests", description: "Test the series as it is", identifier: "run-tests" };

    /// Has a series tested once more.
    pub const TEST_AGAIN: Self =
        Self { label: "Test again", description: "Run everything once more", identifier: "retest" };
}

// GitHub refuses the whole check run otherwise.
const _: () = {
    let all = [CheckAction::RUN_TESTS, CheckAction::TEST_AGAIN];
    let mut at = 0;
    while at < all.len() {
        let CheckAction { label, description, identifier } = all[at];
        assert!(label.len() <= LABEL_MAX && identifier.len() <= LABEL_MAX);
        assert!(description.len() <= DESCRIPTION_MAX);
        at += 1;
    }
};

impl CheckRun {
    /// The bodies to send. `noted` annotations are there already and are not sent again.
    pub fn requests(&self, noted: usize) -> Requests<'_> {
        let left = self.annotations.get(noted..).unwrap_or_default();
        let mut pieces = left.chunks(ANNOTATIONS_A_REQUEST);
        let first = self.request(pieces.next().unwrap_or_default());
        Requests { first, more: pieces.map(|piece| self.request(piece)).collect() }
    }

    fn request<'a>(&'a self, annotations: &'a [Annotation]) -> RequestBody<'a> {
        RequestBody {
            name: &self.name,
            external_id: &self.external_id,
            details_url: self.details_url.as_deref(),
            status: self.status.word(),
            conclusion: self.status.conclusion(),
            started_at: self.started_at,
            completed_at: self.completed_at.filter(|_| self.status.conclusion().is_some()),
            output: Output { title: &self.title, summary: &self.summary, annotations },
            actions: &self.actions[..self.actions.len().min(ACTIONS_MAX)],
            head_sha: None,
        }
    }
}

/// What is sent for one check run, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requests<'a> {
    /// Makes the check run or changes the one that is there.
    pub first: RequestBody<'a>,
    /// Add the annotations that the first has no room for: GitHub appends those of every request.
    pub more: Vec<RequestBody<'a>>,
}

/// The body of a request, for `POST …/check-runs` with a commit and for `PATCH …/check-runs/{id}` without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestBody<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    head_sha: Option<&'a str>,
    external_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details_url: Option<&'a str>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    conclusion: Option<CheckRunConclusion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<Timestamp>,
    output: Output<'a>,
    /// Always sent: a button that is not sent again would stay.
    actions: &'a [CheckAction],
}

impl<'a> RequestBody<'a> {
    /// The same body for a check run that is not there yet.
    pub fn to_create(mut self, run: &'a CheckRun) -> Self {
        self.head_sha = Some(&run.head_sha);
        self
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Output<'a> {
    title: &'a str,
    summary: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    annotations: &'a [Annotation],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AnnotationLevel;

    fn with_annotations(count: u32) -> CheckRun {
        let annotation = |line| Annotation {
            path: "x.c".to_owned(),
            start_line: line,
            end_line: line,
            annotation_level: AnnotationLevel::Failure,
            message: "no".to_owned(),
        };
        CheckRun {
            name: "patchlift".to_owned(),
            head_sha: "9f3b6c2e71d84a05b6aa0c11d7c3f4e2a8b95d60".to_owned(),
            external_id: "x".to_owned(),
            details_url: None,
            status: CheckStatus::Completed(CheckRunConclusion::Failure),
            started_at: None,
            completed_at: None,
            title: "x".to_owned(),
            summary: "x".to_owned(),
            annotations: (1..=count).map(annotation).collect(),
            actions: Vec::new(),
        }
    }

    #[test]
    fn annotations_go_in_pieces_that_github_takes() {
        for (count, noted, sizes) in [
            (0, 0, &[0][..]),
            (1, 0, &[1]),
            (50, 0, &[50]),
            (51, 0, &[50, 1]),
            (120, 0, &[50, 50, 20]),
            (120, 50, &[50, 20]),
            (120, 120, &[0]),
            (120, 500, &[0]),
        ] {
            let run = with_annotations(count);
            let requests = run.requests(noted);
            let requests: Vec<_> = std::iter::once(requests.first).chain(requests.more).collect();
            let seen: Vec<_> = requests.iter().map(|request| request.output.annotations.len()).collect();
            assert_eq!(seen, sizes, "{count} annotations, {noted} noted");
            let sent: Vec<_> = requests.iter().flat_map(|request| request.output.annotations).collect();
            assert_eq!(sent, run.annotations.iter().skip(noted).collect::<Vec<_>>(), "all, in order");
        }
    }

    #[test]
    fn only_what_is_over_has_a_conclusion_and_an_end() {
        let now = Some(Timestamp::UNIX_EPOCH);
        for (status, over) in [
            (CheckStatus::Queued, false),
            (CheckStatus::InProgress, false),
            (CheckStatus::Completed(CheckRunConclusion::Skipped), true),
        ] {
            let run = CheckRun { status, completed_at: now, ..with_annotations(0) };
            let sent = serde_json::to_value(run.requests(0).first).unwrap();
            assert_eq!(sent.get("conclusion").is_some(), over, "{sent}");
            assert_eq!(sent.get("completed_at").is_some(), over, "{sent}");
            assert_eq!(sent["status"], status.word());
        }
    }

    #[test]
    fn a_fourth_button_is_left_out() {
        let run = CheckRun { actions: vec![CheckAction::TEST_AGAIN; 4], ..with_annotations(0) };
        assert_eq!(run.requests(0).first.actions.len(), 3);
    }
}
