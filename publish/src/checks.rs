//! A series as check runs: one for the whole, one for whether it applies, one for each step of its test. No I/O.
//!
//! The bridge makes them of a notice while the series waits and is tested, the workflow of the report once there is
//! one. Both name them alike, so each finds what the other wrote. `reported` has the steps of a report, `expected`
//! those of a notice without one.

mod apply;
mod expected;
mod reported;

use jiff::Timestamp;
use patchlift_report::clean::{line, web_url};
use patchlift_report::words::TITLE_MAX;
use patchlift_report::{Report, StageName};

use crate::check_run::{CheckAction, CheckRun, CheckRunConclusion, CheckStatus};
use crate::notice::{Notice, Standing};
use crate::notice_words::report_of;

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
    let report = report_of(notice);
    let mut whole = match report {
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
    checks.extend(match report {
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
        // What is tested again is applied as before.
        let attempt = if part == Part::Apply { 1 } else { self.attempt.max(1) };
        CheckRun {
            name: part.name().to_owned(),
            head_sha: commit.to_owned(),
            external_id: format!("patchlift:{}:{commit}:a{attempt}:{}", self.series, part.slug()),
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

#[cfg(test)]
mod tests {
    use patchlift_report::{Ending, Fault, StageResult, sample};

    use super::*;
    use crate::notice_sample;

    fn marks(report: &Report) -> Vec<(String, Option<CheckRunConclusion>)> {
        of_report(report, None).into_iter().map(|run| (run.name, run.status.conclusion())).collect()
    }

    #[test]
    fn nothing_but_the_series_own_fault_is_held_against_it() {
        use CheckRunConclusion::{Failure, TimedOut};
        for ending in sample::ENDINGS {
            let blamed = ending.fault() == Some(Fault::Series);
            let failed = |mark: &Option<_>| matches!(mark, Some(Failure | TimedOut));
            let marks = marks(&sample::report(ending));
            assert_eq!(failed(&marks[0].1), blamed, "{ending:?}");
            assert_eq!(marks.iter().any(|(_, mark)| failed(mark)), blamed, "{ending:?}: {marks:?}");
        }
    }

    #[test]
    fn a_stage_fails_only_where_the_verdict_is_the_series_fault_too() {
        let mut report = sample::report(Ending::DoesNotBoot);
        report.verdict.ending = Ending::BaseBroken;
        let marks = marks(&report);
        assert!(marks.iter().all(|(_, mark)| *mark != Some(CheckRunConclusion::Failure)), "{marks:?}");
    }

    #[test]
    fn a_time_limit_has_a_mark_of_its_own() {
        let mut report = sample::report(Ending::DoesNotBoot);
        for stage in &mut report.stages {
            if let StageResult::Failed { fault, reason } = stage.result.clone() {
                stage.result = StageResult::TimedOut { fault, limit_s: 300, reason };
            }
        }
        let timed_out: Vec<_> = marks(&report)
            .into_iter()
            .filter(|(_, mark)| *mark == Some(CheckRunConclusion::TimedOut))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(timed_out, ["patchlift", "patchlift / boot"]);
    }

    #[test]
    fn bridge_and_workflow_find_the_same_check_runs() {
        for ending in sample::ENDINGS {
            let mut notice = notice_sample::ended(ending);
            let report = notice.report.as_mut().unwrap();
            report.series.attempt = 3;
            // As the action writes a name with a slash.
            report.series.id = "ozlabs_4711".to_owned();
            let report = report.clone();
            notice.attempt = 3;
            notice.title = report.series.title.clone();
            let commits = notice.commits.as_mut().unwrap();
            commits.base = report.base.branch.clone();
            commits.base_commit = report.base.commit.clone();
            notice.patches = report
                .series
                .patches
                .iter()
                .map(|patch| crate::NoticePatch {
                    subject: patch.subject.clone(),
                    commit: Some(patch.commit.clone()),
                })
                .collect();
            assert_eq!(of_notice(&notice), of_report(&report, notice.links.run.as_deref()), "{ending:?}");
        }
    }

    #[test]
    fn a_report_counts_only_for_its_own_commit_and_when_all_is_over() {
        let old = notice_sample::ended(Ending::DoesNotBoot);
        let again = Notice { standing: Standing::Waiting, attempt: 2, ..old.clone() };
        let other = |commits: &crate::Commits| crate::Commits { head: "0".repeat(40), ..commits.clone() };
        let elsewhere = Notice { commits: old.commits.as_ref().map(other), ..old };
        assert_eq!(of_notice(&again)[0].status, CheckStatus::Queued);
        assert_eq!(of_notice(&elsewhere)[0].title, "Failed: the kernel dies at boot in kvm_exit_stats_init");
    }

    #[test]
    fn keys_name_series_version_commit_attempt_and_part() {
        let mut report = sample::report(Ending::Passed);
        report.series.attempt = 2;
        let keys: Vec<_> = of_report(&report, None).into_iter().map(|run| run.external_id).collect();
        assert_eq!(keys[0], "patchlift:4711:v2:9f3b6c2e71d84a05b6aa0c11d7c3f4e2a8b95d60:a2:whole");
        assert_eq!(keys[2], "patchlift:4711:v2:1c0ffee5d2a94b7781f0aa3e6b5c4d2e1f009a8b:a1:apply");
        let mut unique = keys.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), keys.len());
    }

    #[test]
    fn long_series_have_no_check_runs_on_each_patch() {
        let mut report = sample::report(Ending::Passed);
        let patch = report.series.patches[0].clone();
        for (patches, checks) in [(50, 54), (51, 5)] {
            report.series.patches = (1..patches)
                .map(|n| patchlift_report::Patch { commit: format!("{n:040x}"), ..patch.clone() })
                .collect();
            report
                .series
                .patches
                .push(patchlift_report::Patch { commit: report.head.clone(), ..patch.clone() });
            assert_eq!(of_report(&report, None).len(), checks, "{patches}");
        }
    }

    #[test]
    fn without_a_commit_there_is_nothing_to_stand_beside() {
        for head in ["", "main", "9f3b6c2e71d8", "../../x", "zz3b6c2e71d84a05b6aa0c11d7c3f4e2a8b95d60"] {
            let mut report = sample::report(Ending::Infrastructure);
            report.head = head.to_owned();
            assert_eq!(of_report(&report, None), []);
            let mut notice = notice_sample::testing();
            notice.commits.as_mut().unwrap().head = head.to_owned();
            assert_eq!(of_notice(&notice), []);
        }
    }

    #[test]
    fn details_are_linked_only_to_the_web() {
        let report = sample::report(Ending::Passed);
        for (url, linked) in [("javascript:alert(1)", false), ("https://ci.example.org/4711/", true)] {
            for run in of_report(&report, Some(url)) {
                assert_eq!(run.details_url.as_deref() == Some(url), linked);
            }
        }
        let mut notice = notice_sample::testing();
        notice.links.page = Some("https://bridge.example.org/ozlabs/4711".to_owned());
        assert_eq!(of_notice(&notice)[0].details_url, notice.links.page, "the page, else the run");
    }

    #[test]
    fn contract_a_long_summary_is_cut_between_characters() {
        for filler in ["x", "é", "漢", "😀"] {
            let mut report = sample::report(Ending::FailsTests);
            let test = report.tests[0].clone();
            report.tests = (0..2000)
                .map(|n| patchlift_report::TestResult { reason: filler.repeat(1 + n % 300), ..test.clone() })
                .collect();
            for run in of_report(&report, None) {
                assert!(run.summary.len() <= crate::check_run::SUMMARY_MAX, "{}", run.name);
                let long = matches!(run.name.as_str(), "patchlift" | "patchlift / kvm-tests");
                assert_eq!(run.summary.ends_with("in the run's files.\n"), long, "{}", run.name);
            }
        }
    }

    #[test]
    fn what_is_hostile_is_cut_and_stands_in_no_markup() {
        let evil = "</td> ![x](https://evil.example/x) @torvalds `code` \u{1b}[2J\u{202e}".repeat(200);
        let mut notice = notice_sample::testing();
        (notice.title, notice.author, notice.author_address) = (evil.clone(), evil.clone(), evil.clone());
        notice.patches.iter_mut().for_each(|patch| patch.subject = evil.clone());
        notice.live[0].stage = evil.clone();
        let held = crate::Standing::Held { reasons: vec![evil.clone(); 500] };
        for standing in [crate::Standing::Testing, held] {
            notice.standing = standing;
            for run in of_notice(&notice) {
                assert!(run.title.chars().count() <= TITLE_MAX && run.summary.len() <= 65_535);
                assert!(!format!("{} {}", run.title, run.summary).contains(['\u{1b}', '\u{202e}']));
            }
        }
    }
}
