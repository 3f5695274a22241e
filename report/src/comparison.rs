//! The series' tests beside the base's: what is new, what is not.

use std::collections::HashMap;

use crate::report::{Baseline, Report, TestResult, TestStatus};

/// What a test's result means next to the same test on the unpatched base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// Nothing to tell.
    Same,
    /// It fails, and passes on the base.
    NewFailure,
    /// It fails here and there.
    KnownFailure,
    /// It passes, and fails on the base.
    Fixed,
    /// It has no result here, and passes on the base: no result is not a pass.
    Lost,
    /// The base was tested, but this test has no result there.
    NotOnBase,
    /// The base was not tested.
    BaseUnknown,
}

/// One test, its result here and there.
#[derive(Debug, Clone, Copy)]
pub struct Compared<'a> {
    /// The test's name.
    pub name: &'a str,
    /// Its result with the series; none where only the base has one.
    pub series: Option<&'a TestResult>,
    /// Its result on the base; none where only the series has one.
    pub base: Option<&'a TestResult>,
    /// What that means.
    pub change: Change,
}

impl Report {
    /// Every test of series and base, in the series' order; those that only the base ran come last. Empty where
    /// the run did not get as far as testing: the stages tell that.
    pub fn compared_tests(&self) -> Vec<Compared<'_>> {
        if self.tests.is_empty() {
            return Vec::new();
        }
        compare(&self.tests, self.baseline.as_ref())
    }
}

/// Puts the tests of the series beside those of the base.
pub fn compare<'a>(series: &'a [TestResult], baseline: Option<&'a Baseline>) -> Vec<Compared<'a>> {
    let base_tests = baseline.map_or(&[][..], |baseline| &baseline.tests);
    let mut base: HashMap<&str, &TestResult> =
        base_tests.iter().map(|test| (test.name.as_str(), test)).collect();
    let mut rows: Vec<_> = series
        .iter()
        .map(|test| {
            let there = base.remove(test.name.as_str());
            let change = match (baseline, there) {
                (None, _) => Change::BaseUnknown,
                (Some(_), None) => Change::NotOnBase,
                (Some(_), Some(there)) => change(test.status, there.status),
            };
            Compared { name: &test.name, series: Some(test), base: there, change }
        })
        .collect();
    rows.extend(base_tests.iter().filter(|test| base.contains_key(test.name.as_str())).map(|test| {
        let change = if outcome(test.status) == Outcome::Good { Change::Lost } else { Change::Same };
        Compared { name: &test.name, series: None, base: Some(test), change }
    }));
    rows
}

#[derive(PartialEq, Eq)]
enum Outcome {
    Good,
    Bad,
    None,
}

fn outcome(status: TestStatus) -> Outcome {
    match status {
        TestStatus::Pass | TestStatus::Warn => Outcome::Good,
        TestStatus::Fail | TestStatus::Error | TestStatus::Interrupted => Outcome::Bad,
        TestStatus::Skip | TestStatus::Cancel => Outcome::None,
    }
}

fn change(here: TestStatus, there: TestStatus) -> Change {
    match (outcome(here), outcome(there)) {
        (Outcome::Bad, Outcome::Good) => Change::NewFailure,
        (Outcome::Bad, Outcome::Bad) => Change::KnownFailure,
        (Outcome::Bad, Outcome::None) => Change::NotOnBase,
        (Outcome::Good, Outcome::Bad) => Change::Fixed,
        (Outcome::None, Outcome::Good) => Change::Lost,
        (Outcome::Good | Outcome::None, _) => Change::Same,
    }
}
