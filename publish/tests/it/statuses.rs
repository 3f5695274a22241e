//! Commit statuses: each said once.

use patchlift_publish::{Change, CommitStatus, checks, notice_sample};
use patchlift_report::{Ending, sample};

use crate::fake_github::{FakeGitHub, Fault, PERSONAL, repository};

fn statuses(runs: &[patchlift_publish::CheckRun]) -> Vec<CommitStatus> {
    runs.iter().map(CommitStatus::from).collect()
}

#[tokio::test]
async fn contract_a_personal_token_sets_statuses_and_only_new_ones() {
    let github = FakeGitHub::start("").await;
    let client = github.client(PERSONAL);
    let testing = statuses(&checks::of_notice(&notice_sample::testing()));
    let changes = client.set_statuses(&repository(), &testing).await.unwrap();
    assert_eq!(changes, vec![Change::Created; testing.len()]);
    let changes = client.set_statuses(&repository(), &testing).await.unwrap();
    assert_eq!(changes, vec![Change::None; testing.len()]);
    let ended = statuses(&checks::of_notice(&notice_sample::ended(Ending::FailsTests)));
    let changes = client.set_statuses(&repository(), &ended).await.unwrap();
    assert_eq!(changes.iter().filter(|change| **change == Change::Updated).count(), 4);
    let looked = github.methods().iter().filter(|method| *method == "GET").count();
    assert_eq!(looked, 6, "two commits, each looked at once a time");
    github.memory(|memory| {
        let states: Vec<_> = memory.statuses[testing.len()..]
            .iter()
            .map(|status| format!("{}: {}", status["context"].as_str().unwrap(), status["state"]))
            .collect();
        assert_eq!(
            states,
            [
                "patchlift: \"failure\"",
                "patchlift / host-kernel: \"success\"",
                "patchlift / boot: \"success\"",
                "patchlift / kvm-tests: \"failure\"",
            ]
        );
    });
}

#[tokio::test]
async fn contract_a_status_whose_answer_got_lost_is_not_set_twice() {
    let github = FakeGitHub::start("").await;
    let client = github.client(PERSONAL);
    let all = statuses(&checks::of_report(&sample::report(Ending::Passed), None));
    github.memory(|memory| memory.goes_wrong_after(1, "POST ", Fault::After(502)));
    client.set_statuses(&repository(), &all).await.unwrap_err();
    let changes = client.set_statuses(&repository(), &all).await.unwrap();
    assert_eq!(changes.iter().filter(|change| **change == Change::None).count(), 2);
    github.memory(|memory| assert_eq!(memory.statuses.len(), all.len()));
}

#[tokio::test]
async fn every_page_of_statuses_is_read() {
    let github = FakeGitHub::start("").await;
    let client = github.client(PERSONAL);
    let status = statuses(&checks::of_report(&sample::report(Ending::Passed), None)).remove(0);
    client.set_statuses(&repository(), std::slice::from_ref(&status)).await.unwrap();
    github.memory(|memory| {
        for n in 0..120 {
            let mut other = memory.statuses[0].clone();
            other["context"] = format!("other {n}").into();
            memory.statuses.push(other);
        }
    });
    let changes = client.set_statuses(&repository(), &[status]).await.unwrap();
    assert_eq!(changes, [Change::None]);
}

#[tokio::test]
async fn a_personal_token_is_refused_check_runs() {
    let github = FakeGitHub::start("").await;
    let run = checks::of_report(&sample::report(Ending::Passed), None).remove(0);
    let error = github.client(PERSONAL).publish(&repository(), &run).await.unwrap_err();
    assert!(error.to_string().contains("not accessible by personal access token"), "{error}");
}
