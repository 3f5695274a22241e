//! Notices with more in them than fits anywhere, written by somebody with bad intentions.

use patchlift_publish::{Notice, Standing, notice_sample};
use patchlift_report::{Ending, Report, StageResult, TestResult, sample};

/// What each text is made of: markup, wide characters, what JSON and Slack escape.
const FILLERS: [&str; 7] = ["<!channel> & \"x\" `y` *z* ", "漢字", "😀", "a", "\\\"", "```\n", "&&&&&&&&"];

/// Every kind of sample with every text as long as can be.
pub(crate) fn giants() -> Vec<Notice> {
    let alike = ["does-not-build", "base-broken", "infrastructure", "cancelled"];
    let mut samples = notice_sample::all();
    samples.retain(|(name, _)| !alike.contains(name));
    let grown = FILLERS.iter().flat_map(|filler| {
        samples.iter().map(|(_, notice)| grown(notice.clone(), |count| filler.repeat(count)))
    });
    grown.collect()
}

fn grown(mut notice: Notice, long: impl Fn(usize) -> String) -> Notice {
    let url = Some(format!("https://example.org/{}", "&a".repeat(70)));
    let links = &mut notice.links;
    (links.patchwork, links.thread, links.run) = (url.clone(), url.clone(), url.clone());
    (links.branch, links.page) = (url.clone(), url);
    (notice.title, notice.author, notice.project) = (long(400), long(100), long(100));
    notice.on = Some(long(100));
    if let Some(commits) = &mut notice.commits {
        (commits.base, commits.base_why) = (long(100), long(200));
    }
    match &mut notice.standing {
        Standing::Conflict { tried: many } | Standing::Held { reasons: many } => *many = vec![long(500); 40],
        Standing::Superseded { by: text }
        | Standing::NotTested { reason: text, .. }
        | Standing::Ended { summary: text, .. } => *text = long(500),
        _ => {}
    }
    notice.live.iter_mut().for_each(|stage| stage.stage = long(90));
    if let Some(report) = &mut notice.report {
        grow_report(report, long);
    }
    notice
}

fn grow_report(report: &mut Report, long: impl Fn(usize) -> String) {
    (report.verdict.title, report.verdict.summary) = (long(500), long(2000));
    (report.machine.name, report.machine.cpu) = (long(300), long(300));
    report.reproduce = vec![long(300); 25];
    let test = sample::report(Ending::FailsTests).tests.remove(1);
    let named = |n: usize| TestResult { name: format!("{n}{}", long(90)), reason: long(300), ..test.clone() };
    report.tests = (0..60).map(named).collect();
    for stage in &mut report.stages {
        stage.excerpt = vec![long(200); 40];
        if let StageResult::Failed { reason, .. } | StageResult::Skipped { reason } = &mut stage.result {
            *reason = long(400);
        }
    }
}
