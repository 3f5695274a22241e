//! A report as a GitHub check run: what is sent, and in which pieces. No I/O.

use jiff::Timestamp;
use patchlift_report::clean::{line, web_url};
use patchlift_report::{Ending, Report, words};
use serde::Serialize;

use crate::annotation::{Annotation, annotations};

/// Most annotations of one request (GitHub's OpenAPI description, `maxItems`).
pub const ANNOTATIONS_A_REQUEST: usize = 50;

/// Longest summary in bytes: GitHub's `maxLength` counts characters, its servers have counted bytes.
pub const SUMMARY_MAX: usize = 65_535;

/// A check run that is over, in GitHub's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRun {
    /// What the check is called beside the commit.
    pub name: String,
    /// The commit, 40 hex digits.
    pub head_sha: String,
    /// Finds this check run again: no second one is made with the same.
    pub external_id: String,
    /// Where the whole report is.
    pub details_url: Option<String>,
    /// The mark beside the commit.
    pub conclusion: CheckRunConclusion,
    /// When the run began.
    pub started_at: Timestamp,
    /// When the run ended.
    pub completed_at: Timestamp,
    /// One line.
    pub title: String,
    /// Markdown, at most [`SUMMARY_MAX`] bytes.
    pub summary: String,
    /// All notes, in order; [`CheckRun::requests`] sends them in pieces.
    pub annotations: Vec<Annotation>,
}

/// The mark beside the commit, in GitHub's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckRunConclusion {
    /// The series passed.
    Success,
    /// The series is to blame.
    Failure,
    /// Nothing can be said of the series: the base, the lab or the hardware failed.
    Neutral,
    /// The run was stopped.
    Cancelled,
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

/// Under which name and key a check run is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckTarget {
    /// What the check is called beside the commit.
    pub name: String,
    /// The key.
    pub external_id: String,
    /// Where the whole report can be read.
    pub details_url: Option<String>,
}

impl CheckTarget {
    /// The check of a whole run. Its key is made of series, version and commit, all of which are known before
    /// the run: whoever announces it and whoever completes it find the same check run.
    pub fn of_run(report: &Report) -> Self {
        let series = line(&report.series.id, 80);
        Self {
            name: "patchlift".to_owned(),
            external_id: format!("patchlift:{series}:v{}:{}", report.series.version, line(&report.head, 40)),
            details_url: None,
        }
    }
}

/// The run has no commit that a check could stand beside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the report names no commit under test ({head:?}): there is nothing to put a check run on")]
pub struct NoCommit {
    /// What it has in its place.
    pub head: String,
}

impl CheckRun {
    /// Renders a report.
    pub fn new(report: &Report, target: CheckTarget) -> Result<Self, NoCommit> {
        let head = report.head.as_str();
        if head.len() != 40 || !head.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NoCommit { head: line(head, 60) });
        }
        let verdict = &report.verdict;
        let title = format!("{}: {}", words::ending(verdict.ending), line(&verdict.title, words::TITLE_MAX));
        Ok(Self {
            name: target.name,
            head_sha: head.to_owned(),
            external_id: target.external_id,
            details_url: target.details_url.as_deref().and_then(web_url).map(str::to_owned),
            conclusion: verdict.ending.into(),
            started_at: report.started,
            // A clock that was set back must not end a run before it began.
            completed_at: report.ended.max(report.started),
            title,
            summary: report.to_markdown_within(SUMMARY_MAX),
            annotations: annotations(report),
        })
    }

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
            status: "completed",
            conclusion: self.conclusion,
            started_at: self.started_at,
            completed_at: self.completed_at,
            output: Output { title: &self.title, summary: &self.summary, annotations },
            head_sha: None,
        }
    }
}

