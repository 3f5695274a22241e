//! Whether the patches apply: on the last commit for all of them, and on each patch's own.

use patchlift_report::Report;
use patchlift_report::clean::{line, short_hex};
use patchlift_report::markdown::{Page, code};
use patchlift_report::words::{LINE_MAX, TITLE_MAX};

use super::{Part, Target, is_commit, over};
use crate::check_run::{CheckRun, CheckRunConclusion, SUMMARY_MAX};
use crate::notice::{Commits, Notice};

/// Longest series whose patches have check runs of their own: GitHub takes 500 new ones an hour.
const PATCHES_MAX: usize = 50;

/// What was applied to what. Both sides know as much: the check runs have to say the same, whoever makes them.
struct Applied<'a> {
    title: &'a str,
    base: &'a str,
    base_commit: &'a str,
    /// Commit and subject, in order.
    patches: Vec<(&'a str, &'a str)>,
}

pub(super) fn of_notice(notice: &Notice, commits: &Commits, target: &Target) -> Vec<CheckRun> {
    let patches = notice.patches.iter();
    let applied = Applied {
        title: &notice.title,
        base: &commits.base,
        base_commit: &commits.base_commit,
        patches: patches
            .map(|patch| (patch.commit.as_deref().unwrap_or_default(), patch.subject.as_str()))
            .collect(),
    };
    applied.checks(target)
}

pub(super) fn of_report(report: &Report, target: &Target) -> Vec<CheckRun> {
    let series = &report.series;
    let applied = Applied {
        title: &series.title,
        base: &report.base.branch,
        base_commit: &report.base.commit,
        patches: series.patches.iter().map(|patch| (patch.commit.as_str(), patch.subject.as_str())).collect(),
    };
    applied.checks(target)
}

impl Applied<'_> {
    fn checks(&self, target: &Target) -> Vec<CheckRun> {
        let mut checks = vec![self.whole(target)];
        if self.patches.len() <= PATCHES_MAX {
            let own = self
                .patches
                .iter()
                .enumerate()
                .filter(|(_, (commit, _))| is_commit(commit) && *commit != target.head);
            checks.extend(own.map(|(at, (commit, subject))| self.one(target, at, commit, subject)));
        }
        checks
    }

    fn base(&self) -> String {
        let base = line(self.base, 100);
        if base.is_empty() { "the base".to_owned() } else { base }
    }

    fn whole(&self, target: &Target) -> CheckRun {
        let base = self.base();
        let title = match self.patches.len() {
            0 | 1 => format!("The patch applies to {base}"),
            2 => format!("Both patches apply to {base}"),
            more => format!("All {more} patches apply to {base}"),
        };
        let mut page = Page::new(SUMMARY_MAX);
        let on = format!("{base} at {}", short_hex(self.base_commit));
        page.text(&format!(
            "{}\n\nOne commit a patch, in order, on {}.\n\n",
            code(self.title, TITLE_MAX),
            code(&on, LINE_MAX)
        ));
        let rows = self.patches.iter().enumerate().map(|(at, (commit, subject))| {
            vec![(at + 1).to_string(), code(&short_hex(commit), 40), code(subject, LINE_MAX)]
        });
        page.table(&["Patch", "Commit", "Subject"], rows);
        target.check(Part::Apply, over(CheckRunConclusion::Success), &title, page.finish())
    }

    fn one(&self, target: &Target, at: usize, commit: &str, subject: &str) -> CheckRun {
        let title = format!("Patch {} of {} applies to {}", at + 1, self.patches.len(), self.base());
        let summary = format!(
            "{}\n\nA patch of {}. What came of the whole series stands at its last commit, {}.\n",
            code(subject, LINE_MAX),
            code(self.title, TITLE_MAX),
            code(&short_hex(&target.head), 40)
        );
        target.check_on(commit, Part::Apply, over(CheckRunConclusion::Success), &title, summary)
    }
}
