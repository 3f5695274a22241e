//! Check runs of a report.

use patchlift_report::clean::line;
use patchlift_report::comparison::Change;
use patchlift_report::markdown::{Page, code, stages_into};
use patchlift_report::words::{self, TITLE_MAX, counted, duration};
use patchlift_report::{Ending, Fault, Lane, Report, Stage, StageName, StageResult};

use super::{Part, Target, over};
use crate::annotation::annotations;
use crate::check_run::{CheckAction, CheckRun, CheckRunConclusion as Mark, SUMMARY_MAX};

pub(super) fn whole(report: &Report, target: &Target) -> CheckRun {
    let verdict = &report.verdict;
    let title = format!("{}: {}", words::ending(verdict.ending), line(&verdict.title, TITLE_MAX));
    let mark = match Mark::from(verdict.ending) {
        Mark::Failure if report.decisive_stage().is_some_and(timed_out) => Mark::TimedOut,
        mark => mark,
    };
    target
        .check(Part::Whole, over(mark), &title, report.to_markdown_within(SUMMARY_MAX))
        .at(Some(report.started), Some(report.ended))
        .with_button(CheckAction::TEST_AGAIN)
}

pub(super) fn steps(report: &Report, target: &Target) -> Vec<CheckRun> {
    Part::STEPS.map(|part| Step::new(part, report).check(target)).into()
}

/// A part of the run as it went.
struct Step<'a> {
    part: Part,
    report: &'a Report,
    /// Its stages with the series.
    stages: Vec<&'a Stage>,
    /// Its stages with the base alone.
    on_base: Vec<&'a Stage>,
    /// The stage that decided the verdict, where it is one of this part.
    decisive: Option<&'a Stage>,
}

impl<'a> Step<'a> {
    fn new(part: Part, report: &'a Report) -> Self {
        let of = |lane| report.lane(lane).filter(|stage| part.stages().contains(&stage.name)).collect();
        let decisive = report.decisive_stage().filter(|stage| part.stages().contains(&stage.name));
        Self { part, report, stages: of(Lane::Series), on_base: of(Lane::Base), decisive }
    }

    fn check(&self, target: &Target) -> CheckRun {
        let (mark, title) = self.outcome();
        let ran = || self.stages.iter().filter(|stage| !matches!(stage.result, StageResult::Skipped { .. }));
        let began = ran().map(|stage| stage.started).min();
        let ended = ran().map(|stage| stage.ended).max().unwrap_or(self.report.ended);
        let mut check =
            target.check(self.part, over(mark), &title, self.summary(mark)).at(began, Some(ended));
        if self.decisive.is_some() {
            check.annotations = annotations(self.report);
        }
        check
    }

    fn outcome(&self) -> (Mark, String) {
        let failed = |stage: &&&Stage| stage.result.failure().is_some();
        if let Some(stage) = self.stages.iter().find(failed) {
            return self.failed(stage);
        }
        if let Some(stage) = self.stages.iter().find(|stage| stage.result == StageResult::Interrupted) {
            return (Mark::Cancelled, format!("Stopped from outside: {}", stage.name.in_words()));
        }
        if let Some(stage) = self.decisive {
            return self.failed(stage);
        }
        let skipped = self.stages.iter().find_map(|stage| match &stage.result {
            StageResult::Skipped { reason } => Some(reason.as_str()),
            _ => None,
        });
        match skipped {
            Some(_) if self.report.verdict.ending == Ending::BaseBroken => {
                (Mark::Skipped, "Not run: the base fails without the series".to_owned())
            }
            Some(reason) => (Mark::Skipped, format!("Not run: {}", line(reason, TITLE_MAX))),
            None if self.stages.is_empty() => (Mark::Skipped, "Not run".to_owned()),
            None => (Mark::Success, self.success()),
        }
    }

