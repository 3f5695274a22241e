//! A series as check runs: one for the whole, one for whether it applies, one for each step of its test. No I/O.
//!
//! The bridge makes them of a notice while the series waits and is tested, the workflow of the report once there is
//! one. Both name them alike, so each finds what the other wrote. [`reported`] has the steps of a report,
//! [`expected`] those of a notice without one.

mod apply;
mod expected;
mod reported;

use jiff::Timestamp;
use patchlift_report::clean::{line, web_url};
use patchlift_report::words::TITLE_MAX;
use patchlift_report::{Report, StageName};

use crate::check_run::{CheckAction, CheckRun, CheckRunConclusion, CheckStatus};
use crate::notice::{Notice, Standing};

/// The check runs of a series as it stands; none before it has commits.
pub fn of_notice(notice: &Notice) -> Vec<CheckRun> {
    let Some(commits) = notice.commits.as_ref().filter(|commits| is_commit(&commits.head)) else {
        return Vec::new();
    };
    let links = &notice.links;
    let target = Target {
        series: series(&notice.key, notice.version),
        attempt: notice.attempt,
        head: commits.head.clone(),
        details_url: [&links.page, &links.run].into_iter().flatten().find_map(|url| checked(url)),
    };
    let mut whole = match &notice.report {
        Some(report) => reported::whole(report, &target),
        None => expected::whole(notice, &target),
    };
    if matches!(notice.standing, Standing::Superseded { .. }) {
        // Nobody wants an old version tested again.
        whole.actions.clear();
    }
    let mut checks = vec![whole];
    if !matches!(notice.standing, Standing::Conflict { .. }) {
        checks.extend(apply::of_notice(notice, commits, &target));
    }
    checks.extend(match &notice.report {
        Some(report) => reported::steps(report, &target),
        None => expected::steps(notice, &target),
    });
    checks
}

/// The check runs of a run that is over, the same as those of a notice with this report; none where it names no
/// commit that they could stand beside.
pub fn of_report(report: &Report, details_url: Option<&str>) -> Vec<CheckRun> {
    if !is_commit(&report.head) {
        return Vec::new();
    }
    let target = Target {
        series: series(&report.series.id, report.series.version),
        attempt: report.series.attempt,
        head: report.head.clone(),
        details_url: details_url.and_then(checked),
    };
    let mut checks = vec![reported::whole(report, &target)];
    checks.extend(apply::of_report(report, &target));
    checks.extend(reported::steps(report, &target));
    checks
}

/// What a check run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    Apply,
    HostKernel,
    Boot,
    KvmTests,
}

impl Part {
    /// The parts of a run, in order.
    const STEPS: [Self; 3] = [Self::HostKernel, Self::Boot, Self::KvmTests];

    /// What it is called beside the commit. Only the first is meant to be required by anybody.
    fn name(self) -> &'static str {
        match self {
            Self::Whole => "patchlift",
            Self::Apply => "patchlift / apply",
            Self::HostKernel => "patchlift / host-kernel",
            Self::Boot => "patchlift / boot",
            Self::KvmTests => "patchlift / kvm-tests",
        }
    }

    /// Its word in keys.
    fn slug(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Apply => "apply",
            Self::HostKernel => "host-kernel",
            Self::Boot => "boot",
            Self::KvmTests => "kvm-tests",
        }
    }

    /// The stages that belong to it. What happens to the box after the test says nothing of the series: it stands in
    /// the check of the whole.
    fn stages(self) -> &'static [StageName] {
        match self {
            Self::Whole | Self::Apply => &[],
            Self::HostKernel => &[StageName::Preflight, StageName::FetchSource, StageName::BuildHostKernel],
            Self::Boot => &[StageName::InstallHostKernel, StageName::Boot, StageName::Verify],
            Self::KvmTests => &[StageName::KvmSmoke],
        }
    }

    /// What is done in it, a sentence.
    fn in_words(self) -> &'static str {
        match self {
            Self::Whole => "The series is built, booted and tested.",
            Self::Apply => "Each patch becomes a commit on the base.",
            Self::HostKernel => "The kernel of the last patch is compiled for the box.",
            Self::Boot => {
                "The kernel is put beside the box's known-good one and booted once; what runs is proven to be what was built."
            }
            Self::KvmTests => "A guest with the same kernel is booted under KVM, and tests are run.",
        }
    }
}

/// Where the check runs of a series stand.
#[derive(Debug)]
struct Target {
    /// The series and its version, safe in a key.
    series: String,
    attempt: u32,
    head: String,
    details_url: Option<String>,
}

impl Target {
    /// A check run on the last commit.
    fn check(&self, part: Part, status: CheckStatus, title: &str, summary: String) -> CheckRun {
        self.check_on(&self.head, part, status, title, summary)
    }

    fn check_on(
        &self,
        commit: &str,
        part: Part,
        status: CheckStatus,
        title: &str,
        summary: String,
    ) -> CheckRun {
        CheckRun {
            name: part.name().to_owned(),
            head_sha: commit.to_owned(),
            external_id: format!(
                "patchlift:{}:{commit}:a{}:{}",
                self.series,
                self.attempt.max(1),
                part.slug()
            ),
            details_url: self.details_url.clone(),
            status,
            started_at: None,
            completed_at: None,
            title: line(title, TITLE_MAX),
            summary,
            annotations: Vec::new(),
            actions: Vec::new(),
        }
    }
}

impl CheckRun {
    fn at(self, started_at: Option<Timestamp>, completed_at: Option<Timestamp>) -> Self {
        // A clock that was set back must not end anything before it began.
        let completed_at = completed_at.map(|end| started_at.map_or(end, |start| end.max(start)));
        Self { started_at, completed_at, ..self }
    }

    fn with_button(mut self, button: CheckAction) -> Self {
        self.actions.push(button);
        self
    }
}

const fn over(conclusion: CheckRunConclusion) -> CheckStatus {
    CheckStatus::Completed(conclusion)
}

/// The series' part of the keys. The action writes names with what is safe in a file's name, the bridge with a slash.
fn series(key: &str, version: u32) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '_' };
    format!("{}:v{version}", key.chars().take(40).map(safe).collect::<String>())
}

fn is_commit(id: &str) -> bool {
    id.len() == 40 && id.bytes().all(|b| b.is_ascii_hexdigit())
}

fn checked(url: &str) -> Option<String> {
    web_url(url).map(str::to_owned)
}
