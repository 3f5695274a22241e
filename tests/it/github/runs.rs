//! A run from its start to its report.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use patchlift::github::report::ReportError;
use patchlift::github::{Cancelled, GitHub, GitHubError, Settings};
use serde_json::json;

use super::{client, inputs, settings};
use crate::world::github::FakeGitHub;

#[tokio::test]
async fn a_run_is_started_on_the_default_branch_and_known_by_its_number() {
    let github = FakeGitHub::start();
    let client = client(&github);
    // From a task of its own, as the bridge does it.
    let (client, id) = tokio::spawn(async move {
        let id = client.dispatch(&inputs("k-1")).await.unwrap();
        (client, id)
    })
    .await
    .unwrap();
    assert_eq!(id, Some(9001));
    let run = client.run(9001).await.unwrap();
    assert_eq!((run.title.as_str(), run.status.as_str()), ("patchlift k-1", "queued"));
    assert_eq!((run.conclusion.as_deref(), run.attempt, run.is_over()), (None, 1, false));
    assert!(run.url.unwrap().ends_with("/runs/9001"));
    client.dispatch(&inputs("k-2")).await.unwrap();
    let model = github.model();
    assert_eq!(model.run(9001).unwrap().inputs, inputs("k-1"));
    assert_eq!(model.run(9001).unwrap().branch, "trunk");
    let asked = model.requests.iter().filter(|line| *line == "GET /repos/octo/kvm").count();
    assert_eq!(asked, 1, "the default branch is asked for once");
}

#[tokio::test]
async fn a_renamed_default_branch_is_found_again() {
    let github = FakeGitHub::start();
    let client = client(&github);
    client.dispatch(&inputs("k-1")).await.unwrap();
    github.model().default_branch = "main".into();
    let error = client.dispatch(&inputs("k-2")).await.unwrap_err();
    assert!(error.to_string().contains("No ref found"), "{error}");
    client.dispatch(&inputs("k-2")).await.unwrap();
    let fixed = GitHub::new(&Settings { branch: Some("gone".into()), ..settings(&github) }).unwrap();
    assert!(fixed.dispatch(&inputs("k-3")).await.unwrap_err().is_final());
}

#[tokio::test]
async fn contract_05_a_server_that_tells_no_number_is_searched() {
    for refuses in [false, true] {
        let github = FakeGitHub::start();
        github.model().tells_run = false;
        github.model().knows_run_details = !refuses;
        let client = client(&github);
        let asked = Timestamp::now();
        for n in 0..150 {
            github.model().add_run("trunk", inputs(&format!("other-{n}")));
        }
        assert_eq!(client.find_run("k-1", asked).await.unwrap(), None);
        assert_eq!(client.dispatch(&inputs("k-1")).await.unwrap(), None);
        assert_eq!(client.dispatch(&inputs("k-2")).await.unwrap(), None);
        assert_eq!(client.find_run("k-1", asked).await.unwrap().unwrap().id, 9151);
        // On the second page, since newer ones come first.
        assert_eq!(client.find_run("other-3", asked).await.unwrap().unwrap().id, 9004);
        assert_eq!(client.find_run("other", asked).await.unwrap(), None);
        let later = asked + Duration::from_secs(3600);
        assert_eq!(client.find_run("k-1", later).await.unwrap(), None, "it was asked for later");
        assert_eq!(github.model().writes().len(), if refuses { 3 } else { 2 });
    }
}

