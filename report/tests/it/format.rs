//! `report.json`: what was written stays readable.

use patchlift_report::{
    Ending, FORMAT, Fault, Lane, ReadError, Report, RollBack, StageName, StageResult, TestStatus, sample,
};

#[test]
fn a_report_survives_being_written_and_read() {
    for ending in sample::ENDINGS {
        let report = sample::report(ending);
        assert_eq!(Report::from_json(&report.to_json().unwrap()).unwrap(), report);
    }
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let newer = format!("{{\"format\": {}, \"anything\": [\"else\"]}}", FORMAT + 1);
    let error = Report::from_json(newer.as_bytes()).unwrap_err();
    assert!(matches!(error, ReadError::Newer { found } if found == FORMAT + 1));
    assert_eq!(error.to_string(), "the report has format 2, this program reads up to 1: upgrade it");
}

#[test]
fn what_is_cut_short_or_no_report_is_an_error() {
    let json = sample::report(Ending::DoesNotBoot).to_json().unwrap();
    let body = json.trim_ascii_end();
    for length in (0..body.len()).step_by(97).chain([body.len() - 1]) {
        assert!(matches!(Report::from_json(&body[..length]), Err(ReadError::Json(_))), "{length} bytes");
    }
    for text in ["", "null", "[]", "{}", "{\"format\": -1}", "<html>", "{\"format\": 1}", "\u{0}"] {
        assert!(matches!(Report::from_json(text.as_bytes()), Err(ReadError::Json(_))), "{text:?}");
    }
}

#[test]
fn unknown_fields_are_left_alone() {
    let mut value = serde_json::to_value(sample::report(Ending::Passed)).unwrap();
    value["added_later"] = "something".into();
    value["stages"][0]["added_later"] = 7.into();
    let report = Report::from_json(&serde_json::to_vec(&value).unwrap()).unwrap();
    assert_eq!(report, sample::report(Ending::Passed));
}

/// Written by hand when the format was made. Never changed: programs in the field wrote reports like it.
#[test]
fn a_stored_report_of_format_1_stays_readable() {
    let report = Report::from_json(include_bytes!("../data/format-1.json")).unwrap();
    assert_eq!(report.verdict.ending, Ending::FailsTests);
    assert_eq!(report.verdict.exit_code(), 12);
    assert_eq!(report.series.patches.len(), 2);
    assert_eq!(report.lane(Lane::Base).count(), 1);
    let results: Vec<_> = report.lane(Lane::Series).map(|stage| (stage.name, stage.result.word())).collect();
    assert_eq!(
        results,
        [
            (StageName::Preflight, "passed"),
            (StageName::FetchSource, "passed"),
            (StageName::BuildHostKernel, "passed"),
            (StageName::InstallHostKernel, "passed"),
            (StageName::Boot, "passed"),
            (StageName::Verify, "interrupted"),
            (StageName::KvmSmoke, "failed"),
            (StageName::RollBack, "timed out"),
        ]
    );
    assert_eq!(
        report.decisive_stage().and_then(|stage| stage.result.failure()),
        Some((Fault::Series, "no output"))
    );
    assert!(matches!(report.lane(Lane::Base).next().unwrap().result, StageResult::Skipped { .. }));
    assert_eq!(
        report.tests.iter().map(|test| test.status).collect::<Vec<_>>(),
        [
            TestStatus::Pass,
            TestStatus::Fail,
            TestStatus::Error,
            TestStatus::Skip,
            TestStatus::Warn,
            TestStatus::Cancel,
            TestStatus::Interrupted,
        ]
    );
    assert!(matches!(report.roll_back, RollBack::Proven { millis: 48210, .. }));
    assert_eq!(report.seconds(), 391.0);
    assert!(report.to_html().contains("Fails tests"));
}