    /// A stage is held against the series only where the verdict is, too: the base may fail in the same way.
    fn failed(&self, stage: &Stage) -> (Mark, String) {
        let reason = words::stage_reason(&stage.result);
        let by = stage.result.failure().map_or(Fault::Infrastructure, |(fault, _)| fault);
        match (by, self.report.verdict.fault()) {
            (Fault::Series, Some(Fault::Series)) => {
                let mark = if timed_out(stage) { Mark::TimedOut } else { Mark::Failure };
                (mark, format!("{}: {reason}", in_short(stage.name)))
            }
            (Fault::Series, verdict) => (Mark::Neutral, not_theirs(verdict, &reason)),
            (by, _) => (Mark::Neutral, not_theirs(Some(by), &reason)),
        }
    }

    fn success(&self) -> String {
        let seconds =
            |name: StageName| self.stages.iter().find(|stage| stage.name == name).map(|s| s.seconds());
        let took = |before: &str, name, after: &str| match seconds(name) {
            Some(seconds) => format!("{before} in {}{after}", duration(seconds)),
            None => format!("{before}{after}"),
        };
        match self.part {
            Part::HostKernel => took("Built", StageName::BuildHostKernel, ""),
            Part::Boot => took("Booted", StageName::Boot, ", and what runs is what was built"),
            Part::KvmTests => self.tests(),
            Part::Whole | Part::Apply => "Passed".to_owned(),
        }
    }

    fn tests(&self) -> String {
        let tests = self.report.compared_tests();
        let count = |change| tests.iter().filter(|test| test.change == change).count();
        if tests.is_empty() {
            return "A guest with the same kernel ran under KVM".to_owned();
        }
        let mut title = format!("{}: no new failure", counted(tests.len(), "test", "tests"));
        for (count, one, many) in [
            (count(Change::KnownFailure), "fails on the base too", "fail on the base too"),
            (count(Change::Fixed), "is fixed by the series", "are fixed by the series"),
        ] {
            if count > 0 {
                title += &format!(", {count} {}", if count == 1 { one } else { many });
            }
        }
        title
    }

    fn summary(&self, mark: Mark) -> String {
        let report = self.report;
        let mut page = Page::new(SUMMARY_MAX);
        page.text(&format!("{}\n\n", code(&report.series_title(), TITLE_MAX)));
        page.text(&format!("{}\n", self.part.in_words()));
        if mark != Mark::Success && mark != Mark::Skipped {
            let ending = report.verdict.ending;
            page.text(&format!("\n**{}** {}\n", words::blame(ending), words::who_acts(ending)));
        }
        if self.decisive.is_some() {
            report.cause_into(&mut page);
            report.reproduce_into(&mut page);
        }
        for (lane, stages) in [(Lane::Series, &self.stages), (Lane::Base, &self.on_base)] {
            if !stages.is_empty() {
                let title = format!("Stages: {}", words::lane(lane).to_lowercase());
                page.section(&title, |page| stages_into(page, stages.iter().copied()));
            }
        }
        if self.part == Part::KvmTests {
            report.tests_into(&mut page);
        }
        page.finish()
    }
}

/// What it means that a stage failed by the series' fault.
fn in_short(stage: StageName) -> &'static str {
    match stage {
        StageName::BuildHostKernel => words::ending(Ending::DoesNotBuild),
        StageName::Boot => words::ending(Ending::DoesNotBoot),
        StageName::KvmSmoke => words::ending(Ending::FailsTests),
        stage => stage.in_words(),
    }
}

fn timed_out(stage: &Stage) -> bool {
    matches!(stage.result, StageResult::TimedOut { .. })
}

/// Whose fault it is, where it is not the series'.
fn not_theirs(fault: Option<Fault>, reason: &str) -> String {
    let whose = match fault {
        Some(Fault::Base) => "The base's fault",
        Some(Fault::Hardware) => "The hardware's fault",
        Some(Fault::Infrastructure) => "The lab's fault",
        Some(Fault::Series) | None => "Not held against the series",
    };
    format!("{whose}: {reason}")
}
