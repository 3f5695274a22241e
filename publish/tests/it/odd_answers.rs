//! Whatever GitHub's description allows an answer to be is read.

use patchlift_publish::{Change, CommitStatus, GitHub, checks};
use patchlift_report::{Ending, sample};
use serde_json::Value;

use crate::contract::allowed_answers;
use crate::fake_github::{FakeGitHub, Fault, TOKEN, app, repository};

fn answer(status: u16, body: &Value) -> Fault {
    Fault::Before(status, vec![], body.to_string().leak())
}

#[tokio::test]
async fn contract_check_runs_are_read_whatever_is_null_or_new_in_them() {
    let run = checks::of_report(&sample::report(Ending::Passed), None).remove(0);
    let list = "/repos/{owner}/{repo}/commits/{ref}/check-runs";
    let github = FakeGitHub::start("").await;
    let client = github.client(TOKEN);
    for (what, body) in allowed_answers("get", list, 200) {
        github.memory(|memory| memory.goes_wrong("GET ", answer(200, &body)));
        let published = client.publish(&repository(), &run).await;
        assert_eq!(published.unwrap_or_else(|error| panic!("{what}: {error:?}")).change, Change::Created);
    }
    let create = "/repos/{owner}/{repo}/check-runs";
    let mut answers = allowed_answers("post", create, 201);
    answers.extend(allowed_answers("patch", &format!("{create}/{{check_run_id}}"), 200));
    for (what, body) in answers {
        github.memory(|memory| {
            memory.check_runs.clear();
            memory.goes_wrong("POST ", answer(201, &body));
        });
        let published = client.publish(&repository(), &run).await;
        assert_eq!(published.unwrap_or_else(|error| panic!("{what}: {error:?}")).id, body["id"], "{what}");
    }
}

#[tokio::test]
async fn contract_statuses_are_read_whatever_is_null_or_new_in_them() {
    let run = checks::of_report(&sample::report(Ending::Passed), None).remove(0);
    let status = CommitStatus::from(&run);
    let github = FakeGitHub::start("").await;
    let client = github.client(TOKEN);
    for (method, path, code) in [
        ("get", "/repos/{owner}/{repo}/commits/{ref}/status", 200),
        ("post", "/repos/{owner}/{repo}/statuses/{sha}", 201),
    ] {
        for (what, body) in allowed_answers(method, path, code) {
            let request = format!("{} ", method.to_uppercase());
            github.memory(|memory| {
                memory.statuses.clear();
                memory.goes_wrong(&request, answer(code, &body));
            });
            let set = client.set_statuses(&repository(), std::slice::from_ref(&status)).await;
            assert_eq!(set.unwrap_or_else(|error| panic!("{what}: {error:?}")), [Change::Created]);
        }
    }
}

#[tokio::test]
async fn contract_installations_and_tokens_are_read_whatever_is_null_or_new_in_them() {
    let run = checks::of_report(&sample::report(Ending::Passed), None).remove(0);
    // Each takes a signature, and that takes a while: only the outermost fields.
    let outermost = |(what, _): &(String, Value)| what.matches('/').count() < 2;
    let path = "/repos/{owner}/{repo}/installation";
    for (what, body) in allowed_answers("get", path, 200).into_iter().filter(outermost) {
        let github = FakeGitHub::start("").await;
        let mut body = body;
        body["id"] = crate::fake_github::INSTALLATION.into();
        github.memory(|memory| memory.goes_wrong("/installation", answer(200, &body)));
        let published = GitHub::new(github.api(app())).publish(&repository(), &run).await;
        assert_eq!(published.unwrap_or_else(|error| panic!("{what}: {error:?}")).change, Change::Created);
    }
    let path = "/app/installations/{installation_id}/access_tokens";
    for (what, body) in allowed_answers("post", path, 201).into_iter().filter(outermost) {
        // A word where a time should stand is not allowed by what GitHub says in prose.
        if what.contains("expires_at") {
            continue;
        }
        let github = FakeGitHub::start("").await;
        let mut body = body;
        body["token"] = TOKEN.into();
        github.memory(|memory| memory.goes_wrong("/access_tokens", answer(201, &body)));
        let published = GitHub::new(github.api(app())).publish(&repository(), &run).await;
        assert_eq!(published.unwrap_or_else(|error| panic!("{what}: {error:?}")).change, Change::Created);
    }
}