/// What is sent for one check run, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requests<'a> {
    /// Makes the check run or completes the one that is there.
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
    conclusion: CheckRunConclusion,
    started_at: Timestamp,
    completed_at: Timestamp,
    output: Output<'a>,
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
    use patchlift_report::sample;

    use super::*;
    use crate::AnnotationLevel;

    fn run(ending: Ending) -> CheckRun {
        let report = sample::report(ending);
        CheckRun::new(&report, CheckTarget::of_run(&report)).unwrap()
    }

    #[test]
    fn only_the_series_own_fault_is_a_failure() {
        let conclusions: Vec<_> = sample::ENDINGS.map(|ending| (ending, run(ending).conclusion)).to_vec();
        assert_eq!(
            conclusions,
            [
                (Ending::Passed, CheckRunConclusion::Success),
                (Ending::DoesNotBuild, CheckRunConclusion::Failure),
                (Ending::DoesNotBoot, CheckRunConclusion::Failure),
                (Ending::FailsTests, CheckRunConclusion::Failure),
                (Ending::BaseBroken, CheckRunConclusion::Neutral),
                (Ending::Infrastructure, CheckRunConclusion::Neutral),
                (Ending::Hardware, CheckRunConclusion::Neutral),
                (Ending::Cancelled, CheckRunConclusion::Cancelled),
            ]
        );
        for ending in sample::ENDINGS {
            let blamed = ending.fault() == Some(patchlift_report::Fault::Series);
            assert_eq!(run(ending).conclusion == CheckRunConclusion::Failure, blamed, "{ending:?}");
        }
    }

    #[test]
    fn title_and_key_say_what_it_is() {
        let run = run(Ending::DoesNotBoot);
        assert_eq!(run.title, "Does not boot: the kernel dies at boot in kvm_exit_stats_init");
        assert_eq!(run.external_id, "patchlift:4711:v2:9f3b6c2e71d84a05b6aa0c11d7c3f4e2a8b95d60");
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
            let mut run = run(Ending::DoesNotBuild);
            run.annotations = (1..=count)
                .map(|line| Annotation {
                    path: "x.c".to_owned(),
                    start_line: line,
                    end_line: line,
                    annotation_level: AnnotationLevel::Failure,
                    message: "no".to_owned(),
                })
                .collect();
            let requests = run.requests(noted);
            let requests: Vec<_> = std::iter::once(requests.first).chain(requests.more).collect();
            let seen: Vec<_> = requests.iter().map(|request| request.output.annotations.len()).collect();
            assert_eq!(seen, sizes, "{count} annotations, {noted} noted");
            let sent: Vec<_> = requests.iter().flat_map(|request| request.output.annotations).collect();
            assert_eq!(sent, run.annotations.iter().skip(noted).collect::<Vec<_>>(), "all, in order");
        }
    }

    #[test]
    fn a_long_summary_is_cut_between_characters() {
        for filler in ["x", "é", "漢", "😀"] {
            let mut report = sample::report(Ending::FailsTests);
            let test = report.tests[0].clone();
            report.tests = (0..2000)
                .map(|n| patchlift_report::TestResult { reason: filler.repeat(1 + n % 300), ..test.clone() })
                .collect();
            let run = CheckRun::new(&report, CheckTarget::of_run(&report)).unwrap();
            assert!(run.summary.len() <= SUMMARY_MAX && run.summary.len() > SUMMARY_MAX - 2000);
            assert!(run.summary.ends_with("in the run's files.\n"));
        }
    }

    #[test]
    fn a_report_without_a_commit_is_refused() {
        for head in ["", "main", "9f3b6c2e71d8", "../../x", "zz3b6c2e71d84a05b6aa0c11d7c3f4e2a8b95d60"] {
            let mut report = sample::report(Ending::Infrastructure);
            report.head = head.to_owned();
            let error = CheckRun::new(&report, CheckTarget::of_run(&report)).unwrap_err();
            assert_eq!(error.head, head);
        }
    }

    #[test]
    fn details_are_linked_only_to_the_web() {
        let report = sample::report(Ending::Passed);
        let mut target = CheckTarget::of_run(&report);
        target.details_url = Some("javascript:alert(1)".to_owned());
        assert_eq!(CheckRun::new(&report, target.clone()).unwrap().details_url, None);
        target.details_url = Some("https://ci.example.org/4711/".to_owned());
        assert_eq!(CheckRun::new(&report, target.clone()).unwrap().details_url, target.details_url);
    }
}