#[tokio::test]
async fn a_run_is_watched_at_no_cost_while_nothing_changes() {
    let github = FakeGitHub::start();
    let client = client(&github);
    let id = client.dispatch(&inputs("k-1")).await.unwrap().unwrap();
    let queued = client.run(id).await.unwrap();
    assert_eq!(client.run(id).await.unwrap(), queued);
    assert_eq!(github.model().unchanged, 1);
    assert_eq!(client.jobs(id).await.unwrap()[0].runner, None);

    github.run_starts(id);
    assert_eq!(client.run(id).await.unwrap().status, "in_progress");
    let jobs = client.jobs(id).await.unwrap();
    assert_eq!((jobs[0].runner.as_deref(), jobs[0].labels[1].as_str()), (Some("controller"), "p8"));

    github.runner_vanishes(id);
    let over = client.run(id).await.unwrap();
    assert!(over.is_over());
    assert_eq!(over.conclusion.as_deref(), Some("failure"));
    assert_eq!(client.jobs(id).await.unwrap()[0].conclusion.as_deref(), Some("failure"));
    assert_eq!(client.report(id).await.unwrap(), None);
    assert_eq!(github.model().unchanged, 1);
}

#[tokio::test]
async fn contract_12_a_run_is_cancelled_once() {
    let github = FakeGitHub::start();
    let client = client(&github);
    let id = client.dispatch(&inputs("k-1")).await.unwrap().unwrap();
    github.model().cancels = false;
    assert_eq!(client.cancel(id).await.unwrap(), Cancelled::Asked);
    assert!(!client.run(id).await.unwrap().is_over());
    assert_eq!(client.force_cancel(id).await.unwrap(), Cancelled::Asked);
    assert_eq!(client.run(id).await.unwrap().conclusion.as_deref(), Some("cancelled"));
    assert_eq!(client.cancel(id).await.unwrap(), Cancelled::Over);
    assert_eq!(client.force_cancel(id).await.unwrap(), Cancelled::Over);
    assert_eq!(github.model().run(id).unwrap().cancels, 2);
    let error = client.cancel(1).await.unwrap_err();
    assert!(matches!(error, GitHubError::NotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn contract_a_report_is_fetched_from_elsewhere_without_the_token() {
    let github = FakeGitHub::start();
    let client = client(&github);
    let id = client.dispatch(&inputs("k-1")).await.unwrap().unwrap();
    assert_eq!(client.report(id).await.unwrap(), None);
    let report = json!({"format": 1, "stages": []});
    github.run_ends(id, "success", Some(&report));
    let bytes = client.report(id).await.unwrap().unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap(), report);
    // The storage answers 401 to whoever brings a token along.
    assert!(github.model().requests.iter().any(|line| line.starts_with("GET /storage/")));

    github.model().change(id, |run, _| run.expired = true);
    assert_eq!(client.report(id).await.unwrap(), None);
}

#[tokio::test]
async fn a_report_that_is_none_is_not_taken_for_one() {
    let github = FakeGitHub::start();
    let client = client(&github);
    let id = client.dispatch(&inputs("k-1")).await.unwrap().unwrap();
    github.run_ends_with(id, "failure", Some(b"<html>Unicorn</html>".to_vec()));
    let error = client.report(id).await.unwrap_err();
    assert!(matches!(error, GitHubError::Report(ReportError::Zip(_))), "{error:?}");
    github.run_ends_with(id, "failure", Some(vec![0; (32 << 20) + 1]));
    let error = client.report(id).await.unwrap_err();
    assert!(matches!(error, GitHubError::Report(ReportError::TooBig { .. })), "{error:?}");
    assert!(error.is_final());
    let error = client.report(1).await.unwrap_err();
    assert!(matches!(error, GitHubError::NotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn writes_keep_their_distance_and_reads_do_not() {
    let github = FakeGitHub::start();
    let client = client(&github).with_gap(Duration::from_millis(60));
    let begun = Instant::now();
    let id = client.dispatch(&inputs("k-1")).await.unwrap().unwrap();
    let (one, other) = tokio::join!(client.cancel(id), client.cancel(id));
    assert!(begun.elapsed() >= Duration::from_millis(120), "{:?}", begun.elapsed());
    assert_ne!(one.unwrap(), other.unwrap());
    for _ in 0..3 {
        client.run(id).await.unwrap();
    }
    assert_eq!(github.model().writes().len(), 3);
}
